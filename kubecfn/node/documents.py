"""What each role's bundle says about Kubernetes, file by file."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kubecfn.node import access, control_plane, facts, joining, kubelet, runtime
from kubecfn.node.facts import Cluster
from kubecfn.node.here import CREDENTIAL_PROVIDERS, SHARE

AUTHORITY = f"{facts.PKI}/ca.crt"
ENCRYPTION_KEY = f"{facts.PKI}/encryption.key"
_PUBLIC, _SECRET = 0o644, 0o600


class Manifest(Protocol):
    """Objects that are applied together."""

    @property
    def name(self) -> str:
        """What they are."""

    @property
    def objects(self) -> Sequence[Mapping[str, Any]]:
        """As they are applied."""


@dataclass(frozen=True)
class Document:
    """A file on a node."""

    data: bytes
    mode: int = _PUBLIC


def controller_documents(
    cluster: Cluster, authority: bytes, encryption_key: bytes, manifests: Iterable[Manifest], roles: Sequence[str]
) -> dict[str, Document]:
    """Return a controller's documents by absolute path.

    Args:
        cluster: whose.
        authority: certificate of the Kubernetes authority, PEM.
        encryption_key: as ``encryption.key`` holds it: base64 and a newline.
        manifests: what is applied to the whole cluster, in this order.
        roles: names of the roles by which people come.
    """
    told = {
        f"{SHARE}/kubeadm/cluster.json": control_plane.cluster_configuration(cluster),
        f"{SHARE}/kubeadm/init.json": control_plane.init_configuration(cluster),
        f"{SHARE}/kubeadm/kubelet.json": kubelet.kubelet_configuration(cluster),
        f"{SHARE}/authenticator.json": access.authenticator_configuration(cluster, roles),
        f"{facts.AUDIT}/policy.json": access.audit_policy(),
        f"{facts.AUTHENTICATION}/config.json": access.authentication_configuration(),
        f"{facts.AUTHENTICATOR}/kubeconfig.json": access.authenticator_kubeconfig(authority),
        **_of_every_node(cluster),
    }
    files = {path: _json(document) for path, document in told.items()}
    key = base64.b64decode(encryption_key)
    files[f"{facts.ENCRYPTION}/config.json"] = _json(access.encryption_configuration(key), _SECRET)
    for number, manifest in enumerate(manifests):
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifest.objects)}
        files[f"{SHARE}/manifests/{number:02}-{manifest.name}.json"] = _json(listed)
    return files | _runtime(cluster)


def worker_documents(cluster: Cluster, authority: bytes) -> dict[str, Document]:
    """Return a worker's documents by absolute path; nothing in them is secret."""
    told = {
        f"{SHARE}/kubeadm/join.json": joining.join_configuration(cluster),
        facts.DISCOVERY: joining.discovery(cluster, authority),
        **_of_every_node(cluster),
    }
    return {path: _json(document) for path, document in told.items()} | _runtime(cluster)


def _of_every_node(cluster: Cluster) -> dict[str, dict[str, Any]]:
    return {CREDENTIAL_PROVIDERS: kubelet.credential_providers(cluster)}


def _runtime(cluster: Cluster) -> dict[str, Document]:
    text = runtime.containerd_configuration(cluster)
    return {"/etc/containerd/config.toml": Document(text.encode())}


def _json(document: Mapping[str, Any], mode: int = _PUBLIC) -> Document:
    return Document(json.dumps(document, indent=2, sort_keys=True).encode() + b"\n", mode)
