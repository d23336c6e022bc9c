"""What a person is shown of a cluster's etcd: one look, the cluster object and the newest backup as plain JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubecfn.etcd import quorum
from kubecfn.etcd.look import Look
from kubecfn.etcd.store import Snapshot, Stored
from kubecfn.etcd.view import Member


def report(look: Look, stored: Stored | None, newest: Snapshot | None, now: datetime) -> dict[str, Any]:
    """Return members, leader, alarms, epoch and newest backup.

    Args:
        look: what etcd and EC2 say.
        stored: the cluster object; None when there is none.
        newest: the newest snapshot; None when there is none.
        now: aware.

    Returns:
        ``members`` (each ``id``, ``name``, ``instance``, ``machine``, ``learner``, ``healthy``, ``leader``, and ``revision``,
        ``db_size``, ``db_in_use`` in bytes, ``version``, all None for one that does not answer), ``leader`` (an instance,
        or a member's id), ``linearizable``, ``alarms``, ``failures`` by address, ``size``, ``settled`` (``say``,
        ``reason``), ``epoch`` and ``backup`` (each None when there is none).
    """
    cluster = look.cluster
    settled = quorum.settled(cluster)
    leader = cluster.member(cluster.leader)
    return {
        "members": [
            _member(one, look) for one in sorted(cluster.members, key=lambda one: (one.learner, one.name, one.id))
        ],
        "leader": (leader.instance or leader.id) if leader else "",
        "linearizable": cluster.linearizable,
        "alarms": _alarms(look),
        "failures": dict(sorted(look.failures.items())),
        "size": cluster.size,
        "settled": {"say": settled.say.value, "reason": settled.reason},
        "epoch": _epoch(stored) if stored else None,
        "backup": _backup(newest, now) if newest else None,
    }


def revision(look: Look) -> int:
    """Return the newest revision that any member knows; 0 when none answers."""
    return max((one.revision for one in look.statuses.values()), default=0)


def _member(member: Member, look: Look) -> dict[str, Any]:
    status = look.statuses.get(member.instance or member.id)
    return {
        "id": member.id,
        "name": member.name,
        "instance": member.instance,
        "machine": member.machine.value,
        "learner": member.learner,
        "healthy": member.healthy,
        "leader": member.id == look.cluster.leader,
        "revision": status.revision if status else None,
        "db_size": status.db_size if status else None,
        "db_in_use": status.db_in_use if status else None,
        "version": status.version if status else None,
    }


def _alarms(look: Look) -> list[str]:
    """Return each alarm with those who say it of themselves, e.g. ``NOSPACE i-0abc``; without quorum only theirs."""
    names = set(look.cluster.alarms)
    found = []
    for name in sorted(names | {"NOSPACE", "CORRUPT"}):
        who = sorted(one for one, status in look.statuses.items() if any(name in error for error in status.errors))
        if who or name in names:
            found.append(" ".join([name, *who]))
    return found


def _epoch(stored: Stored) -> dict[str, Any]:
    return {
        "number": stored.epoch,
        "founder": stored.founder,
        "way": stored.way,
        "established": stored.established,
        "snapshot": stored.snapshot,
        "cluster_id": stored.cluster_id,
        "instances": dict(sorted(stored.instances.items())),
        "by": stored.by,
        "at": stored.at,
    }


def _backup(newest: Snapshot, now: datetime) -> dict[str, Any]:
    return {
        "key": newest.key,
        "epoch": newest.epoch,
        "revision": newest.revision,
        "age_seconds": round((now - newest.at).total_seconds()),
        "size": newest.size,
    }
