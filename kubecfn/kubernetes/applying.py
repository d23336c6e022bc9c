"""Objects made so, in an order that works, with patience for what passes; what was ours and no longer is goes.

1. Nothing is applied that the inventory does not name before: a run that breaks off leaves nothing that a later run
   would not find.
2. The first object that is refused ends the run, and nothing after it is sent; nothing is removed then.
3. Only what the inventory names is ever removed, and only while our fields are still on it.
4. What others put their own into stays: a Namespace with objects of others, a CustomResourceDefinition with objects.
   It is told, and stays in the inventory.

Source: Kubernetes, "Server-Side Apply"; the inventory is that of kpt and of `kubectl apply --prune --applyset`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.kubernetes.inventory import Inventory
from kubecfn.kubernetes.objects import Kinds, Name, Object, flat, name_of, ordered
from kubecfn.kubernetes.pruning import Pruned, prune
from kubecfn.kubernetes.waiting import ApplyError, Waiting

__all__ = ["INVENTORY", "LABEL", "MANAGER", "Applied", "ApplyError", "Pruned", "apply_all"]

MANAGER = "kubecfn"
INVENTORY = "kubecfn-inventory"
LABEL = "kubecfn.io/inventory"


@dataclass(frozen=True)
class Applied:
    """What a run did.

    Attributes:
        applied: the objects that are as wanted now, in the order they were sent.
        pruned: what became of those that are no longer wanted.
    """

    applied: tuple[Name, ...]
    pruned: Pruned


def apply_all(
    client: Client,
    objects: Iterable[Object],
    *,
    inventory: str = INVENTORY,
    report: Callable[[str], None],
    patience: float = 120.0,
    clock: Any = time,
) -> Applied:
    """Make all objects so and remove those that an earlier run made and that are no longer among them.

    Other managers' fields stay; what both say becomes ours. A Namespace that is no longer listed is deleted with all that is in
    it, unless others put something there; a CustomResourceDefinition only when no object of its kind is left.

    Args:
        client: may do all this.
        objects: with Lists or without; they may come in any order.
        inventory: the name of the ConfigMap in kube-system that says what was applied.
        report: told a sentence for whatever is waited for, removed or kept.
        patience: seconds for which passing refusals are tried again, in all.
        clock: has ``monotonic`` and ``sleep``.

    Raises:
        ApplyError: an object was refused, or the API server did not answer for as long as the patience lasts.
    """
    wanted = _wanted(objects)
    listed = Inventory(client, inventory, MANAGER)
    waiting = Waiting(patience, clock, report)
    kinds = Kinds(client)
    before = waiting.through(listed.named, listed.read)
    names = [name_of(one) for one in wanted]
    waiting.through(listed.named, lambda: listed.write([*names, *before]))
    for name, one in zip(names, wanted):  # noqa: B905  Python 3.9 has no strict
        _apply(client, kinds, name, _sent(one, inventory), waiting)
    kept = {name.identity for name in names}
    unwanted = [one for one in before if one.identity not in kept]
    gone = prune(client, kinds, unwanted, manager=MANAGER, waiting=waiting, report=report)
    waiting.through(listed.named, lambda: listed.write([*names, *gone.kept]))
    return Applied(tuple(names), gone)


def _wanted(objects: Iterable[Object]) -> list[Object]:
    try:
        wanted = ordered(flat(objects))
    except ValueError as error:
        raise ApplyError(None, str(error)) from None
    seen = set()
    for one in wanted:
        name = name_of(one)
        if name.identity in seen:
            raise ApplyError(name, "it stands twice among the objects")
        seen.add(name.identity)
    return wanted


def _apply(client: Client, kinds: Kinds, name: Name, one: Object, waiting: Waiting) -> None:
    waiting.through(name, lambda: client.apply(kinds.path(name), one, manager=MANAGER))
    if name.kind == "CustomResourceDefinition":
        # Until then its objects are unknown (apiextensions, condition "Established").
        waiting.through(name, lambda: _established(client.get(kinds.path(name))))


def _sent(one: Object, inventory: str) -> Object:
    """Return the object without what only a server writes, and with the label that tells where it comes from.

    Without a field of ours on it, an object that is only a name would not be known as ours again.
    """
    told = {key: value for key, value in one["metadata"].items() if key not in {"managedFields", "creationTimestamp"}}
    told["labels"] = {**(told.get("labels") or {}), LABEL: inventory}
    return {**{key: value for key, value in one.items() if key != "status"}, "metadata": told}


def _established(definition: Object) -> None:
    conditions = definition.get("status", {}).get("conditions") or ()
    if not any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
        refused = [
            one.get("message", "") for one in conditions if one["type"] == "NamesAccepted" and one["status"] == "False"
        ]
        raise KubernetesError(503, "NotEstablished", "; ".join(refused) or "the API server does not serve it yet")
