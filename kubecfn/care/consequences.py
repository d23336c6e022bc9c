"""What restoring a snapshot means, in sentences, before anyone says yes. Nothing here reads a clock, a disk or the network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubecfn.care.choose import Choice
from kubecfn.care.report import Report, epoch_line, epoch_of
from kubecfn.care.verify import Verified
from kubecfn.care.words import instant, since, size
from kubecfn.etcd.store import Stored

# What the node's agent adds to the revision of a snapshot that it restores (etcdutl's --bump-revision).
BUMP = 1_000_000_000


@dataclass(frozen=True)
class Before:
    """How a cluster is before it is restored.

    Attributes:
        stored: the cluster object; None when there is none.
        reached: the newest epoch there ever was.
        report: how etcd is; None when nobody can say.
        silence: why not.
        controllers: the instances that run and stay.
        present: the instances that are not terminated: each may hold data.
        newest: the newest snapshot there is.
    """

    cluster: str
    stored: Stored | None
    reached: int
    report: Report | None
    silence: str
    controllers: tuple[str, ...]
    present: tuple[str, ...]
    newest: Choice


@dataclass(frozen=True)
class Plan:
    """A restore that could be ordered.

    Attributes:
        founder: the controller that restores; the others join it.
        epoch: the one that begins.
        lines: what it means, for a person.
    """

    before: Before
    choice: Choice
    verified: Verified
    founder: str
    epoch: int
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "cluster": self.before.cluster,
            "snapshot": self.verified.to_json(),
            "founder": self.founder,
            "epoch": self.epoch,
            "consequences": list(self.lines),
        }


def planned(before: Before, choice: Choice, verified: Verified, founder: str, now: datetime) -> Plan:
    """Return what a restore of this snapshot would be."""
    epoch = max(before.reached, choice.epoch) + 1
    lines = (
        f"{before.cluster} would go back to {choice.key}:",
        f"  epoch {choice.epoch}, revision {choice.revision}, {size(choice.size)}; its bytes were verified just now",
        f"  put there {instant(choice.at)}, {since(choice.at, now)} ago",
        f"Today: {_today(before)}",
        "Lost:",
        f"  {_lost(before, choice, now)}",
        "  what Kubernetes made since then outside (volumes, load balancers, names) stays and is nobody's any more",
        "What happens:",
        "  etcd stops on every controller, and the API with it, until the first has restored: seconds to minutes",
        f"  {founder} restores the snapshot and begins epoch {epoch} alone; {_others(before, founder)}",
        f"  revisions go on {BUMP:,} higher and everything older counts as compacted: every watch lists anew",
    )
    return Plan(before, choice, verified, founder, epoch, lines)


def _today(before: Before) -> str:
    if before.stored is None:
        return "there is no cluster object: somebody deleted it, and no controller starts without one"
    state = (
        f"etcd is {'settled' if before.report.settled else 'not settled'}: {before.report.reason}"
        if before.report
        else ""
    )
    return f"{epoch_line(epoch_of(before.stored))}; {state or before.silence}"


def _lost(before: Before, choice: Choice, now: datetime) -> str:
    """Say how much, by revisions where they can be compared: between epochs they jump."""
    ago = f"everything that was written in the last {since(choice.at, now)}"
    revision = before.report.revision if before.report else None
    if before.stored and choice.epoch != before.stored.epoch:
        return f"{ago}, and all of the epochs {choice.epoch + 1} to {before.stored.epoch}"
    if revision is not None and before.report and before.report.linearizable:
        return f"{ago}: {max(0, revision - choice.revision):,} revisions (etcd is at {revision})"
    if before.newest.key != choice.key:
        more = max(0, before.newest.revision - choice.revision)
        return f"{ago}: at least {more:,} revisions, which the newest snapshot {before.newest.key} still has"
    return f"{ago}; this is the newest snapshot, and nobody can say how much came after it"


def _others(before: Before, founder: str) -> str:
    others = [one for one in before.present if one != founder]
    if not others:
        return "there is no other controller now"
    return f"{', '.join(others)} first set aside what data they hold, whatever it is, and join one by one"
