"""How far an operation is, read off its events: resources done of total, signals received of needed, the step under way.

Nothing here reads a clock, a disk or the network. Source: CloudFormation User Guide, "Monitor stack progress", and the
texts of events that UpdatePolicy and CreationPolicy write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from kubecfn.deploy.progress import Kind, Progress
from kubecfn.deploy.stacks import Event

_SIGNAL = re.compile(r"Received (SUCCESS|FAILURE) signal with UniqueId (\S+)")
_OBSOLETE = re.compile(r"Rolling update initiated\. Terminating (\d+) obsolete instance")
_ADDED = re.compile(r"New instance\(s\) added to autoscaling group - Waiting on (\d+) resource signal")
_GONE = re.compile(r"Successfully terminated instance\(s\) \[([^\]]*)\] \(Progress (\d+)%\)")
_INITIATED = "Resource creation Initiated"
_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "DELETE_SKIPPED", "IMPORT_COMPLETE"})


@dataclass
class _Signals:
    good: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)


@dataclass
class Track:
    """One operation as it is followed.

    Attributes:
        total: how many resources it touches; 0 when nobody knows.
        needed: signals each group needs; rolls announce theirs, creations have them from the template.
    """

    total: int = 0
    needed: dict[str, int] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _signals: dict[str, _Signals] = field(default_factory=dict)

    def see(self, event: Event) -> Progress:
        """Count an event and return it as a line of progress."""
        if event.is_stack:
            text = f"{event.logical_id}: {_words(event.status)}{_because(event.reason)}"
            return self._progress(Kind.STACK, text, event)
        if signal := _SIGNAL.search(event.reason):
            return self._signal(event, *signal.groups())
        if obsolete := _OBSOLETE.search(event.reason):
            self.needed[event.logical_id] = int(obsolete[1])
            self._signals[event.logical_id] = _Signals()
        if event.status in _DONE:
            self._done.add(event.logical_id)
        elif event.status.endswith("_IN_PROGRESS"):
            self._done.discard(event.logical_id)
        kind = Kind.WARNING if event.status.endswith("_FAILED") else Kind.RESOURCE
        reason = "made, not ready yet" if event.reason == _INITIATED else event.reason
        return self._progress(kind, f"{event.logical_id}: {_words(event.status)}{_because(reason)}", event)

    def waiting_for(self) -> list[str]:
        """Return, in words, the signals that are still missing."""
        return [
            f"{group}: {len(self._of(group).good)} of {count} signals"
            for group, count in self.needed.items()
            if len(self._of(group).good) < count
        ]

    def _of(self, group: str) -> _Signals:
        return self._signals.setdefault(group, _Signals())

    def _signal(self, event: Event, verdict: str, instance: str) -> Progress:
        counted = self._of(event.logical_id)
        (counted.good if verdict == "SUCCESS" else counted.bad).add(instance)
        needed = self.needed.get(event.logical_id, 0)
        of = f" of {needed}" if needed else ""
        bad = f", {len(counted.bad)} failed" if counted.bad else ""
        text = f"{event.logical_id}: {instance} signals {verdict.lower()} ({len(counted.good)}{of} received{bad})"
        kind = Kind.SIGNAL if verdict == "SUCCESS" else Kind.WARNING
        return self._progress(kind, text, event, len(counted.good), needed)

    def _progress(
        self, kind: Kind, text: str, event: Event, done: int | None = None, total: int | None = None
    ) -> Progress:
        detail = {
            "resource": event.logical_id,
            "type": event.type,
            "status": event.status,
            "reason": event.reason,
            "waiting": self.waiting_for(),
            **({"group": event.logical_id} if _SIGNAL.search(event.reason) else {}),
        }
        return Progress(
            kind,
            text,
            len(self._done) if done is None else done,
            self.total if total is None else total,
            event.at,
            detail,
        )


def observed_boot(events: Iterable[Event]) -> int | None:
    """Return the longest time, in seconds, from launch to success signal in a run of events, oldest first; None without one."""
    launched: dict[str, datetime] = {}
    longest: list[float] = []
    for event in events:
        if _ADDED.search(event.reason) or (event.reason == _INITIATED and "AutoScalingGroup" in event.type):
            launched[event.logical_id] = event.at
        elif "Received SUCCESS signal" in event.reason and event.logical_id in launched:
            longest.append((event.at - launched[event.logical_id]).total_seconds())
    return round(max(longest)) if longest else None


def _words(status: str) -> str:
    return status.lower().replace("_", " ")


def _because(reason: str) -> str:
    if gone := _GONE.search(reason):
        return f": {gone[1]} has left ({gone[2]} %)"
    return f": {reason.strip()}" if reason and reason != "User Initiated" else ""
