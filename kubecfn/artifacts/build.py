"""What goes into each role's bundle and each function's zip."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from kubecfn.artifacts.archive import Entry, tar_gz, zipped
from kubecfn.artifacts.sources import PACKAGE, data_root, tree

Role = Literal["controller", "worker"]
Kind = Literal["controller", "worker", "lambda"]

# Function -> the folders beside its own that it imports.
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "controller_lifecycle": ("hooks",),
    "etcd_discovery": (),
    "worker_lifecycle": ("hooks",),
}
NODE_LIBRARY = "usr/local/lib/kubecfn/"
NODE_FACTS = "etc/kubecfn/node.json"


class NodeFile(Protocol):
    """A file made elsewhere that a node needs, e.g. a key."""

    @property
    def data(self) -> bytes:
        """Its bytes."""

    @property
    def mode(self) -> int:
        """Its permission bits on the node."""


@dataclass(frozen=True)
class NodeFacts:
    """What every node of a cluster is told, whatever its pool.

    Attributes:
        cluster: the cluster's name.
        domain: of the cluster's own zone, without a trailing dot.
        kubernetes: version, e.g. ``1.36.3``.
        etcd: version, e.g. ``3.6.5``.
    """

    cluster: str
    domain: str
    kubernetes: str
    etcd: str


@dataclass(frozen=True)
class Artifact:
    """One archive, known by its bytes.

    Attributes:
        kind: ``controller`` or ``worker`` for a role's bundle, ``lambda`` for a function.
        name: the role's or the function's.
        data: the archive.
        secret: whether it holds keys.
        sha256: of `data`, in hexadecimal.
    """

    kind: Kind
    name: str
    data: bytes = field(repr=False)
    secret: bool
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in a folder, e.g. ``worker-<sha256>.tar.gz``."""
        return f"{self.name}-{self.sha256}.{'zip' if self.kind == 'lambda' else 'tar.gz'}"

    @property
    def parameter(self) -> str:
        """The stack parameter that holds its hash, e.g. ``EtcdDiscoverySha256``."""
        if self.kind == "lambda":
            return f"{self.name.title().replace('_', '')}Sha256"
        return bundle_parameter(self.kind)

    def key(self, cluster: str) -> str:
        """Return its S3 key in the artifact bucket."""
        folder = "lambdas" if self.kind == "lambda" else self.kind
        return f"{cluster}/{folder}/{self.file_name}"


def bundle_parameter(role: Role) -> str:
    """Return the stack parameter that holds the hash of a role's bundle."""
    return f"{role.title()}BundleSha256"


def controller_bundle(facts: NodeFacts, files: Mapping[str, NodeFile]) -> Artifact:
    """Return what a controller lays on its disk.

    Args:
        facts: written to ``/etc/kubecfn/node.json``.
        files: keys and certificates by path on the node without the leading slash.

    Raises:
        FileError: a file of the package cannot be read.
    """
    return _bundle("controller", facts, files, secret=True)


def worker_bundle(facts: NodeFacts, files: Mapping[str, NodeFile]) -> Artifact:
    """Return what a worker lays on its disk: no key, since it joins with its instance identity.

    Args:
        facts: written to ``/etc/kubecfn/node.json``.
        files: public certificates by path on the node without the leading slash.

    Raises:
        ValueError: a file is a key, or private by its mode.
        FileError: a file of the package cannot be read.
    """
    for path, file in files.items():
        if b"PRIVATE KEY" in file.data or not file.mode & 0o004:
            raise ValueError(f"{path} is private and a worker's bundle is not")
    return _bundle("worker", facts, files, secret=False)


def lambda_zips() -> tuple[Artifact, ...]:
    """Return every function's zip, in order of names. Each holds its folder and `kubecfn.etcd` as they are here.

    Raises:
        FileError: a file of the package cannot be read.
    """
    root = data_root("lambdas")
    shared = _library("kubecfn/")
    made = []
    for name, others in sorted(FUNCTIONS.items()):
        own = [entry for folder in (name, *others) for entry in tree(root / folder, below=f"{folder}/")]
        made.append(_artifact("lambda", name, zipped([*own, *shared]), secret=False))
    return tuple(made)


def _bundle(role: Role, facts: NodeFacts, files: Mapping[str, NodeFile], *, secret: bool) -> Artifact:
    root = data_root("userdata")
    told = {
        "cluster": facts.cluster,
        "domain": facts.domain,
        "etcd": facts.etcd,
        "files": {f"/{path}": f"{file.mode:04o}" for path, file in files.items()},
        "kubernetes": facts.kubernetes,
        "role": role,
    }
    entries = [
        *tree(root / "common"),
        *tree(root / role),
        *_library(f"{NODE_LIBRARY}kubecfn/"),
        *(Entry(path, file.mode, file.data) for path, file in files.items()),
        Entry(NODE_FACTS, 0o644, json.dumps(told, indent=2, sort_keys=True).encode() + b"\n"),
    ]
    return _artifact(role, role, tar_gz(entries), secret=secret)


def _library(below: str) -> list[Entry]:
    """Return the part of this package that also runs on nodes and in functions."""
    own = [entry for entry in tree(PACKAGE / "etcd", below=f"{below}etcd/") if entry.path.endswith(".py")]
    return [Entry(f"{below}__init__.py", 0o644, (PACKAGE / "__init__.py").read_bytes()), *own]


def _artifact(kind: Kind, name: str, data: bytes, *, secret: bool) -> Artifact:
    return Artifact(kind, name, data, secret, hashlib.sha256(data).hexdigest())
