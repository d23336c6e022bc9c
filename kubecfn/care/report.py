"""How etcd is, as the function reports it: members with their roles, alarms, whether it is settled, epoch and last backup.

Nothing here reads a clock, a disk or the network. The function's answer is data from elsewhere: what is missing in it is
unknown, never "none".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kubecfn.care.words import age, size
from kubecfn.etcd.quorum import settled
from kubecfn.etcd.store import Stored
from kubecfn.etcd.view import Cluster, Machine, Member, Say, Verdict

NOSPACE, CORRUPT = "NOSPACE", "CORRUPT"
_REMEDIES = {
    NOSPACE: "etcd takes no writes but deletions: delete what fills it, then run kubecfn defrag, which compacts, gives the "
    "space back and puts the alarm out",
    CORRUPT: "members disagree about the same data, and kubecfn changes none of them: docs/operations.md, An alarm, says "
    "how a person decides",
}
COLUMNS = ("member", "instance", "role", "healthy", "revision", "version", "database", "in use")


@dataclass(frozen=True)
class MemberRow:
    """One member.

    Attributes:
        id: lower-case hexadecimal.
        name: empty until it has started.
        instance: empty for a member that is on no instance of ours.
        machine: what EC2 says of the instance.
        revision, db_size, db_in_use: None when it did not answer; sizes are bytes.
    """

    id: str
    name: str
    instance: str
    machine: str
    learner: bool
    healthy: bool
    leader: bool
    revision: int | None
    db_size: int | None
    db_in_use: int | None
    version: str

    @property
    def role(self) -> str:
        """``leader``, ``voter`` or ``learner``."""
        return "learner" if self.learner else "leader" if self.leader else "voter"

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row below `COLUMNS`."""
        machine = f" ({self.machine})" if self.machine not in {"", Machine.RUNNING.value} else ""
        return (
            self.name or f"{self.id} (not started)",
            f"{self.instance}{machine}" if self.instance else "none of ours",
            self.role,
            "yes" if self.healthy else "no",
            "?" if self.revision is None else str(self.revision),
            self.version or "?",
            "?" if self.db_size is None else size(self.db_size),
            "?" if self.db_in_use is None else size(self.db_in_use),
        )


@dataclass(frozen=True)
class Report:
    """etcd at one moment.

    Attributes:
        leader: a member's id; empty when none is known.
        failures: why somebody did not answer or could not serve, by address.
        linearizable: a linearizable read succeeded, which alone proves quorum.
        alarms: ``NOSPACE`` or ``CORRUPT``, with whom they are about.
        size: voters the cluster is to have.
        settled: whether it is as it should be, as the function judged it; `reason` says why or why not.
        epoch: number, way, founder, established, at, by; empty when there is no cluster object.
        backup: key, revision, age_seconds, size of the newest; empty when there is none.
    """

    members: tuple[MemberRow, ...]
    leader: str
    linearizable: bool
    alarms: tuple[str, ...]
    size: int
    settled: bool
    reason: str
    failures: Mapping[str, Any] = field(default_factory=dict)
    epoch: Mapping[str, Any] = field(default_factory=dict)
    backup: Mapping[str, Any] = field(default_factory=dict)

    @property
    def voters(self) -> tuple[MemberRow, ...]:
        """The members that count for quorum."""
        return tuple(one for one in self.members if not one.learner)

    @property
    def revision(self) -> int | None:
        """The highest revision a healthy member told; None when nobody did."""
        return max((one.revision for one in self.members if one.healthy and one.revision), default=None)

    def raised(self, alarm: str) -> bool:
        """Say whether an alarm of this name is raised."""
        return self.alarms_but(alarm) != self.alarms

    def alarms_but(self, alarm: str) -> tuple[str, ...]:
        """Return the alarms of other names."""
        return tuple(one for one in self.alarms if one.split(" ")[0] != alarm)

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it but the members' table, in plain lines."""
        proof = "proven by a linearizable read" if self.linearizable else "NOT proven: no linearizable read succeeded"
        leads = next((one.name or one.id for one in self.members if one.id == self.leader), "")
        joining = [one.instance or one.name or one.id for one in self.members if one.learner]
        return (
            f"etcd is {'settled' if self.settled else 'not settled'}: {self.reason}.",
            f"  quorum: {proof}; leader: {leads or 'none known'}",
            *(f"  ALARM {alarm}{f': {told}' if (told := remedy(alarm)) else ''}" for alarm in self.alarms),
            *(f"  {address} fails: {why}" for address, why in self.failures.items()),
            *([f"  learner, still joining: {', '.join(joining)}"] if joining else []),
            f"  {epoch_line(self.epoch)}",
            f"  {backup_line(self.backup)}",
        )


def remedy(words: str) -> str:
    """Return what a person does about the first alarm that is named; empty when none of etcd's is."""
    return next((told for alarm, told in _REMEDIES.items() if alarm in words), "")


def parse(told: Mapping[str, Any]) -> Report | None:
    """Return the report; None when the answer is no report."""
    members, verdict = told.get("members"), told.get("settled")
    if not isinstance(members, list) or not isinstance(verdict, Mapping):
        return None
    if not all(isinstance(one, Mapping) and one.get("id") for one in members):
        return None
    rows = tuple(sorted(map(_member, members), key=lambda one: (one.learner, one.name, one.id)))
    return Report(
        members=rows,
        leader=next((one.id for one in rows if one.leader), ""),
        linearizable=told.get("linearizable") is True,
        alarms=tuple(str(one) for one in told.get("alarms") or ()),
        size=_number(told.get("size")) or 0,
        settled=verdict.get("say") == Say.YES.value,
        reason=str(verdict.get("reason") or "the function gave no reason").rstrip("."),
        failures=_mapping(told.get("failures")),
        epoch=_mapping(told.get("epoch")),
        backup=_mapping(told.get("backup")),
    )


def _member(told: Mapping[str, Any]) -> MemberRow:
    return MemberRow(
        id=str(told["id"]),
        name=str(told.get("name") or ""),
        instance=str(told.get("instance") or ""),
        machine=str(told.get("machine") or ""),
        learner=told.get("learner") is True,
        healthy=told.get("healthy") is True,
        leader=told.get("leader") is True,
        revision=_number(told.get("revision")),
        db_size=_number(told.get("db_size")),
        db_in_use=_number(told.get("db_in_use")),
        version=str(told.get("version") or ""),
    )


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def settled_but_for_space(report: Report) -> Verdict:
    """Say whether the cluster is settled when a NOSPACE alarm does not count: `quorum.settled`, on what was reported.

    The group's instances are not reported; that the function called it settled, or found the alarm first, stands for them.
    """
    other = report.alarms_but(NOSPACE)
    if report.settled or not report.alarms:
        return Verdict(Say.YES if report.settled else Say.WAIT, report.reason)
    members = tuple(
        Member(
            one.id,
            name=one.name,
            instance=one.instance,
            learner=one.learner,
            healthy=one.healthy,
            machine=Machine(one.machine) if one.machine in {kind.value for kind in Machine} else Machine.UNKNOWN,
        )
        for one in report.members
    )
    expected = tuple(one.instance for one in members if not one.learner)
    return settled(Cluster(members, report.size, expected, report.linearizable, report.leader, other))


def epoch_of(stored: Stored | None) -> dict[str, Any]:
    """Return the cluster object as the function's report has it; empty when there is none."""
    if stored is None:
        return {}
    told = asdict(stored)
    del told["etag"], told["token"]
    return {"number": told.pop("epoch"), **told, "instances": dict(sorted(stored.instances.items()))}


def epoch_line(epoch: Mapping[str, Any]) -> str:
    """Return the cluster object in one line."""
    if not epoch:
        return "epoch: none yet; no cluster was founded"
    number, way = epoch.get("number"), epoch.get("way") or "?"
    stands = "established" if epoch.get("established") == number else "not established yet"
    begun = f" at {epoch['at']}" if epoch.get("at") else ""
    return f"epoch {number}: {way} by {epoch.get('founder') or '?'}{begun}, {stands}"


def backup_line(backup: Mapping[str, Any]) -> str:
    """Return the newest backup in one line."""
    if not backup:
        return "last backup: NONE"
    told = backup.get("age_seconds")
    when = f"{age(told)} ago" if isinstance(told, int | float) else "of unknown age"
    return f"last backup: {when}, revision {backup.get('revision')}, {backup.get('key')}"
