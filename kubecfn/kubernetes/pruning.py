"""Removal of what was applied once and is no longer wanted; what others rely on stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.kubernetes.objects import Kind, Kinds, Name, Object, name_of, rank
from kubecfn.kubernetes.waiting import Waiting

_NOT_FOUND = 404
# Everything that Kubernetes itself puts into each namespace, or derives from what is there.
_KUBERNETES_OWN = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
_DERIVED = {"Event", "Endpoints", "EndpointSlice", "PodMetrics"}
_SYSTEM = {"default", "kube-system", "kube-public", "kube-node-lease"}


@dataclass(frozen=True)
class Pruned:
    """What became of objects that are no longer wanted.

    Attributes:
        removed: deleted, by us or by somebody before.
        kept: still there, for the reason that was reported.
    """

    removed: tuple[Name, ...] = ()
    kept: tuple[Name, ...] = ()


def prune(
    client: Client,
    kinds: Kinds,
    names: Iterable[Name],
    *,
    manager: str,
    waiting: Waiting,
    report: Callable[[str], None],
) -> Pruned:
    """Delete objects, the last kinds first.

    Args:
        client: may do so.
        kinds: of the same server.
        names: which.
        manager: whose fields have to be on them still: what somebody made anew is theirs.
        waiting: for what passes.
        report: told a sentence for each.

    Raises:
        ApplyError: a look or a deletion was refused.
    """
    removed: list[Name] = []
    kept: list[Name] = []
    for name in sorted(names, key=rank, reverse=True):
        why = waiting.through(name, partial(_remove, client, kinds, name, manager))
        report(f"{name} is no longer wanted, and {f'stays: {why}' if why else 'gone'}")
        (kept if why else removed).append(name)
    return Pruned(tuple(removed), tuple(kept))


def _remove(client: Client, kinds: Kinds, name: Name, manager: str) -> str:
    """Delete an object; return why it has to stay, empty when it is gone or no longer ours."""
    try:
        path = kinds.current(name)
        found = client.get(path)
    except KubernetesError as error:
        if error.status != _NOT_FOUND:
            raise
        return ""
    metadata = found["metadata"]
    # The operation, too: what is created without a manager's name gets that of the program that did it.
    owners = {(one.get("manager"), one.get("operation")) for one in metadata.get("managedFields", ())}
    if (manager, "Apply") not in owners:
        return ""
    why = _needed(client, kinds, found)
    if not why:
        options = {"propagationPolicy": "Background", "preconditions": {"uid": metadata["uid"]}}
        try:
            client.delete(path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
        except KubernetesError as error:
            if error.status != _NOT_FOUND:
                raise
    return why


def _needed(client: Client, kinds: Kinds, found: Object) -> str:
    """Return why an object cannot be removed without harm to others."""
    if found["kind"] == "Namespace":
        name = found["metadata"]["name"]
        if name in _SYSTEM:
            return "it is Kubernetes' own"
        others = next(_others(client, kinds, name), "")
        return f"{others} is in it; delete the namespace yourself if it can go" if others else ""
    if found["kind"] == "CustomResourceDefinition":
        spec = found["spec"]
        served = next(one["name"] for one in spec["versions"] if one["served"])
        kind = Kind(f"{spec['group']}/{served}", spec["names"]["plural"], spec["scope"] == "Namespaced")
        left = next(client.list(kind.path(), limit=1), None)
        return f"{name_of(left)} is there; with the definition it would go, too" if left else ""
    return ""


def _others(client: Client, kinds: Kinds, namespace: str) -> Iterator[str]:
    """Yield what others put into a namespace: neither Kubernetes' own, nor made by another object, nor about to go."""
    for name, kind in kinds.everything():
        if not kind.namespaced or "list" not in kind.verbs or name in _DERIVED:
            continue
        for one in client.list(kind.path(namespace)):
            about = one["metadata"]
            if about.get("ownerReferences") or about.get("deletionTimestamp"):
                continue
            if (name, about["name"]) not in _KUBERNETES_OWN:
                yield f"{name} {about['name']}"
