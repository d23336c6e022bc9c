"""CreationPolicy: a resource is complete only when enough of its instances have signalled.

AWS: Template Reference "CreationPolicy attribute" (ResourceSignal, AutoScalingCreationPolicy).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.local.cloudformation import durations
from kubecfn.local.cloudformation.refusals import OperationFailedError
from kubecfn.local.cloudformation.signals import Mailbox

LONGEST = 12 * 3600  # "the maximum is 12 hours"
Note = Callable[[str], object]


def unsatisfied(kind: str, got: int, total: int, percent: float) -> str:
    """Return the reason of a group that failed for want of signals."""
    return f"Received {got} {kind} signal(s) out of {total}. Unable to satisfy {percent:g}% MinSuccessfulInstancesPercent requirement"


def needed(total: int, percent: float) -> int:
    """Return how many of `total` must succeed ("CloudFormation rounds to the nearest tenth of a percent")."""
    return math.ceil(round(total * round(percent, 1) / 100, 6))


@dataclass(frozen=True)
class Waiting:
    """What a creation waits for.

    Attributes:
        count: signals expected; 0 waits for nothing.
        seconds: how long.
        percent: how many of them must be SUCCESS; of a single resource all.
        is_group: groups and single resources word their failures differently.
    """

    count: int
    seconds: float
    percent: float = 100
    is_group: bool = False

    @classmethod
    def of(cls, policy: Mapping[str, Any], *, is_group: bool) -> Waiting:
        """Read a resolved CreationPolicy; defaults are one signal within five minutes.

        Raises:
            OperationFailedError: for a duration or count that CloudFormation would refuse.
        """
        if not policy:
            return cls(0, 0)
        signal = policy.get("ResourceSignal", {})
        percent = policy.get("AutoScalingCreationPolicy", {}).get("MinSuccessfulInstancesPercent", 100)
        try:
            limit = durations.seconds(str(signal.get("Timeout", "PT5M")))
            waiting = cls(int(signal.get("Count", 1)), limit, float(percent), is_group)
        except ValueError as problem:
            raise OperationFailedError(f"Invalid CreationPolicy: {problem}") from problem
        if limit > LONGEST:
            raise OperationFailedError(f"Invalid CreationPolicy: Timeout {signal['Timeout']} is longer than PT12H")
        return waiting

    def wait(self, box: Mailbox, note: Note) -> None:
        """Block until enough signals arrived.

        Raises:
            OperationFailedError: enough can no longer arrive, or the time is over.
        """
        if self.count == 0:
            return
        least = needed(self.count, self.percent)

        def decided(counts: Counter[str]) -> bool:
            return counts.total() >= self.count or self.count - counts["FAILURE"] < least

        in_time = box.wait(decided, self.seconds)
        counts = box.counts()
        missing = max(0, self.count - counts.total())
        if not self.is_group and (counts["FAILURE"] or missing):
            failed = next(iter(box.senders("FAILURE")), "")
            late = f"Failed to receive {missing} resource signal(s) within the specified duration"
            raise OperationFailedError(f"Received FAILURE signal with UniqueId {failed}" if counts["FAILURE"] else late)
        if counts["SUCCESS"] >= least:
            return
        if counts["FAILURE"] and in_time:
            raise OperationFailedError(unsatisfied("FAILURE", counts["FAILURE"], self.count, self.percent))
        note(
            f"Failed to receive {missing} resource signal(s) for the current batch.  "
            "Each resource signal timeout is counted as a FAILURE."
        )
        raise OperationFailedError(unsatisfied("SUCCESS", counts["SUCCESS"], self.count, self.percent))
