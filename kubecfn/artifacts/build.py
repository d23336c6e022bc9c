"""What goes into each role's bundle and each function's zip."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from kubecfn.artifacts.archive import Entry, tar_gz, zipped
from kubecfn.artifacts.functions import function_entries
from kubecfn.artifacts.sources import PACKAGE, data_root, tree

Role = Literal["controller", "worker"]
Kind = Literal["controller", "worker", "lambda", "client"]

NODE_LIBRARY = "usr/local/lib/kubecfn/"
NODE_FACTS = "etc/kubecfn/node.json"
# The packages of this one that also run on nodes, and which of their modules; all where none is named.
ON_NODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"etcd": (), "kubernetes": (), "node": ("__init__.py", "here.py", "approval.py")}
)
_ENDINGS = {"lambda": "zip", "client": "json"}
# Where each kind lies below the cluster's name; a bundle lies in its role's folder, which only that role may read.
_FOLDERS = {"lambda": "lambdas", "client": "functions"}


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
        backup_every: seconds between backups of etcd.
    """

    cluster: str
    domain: str
    kubernetes: str
    etcd: str
    backup_every: int


@dataclass(frozen=True)
class Artifact:
    """One archive or document, known by its bytes.

    Attributes:
        kind: ``controller`` or ``worker`` for a role's bundle, ``lambda`` for a function, ``client`` for a certificate.
        name: the role's, the function's or the certificate's.
        data: its bytes.
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
        return f"{self.name}-{self.sha256}.{_ENDINGS.get(self.kind, 'tar.gz')}"

    @property
    def parameter(self) -> str:
        """The stack parameter that holds its hash, e.g. ``EtcdDiscoverySha256``."""
        if self.kind in {"controller", "worker"}:
            return bundle_parameter(self.kind)
        return f"{self.name.title().replace('_', '').replace('-', '')}Sha256"

    def key(self, cluster: str) -> str:
        """Return its S3 key in the artifact bucket."""
        return f"{cluster}/{_FOLDERS.get(self.kind, self.kind)}/{self.file_name}"


def bundle_parameter(role: Role) -> str:
    """Return the stack parameter that holds the hash of a role's bundle."""
    return f"{role.title()}BundleSha256"


def controller_bundle(
    facts: NodeFacts, files: Mapping[str, NodeFile], documents: Mapping[str, NodeFile] = MappingProxyType({})
) -> Artifact:
    """Return what a controller lays on its disk.

    Args:
        facts: written to ``/etc/kubecfn/node.json``.
        files: keys and certificates by path on the node without the leading slash.
        documents: what its programs are told, by absolute path.

    Raises:
        FileError: a file of the package cannot be read.
    """
    return _bundle("controller", facts, files, documents, secret=True)


def worker_bundle(
    facts: NodeFacts, files: Mapping[str, NodeFile], documents: Mapping[str, NodeFile] = MappingProxyType({})
) -> Artifact:
    """Return what a worker lays on its disk: no key, since it joins with its instance identity.

    Args:
        facts: written to ``/etc/kubecfn/node.json``.
        files: public certificates by path on the node without the leading slash.
        documents: what its programs are told, by absolute path.

    Raises:
        ValueError: a file is a key, or private by its mode.
        FileError: a file of the package cannot be read.
    """
    for path, file in {**files, **documents}.items():
        if b"PRIVATE KEY" in file.data or not file.mode & 0o004:
            raise ValueError(f"{path} is private and a worker's bundle is not")
    return _bundle("worker", facts, files, documents, secret=False)


def lambda_zips() -> tuple[Artifact, ...]:
    """Return every function's zip, in order of names.

    Each holds its folder and what that imports of ours, without docstrings and comment lines: the whole source is here,
    and a function starts the sooner the less it loads.

    Raises:
        FileError: a file of the package cannot be read.
    """
    found = sorted(function_entries().items())
    return tuple(_artifact("lambda", name, zipped(entries), secret=False) for name, entries in found)


def etcd_client(authority: bytes, certificate: bytes, key: bytes) -> Artifact:
    """Return what functions show to etcd, and whom they trust: PEM texts under ``ca``, ``cert`` and ``key``.

    Args:
        authority: certificate of the etcd authority.
        certificate: the functions' own.
        key: its private key.
    """
    told = {"ca": authority.decode("ascii"), "cert": certificate.decode("ascii"), "key": key.decode("ascii")}
    return _artifact("client", "etcd-client", json.dumps(told, sort_keys=True).encode(), secret=True)


def _bundle(
    role: Role,
    facts: NodeFacts,
    files: Mapping[str, NodeFile],
    documents: Mapping[str, NodeFile],
    *,
    secret: bool,
) -> Artifact:
    root = data_root("userdata")
    told = {
        "backup_every": facts.backup_every,
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
        *(Entry(path.lstrip("/"), file.mode, file.data) for path, file in documents.items()),
        Entry(NODE_FACTS, 0o644, json.dumps(told, indent=2, sort_keys=True).encode() + b"\n"),
    ]
    return _artifact(role, role, tar_gz(entries), secret=secret)


def _library(below: str) -> list[Entry]:
    """Return the part of this package that also runs on nodes."""
    own = [
        entry
        for part, names in ON_NODES.items()
        for entry in tree(PACKAGE / part, below=f"{below}{part}/")
        if entry.path.endswith(".py") and (not names or entry.path.rsplit("/", 1)[1] in names)
    ]
    return [Entry(f"{below}__init__.py", 0o644, (PACKAGE / "__init__.py").read_bytes()), *own]


def _artifact(kind: Kind, name: str, data: bytes, *, secret: bool) -> Artifact:
    return Artifact(kind, name, data, secret, hashlib.sha256(data).hexdigest())
