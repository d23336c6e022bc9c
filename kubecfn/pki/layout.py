"""Which files a cluster's set has, what each is for, and who may ever read it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, StrEnum

from kubecfn.errors import WrongUseError
from kubecfn.pki import profiles
from kubecfn.pki.profiles import Profile

MANIFEST = "pki.json"
REPLACED = "replaced"
NODE_DIRECTORY = "etc/kubernetes/pki"
# What sets and bundles of earlier versions hold as well, and nothing reads any more: each controller issues the API
# server's certificate for etcd itself. A folder that still has them is as good as one without.
RETIRED = ("apiserver-etcd-client.crt", "apiserver-etcd-client.key")


class Reader(StrEnum):
    """Who may read a file, beside the operator on the machine that made it."""

    CONTROLLERS = "controllers' bundle"
    WORKERS = "workers' bundle"
    LAMBDAS = "Lambdas"


class Kind(Enum):
    """How an item is made and checked."""

    AUTHORITY = "authority"
    CLIENT = "client certificate"
    SERVICE_ACCOUNT = "signing key pair"
    ENCRYPTION = "encryption key"
    KUBECONFIG = "kubeconfig"


@dataclass(frozen=True)
class File:
    """One file of a set.

    Attributes:
        path: below the set's directory and, on a controller, below `NODE_DIRECTORY`.
        purpose: what it is for, as a phrase.
        readers: where it goes; nobody in AWS when empty.
        secret: others than its owner may not even read it.
    """

    path: str
    purpose: str
    readers: tuple[Reader, ...]
    secret: bool


@dataclass(frozen=True)
class Item:
    """Files that are made, and replaced, together.

    Attributes:
        name: how a person names it on the command line.
        kind: how it is made and checked.
        files: in the order certificate, key, others.
        consequence: what its replacement means for a living cluster, as one sentence.
        profile: of its certificate; None for bare keys.
        issuer: the name of the item it is made from, its authority as a rule; it is made anew whenever that is.
    """

    name: str
    kind: Kind
    files: tuple[File, ...]
    consequence: str
    profile: Profile | None = None
    issuer: str | None = None

    @property
    def irreplaceable(self) -> bool:
        """A living cluster trusts or is encrypted by these very bytes: they are never made a second time unasked."""
        return self.kind not in (Kind.CLIENT, Kind.KUBECONFIG)


_CONTROLLERS = (Reader.CONTROLLERS,)
_ALL_NODES = (Reader.CONTROLLERS, Reader.WORKERS)

ITEMS = (
    Item(
        "kubernetes-ca",
        Kind.AUTHORITY,
        (
            File("ca.crt", "whom API clients, kubelets and nodes trust", _ALL_NODES, secret=False),
            File("ca.key", "signs API server, kubelet and admin certificates", _CONTROLLERS, secret=True),
        ),
        "Nodes and kubeconfigs that trust the old authority lose the API until every controller and worker has rolled.",
        profiles.KUBERNETES_AUTHORITY,
    ),
    Item(
        "etcd-ca",
        Kind.AUTHORITY,
        (
            File(
                "etcd/ca.crt",
                "whom etcd members and their clients trust",
                (*_CONTROLLERS, Reader.LAMBDAS),
                secret=False,
            ),
            File("etcd/ca.key", "signs etcd member certificates at boot", _CONTROLLERS, secret=True),
        ),
        "New controllers cannot join members that trust the old authority: a roll of a living cluster will stop.",
        profiles.ETCD_AUTHORITY,
    ),
    Item(
        "front-proxy-ca",
        Kind.AUTHORITY,
        (
            File("front-proxy-ca.crt", "whom aggregated API servers trust", _CONTROLLERS, secret=False),
            File("front-proxy-ca.key", "signs the API server's proxy certificate", _CONTROLLERS, secret=True),
        ),
        "Aggregated APIs (metrics) fail until every controller has rolled.",
        profiles.FRONT_PROXY_AUTHORITY,
    ),
    Item(
        "service-account",
        Kind.SERVICE_ACCOUNT,
        (
            File("sa.key", "signs service-account tokens", _CONTROLLERS, secret=True),
            File("sa.pub", "verifies service-account tokens", _CONTROLLERS, secret=False),
        ),
        "Every service-account token in the cluster becomes invalid; pods must be restarted.",
    ),
    Item(
        "encryption",
        Kind.ENCRYPTION,
        (File("encryption.key", "encrypts Secrets in etcd", _CONTROLLERS, secret=True),),
        "Secrets already stored, and those in backups, can be read with the old key only: keep it.",
    ),
    Item(
        "lambda-etcd-client",
        Kind.CLIENT,
        (
            File("etcd/lambda-client.crt", "the Lambdas show it to etcd", (Reader.LAMBDAS,), secret=False),
            File("etcd/lambda-client.key", "proves that certificate", (Reader.LAMBDAS,), secret=True),
        ),
        "The Lambdas get it with the next apply; nothing is interrupted.",
        profiles.LAMBDA_ETCD_CLIENT,
        "etcd-ca",
    ),
    Item(
        "admin",
        Kind.CLIENT,
        (
            File("admin.crt", "the administrator shows it to the API", (), secret=False),
            File("admin.key", "proves that certificate", (), secret=True),
        ),
        "The old administrator certificate stays valid until it ends; nothing is interrupted.",
        profiles.ADMIN,
        "kubernetes-ca",
    ),
    Item(
        "kubeconfig",
        Kind.KUBECONFIG,
        (File("kubeconfig", "kubectl's access as administrator", (), secret=True),),
        "Contexts and namespaces set in the old one are not taken over; nothing is interrupted.",
        issuer="admin",
    ),
)

BY_NAME = {item.name: item for item in ITEMS}


def with_dependants(names: tuple[str, ...]) -> tuple[Item, ...]:
    """Return the named items and everything made from one of them, in the order in which they are made.

    Raises:
        WrongUseError: a name is not one of ours, or none is given.
    """
    unknown = [name for name in names if name not in BY_NAME]
    if unknown or not names:
        given = f"{unknown[0]!r} is not something that can be replaced." if unknown else "Nothing to replace was named."
        raise WrongUseError(given, remedy=f"Name one or more of: {', '.join(BY_NAME)}.")
    return dependants(names)


def dependants(names: Collection[str]) -> tuple[Item, ...]:
    """Return the items of these names and everything made from one of them, in the order in which they are made."""
    wanted = set(names)
    for item in ITEMS:  # makers stand before what is made from them
        if item.issuer in wanted:
            wanted.add(item.name)
    return tuple(item for item in ITEMS if item.name in wanted)
