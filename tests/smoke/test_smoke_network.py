"""Two pods say whether the network works: on a real API server, with real CoreDNS processes in the pods' place."""

from __future__ import annotations

import json
import time

import pytest

from kubecfn.errors import KubecfnError
from kubecfn.kubernetes.client import KubernetesError
from kubecfn.local.programs import cache
from kubecfn.smoke import dns
from kubecfn.smoke.network import Patience, namespace, network, volume
from tests.smoke.machines import WORKER, Pods, subject

QUICK = Patience(running=10, answering=0.3, bound=0.3, sleep=lambda _: time.sleep(0.02))


@pytest.fixture(autouse=True)
def _built():
    """CoreDNS is built where tests with an API server are."""
    if not [*cache().glob("coredns-*/coredns")]:
        pytest.skip("coredns is not built on this machine: make kubernetes-programs builds it")


@pytest.fixture
def look(client, tmp_path):
    """Return the check's answer, with pods played so; and the namespaces that are left."""

    def look(check=network, patience=QUICK, **pods):
        with Pods(client, tmp_path, **pods) as client.pods:
            found = check(subject(client, tmp_path), patience)
        left = [
            one["metadata"]["name"]
            for one in client.list("/api/v1/namespaces")
            if one["metadata"]["name"].startswith("kubecfn-smoke-") and "deletionTimestamp" not in one["metadata"]
        ]
        assert left == []
        return list(found.problems), found.words

    return look


def test_a_pair_that_finds_each_other_the_service_and_dns(look):
    """Three answers come all the way through the API server's proxy, from one node to the other; nothing is left behind."""
    assert look() == ([], "asked from another node: the other pod, its service and the cluster's DNS answer")
    assert look(nodes=(WORKER,))[1].startswith("asked from the same node: ")


def test_a_service_that_leads_nowhere_is_said(look):
    """The pod itself answers: what does not work is the service's rules on that node."""
    problems, _ = look(service=False)

    [problem] = problems
    assert f"from {WORKER} the service at 10.96." in problem
    assert "does not answer: it failed" in problem


def test_a_dns_that_says_something_else_is_said(look):
    """An answer is not enough: it has to be the service's address."""
    problems, _ = look(resolver=lambda _: "10.0.0.9")

    [problem] = problems
    assert problem.startswith(f"from {WORKER} the cluster's DNS does not answer: it says 10.0.0.9, not 10.96.")


def test_pods_that_nobody_schedules_are_said(look):
    """Nobody puts them anywhere: the first one is named, and the check ends in time."""
    problems, _ = look(nodes=(), patience=Patience(running=0.1, sleep=lambda _: time.sleep(0.02)))

    assert problems == ["the first pod: it is Pending and not Ready"]


def test_a_namespace_goes_whatever_happens_in_it(client):
    """An interrupted check leaves nothing; what could not be deleted is named with the remedy."""
    with pytest.raises(KeyboardInterrupt), namespace(client) as name:
        raise KeyboardInterrupt
    assert "deletionTimestamp" in client.get(f"/api/v1/namespaces/{name}")["metadata"]

    refuse = KubernetesError(0, "Unreachable", "nobody is there")
    deleted = []

    def delete(path):
        deleted.append(path)
        raise refuse

    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(KubecfnError, match="kubectl delete namespace"),
        namespace(client),
    ):
        patch.setattr(client, "delete", delete)
    client.delete(deleted[0])


def test_the_image_is_the_one_that_the_cluster_has(client, tmp_path, look):
    """Its own DNS' image is on the nodes already, and comes from wherever this cluster's images come from."""
    path = "/apis/apps/v1/namespaces/kube-system/deployments"
    containers = [{"name": "coredns", "image": "mirror.example/coredns:v9"}]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    client.create(path, {"metadata": {"name": "coredns"}, "spec": spec})
    seen = []
    create = client.create
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "create", lambda path, body, **query: seen.append(body) or create(path, body, **query))
        look()

    pods = [one for one in seen if "containers" in one.get("spec", {})]
    assert {one["spec"]["containers"][0]["image"] for one in pods} == {"mirror.example/coredns:v9"}
    assert len(pods) == 2


def test_the_pods_are_let_in_where_only_the_strictest_are(client, look):
    """Their namespace enforces the restricted standard on the real admission: they need no right at all."""
    with namespace(client) as name:
        labels = client.get(f"/api/v1/namespaces/{name}")["metadata"]["labels"]
        body = {"containers": [{"name": "c", "image": "x"}], "serviceAccountName": "x"}
        client.create(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "x"}})
        with pytest.raises(KubernetesError, match="violates PodSecurity"):
            client.create(f"/api/v1/namespaces/{name}/pods", {"metadata": {"name": "x"}, "spec": body})

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert look()[0] == []


def test_a_volume_that_nobody_makes_is_said_with_its_last_words(look):
    """Nobody provisions here: the claim stays as it is, and goes with its namespace."""
    problems, _ = look(volume)

    assert problems == ["the claim is Pending"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "no DNS answer"),
        (b"\0" * 12, "it is empty"),
        (b"\0\0\x81\x83\0\0\0\0\0\0\0\0", "there is no such name"),
        (b"\0\0\x81\x82\0\0\0\0\0\0\0\0", "it failed"),
        (b"\0\0\x81\x80\0\1\0\1\0\0\0\0\1", "no DNS answer"),
    ],
)
def test_what_is_no_answer_is_told_as_what_it_is(message, words):
    """Whatever a proxy gives back never ends in a traceback."""
    with pytest.raises(dns.AnswerError, match=words):
        dns.answers(message, dns.A)


def test_an_answer_is_read_past_other_records_and_pointers():
    """CNAMEs come first, names point backwards (RFC 1035, section 4.1.4)."""
    name = b"\1a\2bc\0"
    asked = name + b"\0\1\0\1"
    alias = b"\xc0\x0c\0\5\0\1\0\0\0\x05\0\x02\xc0\x0c"
    address = b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\x04\x0a\x60\0\x0a"
    message = b"\0\0\x81\x80\0\1\0\2\0\0\0\0" + asked + alias + address

    assert dns.answers(message, dns.A) == ["10.96.0.10"]
    assert json.dumps(dns.question("a.bc", dns.A)) == '"AAABAAABAAAAAAAAAWECYmMAAAEAAQ"'
