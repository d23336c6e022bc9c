"""How a cluster's etcd is: by the function's word; when that is not to be had, what the bucket says, and why not more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from kubecfn.care.alarms import Raised, raised
from kubecfn.care.ask import Function, SilentError, function
from kubecfn.care.bucket import choices, reading, store
from kubecfn.care.ending import Ending, first_ending
from kubecfn.care.report import Report, backup_line, epoch_line, epoch_of, parse
from kubecfn.care.trouble import Trouble, waiting
from kubecfn.care.where import Where, controllers, where
from kubecfn.care.words import since
from kubecfn.deploy.aws import Aws
from kubecfn.errors import KubecfnError
from kubecfn.etcd.view import Machine

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class EtcdStatus:
    """What could be learned.

    Attributes:
        report: the function's; None when it could not say.
        told: the same as it was told.
        silence: why there is no report, as one sentence; empty when there is one.
        epoch, backup: as in a report, read from the bucket when there is no report; None when that failed too.
        waiting: controllers that wait for a person, with the reason.
        alarms: CloudWatch alarms of the cluster that are raised.
        ending: how long the first of the certificates lasts.
        unread: what of these three could not be learned and why, as sentences.
        now: when that was.
    """

    report: Report | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    silence: str = ""
    epoch: Mapping[str, Any] | None = None
    backup: Mapping[str, Any] | None = None
    waiting: tuple[Trouble, ...] | None = None
    alarms: tuple[Raised, ...] | None = None
    ending: Ending | None = None
    unread: tuple[str, ...] = ()
    now: datetime = _NEVER

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it but the members' table, in plain lines."""
        waits = [
            f"{one.who} WAITS FOR A PERSON, {one.what}, since {since(one.at, self.now)}: {one.reason}"
            for one in self.waiting or ()
        ]
        ends = [self.ending.line] if self.ending else []
        return (*self._etcd_lines, *ends, *waits, *(one.line(self.now) for one in self.alarms or ()), *self.unread)

    @property
    def _etcd_lines(self) -> tuple[str, ...]:
        if self.report:
            return self.report.lines
        known = [
            *([f"  {epoch_line(self.epoch)}"] if self.epoch is not None else []),
            *([f"  {backup_line(self.backup)}"] if self.backup is not None else []),
        ]
        return (f"How etcd is cannot be said: {self.silence}", *known)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The members' table."""
        return [one.cells for one in self.report.members] if self.report else []

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data; ``members``, ``waiting`` and ``raised`` are null, never empty, when nobody could say.

        ``certificate_days_left`` is null when no controller told it lately, too.
        """
        beside = {
            "waiting": _listed(self.waiting),
            "raised": _listed(self.alarms),
            "certificate_days_left": self.ending.days if self.ending else None,
        }
        if self.report:
            return {"answered": True, "silence": "", **self.told, **beside}
        return {
            **beside,
            "answered": False,
            "silence": self.silence,
            "members": None,
            "settled": None,
            "epoch": self.epoch,
            "backup": self.backup,
        }


def etcd_status(aws: Aws, cluster: str, now: datetime) -> EtcdStatus:
    """Return how a cluster's etcd is; never fails: what could not be learned is said instead.

    Args:
        aws: account and region.
        cluster: its name.
        now: for the age of the last backup.
    """
    try:
        places = where(aws, cluster)
    except KubecfnError as error:
        return EtcdStatus(silence=str(error))
    try:
        found = of(function(aws, places.function, cluster).ask({"ask": "status"}))
    except KubecfnError as error:
        found = _from_bucket(aws, places, str(error), now)
    return _beside(aws, places, found, now)


def _listed(found: Sequence[Trouble | Raised] | None) -> list[dict[str, Any]] | None:
    return None if found is None else [{**asdict(one), "at": one.at.isoformat()} for one in found]


def _beside(aws: Aws, places: Where, found: EtcdStatus, now: datetime) -> EtcdStatus:
    """Return the same with the controllers that wait for a person, the alarms that are raised, and what ends first."""
    waits: tuple[Trouble, ...] | None = None
    alarms: tuple[Raised, ...] | None = None
    ending: Ending | None = None
    unread = []
    try:
        group = controllers(aws, places) if places.group else ()
        present = {one.instance for one in group if one.machine is not Machine.TERMINATED}
        waits = waiting(aws, places.cluster, now, present)
    except KubecfnError as error:
        unread.append(f"Whether a controller waits for a person cannot be said: {error}")
    try:
        alarms = raised(aws, places.alarms)
    except KubecfnError as error:
        unread.append(f"Whether an alarm is raised cannot be said: {error}")
    try:
        ending = first_ending(aws, places.cluster, now)
    except KubecfnError as error:
        unread.append(f"How long certificates last cannot be said: {error}")
    return replace(found, waiting=waits, alarms=alarms, ending=ending, unread=tuple(unread), now=now)


def of(told: Mapping[str, Any]) -> EtcdStatus:
    """Return the function's answer as a status.

    Raises:
        SilentError: it is no report.
    """
    report = parse(told)
    if report is None:
        raise SilentError(
            "The function answered no report that this kubecfn understands.",
            remedy="Bring the stack to this version of kubecfn with: kubecfn apply.",
        )
    return EtcdStatus(report, told)


def look(asked: Function) -> Report:
    """Return the function's report.

    Raises:
        SilentError: it cannot say.
        AwsError: AWS refuses.
    """
    report = of(asked.ask({"ask": "status"})).report
    assert report is not None, "`of` raises when there is none"
    return report


def _from_bucket(aws: Aws, places: Where, silence: str, now: datetime) -> EtcdStatus:
    try:
        with reading("reading the cluster object"):
            epoch = epoch_of(store(aws, places.bucket, places.cluster).read())
        listed = choices(aws, places.bucket)
    except KubecfnError as error:
        return EtcdStatus(silence=f"{silence} {error}")
    newest: dict[str, Any] = {}
    if listed:
        one = listed[0]
        seconds = (now - one.at).total_seconds()
        newest = {"key": one.key, "revision": one.revision, "age_seconds": seconds, "size": one.size}
    return EtcdStatus(silence=silence, epoch=epoch, backup=newest)
