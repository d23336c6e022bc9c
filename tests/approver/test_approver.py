"""Kubelets of the cluster get what is theirs within a second, from a real API server; nobody else gets anything."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from approver.approver import Approver
from cryptography import x509

from kubecfn.kubernetes.client import KubernetesError
from tests.approver.conftest import ACCOUNT, CLUSTER, REQUESTS, pem

NOBODY = "i-00000000000000000"


@pytest.fixture
def approver(kubelets, account):
    """The approver of a controller."""
    account.aws.faults.clear()
    yield one(kubelets, account)
    account.aws.faults.clear()
    for request in kubelets.admin.list(REQUESTS):
        kubelets.admin.delete(f"{REQUESTS}/{request['metadata']['name']}")


def one(kubelets, account, client=None):
    """Return an approver."""
    client = client or kubelets.admin
    return Approver(client, account.ec2, account.autoscaling, cluster=CLUSTER, account=ACCOUNT, clock=time)


def test_an_instance_gets_its_first_certificate(approver, kubelets, workers):
    """By its role's session, which has its name, and for its own node."""
    me = workers[0]
    name = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
    assert approver.round().answered.keys() == {name}
    assert kubelets.answer(name) == ("Approved", f"{me.id} asks for itself, and EC2 knows it so")


def test_a_node_renews_its_certificate_while_it_lives(approver, kubelets, workers):
    """By the one that it has."""
    me = workers[0]
    kubelets.registered(me)
    name = kubelets.asks(kubelets.node(me.id), pem(me.common_name))
    approver.round()
    kubelets.gone(me)
    assert kubelets.answer(name)[0] == "Approved"


def test_a_node_serves_under_its_own_names_and_addresses(approver, kubelets, workers):
    """All that EC2 knows it by, or some of it."""
    me = workers[0]
    some = kubelets.serves(me, names=[me.id], addresses=[me.address])
    every = kubelets.serves(me, names=[me.id, me.name], addresses=[me.address])
    approver.round()
    assert {kubelets.answer(name)[0] for name in (some, every)} == {"Approved"}


@pytest.mark.parametrize(
    ("forged", "words"),
    [
        (lambda me, other: {"names": [me.id], "addresses": [other.address]}, "is not {me}'s, as EC2 says"),
        (lambda me, other: {"names": [me.id], "addresses": ["127.0.0.1"]}, "127.0.0.1 is not {me}'s, as EC2 says"),
        (lambda me, other: {"names": [other.id]}, "{other} is not {me}'s, as EC2 says"),
        (lambda me, other: {"names": [me.id, "kubernetes.default.svc"]}, "kubernetes.default.svc is not {me}'s"),
        (lambda me, other: {"names": ["*.ec2.internal"]}, "*.ec2.internal is not {me}'s"),
    ],
    ids=["another's address", "loopback", "another's name", "a service's name", "any name"],
)
def test_a_forged_serving_request_is_denied(approver, kubelets, workers, forged, words):
    """Whoever could serve under another's name or address would be taken for it."""
    me, other = workers
    name = kubelets.serves(me, **forged(me, other))
    approver.round()
    kind, said = kubelets.answer(name)
    assert kind == "Denied"
    assert words.format(me=me.id, other=other.id) in said


def test_a_role_that_was_stolen_gets_nothing_elsewhere(approver, kubelets, workers, account):
    """The session carries the name of the instance that it is used from, or of nothing; none speaks for another."""
    me, other = workers
    for thief in (other.id, NOBODY, account.alone().id):
        name = kubelets.asks(kubelets.session(thief), pem(me.common_name))
        approver.round()
        assert kubelets.answer(name) == ("Denied", f"aws:{ACCOUNT}:instance:{thief} may not ask for {me.id}")


@pytest.mark.parametrize("whose", ["nobody", "no group", "another cluster"])
def test_an_instance_that_is_not_the_clusters_gets_nothing_for_itself(approver, kubelets, account, whose):
    """The role alone is not enough: the cluster's own groups have to have launched it."""
    instance = {
        "nobody": lambda: NOBODY,
        "no group": lambda: account.alone().id,
        "another cluster": lambda: account.group(1, "another")[0].id,
    }[whose]()
    name = kubelets.asks(kubelets.session(instance), pem(f"system:node:{instance}"))
    approver.round()
    kind, said = kubelets.answer(name)
    assert kind == "Denied"
    assert said.startswith(f"{instance} is ")


def test_a_node_that_lives_is_not_registered_again(approver, kubelets, workers):
    """Who comes with its role again is a pod that reached the metadata; its kubelet has what it needs."""
    me = workers[1]
    kubelets.registered(me)
    name = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
    approver.round()
    kubelets.gone(me)
    assert kubelets.answer(name) == (
        "Denied",
        f"the node {me.id} lives and has its certificate: nobody registers it again",
    )


@pytest.mark.parametrize(
    "dead", [{"ready": "False"}, {"ready": "Unknown"}, {"renewed": 41.0}], ids=["not ready", "unknown", "no lease"]
)
def test_a_node_that_died_may_begin_anew(approver, kubelets, workers, dead):
    """The twin: an instance that lost its disk's keys is let in when its node is silent."""
    me = workers[1]
    kubelets.registered(me, **dead)
    name = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
    approver.round()
    kubelets.gone(me)
    assert kubelets.answer(name)[0] == "Approved"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"organizations": ["system:masters"]}, "not a node of system:nodes"),
        ({"extensions": [x509.BasicConstraints(ca=True, path_length=None)]}, "the request cannot be read"),
        ({"others": [x509.UniformResourceIdentifier("spiffe://x")]}, "URI is no name a kubelet has"),
        ({"names": ["a"]}, "a client needs no alternative name"),
    ],
    ids=["another group", "an authority", "a URI", "a name"],
)
def test_whatever_no_kubelet_asks_for_is_denied(approver, kubelets, workers, request_, words):
    """The signer might refuse it as well; nobody has to rely on that."""
    me = workers[0]
    name = kubelets.asks(kubelets.admin, pem(me.common_name, **request_), "kubernetes.io/kube-apiserver-client-kubelet")
    approver.round()
    kind, said = kubelets.answer(name)
    assert kind == "Denied"
    assert words in said


def test_other_signers_requests_are_left_alone(approver, kubelets, workers):
    """People approve those themselves, or by approvers of their own."""
    signers = ["kubernetes.io/kube-apiserver-client", "example.com/own"]
    names = [kubelets.asks(kubelets.admin, pem(workers[0].common_name), signer) for signer in signers]
    found = approver.round()
    assert (found.answered, found.waiting) == ({}, {})
    assert [kubelets.answer(name) for name in names] == [None, None]


@pytest.mark.parametrize("operation", ["DescribeInstances", "DescribeAutoScalingGroups"])
def test_while_ec2_does_not_answer_nobody_is_answered(approver, kubelets, workers, account, capsys, operation):
    """Neither yes nor no; it is said why, once, and the answer comes when EC2's does."""
    me = workers[0]
    account.aws.faults.add(kind="denied", operation=operation, times=1000)
    name = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
    for _ in range(3):
        assert "could not be asked" in approver.round().waiting[name]
    assert kubelets.answer(name) is None
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["decision"], one["request"]) for one in told] == [("waits", name)]
    account.aws.faults.clear()
    assert name in approver.round().answered


def test_what_is_approved_is_issued_as_it_was_asked_for(approver, kubelets, workers, signer):
    """By Kubernetes' own signer, with the very names; and its own approver says nothing to what we denied or left."""
    me, other = workers
    first = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
    serving = kubelets.serves(me, names=[me.id], addresses=[me.address])
    denied = kubelets.serves(me, names=[other.id])
    approver.round()
    late = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
    end = time.monotonic() + 20
    while not all(issued := [kubelets.certificate(name) for name in (first, serving)]):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert [one.subject.rfc4514_string() for one in issued] == [f"CN={me.common_name},O=system:nodes"] * 2
    names = issued[1].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [me.id]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == [me.address]
    assert kubelets.certificate(denied) is None
    assert kubelets.answer(late) is None


def test_each_decision_is_said_with_its_reason(approver, kubelets, workers, capsys):
    """The node's journal is what a person reads who wants to know why a worker does not come."""
    me, other = workers
    good = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
    bad = kubelets.asks(kubelets.session(other.id), pem(me.common_name))
    approver.round()
    approver.round()
    told = {one["request"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    assert told[good]["decision"] == "approved"
    assert told[bad]["decision"] == "denied"
    assert told[bad]["username"] == f"aws:{ACCOUNT}:instance:{other.id}"
    assert f"may not ask for {me.id}" in told[bad]["reason"]


def test_three_controllers_give_one_answer(approver, kubelets, workers, account, capsys):
    """All may run it: the first counts, and the others find it given."""
    me = workers[0]
    approvers = [approver, *(one(kubelets, account, kubelets.server.client(f"c{n}", "system:masters")) for n in "ab")]
    names = [kubelets.asks(kubelets.session(me.id), pem(me.common_name)) for _ in range(4)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(Approver.round, approvers))
        list(pool.map(Approver.round, approvers))
    assert {kubelets.answer(name)[0] for name in names} == {"Approved"}
    assert sorted(name for each in found for name in each.answered) == sorted(names)
    assert capsys.readouterr().out.count('"approved"') == len(names)


def test_what_may_not_be_answered_is_said(kubelets, workers, account, capsys):
    """An approver without the right to approve must not be silent about it."""
    api = "/apis/rbac.authorization.k8s.io/v1"
    view = {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"], "verbs": ["list"]}
    kubelets.admin.create(f"{api}/clusterroles", {"metadata": {"name": "viewer"}, "rules": [view]})
    role = {"kind": "ClusterRole", "name": "viewer", "apiGroup": "rbac.authorization.k8s.io"}
    user = {"kind": "User", "name": "viewer", "apiGroup": "rbac.authorization.k8s.io"}
    kubelets.admin.create(
        f"{api}/clusterrolebindings", {"metadata": {"name": "viewer"}, "roleRef": role, "subjects": [user]}
    )
    name = kubelets.asks(kubelets.node(workers[0].id), pem(workers[0].common_name))
    found = one(kubelets, account, kubelets.client("viewer")).round()
    assert found.waiting[name].startswith("the answer was not taken: ")
    assert "forbidden" in capsys.readouterr().out
    kubelets.admin.delete(f"{REQUESTS}/{name}")


@pytest.fixture(scope="module")
def runs(kubelets, account):
    """The loop of a controller, in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=one(kubelets, account).run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def answered(kubelets, name, within):
    """Wait for an answer; return it."""
    end = time.monotonic() + within
    while not (found := kubelets.answer(name)):
        assert time.monotonic() < end, "no answer in time"
        time.sleep(0.02)
    return found


def test_a_request_is_answered_when_it_comes(runs, kubelets, workers):
    """It is watched for: a worker does not wait until somebody looks again."""
    me = workers[0]
    time.sleep(0.1)
    for _ in range(3):
        name = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
        # A look at everything would take longer; a loaded machine may take more than the second of a real one.
        assert answered(kubelets, name, within=4.0)[0] == "Approved"


def test_the_api_server_may_go_away(runs, kubelets, workers, capsys):
    """That is said, and requests are answered again when it is back."""
    me = workers[0]
    kubelets.server.stop()
    with pytest.raises(KubernetesError):
        kubelets.admin.get("/version")
    time.sleep(0.1)
    kubelets.server.start()
    kubelets.server.ready()
    name = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
    assert answered(kubelets, name, within=8.0)[0] == "Approved"
    assert capsys.readouterr().out.count("no-requests") >= 1


def test_nothing_ends_the_loop(runs, kubelets, workers, monkeypatch, capsys):
    """Not even our own mistakes: they are said, and the next request is answered."""
    me = workers[0]
    with monkeypatch.context() as broken:
        broken.setattr(Approver, "_verdict", lambda *_: 1 // 0)
        name = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
        end = time.monotonic() + 5
        while "ZeroDivisionError" not in capsys.readouterr().out:
            assert time.monotonic() < end
            time.sleep(0.02)
    assert answered(kubelets, name, within=5.0)[0] == "Approved"


def test_what_waits_is_looked_at_again_soon(runs, kubelets, account):
    """EC2's silence ends without an event from the API server."""
    (me,) = account.group(1)
    fault = account.aws.faults.add(kind="denied", operation="DescribeInstances", times=1000)
    name = kubelets.asks(kubelets.session(me.id), pem(me.common_name))
    end = time.monotonic() + 5
    while not fault.struck:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert kubelets.answer(name) is None
    account.aws.faults.clear()
    assert answered(kubelets, name, within=8.0)[0] == "Approved"
