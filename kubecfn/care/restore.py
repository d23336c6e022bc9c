"""Ordering a restore: what it means, a person's word, one conditional write that all controllers obey, and following it.

The cluster object alone decides, so it works when nothing of the cluster answers. Whoever loses the conditional write has
changed nothing. Source: Amazon S3 User Guide, "Add preconditions to S3 operations with conditional requests".
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from kubecfn.care.ask import function
from kubecfn.care.bucket import choices, reading, store
from kubecfn.care.choose import Choice, chosen
from kubecfn.care.consequences import Before, Plan, planned
from kubecfn.care.report import Report, epoch_line, epoch_of
from kubecfn.care.status import look
from kubecfn.care.verify import verify
from kubecfn.care.where import Where, controllers, nobody
from kubecfn.deploy.aws import Aws
from kubecfn.deploy.progress import Ask, Kind, Question, Work
from kubecfn.errors import DeclinedError, KubecfnError
from kubecfn.etcd.store import Stored, now, ordered
from kubecfn.etcd.view import Machine

# An instance that enlists meanwhile changes the object too; it is not worth more tries than people have patience.
_TRIES = 8


class OvertakenError(KubecfnError):
    """Somebody else changed the cluster meanwhile; nothing was changed here."""


@dataclass(frozen=True)
class Ordered:
    """A restore that every controller obeys from now on."""

    plan: Plan
    stored: Stored


def plan(aws: Aws, where: Where, wanted: str, work: Work) -> Plan:
    """Return what restoring means; the snapshot was read back and verified. Nothing is changed.

    Args:
        aws: account and region.
        where: the cluster's places.
        wanted: ``newest``, a key or an instant.
        work: whom to tell, and the clock.

    Raises:
        WrongUseError: no such snapshot.
        DamagedError: it must not be restored.
        StackError: no controller runs that could restore it.
        AwsError: AWS refuses.
    """
    listed = choices(aws, where.bucket)
    choice = chosen(listed, wanted)
    work.tell(Kind.STEP, f"Reading {choice.key} back to verify it")
    standing = (choice.epoch, choice.revision)
    verified = verify(aws, where.bucket, where.cluster, choice.key, standing, report=work.report)
    work.tell(Kind.STEP, "Looking at the cluster as it is now")
    with reading("reading the cluster object"):
        stored = store(aws, where.bucket, where.cluster).read()
        reached = _reached(aws, where, stored, listed)
    report, silence = _asked(aws, where)
    group = controllers(aws, where)
    running = tuple(one.instance for one in group if one.staying and one.machine is Machine.RUNNING)
    present = tuple(one.instance for one in group if one.machine is not Machine.TERMINATED)
    before = Before(where.cluster, stored, reached, report, silence, running, present, listed[0])
    return planned(before, choice, verified, founder(running, report, where), work.clock.now())


def _reached(aws: Aws, where: Where, stored: Stored | None, listed: tuple[Choice, ...]) -> int:
    """Return the newest epoch there ever was: by the object, or without it by what snapshots and instances say."""
    if stored:
        return stored.epoch
    said = store(aws, where.bucket, where.cluster).words().values()
    data = [value for word in said for value in (word.get("data"), word.get("epoch")) if isinstance(value, int)]
    return max([listed[0].epoch, *data])


def _asked(aws: Aws, where: Where) -> tuple[Report | None, str]:
    try:
        return look(function(aws, where.function, where.cluster)), ""
    except KubecfnError as error:
        return None, f"how etcd is cannot be said ({error.message.rstrip('.')})"


def founder(running: tuple[str, ...], report: Report | None, where: Where) -> str:
    """Return who is to restore: a controller whose etcd is well, since its agent is too; else the first by id.

    Raises:
        StackError: no controller runs.
    """
    if not running:
        raise nobody(where)
    well = {one.instance for one in report.members if one.healthy} if report else set()
    return min(running, key=lambda one: (one not in well, one))


def order(aws: Aws, where: Where, plan: Plan, ask: Ask) -> Ordered:
    """Have a person confirm, then make every controller obey by one conditional write.

    Raises:
        DeclinedError: the name was not typed; nothing was changed.
        OvertakenError: somebody else began an epoch meanwhile; nothing was changed.
        AwsError: S3 refuses.
    """
    text = f"Type the cluster's name ({where.cluster}) to restore it"
    if not ask(Question("restore", text, plan.lines, typed=where.cluster)):
        raise DeclinedError("Declined; nothing was restored.")
    kept = store(aws, where.bucket, where.cluster)
    mine = secrets.token_hex(8)
    with reading("ordering the restore"):
        for _ in range(_TRIES):
            found = kept.read()
            # The answer to our own write was lost, and a controller has gone on with it before it was read back.
            if found and found.token.endswith(mine):
                return Ordered(plan, found)
            if _epoch(found) != _epoch(plan.before.stored):
                raise _overtaken(found)
            new = replacement(found, plan, mine, aws.caller)
            stored = kept.create(new) if found is None else kept.replace(found, new)
            if stored:
                return Ordered(plan, stored)
    raise OvertakenError(
        "The cluster object changes faster than it can be written; nothing was restored.",
        remedy="Repeat in a minute; controllers that are joining write it.",
    )


def replacement(found: Stored | None, plan: Plan, mine: str, by: str) -> Stored:
    """Return the cluster object that orders the restore: `kubecfn.etcd.store.ordered`.

    Where the object was deleted, what was kept of it says how far the cluster had come: no data of an epoch that was may
    look newer than the one that begins.

    Args:
        found: the object as it was read.
        plan: what is ordered.
        mine: ends the token: by it an operator knows the own order, whoever has written the object since.
        by: who orders it.
    """
    old = found or Stored(plan.epoch - 1, "", "found", established=plan.epoch - 1)
    present, snapshot = plan.before.present, plan.choice.snapshot
    new = ordered(old, snapshot=snapshot, founder=plan.founder, present=present, by=by, at=now())
    return replace(new, token=f"{new.token}-{mine}")


def _epoch(stored: Stored | None) -> tuple[int, str] | None:
    """Return what makes an epoch this and no other; who is let in changes within it."""
    return (stored.epoch, stored.token) if stored else None


def _overtaken(found: Stored | None) -> OvertakenError:
    stands = epoch_line(epoch_of(found)) if found else "the cluster object was deleted"
    who = f", written by {found.by}" if found and found.by else ""
    return OvertakenError(
        f"Somebody else was faster; nothing was restored by you. Now: {stands}{who}.",
        remedy="Watch with: kubecfn status",
    )
