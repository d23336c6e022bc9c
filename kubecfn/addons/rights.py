"""Who may do what in the API: service accounts, roles and who has them."""

from __future__ import annotations

from kubecfn.addons.manifest import SYSTEM, Object, metadata

_GROUP = "rbac.authorization.k8s.io"
_VERSION = f"{_GROUP}/v1"


def rule(group: str, resources: str, verbs: str, names: str = "") -> Object:
    """Return a rule of a role; each list is words with blanks between them.

    Args:
        group: API group, empty for the core's.
        resources: plural names, with their subresources.
        verbs: what may be done.
        names: of the only objects that are meant; empty for all.
    """
    only = {"resourceNames": names.split()} if names else {}
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split(), **only}


def account(name: str, namespace: str = SYSTEM) -> Object:
    """Return a ServiceAccount."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name, namespace)}


def account_subject(name: str, namespace: str = SYSTEM) -> Object:
    """Return a service account as a binding names it."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def group_subject(name: str) -> Object:
    """Return a group as a binding names it."""
    return {"kind": "Group", "apiGroup": _GROUP, "name": name}


def user_subject(name: str) -> Object:
    """Return a user as a binding names it."""
    return {"kind": "User", "apiGroup": _GROUP, "name": name}


def cluster_role(name: str, rules: list[Object], labels: dict[str, str] | None = None) -> Object:
    """Return a ClusterRole."""
    named = metadata(name, "", **({"labels": labels} if labels else {}))
    return {"apiVersion": _VERSION, "kind": "ClusterRole", "metadata": named, "rules": rules}


def role(name: str, rules: list[Object], namespace: str = SYSTEM) -> Object:
    """Return a Role."""
    return {"apiVersion": _VERSION, "kind": "Role", "metadata": metadata(name, namespace), "rules": rules}


def cluster_binding(name: str, cluster_role: str, *subjects: Object) -> Object:
    """Return a ClusterRoleBinding: subjects have a cluster role everywhere."""
    return _binding("ClusterRoleBinding", metadata(name, ""), "ClusterRole", cluster_role, subjects)


def binding(name: str, role: str, *subjects: Object, namespace: str = SYSTEM) -> Object:
    """Return a RoleBinding: subjects have a role of its namespace."""
    return _binding("RoleBinding", metadata(name, namespace), "Role", role, subjects)


def _binding(kind: str, named: Object, of: str, role: str, subjects: tuple[Object, ...]) -> Object:
    return {
        "apiVersion": _VERSION,
        "kind": kind,
        "metadata": named,
        "roleRef": {"apiGroup": _GROUP, "kind": of, "name": role},
        "subjects": list(subjects),
    }
