"""The next version of the cluster object: who is let in, and who makes the next epoch."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Optional

from kubecfn.etcd import starting
from kubecfn.etcd.look import Look
from kubecfn.etcd.store import Stored, written
from kubecfn.etcd.view import Epoch, Start

from .seams import Store


def ours(stored: Optional[Stored], me: str) -> bool:
    """Say whether this node has begun the newest epoch, and it is not established yet."""
    return stored is not None and stored.founder == me and stored.established < stored.epoch


def take(
    store: Store, stored: Optional[Stored], seen: Optional[Epoch], *, me: str, way: Start, snapshot: str, at: datetime
) -> Optional[Stored]:
    """Claim the next epoch; None when somebody else wrote meanwhile.

    Args:
        store: where.
        stored: the object as it was read before anything else was asked; None when there was none.
        seen: the same, with what everyone says.
        me: who claims.
        way: how the epoch is made.
        snapshot: the key that is restored.
        at: the time.
    """
    number = stored.epoch + 1 if stored else 1
    # What is written says who wrote it, when: after a lost answer that is how the winner knows itself.
    new = Stored(
        epoch=number,
        founder=me,
        way=way.value,
        established=stored.established if stored else 0,
        token=f"epoch-{number}-{me}",
        snapshot=snapshot,
        instances=_named(stored, seen, me, at),
        by=me,
        at=written(at),
        ordered=_under_order(stored),
    )
    return store.replace(stored, new) if stored else store.create(new)


def enlist(store: Store, stored: Stored, seen: Epoch, *, me: str, at: datetime) -> Optional[Stored]:
    """Write this instance into the object; None when somebody else wrote meanwhile."""
    return store.replace(stored, replace(stored, instances=_named(stored, seen, me, at), by=me, at=written(at)))


def reword(store: Store, stored: Stored, *, snapshot: str, me: str, at: datetime) -> Optional[Stored]:
    """Write which snapshot this node's epoch is made of after all."""
    return store.replace(stored, replace(stored, snapshot=snapshot, by=me, at=written(at)))


def establish(store: Store, stored: Stored, cluster: str, *, me: str, at: datetime) -> Optional[Stored]:
    """Write that this epoch has acknowledged a write; None when somebody else wrote meanwhile."""
    new = replace(stored, established=stored.epoch, cluster_id=cluster, by=me, at=written(at))
    return store.replace(stored, new)


def _named(stored: Optional[Stored], seen: Optional[Epoch], me: str, at: datetime) -> "dict[str, str]":
    before = stored.instances if stored else {}
    names = starting.enlisted(seen, me) if seen else (me,)
    return {one: before.get(one) or written(at) for one in names}


def _under_order(stored: Optional[Stored]) -> bool:
    """An order outlives the founder who was to carry it out."""
    return stored is not None and stored.ordered and stored.established < stored.epoch


def write_again(store: Store, look: Look, data: int, *, me: str, at: datetime) -> Optional[Stored]:
    """Write the object that was deleted over the head of a cluster that serves; None when somebody else did."""
    names = {one.instance for one in look.cluster.members if one.instance} | set(look.cluster.expected)
    new = Stored(
        epoch=data,
        founder=me,
        way=Start.FOUND.value,
        established=data,
        token=f"epoch-{data}-{me}",
        cluster_id=look.cluster_id,
        instances={one: written(at) for one in sorted(names)},
        by=me,
        at=written(at),
    )
    return store.create(new)
