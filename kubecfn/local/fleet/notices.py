"""The events that auto scaling and EC2 send to EventBridge, in AWS's documented shapes.

Sources: Auto Scaling User Guide, "Amazon EC2 Auto Scaling event reference"; EC2 User Guide, "Amazon EC2 instance state
change notification events". All are sent on a best-effort basis, as there.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubecfn.local.fleet.model import LAUNCHING, Action, Activity, Group, Member
from kubecfn.local.world import World, partition_of

Event = dict[str, Any]


@dataclass(frozen=True)
class Notices:
    """Makes events and puts them on the default bus.

    Attributes:
        world: dates them.
        put: takes a region and an event.
    """

    world: World
    put: Callable[[str, Event], None]

    def lifecycle_action(self, group: Group, member: Member, action: Action) -> None:
        """An instance began to wait for a hook."""
        launching = action.hook.transition == LAUNCHING
        detail = {
            "LifecycleActionToken": action.token,
            "AutoScalingGroupName": group.name,
            "LifecycleHookName": action.hook.name,
            "EC2InstanceId": member.id,
            "LifecycleTransition": action.hook.transition,
            "Origin": "EC2" if launching else "AutoScalingGroup",
            "Destination": "AutoScalingGroup" if launching else "EC2",
        }
        if action.hook.metadata:
            detail["NotificationMetadata"] = action.hook.metadata
        kind = "EC2 Instance-launch Lifecycle Action" if launching else "EC2 Instance-terminate Lifecycle Action"
        self._send(group.region, "aws.autoscaling", kind, [group.arn], detail)

    def launched(self, group: Group, member: Member) -> None:
        """An instance is in service."""
        self._scaled(group, member, "EC2 Instance Launch Successful", ("EC2", "AutoScalingGroup"))

    def terminated(self, group: Group, member: Member) -> None:
        """An instance is gone."""
        self._scaled(group, member, "EC2 Instance Terminate Successful", ("AutoScalingGroup", "EC2"))

    def launch_failed(self, group: Group, activity: Activity) -> None:
        """An instance could not be launched."""
        detail = self._activity(group, activity, "Failed") | {
            "EC2InstanceId": "",
            "Origin": "EC2",
            "Destination": "AutoScalingGroup",
        }
        self._send(group.region, "aws.autoscaling", "EC2 Instance Launch Unsuccessful", [group.arn], detail)

    def instance_state(self, region: str, instance_id: str, state: str) -> None:
        """EC2's own word: pending, running, shutting-down, terminated."""
        arn = f"arn:{partition_of(region)}:ec2:{region}:{self.world.account}:instance/{instance_id}"
        detail = {"instance-id": instance_id, "state": state}
        self._send(region, "aws.ec2", "EC2 Instance State-change Notification", [arn], detail)

    def interruption(self, region: str, instance_id: str) -> None:
        """EC2 takes a spot instance back (EC2 User Guide, "Spot Instance interruption notices")."""
        zone = f"arn:{partition_of(region)}:ec2:{region}a:instance/{instance_id}"
        detail = {"instance-id": instance_id, "instance-action": "terminate"}
        self._send(region, "aws.ec2", "EC2 Spot Instance Interruption Warning", [zone], detail)

    def _scaled(self, group: Group, member: Member, kind: str, way: tuple[str, str]) -> None:
        arn = f"arn:{partition_of(group.region)}:ec2:{group.region}:{self.world.account}:instance/{member.id}"
        activity = member.activity or Activity("", "", self.world.clock.now())
        detail = self._activity(group, activity, "InProgress") | {
            "EC2InstanceId": member.id,
            "Details": {"Subnet ID": member.subnet, "Availability Zone": member.zone},
            "Origin": way[0],
            "Destination": way[1],
        }
        self._send(group.region, "aws.autoscaling", kind, [group.arn, arn], detail)

    def _activity(self, group: Group, activity: Activity, status: str) -> dict[str, Any]:
        return {
            "StatusCode": status,
            "StatusMessage": activity.message,
            "Description": activity.description,
            "AutoScalingGroupName": group.name,
            "ActivityId": activity.id,
            "RequestId": activity.id,
            "StartTime": _stamp(activity.start),
            "EndTime": _stamp(activity.end or self.world.clock.now()),
            "Cause": activity.cause,
        }

    def _send(self, region: str, source: str, kind: str, resources: list[str], detail: dict[str, Any]) -> None:
        self.put(region, event(self.world, region, source, kind=kind, resources=resources, detail=detail))


def event(world: World, region: str, source: str, *, kind: str, resources: list[str], detail: Any) -> Event:
    """Return the envelope of an event (EventBridge User Guide, "AWS service event metadata")."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": world.account,
        "time": _stamp(world.clock.now()),
        "region": region,
        "resources": resources,
        "detail": detail,
    }


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
