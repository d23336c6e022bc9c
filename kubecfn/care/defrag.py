"""Giving etcd's unused pages back to the disk, member by member: followers first, the leader last, never two at once.

A member answers nobody while it is defragmented (etcd documentation, "Maintenance", section "Defragmentation"); with every
other voter healthy nobody notices. So each one must be healthy again before the next.

While NOSPACE is raised, history is compacted first: the API server, which does it otherwise, notes how far it came in etcd,
and a full etcd refuses that. When all are done the alarm is put out, if the function finds that there is space again: etcd
itself never does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.care.ask import RefusedError, SilentError, function
from kubecfn.care.report import NOSPACE, MemberRow, Report, parse, settled_but_for_space
from kubecfn.care.where import Where
from kubecfn.care.words import size
from kubecfn.deploy.aws import Aws
from kubecfn.deploy.progress import Kind, Work
from kubecfn.errors import AwsError, KubecfnError
from kubecfn.etcd.view import Say

COLUMNS = ("instance", "role", "before", "after", "given back")
# How the function begins to say that there is no space yet.
_STAYS = f"the {NOSPACE} alarm stays: "
# What putting the alarm out means, said before anything is done.
_CONSEQUENCES = (
    "etcd has raised NOSPACE: it takes no writes but deletions, so the Kubernetes API changes nothing else",
    "Its history is compacted up to now, which the API server cannot do while etcd is full: older watches list anew",
    "Once every member is defragmented and well below its quota the alarm is put out, and writes go on at once",
    "If one is not, the alarm stays and you are told what has to be deleted first; nothing is deleted by kubecfn",
)
_POLL_SECONDS = 3.0
_AGAIN_SECONDS = 15.0
# A member that was defragmented has to load nothing anew: it is back in seconds or something is wrong.
_PATIENCE_SECONDS = 120.0
# Longer than any function of ours may run; a large database takes its time.
_WORK_SECONDS = 330.0

Asking = Callable[[Mapping[str, str]], Mapping[str, Any]]


class UnwellError(KubecfnError):
    """etcd is not as it has to be for what was asked for; nothing (more) was done."""


@dataclass(frozen=True)
class Defragmented:
    """One member's database file; sizes are bytes."""

    instance: str
    role: str
    before: int
    after: int

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row below `COLUMNS`."""
        return (
            self.instance,
            self.role,
            size(self.before),
            size(self.after),
            size(max(0, self.before - self.after)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"instance": self.instance, "role": self.role, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        members: in the order in which they were defragmented.
        ended: whose NOSPACE alarm was put out.
        stays: why a NOSPACE alarm is still raised, as a clause; empty when none is.
    """

    members: tuple[Defragmented, ...]
    ended: tuple[str, ...] = ()
    stays: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """What became of the alarm, in plain lines; none when there was none."""
        return (f"NOSPACE was put out ({', '.join(self.ended)}): etcd takes writes again.",) if self.ended else ()

    def check(self) -> None:
        """Raise UnwellError when the alarm stays: that is what this was done for."""
        if self.stays:
            raise UnwellError(
                f"Every member is defragmented, and etcd still takes no writes: {self.stays}.",
                remedy="Do what is named, then run kubecfn defrag again, which harms nobody.",
            )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        members = [one.to_json() for one in self.members]
        return {"members": members, "nospace": {"ended": list(self.ended), "stays": self.stays}}


def next_one(report: Report, done: Iterator[str] | set[str]) -> MemberRow | None:
    """Return whose turn it is: followers by name, then the leader; None when everyone had a turn."""
    left = [one for one in report.voters if one.instance not in set(done)]
    return min(left, key=lambda one: (one.leader, one.instance), default=None)


def unfit(report: Report) -> str:
    """Return why nobody may be defragmented now, as a clause; empty when one may."""
    others = report.alarms_but(NOSPACE)
    if others:
        return f"alarm {others[0]}"
    verdict = settled_but_for_space(report)
    return "" if verdict.say is Say.YES else verdict.reason


def defrag(aws: Aws, where: Where, work: Work) -> Outcome:
    """Defragment every member of a cluster, and end its NOSPACE alarm; see `one_by_one`."""
    look = function(aws, where.function, where.cluster)
    act = function(aws, where.function, where.cluster, seconds=_WORK_SECONDS, once=True)
    return one_by_one(look.ask, act.ask, work)


def one_by_one(look: Asking, act: Asking, work: Work) -> Outcome:
    """Defragment every member, then put NOSPACE out if there is space again.

    Args:
        look: asks the function for a report.
        act: asks it for work; never twice for one answer.
        work: how to wait and report.

    Raises:
        UnwellError: the cluster is not settled, before or between two members; says who is done already.
        SilentError: nobody can say how etcd is.
        AwsError: AWS refuses.
    """
    done: list[Defragmented] = []
    report = _report(look)
    if reason := unfit(report):
        raise UnwellError(
            f"Nothing was defragmented: etcd is not settled ({reason}).",
            remedy="Wait until kubecfn status says settled; a CORRUPT alarm wants a person first (docs/operations.md).",
        )
    if report.raised(NOSPACE):
        _compacted(act, work)
    total = len(report.voters)
    while one := next_one(report, {row.instance for row in done}):
        work.tell(Kind.STEP, f"Defragmenting {one.instance} ({one.role}, {len(done) + 1} of {total})")
        done.append(_defragmented(act, one, work, done))
        report = _well_again(look, work, done)
    return _put_out(act, work, tuple(done)) if report.raised(NOSPACE) else Outcome(tuple(done))


def _compacted(act: Asking, work: Work) -> None:
    for line in _CONSEQUENCES:
        work.tell(Kind.NOTE, line)
    work.tell(Kind.STEP, "Compacting etcd's history")
    try:
        told = _done(act, {"ask": "compact"}, work)
        work.tell(Kind.NOTE, f"What was before revision {int(told['revision'])} is forgotten")
    except (KeyError, TypeError, ValueError) as error:
        raise _stopped("the function answered no revision", []) from error
    except KubecfnError as error:
        raise _stopped(error.message.rstrip("."), []) from error


def _defragmented(act: Asking, one: MemberRow, work: Work, done: list[Defragmented]) -> Defragmented:
    """Defragment one."""
    try:
        told = _done(act, {"ask": "defrag", "instance": one.instance}, work)
        return Defragmented(one.instance, one.role, int(told["before"]), int(told["after"]))
    except RefusedError as error:
        raise _stopped(error.message.rstrip("."), done) from error
    except (KeyError, TypeError, ValueError) as error:
        raise _stopped(f"{one.instance} answered no sizes", done) from error
    except (SilentError, AwsError) as error:
        raise _stopped(f"{one.instance}: {error.message.rstrip('.')}", done) from error


def _put_out(act: Asking, work: Work, done: tuple[Defragmented, ...]) -> Outcome:
    """Put the alarm out; why it stays is part of what came of it, since the members are done."""
    work.tell(Kind.STEP, f"Putting the {NOSPACE} alarm out")
    try:
        told = _done(act, {"ask": "disarm"}, work)
        ended = tuple(str(one) for one in told["disarmed"])
        raised = NOSPACE in told["alarms"]
    except (KeyError, TypeError):
        return Outcome(done, stays="the function answered not what this kubecfn understands")
    except KubecfnError as error:
        return Outcome(done, stays=error.message.removeprefix(_STAYS).rstrip("."))
    return Outcome(done, ended, "it was put out, and a member raised it again at once" if raised else "")


def _done(act: Asking, question: Mapping[str, str], work: Work) -> Mapping[str, Any]:
    """Ask for work; what the function refuses was not done, and is asked again while patience lasts."""
    end = work.clock.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return act(question)
        except RefusedError as error:
            if work.clock.monotonic() >= end or not _may_change(error):
                raise
            work.tell(Kind.NOTE, f"Not yet: {error.message}")
        work.clock.sleep(_AGAIN_SECONDS)


def _may_change(error: RefusedError) -> bool:
    """Say whether waiting may help: space is freed by a person, in more time than this."""
    return not error.message.startswith(_STAYS)


def _well_again(look: Asking, work: Work, done: list[Defragmented]) -> Report:
    """Wait until etcd is settled again; what cannot be asked is asked again while patience lasts."""
    end = work.clock.monotonic() + _PATIENCE_SECONDS
    reason = ""
    while True:
        try:
            report = _report(look)
            reason = unfit(report)
            if not reason:
                return report
        except SilentError as error:
            reason = error.message.rstrip(".")
        if work.clock.monotonic() >= end:
            raise _stopped(f"etcd is not well again after {done[-1].instance}: {reason}", done)
        work.clock.sleep(_POLL_SECONDS)


def _report(look: Asking) -> Report:
    report = parse(look({"ask": "status"}))
    if report is None:
        raise SilentError(
            "The function answered no report that this kubecfn understands.",
            remedy="Bring the stack to this version of kubecfn with: kubecfn apply.",
        )
    return report


def _stopped(reason: str, done: list[Defragmented]) -> UnwellError:
    names = ", ".join(one.instance for one in done)
    return UnwellError(
        f"Stopped: {reason}. Done so far: {names or 'nobody'}.",
        remedy="Look with kubecfn status; when it says settled, kubecfn defrag begins anew, which harms nobody.",
    )
