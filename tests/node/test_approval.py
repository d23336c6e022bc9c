"""A kubelet gets certificates for itself only, and EC2 says who it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubecfn.node.approval import CLIENT, SERVING, Instance, Request, Say, decide

ACCOUNT = "123456789012"
ME, OTHER = "i-0123456789abcdef0", "i-0fedcba9876543210"
BOOT = frozenset({"system:bootstrappers:kubeadm:default-node-token", "system:authenticated"})
NODE = frozenset({"system:nodes", "system:authenticated"})
KNOWN = Instance(
    ME, running=True, ours=True, names=frozenset({ME, f"{ME}.ec2.internal"}), addresses=frozenset({"10.20.0.7"})
)
FIRST = Request(
    CLIENT,
    f"aws:{ACCOUNT}:instance:{ME}",
    BOOT,
    frozenset({"digital signature", "client auth"}),
    f"system:node:{ME}",
    ("system:nodes",),
)
RENEWED = replace(FIRST, username=f"system:node:{ME}", groups=NODE)
SERVES = Request(
    SERVING,
    f"system:node:{ME}",
    NODE,
    frozenset({"digital signature", "server auth"}),
    f"system:node:{ME}",
    ("system:nodes",),
    names=frozenset({ME}),
    addresses=frozenset({"10.20.0.7"}),
)


def said(request, instance=KNOWN, *, asked=True, alive=False):
    """Return the answer."""
    return decide(request, ACCOUNT, instance, asked=asked, alive=alive)


@pytest.mark.parametrize("request_", [FIRST, RENEWED, SERVES], ids=["first", "renewed", "serving"])
def test_a_node_of_the_cluster_gets_its_own(request_):
    """The first by its instance's role, the next by the certificate it has."""
    assert said(request_).say is Say.APPROVE


@pytest.mark.parametrize("request_", [FIRST, RENEWED, SERVES], ids=["first", "renewed", "serving"])
def test_an_rsa_key_may_encipher(request_):
    """Kubelets with RSA keys ask for it."""
    assert said(replace(request_, usages=request_.usages | {"key encipherment"})).say is Say.APPROVE


def test_a_live_node_is_not_registered_again():
    """Whoever comes with the role of a node that lives is a pod that reached the metadata, or a thief."""
    verdict = said(FIRST, alive=True)
    assert verdict.say is Say.DENY
    assert "nobody registers it again" in verdict.reason
    assert said(RENEWED, alive=True).say is Say.APPROVE


@pytest.mark.parametrize(
    ("request_", "about"),
    [
        (FIRST, {"asked": False, "instance": None}),
        (SERVES, {"asked": False, "instance": None}),
        (FIRST, {"alive": None}),
    ],
)
def test_what_could_not_be_asked_means_wait(request_, about):
    """Not to have been told is never a yes, and never a no that stays."""
    assert said(request_, **about).say is Say.WAIT


@pytest.mark.parametrize("request_", [FIRST, RENEWED, SERVES], ids=["first", "renewed", "serving"])
@pytest.mark.parametrize(
    "instance",
    [None, replace(KNOWN, running=False), replace(KNOWN, ours=False)],
    ids=["unknown", "not running", "of another group"],
)
def test_an_instance_that_is_none_of_the_clusters_gets_nothing(request_, instance):
    """A stolen role is of no use on an instance that EC2 does not know as the cluster's."""
    assert said(request_, instance).say is Say.DENY


@pytest.mark.parametrize(
    "username", [f"aws:{ACCOUNT}:instance:{OTHER}", f"aws:999999999999:instance:{ME}", "admin", ""]
)
def test_nobody_asks_for_another(username):
    """The session's name, or the certificate's, is the node's."""
    assert said(replace(FIRST, username=username)).say is Say.DENY


def test_a_nodes_certificate_does_not_ask_for_anothers():
    """A worker that was taken over stays alone."""
    for asks in (RENEWED, SERVES):
        assert said(replace(asks, username=f"system:node:{OTHER}")).say is Say.DENY
        assert said(replace(asks, groups=BOOT)).say is Say.DENY


def test_an_instances_role_alone_gets_no_serving_certificate():
    """It has no kubelet that anybody would ask."""
    assert said(replace(SERVES, username=FIRST.username, groups=BOOT)).say is Say.DENY


@pytest.mark.parametrize(
    "forged",
    [
        {"names": frozenset({ME, "kubernetes.default"})},
        {"addresses": frozenset({"10.20.0.8"})},
        {"addresses": frozenset({"127.0.0.1"})},
        {"others": frozenset({"spiffe://x"})},
        {"names": frozenset(), "addresses": frozenset()},
    ],
    ids=["a name", "an address", "loopback", "a URI", "nothing"],
)
def test_a_serving_certificate_has_the_instances_own_names_alone(forged):
    """With another's address in it a worker could answer in another's place."""
    assert said(replace(SERVES, **forged)).say is Say.DENY


@pytest.mark.parametrize("request_", [FIRST, RENEWED, SERVES], ids=["first", "renewed", "serving"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"organizations": ("system:masters",)},
        {"organizations": ("system:nodes", "system:masters")},
        {"organizations": ()},
        {"common_name": f"system:node:{OTHER}"},
        {"common_name": "admin"},
        {"common_name": "system:node:"},
        {"usages": frozenset({"digital signature"})},
        {"usages": frozenset({"digital signature", "client auth", "server auth"})},
        {"usages": frozenset({"digital signature", "cert sign"})},
        {"others": frozenset({"a@example.com"})},
    ],
)
def test_whatever_is_no_kubelets_is_denied(request_, wrong):
    """Groups and usages are rights: system:masters in a subject would be the cluster."""
    assert said(replace(request_, **wrong)).say is Say.DENY


def test_a_client_has_no_alternative_names():
    """A certificate that serves, too, would be one that nobody checked so."""
    assert said(replace(FIRST, names=frozenset({ME}))).say is Say.DENY


@pytest.mark.parametrize("signer", ["kubernetes.io/kube-apiserver-client", "example.com/own", ""])
def test_other_signers_are_left_alone(signer):
    """People have signers and approvers of their own."""
    assert said(replace(FIRST, signer=signer)).say is Say.LEAVE
