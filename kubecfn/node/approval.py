"""The rules by which kubelets get certificates. Nothing here reads a clock or the network; plain Python 3.9.

1. Only the two signers of kubelets are ours to answer; whatever else is asked is left alone.
2. A kubelet's name is its instance's id. Who asks is the instance itself, by its role's session, or its kubelet, by the
   certificate that it has; neither asks for another's name.
3. EC2 says what that instance is: it runs, it is in a group of this cluster, and these are its names and addresses.
   What could not be asked of EC2 means wait.
4. An instance asks for its first certificate once: while its node is alive, whoever comes with its role again is not it.
5. A serving certificate has the instance's own names and addresses, some, and nothing else.
6. Nothing but what a kubelet needs may be done with it.

Sources: Kubernetes, "Certificate Signing Requests", section "Kubernetes signers"; kops-controller refuses like rule 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING = "kubernetes.io/kubelet-serving"
NODES = "system:nodes"
_NODE = "system:node:"
# An ECDSA key signs only; an RSA key may encipher, too.
_ALWAYS, _MAY = "digital signature", "key encipherment"
_PURPOSE = {CLIENT: "client auth", SERVING: "server auth"}


class Say(Enum):
    """The answer to a request."""

    APPROVE = "approve"
    DENY = "deny"
    WAIT = "wait"  # look and ask again
    LEAVE = "leave"  # not ours to answer


@dataclass(frozen=True)
class Verdict:
    """The answer and why: the words stand in the request's condition."""

    say: Say
    reason: str


@dataclass(frozen=True)
class Request:
    """A CertificateSigningRequest, with what its PEM block asks for.

    Attributes:
        signer: its signerName.
        username: who sent it, as the API server authenticated them.
        groups: theirs.
        usages: what is to be done with the certificate.
        common_name: of its subject.
        organizations: of its subject.
        names: DNS names.
        addresses: IP addresses.
        others: any other alternative name: e-mail addresses, URIs.
    """

    signer: str
    username: str
    groups: frozenset[str]
    usages: frozenset[str]
    common_name: str
    organizations: tuple[str, ...]
    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Instance:
    """What EC2 and the groups say of an instance.

    Attributes:
        id: its id.
        running: it is, as EC2 says.
        ours: it is in a group of this cluster and was not told to leave.
        names: its DNS names.
        addresses: its addresses.
    """

    id: str
    running: bool
    ours: bool
    names: frozenset[str]
    addresses: frozenset[str]


def wanted(request: Request) -> str:
    """Return the id of the instance that a request is about, empty when its subject names none."""
    name = request.common_name
    return name[len(_NODE) :] if name.startswith(_NODE) else ""


def decide(  # noqa: PLR0911  one rule, one sentence
    request: Request, account: str, instance: Instance | None, *, asked: bool, alive: bool | None
) -> Verdict:
    """Say what becomes of a request.

    Args:
        request: which.
        account: the cluster's AWS account: a session's user name begins with it.
        instance: the one that `wanted` names; None when EC2 knows none.
        asked: whether EC2 and the groups could be asked.
        alive: whether a node of this name is registered and reports that it lives; None when that is not known.
    """
    if request.signer not in _PURPOSE:
        return Verdict(Say.LEAVE, f"{request.signer or 'its signer'} is none of a kubelet's")
    name = wanted(request)
    flaw = _form(request, name) or _sender(request, account, name)
    if flaw:
        return Verdict(Say.DENY, flaw)
    if not asked:
        return Verdict(Say.WAIT, f"EC2 could not be asked about {name}")
    if instance is None or not instance.running:
        return Verdict(Say.DENY, f"{name} is no running instance of this account")
    if not instance.ours:
        return Verdict(Say.DENY, f"{name} is in no group of this cluster, or was told to leave")
    if request.signer == SERVING:
        strange = sorted((request.names - instance.names) | (request.addresses - instance.addresses))
        if strange:
            return Verdict(Say.DENY, f"{strange[0]} is not {name}'s, as EC2 says")
    elif not request.username.startswith(_NODE):
        if alive is None:
            return Verdict(Say.WAIT, f"it is not known whether the node {name} lives")
        if alive:
            return Verdict(Say.DENY, f"the node {name} lives and has its certificate: nobody registers it again")
    return Verdict(Say.APPROVE, f"{name} asks for itself, and EC2 knows it so")


def _form(request: Request, name: str) -> str:
    """Return what is wrong with what is asked for."""
    if not name or request.organizations != (NODES,):
        return f"its subject is {request.common_name!r} of {list(request.organizations)}, not a node of {NODES}"
    if request.others:
        return f"{min(request.others)} is no name a kubelet has"
    wrong = request.usages ^ {_ALWAYS, _PURPOSE[request.signer]}
    if wrong - {_MAY}:
        return f"its usages are {sorted(request.usages)}, not {_ALWAYS} and {_PURPOSE[request.signer]}"
    named = request.names | request.addresses
    if request.signer == CLIENT and named:
        return f"a client needs no alternative name, and it asks for {min(named)}"
    if request.signer == SERVING and not named:
        return "a server needs a name or an address, and it asks for none"
    return ""


def _sender(request: Request, account: str, name: str) -> str:
    """Return why whoever sent it may not ask for this node."""
    if request.username == f"{_NODE}{name}" and NODES in request.groups:
        return ""
    if request.signer == CLIENT and request.username == f"aws:{account}:instance:{name}":
        return ""
    return f"{request.username} may not ask for {name}"
