"""The client asks a real API server; what no server does of itself is played by one that misbehaves."""

from __future__ import annotations

import http.server
import json
import os
import select
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from kubecfn.kubernetes.client import Client, KubernetesError


def config_map(name, **data):
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def maps(space):
    """Return where a namespace's ConfigMaps are."""
    return f"/api/v1/namespaces/{space}/configmaps"


def test_an_object_is_made_changed_and_deleted(cluster, space):
    """Each verb does what Kubernetes says it does."""
    at = f"{maps(space)}/one"
    cluster.admin.create(maps(space), config_map("one", a="1"))
    assert cluster.admin.patch(at, {"data": {"b": "2"}})["data"] == {"a": "1", "b": "2"}
    changed = cluster.admin.patch(at, [{"op": "remove", "path": "/data/a"}], kind="json")
    assert changed["data"] == {"b": "2"}
    assert cluster.admin.replace(at, {**changed, "data": {"c": "3"}})["data"] == {"c": "3"}
    cluster.admin.delete(at)
    with pytest.raises(KubernetesError) as refused:
        cluster.admin.get(at)
    assert (refused.value.status, refused.value.reason) == (404, "NotFound")
    assert str(refused.value) == 'configmaps "one" not found'


def test_what_was_read_long_ago_is_not_written_over(cluster, space):
    """A version in the object is a condition; two writers never undo each other unseen."""
    old = cluster.admin.create(maps(space), config_map("one", a="1"))
    cluster.admin.patch(f"{maps(space)}/one", {"data": {"a": "2"}})
    with pytest.raises(KubernetesError) as refused:
        cluster.admin.replace(f"{maps(space)}/one", old)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")


def test_a_dry_run_changes_nothing(cluster, space):
    """A query's words reach the server, true and all."""
    cluster.admin.apply(f"{maps(space)}/one", config_map("one"), manager="kubecfn", dryRun="All")
    with pytest.raises(KubernetesError, match="not found"):
        cluster.admin.get(f"{maps(space)}/one")


def test_anothers_field_is_taken_only_by_force(cluster, space):
    """Without force a conflict of owners is told, not decided."""
    at = f"{maps(space)}/one"
    cluster.admin.apply(at, config_map("one", a="1"), manager="somebody")
    with pytest.raises(KubernetesError) as refused:
        cluster.admin.apply(at, config_map("one", a="2"), manager="kubecfn", force=False)
    assert refused.value.status == 409
    assert cluster.admin.apply(at, config_map("one", a="2"), manager="kubecfn")["data"] == {"a": "2"}


def test_a_list_is_read_page_by_page(cluster, space):
    """However long it is, each object comes once and tells its kind."""
    for number in range(5):
        cluster.admin.create(maps(space), config_map(f"map-{number}"))
    found = list(cluster.admin.list(maps(space), limit=2))
    names = [one["metadata"]["name"] for one in found]
    assert [name for name in names if name != "kube-root-ca.crt"] == [f"map-{number}" for number in range(5)]
    assert {(one["apiVersion"], one["kind"]) for one in found} == {("v1", "ConfigMap")}


def test_a_watch_tells_what_happens_and_ends_in_time(cluster, space):
    """Events come as they happen, and it ends after its seconds though nothing else would end it."""
    version = cluster.admin.get(maps(space))["metadata"]["resourceVersion"]
    thread = threading.Timer(0.1, lambda: (cluster.admin.create(maps(space), config_map("new")), cluster.admin.close()))
    thread.start()
    began = time.monotonic()
    watched = cluster.admin.watch(maps(space), seconds=1, resourceVersion=version, fieldSelector="metadata.name=new")
    told = [(event["type"], event["object"]["metadata"].get("name")) for event in watched]
    assert ("ADDED", "new") in told
    assert 0.9 < time.monotonic() - began < 8
    thread.join()


def test_a_watch_that_is_refused_says_so(cluster, space):
    """To see nothing is not to be told that nothing happens."""
    with pytest.raises(KubernetesError) as refused:
        list(cluster.client("nobody").watch(maps(space), seconds=2))
    assert (refused.value.status, refused.value.reason) == (403, "Forbidden")


def test_rights_are_those_of_the_certificate(cluster, space):
    """Who shows another certificate is somebody else, and RBAC counts."""
    with pytest.raises(KubernetesError) as refused:
        cluster.client("nobody").get(maps(space))
    assert refused.value.reason == "Forbidden"
    assert 'User "nobody" cannot list' in refused.value.message


def test_a_token_stands_in_no_error(cluster, space):
    """Errors are printed and signalled; a bearer token is a key."""
    context = ssl.create_default_context(cafile=str(cluster.ca))
    client = Client(cluster.server, context, token=lambda: "very-secret-token")
    with pytest.raises(KubernetesError) as refused:
        client.get(maps(space))
    assert (refused.value.status, refused.value.reason) == (401, "Unauthorized")
    assert "very-secret" not in f"{refused.value!r}{vars(refused.value)}"
    client.close()


def test_a_server_of_another_authority_is_not_believed(cluster):
    """The twin of every test here: with the wrong authority nothing is asked."""
    client = Client(cluster.server, ssl.create_default_context())
    assert not client.ready()
    with pytest.raises(KubernetesError, match="certificate is not trusted") as refused:
        client.get("/version")
    assert (refused.value.status, refused.value.reason) == (0, "Unreachable")


def test_a_thread_keeps_its_connection(cluster):
    """A handshake costs more than an answer."""
    made = []
    shown = cluster.context("kubernetes-admin", "system:masters")
    client = Client(cluster.server, lambda: made.append(1) or shown)
    for _ in range(3):
        client.get("/version")
    thread = threading.Thread(target=client.get, args=("/version",))
    thread.start()
    thread.join()
    assert len(made) == 2
    client.close()


def test_a_server_that_is_away_is_told_by_its_address(cluster):
    """Nothing was sent, so whoever asked may ask again."""
    with socket.create_server((cluster.address, 0)) as closed:
        port = closed.getsockname()[1]
    client = Client(f"https://{cluster.address}:{port}", ssl.create_default_context())
    assert not client.ready()
    with pytest.raises(
        KubernetesError, match=rf"{cluster.address}:{port} cannot be reached: Connection refused"
    ) as away:
        client.get("/version")
    assert (away.value.status, away.value.reason) == (0, "Unreachable")


def test_a_renewed_certificate_counts_from_the_next_connection(cluster, tmp_path):
    """Nobody restarts an agent once a year; the file is read again when it has changed, and only then."""
    path = cluster.kubeconfig(tmp_path / "a.conf", "first", "system:masters")
    client = Client.from_kubeconfig(path)
    review = ("/apis/authentication.k8s.io/v1/selfsubjectreviews", {"kind": "SelfSubjectReview"})

    def who():
        return client.create(*review)["status"]["userInfo"]["username"]

    assert who() == "first"
    cluster.kubeconfig(path, "second", "system:masters")
    os.utime(path, (time.time() + 1, time.time() + 1))
    assert who() == "first"
    client.close()
    assert who() == "second"
    client.close()


@dataclass(frozen=True)
class Says:
    """An answer; `more`: bytes that are promised and do not come; `ends`: the connection is closed after it, unannounced."""

    body: bytes
    status: int = 200
    more: int = 0
    ends: bool = False


@contextmanager
def misbehaving(cluster, *answers):
    """Serve over TLS, a request each answer; None hangs up instead. Yields a client and what was asked."""
    asked, left = [], list(answers)

    class Answering(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.client_address))
            said = left.pop(0)
            self.close_connection = said is None or said.ends
            if said is None:
                return
            self.send_response(said.status)
            self.send_header("Content-Length", str(len(said.body) + said.more))
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, *_):
            pass

    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(cluster.folder / "server.crt", cluster.folder / "server.key")
    server = http.server.ThreadingHTTPServer((cluster.address, 0), Answering)
    server.daemon_threads = True
    server.socket = shown.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    trusts = ssl.create_default_context(cafile=str(cluster.ca))
    client = Client(f"https://{cluster.address}:{server.server_address[1]}", trusts, timeout=2)
    try:
        yield client, asked
    finally:
        client.close()
        server.shutdown()
        server.server_close()
        thread.join()


SAID = Says(json.dumps({"kind": "ConfigMap"}).encode())


@pytest.mark.parametrize(
    ("verb", "twice"),
    [
        (lambda client: client.get("/x"), True),
        (lambda client: client.apply("/x", {}, manager="m"), True),
        (lambda client: client.delete("/x"), True),
        (lambda client: client.create("/x", {}), False),
        (lambda client: client.patch("/x", [], kind="json"), False),
    ],
    ids=["get", "apply", "delete", "create", "json patch"],
)
def test_only_what_may_be_done_twice_is_sent_twice(cluster, verb, twice):
    """A kept connection that breaks is replaced once; to create twice would make two, or an error of a success."""
    with misbehaving(cluster, SAID, None, SAID) as (client, asked):
        client.get("/first")
        if twice:
            assert verb(client) == {"kind": "ConfigMap"}
        else:
            with pytest.raises(KubernetesError) as refused:
                verb(client)
            assert (refused.value.status, refused.value.reason) == (0, "Lost")
        assert len(asked) == (3 if twice else 2)


def test_a_new_connection_that_breaks_is_not_tried_again(cluster):
    """Who hangs up at once would do so again; whoever waits does so where patience is kept."""
    with misbehaving(cluster, None, SAID) as (client, asked):
        with pytest.raises(KubernetesError, match="hung up"):
            client.get("/x")
        assert [verb for verb, _ in asked] == ["GET"]


def test_what_the_other_side_has_closed_is_not_used_again(cluster):
    """Not even for what is sent once only: a server that restarted costs a handshake, not an error."""
    with misbehaving(cluster, replace(SAID, ends=True), SAID) as (client, asked):
        client.get("/first")
        select.select([client._wire._kept.connection.sock], [], [], 2)
        client.create("/x", {})
        assert [verb for verb, _ in asked] == ["GET", "POST"]


def test_a_part_of_an_answer_is_none(cluster):
    """What broke off may look whole, and may lack what was to come."""
    with misbehaving(cluster, replace(SAID, more=9, ends=True)) as (client, _):
        with pytest.raises(KubernetesError) as refused:
            client.create("/x", {})
        assert (refused.value.status, refused.value.reason) == (0, "Lost")


def test_who_is_not_known_connects_anew(cluster):
    """A certificate that has been renewed meanwhile is shown on the next connection only."""
    status = json.dumps({"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized"}).encode()
    with misbehaving(cluster, SAID, Says(status, 401), SAID) as (client, asked):
        client.get("/x")
        with pytest.raises(KubernetesError, match="Unauthorized"):
            client.get("/x")
        client.get("/x")
        first, second, third = (address for _, address in asked)
        assert first == second != third


@pytest.mark.parametrize("nonsense", [b"<html>", b"[1]", b"\xff\xfe", b""])
def test_an_answer_that_is_none_is_told_in_a_sentence(cluster, nonsense):
    """Whatever sits at the address, a person reads what it said, never a traceback."""
    with (
        misbehaving(cluster, Says(nonsense)) as (client, _),
        pytest.raises(KubernetesError, match="not as an API server does"),
    ):
        client.get("/x")


def test_a_watch_from_long_ago_says_so(cluster):
    """410 in the middle of a watch means: list again; what happened since then cannot be told."""
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (2)"}
    told = json.dumps({"type": "ERROR", "object": status}).encode()
    with (
        misbehaving(cluster, Says(told + b"\n")) as (client, _),
        pytest.raises(KubernetesError, match="too old") as refused,
    ):
        list(client.watch("/x", seconds=2, resourceVersion="1"))
    assert (refused.value.status, refused.value.reason) == (410, "Expired")


def test_a_server_that_says_nothing_is_given_up(cluster):
    """An answer has its time as a whole, however the other side spends it."""
    with socket.create_server((cluster.address, 0)) as silent:
        trusts = ssl.create_default_context(cafile=str(cluster.ca))
        client = Client(f"https://{cluster.address}:{silent.getsockname()[1]}", trusts, timeout=0.1)
        with pytest.raises(KubernetesError, match="it took too long"):
            client.get("/x")


@pytest.mark.parametrize("wrong", ["http://127.0.0.1:1", "127.0.0.1:6443", "https://", "https://h:1/path"])
def test_an_address_that_is_none_is_refused(wrong):
    """What is sent holds keys: only https is spoken."""
    with pytest.raises(ValueError, match="no API server's address"):
        Client(wrong, ssl.create_default_context())
