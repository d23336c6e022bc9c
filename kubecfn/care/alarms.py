"""The cluster's CloudWatch alarms that are raised now.

Source: Amazon CloudWatch API reference, "DescribeAlarms" (AlarmNames: at most 100).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kubecfn.care.words import since
from kubecfn.deploy.aws import Aws, doing

_MOST = 100


@dataclass(frozen=True)
class Raised:
    """One alarm in state ALARM.

    Attributes:
        what: its own description.
        at: when it was raised.
    """

    name: str
    what: str
    at: datetime

    def line(self, now: datetime) -> str:
        """It in one plain line."""
        return f"ALARM {self.name} for {since(self.at, now)}: {self.what}."


def raised(aws: Aws, names: Sequence[str]) -> tuple[Raised, ...]:
    """Return those of these alarms that are raised, by name.

    Raises:
        AwsError: CloudWatch could not be asked.
    """
    if not names:
        return ()
    with doing("reading the cluster's alarms"):
        client = aws.client("cloudwatch")
        found = client.describe_alarms(AlarmNames=sorted(names)[:_MOST], MaxRecords=_MOST)["MetricAlarms"]
    return tuple(
        Raised(one["AlarmName"], str(one.get("AlarmDescription") or "").rstrip("."), one["StateUpdatedTimestamp"])
        for one in sorted(found, key=lambda one: str(one["AlarmName"]))
        if one["StateValue"] == "ALARM"
    )
