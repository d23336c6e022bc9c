"""Nodes, kube-system, requests and classes, on a real API server: each check, and what it must not let pass."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kubecfn.smoke import system
from kubecfn.smoke.nodes import STATIC, controllers, workers
from tests.smoke.machines import (
    CONFIG,
    CONTROLLER,
    LABELS,
    VERSION,
    WORKER,
    ZONE,
    deployment,
    node,
    pod,
    storage_class,
    subject,
)

OTHER = "i-0dead00000000dead"


def static(client, **about):
    """Make the control plane's pods of the one controller."""
    for program in STATIC:
        pod(client, f"{program}-{CONTROLLER}", **(about if program == "kube-scheduler" else {}))


@pytest.fixture
def look(client, tmp_path):
    """Return a check's problems and words."""

    def look(check, **known):
        found = check(subject(client, tmp_path, **known))
        return list(found.problems), found.words

    return look


def test_a_control_plane_that_is_as_it_should_be(client, look):
    """One node for each controller in service, Ready, of the configured release, with its static pods."""
    node(client, CONTROLLER)
    static(client)

    assert look(controllers) == ([], f"1 nodes Ready on {VERSION}, their control plane is running")


@pytest.mark.parametrize(
    ("about", "pods", "problem"),
    [
        ({"ready": "Unknown"}, {}, f"{CONTROLLER}: it is not Ready: kubelet stopped posting"),
        ({"version": "v1.35.4"}, {}, f"{CONTROLLER} runs kubelet v1.35.4, {VERSION} is configured"),
        (
            {"labels": {**LABELS[CONTROLLER], "topology.kubernetes.io/zone": "x"}},
            {},
            f"{CONTROLLER} is in {ZONE}, and its label says x",
        ),
        ({}, {"ready": False}, f"kube-scheduler of {CONTROLLER}: it is Running and not Ready"),
        (
            {},
            {"ready": False, "waiting": "CrashLoopBackOff"},
            f"kube-scheduler of {CONTROLLER}: CrashLoopBackOff: back-off",
        ),
    ],
)
def test_what_is_wrong_with_a_controller_is_said(client, look, about, pods, problem):
    """Each by itself, with the node's name."""
    node(client, CONTROLLER, **about)
    static(client, **pods)

    assert look(controllers) == ([problem], problem)


def test_instances_and_nodes_are_the_same(client, look):
    """An instance without a node, a node without an instance, a missing pod, a group that is short: each is a problem."""
    node(client, OTHER, labels=LABELS[CONTROLLER])

    problems, _ = look(controllers, in_service={"Controllers": {}})

    assert problems == [
        "0 of 1 controllers are in service",
        f"{OTHER} is a node and no instance in service",
        *(f"{program} of {OTHER} is not there" for program in STATIC),
    ]
    assert f"{CONTROLLER} is in service and is no node" in look(controllers)[0]


def test_an_api_server_of_another_release_is_said(client, look):
    """The one behind the load balancer may be older than the nodes say."""
    node(client, CONTROLLER, version="v1.35.4")
    static(client)

    problems, _ = look(controllers, config=CONFIG.replace("1.36.3", "1.35.4"))

    assert problems == [f"the API server is {VERSION}, v1.35.4 is configured"]


def test_workers_that_are_as_they_should_be(client, look):
    """Every instance of every pool is a Ready node with the pool's labels in its own zone."""
    node(client, CONTROLLER)
    node(client, WORKER)

    assert look(workers) == ([], f"1 nodes Ready on {VERSION} in 1 pool")


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({"labels": {**LABELS[WORKER], "team": "x"}}, f"{WORKER} of pool general has team=x, not shop"),
        (
            {"labels": {k: v for k, v in LABELS[WORKER].items() if k != "kubecfn.io/pool"}},
            f"{WORKER} of pool general has kubecfn.io/pool=nothing, not general",
        ),
        ({"ready": "False"}, f"{WORKER}: it is not Ready: kubelet stopped posting"),
        ({"cordoned": True}, f"{WORKER} takes no new pods (it is cordoned)"),
    ],
)
def test_what_is_wrong_with_a_worker_is_said(client, look, about, problem):
    """Each by itself, with the pool's name where it matters."""
    node(client, WORKER, **about)

    assert look(workers)[0] == [problem]


def test_a_pool_that_is_short_is_said(client, look):
    """Fewer in service than the pool's least; and a group of another pool with a longer name is not counted."""
    problems, _ = look(workers, in_service={"PoolGeneral2": {WORKER: ZONE}, "PoolGenerally": {WORKER: ZONE}})

    assert problems == ["pool general has 0 of at least 1 workers in service"]


@pytest.mark.parametrize(
    ("ready", "problems"),
    [
        (2, []),
        (1, ["coredns has 1 of 2 pods ready"]),
        (None, ["coredns: what is wanted of it has not been looked at"]),
    ],
)
def test_workloads_have_as_many_pods_as_they_want(client, look, ready, problems):
    """A Deployment that nobody has looked at is not well, whatever its numbers say."""
    deployment(client, ready)

    assert look(system.pods)[0] == problems


def test_a_system_pod_that_is_not_well_is_said_with_its_node(client, look):
    """And an empty kube-system is a problem, not a success."""
    pod(client, "coredns-1", WORKER, ready=False, waiting="ImagePullBackOff")

    assert look(system.pods)[0] == [
        f"coredns-1 on {WORKER}: ImagePullBackOff: back-off",
        "kube-system has no Deployment and no DaemonSet at all",
    ]


def request(client, name):
    """Ask for a kubelet's serving certificate as the administrator; return the path."""
    subject_name = [(NameOID.COMMON_NAME, f"system:node:{name}"), (NameOID.ORGANIZATION_NAME, "system:nodes")]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oid, value) for oid, value in subject_name])
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM)
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    usages = ["digital signature", "server auth"]
    spec = {"request": base64.b64encode(made).decode(), "signerName": "kubernetes.io/kubelet-serving", "usages": usages}
    client.create(path, {"metadata": {"name": name}, "spec": spec})
    return f"{path}/{name}"


def verdict(client, path, word):
    """Approve or deny a request."""
    condition = {"type": word, "status": "True", "reason": "x", "message": "another's address"}
    client.patch(f"{path}/approval", {"status": {"conditions": [condition]}})


def test_requests_that_nobody_answers_are_a_problem_after_two_minutes(client, tmp_path):
    """A young one is none yet; a denied one is at once; one that is approved and not signed is one, too."""
    request(client, "i-0waits")
    young = subject(client, tmp_path)
    old = subject(client, tmp_path)
    old.now += timedelta(minutes=3)

    assert system.requests(young).problems == ()
    [waits] = system.requests(old).problems
    assert waits.startswith("kubernetes-admin has waited for 18")
    assert waits.endswith("not approved")

    verdict(client, request(client, "i-0denied"), "Denied")
    verdict(client, request(client, "i-0slow"), "Approved")

    assert system.requests(young).problems == ("kubernetes-admin: denied (another's address)",)
    assert any(one.endswith("approved, and not signed") for one in system.requests(old).problems)


def test_there_is_one_default_class(client, look):
    """None, or one that is not the default, leaves claims waiting; of two, one is a surprise."""
    none = look(system.storage)[0]
    storage_class(client, "slow", default=False)
    other = look(system.storage)[0]
    storage_class(client, "gp3", default=True)
    one = look(system.storage)
    storage_class(client, "gp2", default=True)

    assert none == other == ["there is no default storage class: claims without a class wait for ever"]
    assert one == ([], "gp3 is the default class")
    assert look(system.storage)[0] == ["several classes are the default: gp2, gp3"]


def test_without_the_driver_no_class_is_wanted(client, look):
    """Whoever takes the driver out of the configuration brings volumes in another way, or none."""
    assert look(system.storage, config=CONFIG + "addons: {ebs_csi: false}\n")[0] == []
