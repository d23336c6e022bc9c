"""Kubernetes' side of an access: the group of whoever comes by its role, bound to a ClusterRole."""

from __future__ import annotations

from collections.abc import Iterator

from kubecfn.addons.manifest import Manifest, Object
from kubecfn.config import Config
from kubecfn.config.contents import Access
from kubecfn.node.access import access_group

_RBAC = "rbac.authorization.k8s.io"


def access_objects(config: Config) -> tuple[Manifest, ...]:
    """Return the bindings of every access as one manifest; none when the configuration has no access."""
    bindings = tuple(binding for access in config.access for binding in _bindings(access))
    return (Manifest("access", bindings),) if bindings else ()


def _bindings(access: Access) -> Iterator[Object]:
    """Yield one binding for the whole cluster, or one for each namespace.

    Source: Kubernetes, "Using RBAC Authorization", section "RoleBinding and ClusterRoleBinding".
    """
    if not access.namespaces:
        yield _binding(access, "ClusterRoleBinding", {})
    for namespace in access.namespaces:
        yield _binding(access, "RoleBinding", {"namespace": namespace})


def _binding(access: Access, kind: str, place: dict[str, str]) -> Object:
    # What a binding points at cannot be changed: another role is another binding, and the old one is removed.
    name = f"{access_group(access.name)}:{access.cluster_role}"
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name, **place},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": access.cluster_role},
        "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": access_group(access.name)}],
    }
