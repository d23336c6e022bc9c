"""What may stand between us and an answer: silence, half answers, answers of something that is not etcd."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from real_etcd import Trust
from tls_servers import answer, chunks, serving, trickle

from kubecfn.etcd import gateway
from kubecfn.etcd.client import Client, EtcdError
from kubecfn.pki import issue_server_leaf

HEADER = {"header": {"cluster_id": "17", "member_id": "18", "revision": "5", "raft_term": "2"}}
GOOD = json.dumps(HEADER).encode()


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    """An authority for servers and clients of this file."""
    return Trust(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def pair(trust):
    """What the servers show."""
    return trust.member("127.0.0.1")


@pytest.fixture(scope="module")
def context(trust):
    """What the clients of this file use."""
    return trust.context()


@pytest.fixture
def ask(trust, pair, context):
    """Run one call against a server that behaves so."""

    def run(behave, call=lambda client: client.put(b"key", b"value"), timeout=2.0):
        with serving(pair, trust.ca, behave) as port:
            return call(Client("127.0.0.1", context, port=port, timeout=timeout))

    return run


def failure(ask, behave, call=lambda client: client.put(b"key", b"value"), timeout=2.0):
    with pytest.raises(EtcdError) as failed:
        ask(behave, call, timeout)
    return failed.value


def test_a_whole_answer_is_understood(ask):
    """The twin of all that fails below."""
    assert ask(answer(GOOD)) == 5


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (lambda _: None, "broke off answering kv/put"),
        (answer(b""), "not as etcd does"),
        (answer(GOOD[:-9]), "not as etcd does"),
        (answer(GOOD, length=len(GOOD) + 1), "broke off answering kv/put: .*1 more expected"),
        (answer(b"<html>busy</html>"), "not as etcd does: HTTP 200 '<html>busy"),
        (answer(b"<html>busy</html>", "502 Bad Gateway"), "not as etcd does: HTTP 502 '<html>busy"),
        (answer(b"[1]"), "not as etcd does"),
        (answer(b"{}"), "not as etcd does: {}"),
        (answer(b'{"header": 7}'), "not as etcd does"),
        (answer(b'{"header": {"revision": "many"}}'), "not as etcd does"),
        (answer(b'{"error": "what"}'), "not as etcd does"),
        (answer(GOOD, "500 Internal Server Error"), "not as etcd does: HTTP 500"),
        (answer(b"[" * 200_000), "not as etcd does"),
        (answer(b" " * (16 * 1024 * 1024 + 1)), "more than 16777216 bytes"),
        (lambda connection: connection.sendall(b"SSH-2.0-OpenSSH\r\n"), "broke off answering kv/put: SSH"),
        (lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000), "broke off answering"),
    ],
)
def test_half_an_answer_or_another_programs_leaves_it_open_whether_a_change_was_made(ask, behave, words):
    """What was sent may have been done, whoever answers and however: look before trying again."""
    error = failure(ask, behave)
    assert not error.definite
    with pytest.raises(EtcdError, match=words):
        raise error


@pytest.mark.parametrize("status", ["200 OK", "412 Precondition Failed", "503 No"])
@pytest.mark.parametrize(
    ("code", "message", "definite"),
    [
        (5, "etcdserver: member not found", True),
        (9, "etcdserver: can only promote a learner member which is in sync with leader", True),
        (8, "etcdserver: mvcc: database space exceeded", True),
        (14, "etcdserver: unhealthy cluster", True),
        (14, "etcdserver: request timed out", False),
        (14, "etcdserver: leader changed", False),
        (4, "context deadline exceeded", False),
        (2, "etcdserver: stopped", False),
    ],
)
def test_the_grpc_code_and_message_decide_and_the_http_status_never(ask, status, code, message, definite):
    """Releases disagree about the status; a refusal is certain only when etcd refused before it proposed anything."""
    for body in ({"code": code, "message": message}, {"error": message, "code": code, "message": message}):
        error = failure(ask, answer(json.dumps(body).encode(), status))
        assert (error.code, error.message, error.definite) == (code, message, definite)


@pytest.mark.parametrize(
    ("message", "raised"),
    [
        ("etcdserver: can only promote a learner member", False),
        ("etcdserver: can only promote a learner member which is in sync with leader", True),
        ("etcdserver: unhealthy cluster", True),
    ],
)
def test_to_be_a_voter_already_is_the_only_refusal_that_is_a_success(ask, message, raised):
    """Two refusals begin alike: one means done, the other not yet."""
    refusal = answer(json.dumps({"code": 9, "message": message}).encode(), "400 Bad Request")
    if raised:
        assert failure(ask, refusal, lambda client: client.promote("a")).message == message
    else:
        ask(refusal, lambda client: client.promote("a"))


def test_a_removal_that_meets_another_path_is_not_taken_for_done(ask):
    """Code 5 is also what a gateway says that does not know the path: the words have to name the member."""
    missing = answer(b'{"code": 5, "message": "Not Found"}', "404 Not Found")
    assert failure(ask, missing, lambda client: client.remove("a")).code == 5


@pytest.mark.parametrize(
    "behave",
    [lambda _: time.sleep(0.5), trickle(GOOD, 0.02), trickle(b" " * 100, 0.02)],
    ids=["silent", "slow", "slow and nothing"],
)
def test_the_deadline_is_for_the_whole_call(ask, behave):
    """A server that gives a byte in time each time gets no more of it than one that is silent."""
    began = time.monotonic()
    error = failure(ask, behave, timeout=0.3)
    assert (error.code, error.definite) == (4, False)
    assert "within 0.3 s" in error.message
    assert time.monotonic() - began < 4  # the server's own end included


def test_a_call_ends_with_its_deadline_and_not_with_the_server(trust, pair, context):
    """The caller is not kept by a server that goes on."""
    with serving(pair, trust.ca, lambda _: time.sleep(0.8)) as port:
        began = time.monotonic()
        with pytest.raises(EtcdError):
            Client("127.0.0.1", context, port=port, timeout=0.2).status()
        assert time.monotonic() - began < 0.6


def test_who_takes_no_connection_is_not_waited_for_as_long_as_an_answer(context, monkeypatch):
    """A host that is gone says nothing at all: whoever looks at all members must not wait for it each time."""
    monkeypatch.setattr(gateway, "CONNECTING", 0.2)
    with socket.socket() as full, ExitStack() as others:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # Linux drops further questions for a connection then
        for _ in range(2):
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        with pytest.raises(EtcdError, match=r"cannot be reached: no connection within 0.2 s") as caught:
            Client("127.0.0.1", context, full.getsockname()[1], timeout=60.0).status()

    assert caught.value.definite


def test_an_expired_certificate_is_called_expired(trust, context, tmp_path):
    """What a person needs to know about a member's certificate is said: it has expired, or is another address's."""
    old = Trust(tmp_path)
    old.authority, old.now = trust.authority, datetime.now(UTC) - timedelta(days=366)
    for pair, why in ((old.member("127.0.0.1"), "certificate has expired"), (elsewhere(trust), "not valid for")):
        with (
            serving(pair, trust.ca, answer(GOOD)) as port,
            pytest.raises(
                EtcdError, match=f"127.0.0.1:{port} shows a certificate that is not trusted: .*{why}"
            ) as error,
        ):
            Client("127.0.0.1", context, port=port).put(b"key", b"")
        assert (error.value.code, error.value.definite) == (14, True)


def elsewhere(trust):
    return trust._laid("elsewhere", issue_server_leaf(trust.authority, ("127.0.0.9",), now=trust.now))


def pieces(content, *, damaged=False, without=0, checksum=True):
    """A snapshot as the gateway sends it, in three lines."""
    trailer = hashlib.sha256(content).digest() if checksum else b""
    data = content + trailer
    data = (b"x" + data[1:] if damaged else data)[: len(data) - without]
    thirds = [data[:700], data[700:1500], data[1500:]]
    return [json.dumps({"result": {"blob": base64.b64encode(one).decode()}}).encode() + b"\n" for one in thirds]


CONTENT = bytes(range(256)) * 8
LINES = pieces(CONTENT)
TROUBLE = b'{"error": {"grpc_code": 14, "http_code": 503, "message": "etcdserver: no leader"}}\n'


def snapshot(target):
    return lambda client: client.snapshot(target, timeout=2)


def test_a_snapshot_in_pieces_is_put_together(ask, tmp_path):
    """The twin of the damaged ones below; lines may be cut anywhere by what carries them."""
    target = tmp_path / "whole.db"
    joined = b"".join(LINES)
    assert ask(chunks(joined[:10], joined[10:1000], joined[1000:]), snapshot(target)) == len(CONTENT) + 32
    assert target.read_bytes()[:-32] == CONTENT


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (chunks(*LINES[:2]), "cut off or damaged"),
        (chunks(*LINES[:2], whole=False), "cut off or damaged|broke off"),
        (chunks(*LINES[:2], LINES[2][:-20], whole=False), "not as etcd does|broke off"),
        (chunks(*pieces(CONTENT, damaged=True)), "cut off or damaged"),
        (chunks(*pieces(CONTENT, without=32)), "cut off or damaged"),
        (chunks(*pieces(CONTENT, without=1)), "cut off or damaged"),
        (chunks(*pieces(CONTENT[:-1])), "cut off or damaged"),
        (chunks(), "cut off or damaged"),
        (chunks(LINES[0], TROUBLE), "no leader"),
        (chunks(LINES[0], TROUBLE.replace(b"grpc_code", b"code")), "no leader"),
        (chunks(LINES[0], b'{"result": 5}\n'), "not as etcd does"),
        (chunks(b'{"result": {"blob": "???"}}\n'), "not base64"),
        (chunks(b'{"result": {"blob": "' + b"A" * 1_100_000 + b'"}}\n'), "not as etcd does"),
    ],
)
def test_a_snapshot_that_is_not_whole_is_not_there(ask, tmp_path, behave, words):
    """Cut, damaged or refused in the middle: no file is left, and an earlier one stays as it was."""
    target = tmp_path / "snapshot.db"
    target.write_bytes(b"earlier")
    with pytest.raises(EtcdError, match=words):
        raise failure(ask, behave, snapshot(target))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("snapshot.db", b"earlier")]


def test_a_snapshot_that_does_not_end_ends_with_its_deadline(ask, tmp_path):
    """A stream has the same deadline as any other call."""

    def forever(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(50):
            connection.sendall(b"%x\r\n%s\r\n" % (len(LINES[0]), LINES[0]))
            time.sleep(0.02)

    error = failure(ask, forever, lambda client: client.snapshot(tmp_path / "endless.db", timeout=0.3))
    assert error.code == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", [ssl.SSLError("alert unknown ca"), None])
def test_who_hangs_up_on_a_request_is_asked_why(said):
    """A refusal of our certificate may lie there to be read when sending fails first; if not, the first failure stands."""

    class HungUp:
        def settimeout(self, _): ...

        def send(self, _):
            raise ssl.SSLEOFError("EOF")

        def recv(self, _):
            if said:
                raise said
            return b""

    with pytest.raises(ssl.SSLError, match="alert unknown ca" if said else "EOF"):
        gateway._Deadline(HungUp(), time.monotonic() + 1).sendall(b"request")
