"""What a person asks: how is etcd, defragment this member, compact a full store, put the NOSPACE alarm out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from etcd_access.reach import LEASE, Reach, must_trust
from etcd_access.span import Invocation

from kubecfn.etcd import quorum, store
from kubecfn.etcd.client import EtcdError
from kubecfn.etcd.look import Look, Silence, look
from kubecfn.etcd.report import report
from kubecfn.etcd.view import Member

from .space import NOSPACE, unproven, why_not

_RESERVE = 10.0


class RefusedError(Exception):
    """A question that is not answered, and why, in a sentence."""


def answer(reach: Reach, event: Mapping[str, Any], span: Invocation, caller: str) -> dict[str, Any]:
    """Answer one question.

    Raises:
        RefusedError: it is none of ours, or doing so would not be safe now.
        CertificateError: etcd and this function do not trust each other.
        EtcdError: etcd did not answer.
        ClientError: AWS refused.
    """
    if event == {"ask": "status"}:
        return status(reach, span)
    if set(event) == {"ask", "instance"} and event["ask"] == "defrag":
        return defrag(reach, str(event["instance"]), span, caller)
    if event == {"ask": "compact"}:
        return compact(reach, span, caller)
    if event == {"ask": "disarm"}:
        return disarm(reach, span, caller)
    raise RefusedError(
        f'{dict(event)!r} is not a question; ask {{"ask": "status"}}, {{"ask": "defrag", "instance": "i-..."}}, '
        '{"ask": "compact"} or {"ask": "disarm"}'
    )


def status(reach: Reach, span: Invocation) -> dict[str, Any]:
    """Return `kubecfn.etcd.report.report`."""
    found = _look(reach, span)
    snapshots = reach.store.snapshots()
    return report(found, reach.store.read(), snapshots[0] if snapshots else None, store.now())


def defrag(reach: Reach, instance: str, span: Invocation, caller: str) -> dict[str, int]:
    """Defragment one member, while nobody changes members; return its store's size before and after, in bytes."""
    with _alone(reach, span, caller):
        found = _look(reach, span)
        member = next((one for one in found.cluster.members if one.instance == instance), None)
        why = _why_not(found, member, instance)
        place = reach.fleet.group().place(instance)
        if why or place is None:
            raise RefusedError(f"{instance} is not defragmented: {why or 'it is not in the group'}")
        client = reach.ask(place.address)
        before = client.status().db_size
        client.defragment(max(1.0, span.left() - _RESERVE))
        return {"before": before, "after": client.status().db_size}


def compact(reach: Reach, span: Invocation, caller: str) -> dict[str, int]:
    """Compact etcd's history up to now, while NOSPACE is raised; return the revision that is the oldest now.

    It is the API server's business, every five minutes, but that notes in etcd how far it came: a write, which a full
    etcd refuses (Kubernetes: storage/etcd3/compact.go; etcd documentation, "Maintenance", section "Space quota").
    """
    with _alone(reach, span, caller):
        found = _look(reach, span)
        why = unproven(found)
        if NOSPACE not in found.cluster.alarms:
            why = why or f"{NOSPACE} is not raised, and the API server compacts by itself"
        if why:
            raise RefusedError(f"etcd is not compacted: {why}")
        client = reach.ask(found.via)
        client.linearizable()
        revision = client.status().revision
        try:
            client.compact(revision, max(1.0, span.left() - _RESERVE))
        except EtcdError as error:
            # So it was before, by whoever asked earlier or did it by hand.
            if "required revision has been compacted" not in error.message:
                raise
        return {"revision": revision}


def disarm(reach: Reach, span: Invocation, caller: str) -> dict[str, list[str]]:
    """Put NOSPACE out, and no other alarm, once there is space again.

    Returns:
        ``disarmed``: whose alarm it was, none when there was none; ``alarms``: the names of those that are left.
    """
    with _alone(reach, span, caller):
        found = _look(reach, span)
        why = why_not(found)
        if why:
            raise RefusedError(f"the {NOSPACE} alarm stays: {why}")
        client = reach.ask(found.via)
        raised = [member for member, alarm in client.alarms() if alarm == NOSPACE]
        for member in raised:
            client.disarm(member, NOSPACE)
        known = {one.id: one.instance for one in found.cluster.members}
        left = {alarm for _, alarm in client.alarms()}
        return {"disarmed": sorted(known.get(one) or one for one in raised), "alarms": sorted(left)}


@contextmanager
def _alone(reach: Reach, span: Invocation, caller: str) -> Iterator[None]:
    """Keep everyone else from changing members meanwhile."""
    if not reach.store.lease(LEASE, caller, span.left() + _RESERVE):
        raise RefusedError("members are being changed right now; try again in a minute")
    try:
        yield
    finally:
        reach.store.release(LEASE, caller)


def _why_not(found: Look, member: Member | None, instance: str) -> str:
    """Return why a member must not stop serving for a moment; empty when it may."""
    cluster = found.cluster
    if not cluster.linearizable:
        return "no linearizable read succeeded, so there may be no quorum"
    if "CORRUPT" in cluster.alarms:
        return "etcd raised CORRUPT, and a person has to say first which copy is right"
    if member is None:
        members = ", ".join(sorted(one.instance or one.id for one in cluster.members))
        return f"it is no member; the members are {members}"
    others = [one for one in cluster.voters if one.instance != instance]
    healthy = [one for one in others if one.healthy]
    if others and len(healthy) < quorum.quorum(len(cluster.voters)):
        return f"only {len(healthy)} of the {len(others)} other voters are healthy, too few to serve without it"
    return ""


def _look(reach: Reach, span: Invocation) -> Look:
    group = reach.fleet.group()
    found = look(group.remembering(reach.forgotten(group)), reach.ask, Silence(span.monotonic))
    must_trust(found)
    return found
