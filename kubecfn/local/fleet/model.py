"""What auto scaling knows: groups, their instances, hooks and activities. Plain data and the questions it can answer."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubecfn.local.api import Call, ServiceError
from kubecfn.local.world import World

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"

# Count toward the desired capacity. Source: Auto Scaling User Guide, "Amazon EC2 Auto Scaling instance lifecycle";
# "Manage retained instances" for Terminating:Retained, which does not.
COUNTED = frozenset({"Pending", "Pending:Wait", "Pending:Proceed", "InService"})


@dataclass(frozen=True)
class Hook:
    """A lifecycle hook.

    Attributes:
        name: unique in its group.
        transition: `LAUNCHING` or `TERMINATING`.
        heartbeat: seconds until the default result is taken unless a heartbeat comes.
        default: ``CONTINUE`` or ``ABANDON``.
        metadata: handed on in the event.
    """

    name: str
    transition: str
    heartbeat: int
    default: str
    metadata: str = ""

    @property
    def limit(self) -> int:
        """The longest wait, heartbeats or not (API reference, LifecycleHook: GlobalTimeout)."""
        return min(172_800, 100 * self.heartbeat)


@dataclass
class Action:
    """One instance waiting for one hook.

    Attributes:
        hook: as it was when the wait began.
        token: names this action in the API.
        deadline: instant of the clock (`Clock.monotonic`) at which the heartbeat has run out.
        last: instant of the clock at which no heartbeat helps any more.
        result: ``CONTINUE``, ``ABANDON`` or empty while it is open.
    """

    hook: Hook
    token: str
    deadline: float
    last: float
    result: str = ""


@dataclass
class Activity:
    """A scaling activity, with the words AWS uses.

    Attributes:
        id: a UUID.
        description: e.g. ``Launching a new EC2 instance: i-0``.
        cause: why it began.
        start: simulated instant.
        status: ``InProgress``, ``MidLifecycleAction``, ``Successful``, ``Failed`` or ``Cancelled``.
    """

    description: str
    cause: str
    start: datetime
    status: str = "InProgress"
    message: str = ""
    progress: int = 30
    end: datetime | None = None
    details: str = "{}"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def finish(self, status: str, at: datetime, message: str = "") -> None:
        """Close the activity."""
        self.status, self.end, self.message, self.progress = status, at, message, 100


@dataclass(frozen=True)
class Source:
    """Which launch template version an instance was started from: its real number, never ``$Latest``."""

    template_id: str
    template_name: str
    version: str

    def answer(self) -> dict[str, str]:
        """The API's LaunchTemplateSpecification."""
        return {
            "LaunchTemplateId": self.template_id,
            "LaunchTemplateName": self.template_name,
            "Version": self.version,
        }


@dataclass
class Member:
    """An instance of a group.

    Attributes:
        id: instance id.
        launched: simulated instant.
        state: the API's LifecycleState.
        final: terminate without hooks and without retaining (forced deletion, or a retained instance let go).
        on: its machine was switched on.
        gone: EC2 says it does not run any more, or its power was cut.
        targets: target groups it is registered in.
    """

    id: str
    zone: str
    subnet: str
    instance_type: str
    source: Source
    spot: bool
    launched: datetime
    state: str = "Pending"
    health: str = "Healthy"
    protected: bool = False
    on: bool = False
    final: bool = False
    gone: bool = False
    targets: set[str] = field(default_factory=set)
    actions: list[Action] = field(default_factory=list)
    activity: Activity | None = None

    @property
    def counted(self) -> bool:
        """Whether it counts toward the desired capacity."""
        return self.state in COUNTED


@dataclass
class Group:
    """An auto scaling group.

    Attributes:
        settings: parameters of CreateAutoScalingGroup and later updates, under the API's names.
        zones: subnet id -> zone, in the order of VPCZoneIdentifier.
        suspended: process -> reason.
        deleting: DeleteAutoScalingGroup was accepted; it goes when its last instance is gone.
        rebalancing: it has one more than desired until that one is in service.
        retry_at: instant of the clock before which no launch is tried again after a failed one.
    """

    name: str
    region: str
    arn: str
    created: datetime
    settings: dict[str, Any]
    zones: dict[str, str]
    tags: dict[str, tuple[str, bool]] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    suspended: dict[str, str] = field(default_factory=dict)
    metrics: set[str] = field(default_factory=set)
    scheduled: dict[str, dict[str, Any]] = field(default_factory=dict)
    activities: deque[Activity] = field(default_factory=lambda: deque(maxlen=1000))
    deleting: bool = False
    rebalancing: bool = False
    retry_at: float = 0.0
    failures: int = 0

    @property
    def desired(self) -> int:
        """The desired capacity."""
        return int(self.settings["DesiredCapacity"])

    @property
    def retains(self) -> bool:
        """Whether an abandoned terminating hook keeps the instance (User Guide, "Configure instance retention")."""
        triggers = self.settings.get("InstanceLifecyclePolicy", {}).get("RetentionTriggers", {})
        return bool(triggers.get("TerminateHookAbandon") == "retain")

    def counted(self) -> list[Member]:
        """The instances that count toward the desired capacity, oldest first."""
        return sorted((m for m in list(self.members.values()) if m.counted), key=lambda m: (m.launched, m.id))

    def runs(self, *processes: str) -> bool:
        """Whether none of these processes is suspended."""
        return not any(process in self.suspended for process in processes)

    def hooks_of(self, transition: str) -> list[Hook]:
        """The hooks of one transition."""
        return [hook for hook in self.hooks.values() if hook.transition == transition]


@dataclass
class Book:
    """All groups of the account and the lock that guards them; never held while another service is called.

    Attributes:
        world: surroundings.
        changed: set whenever the reconciler has something to look at.
    """

    world: World
    lock: threading.RLock = field(default_factory=threading.RLock)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    changed: threading.Event = field(default_factory=threading.Event)

    def group(self, call: Call, name: str | None = None) -> Group:
        """Return the group a call names.

        Raises:
            ServiceError: there is none, in AWS's words.
        """
        wanted = name or str(call.params.get("AutoScalingGroupName", ""))
        # Many operations accept the ARN where they say name.
        wanted = wanted.rsplit("autoScalingGroupName/", 1)[-1]
        group = self.groups.get((call.region, wanted))
        if group is None:
            raise ServiceError(
                "ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup {wanted} not found"
            )
        return group

    def find(self, call: Call, instance_id: str) -> tuple[Group, Member]:
        """Return the group and member of an instance.

        Raises:
            ServiceError: no group of this region has it.
        """
        for (region, _), group in self.groups.items():
            if region == call.region and instance_id in group.members:
                return group, group.members[instance_id]
        raise ServiceError(
            "ValidationError", f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
        )
