"""What the controllers' group and the pools' groups have in common: hook, roll, signals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from troposphere import Sub, Tag, autoscaling, policies

from kubecfn.config import Config
from kubecfn.config.types import iso8601
from kubecfn.template.tags import CLUSTER_TAG, ROLE_TAG

# Auto Scaling would undo or disturb a roll with these (CloudFormation: "UpdatePolicy attribute", SuspendProcesses).
SUSPENDED = ("HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "ScheduledActions")
_BOOT_GRACE_SECONDS = 300


def roll(*, in_service: int, batch: int, timeout: str) -> policies.UpdatePolicy:
    """Return an update policy that replaces `batch` instances at a time and waits for each new one's signal."""
    return policies.UpdatePolicy(
        AutoScalingRollingUpdate=policies.AutoScalingRollingUpdate(
            MinInstancesInService=in_service,
            MaxBatchSize=batch,
            PauseTime=iso8601(timeout),
            WaitOnResourceSignals=True,
            SuspendProcesses=list(SUSPENDED),
        ),
        # Else every update would reset the size that an autoscaler chose.
        AutoScalingScheduledAction=policies.AutoScalingScheduledAction(IgnoreUnmodifiedGroupSizeProperties=True),
    )


def wait_for(count: object, timeout: str) -> policies.CreationPolicy:
    """Return a creation policy; without a count creation would succeed before the first instance has booted."""
    return policies.CreationPolicy(ResourceSignal=policies.ResourceSignal(Count=count, Timeout=iso8601(timeout)))


def terminating_hook(
    name: Sub, *, result: Literal["ABANDON", "CONTINUE"], heartbeat: int
) -> autoscaling.LifecycleHookSpecification:
    """Return the hook that holds a leaving instance. In the group itself: a separate one misses its first instances."""
    return autoscaling.LifecycleHookSpecification(
        LifecycleHookName=name,
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        DefaultResult=result,
        HeartbeatTimeout=heartbeat,
    )


def health() -> dict[str, object]:
    """Return the health check: EC2's alone, since a load balancer's would in one outage kill all at once."""
    return {"HealthCheckType": "EC2", "HealthCheckGracePeriod": _BOOT_GRACE_SECONDS}


def group_tags(config: Config, role: str, name: str, unpropagated: Mapping[str, str]) -> list[Tag]:
    """Return a group's tags, which its instances get too; `unpropagated` stay on the group (the autoscaler's)."""
    tags: dict[str, object] = {
        "Name": Sub(f"${{AWS::StackName}}-{name}"),
        CLUSTER_TAG: config.name,
        ROLE_TAG: role,
        f"kubernetes.io/cluster/{config.name}": "owned",
    }
    propagated = [autoscaling.Tag(key, value, True) for key, value in tags.items()]
    return [*propagated, *(autoscaling.Tag(key, value, False) for key, value in unpropagated.items())]
