"""Every call the lifecycle functions make to AWS."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .leaving import Answer, Leaving

_PATIENT = Config(retries={"mode": "standard", "max_attempts": 8})
WAITING = "Terminating:Wait"
# Amazon EC2 Auto Scaling User Guide, "Manage retained instances": kept by an instance lifecycle policy, and not counted.
RETAINED = "Terminating:Retained"


@dataclass(frozen=True)
class Aws:
    """The services, as one caller sees them."""

    autoscaling: Any
    cloudformation: Any

    @classmethod
    @cache
    def connect(cls) -> Aws:
        """Return clients with the function's own role in its own region; made once per execution environment."""
        return cls(*(boto3.client(name, config=_PATIENT) for name in ("autoscaling", "cloudformation")))

    def stack_status(self, stack: str) -> str:
        """Return a stack's state, e.g. ``UPDATE_IN_PROGRESS``; empty when there is none of that name."""
        try:
            return str(self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        except ClientError as error:
            # There is no code of its own for it (AWS CloudFormation API Reference: DescribeStacks, StackName).
            if _is(error, "ValidationError", "does not exist"):
                return ""
            raise

    def waiting_in(self, group: str) -> dict[str, tuple[str, ...]]:
        """Return the instances of one group that wait in a terminating hook, by the group's name."""
        return {name: _who_waits(ones) for name, ones in self._groups(AutoScalingGroupNames=[group]).items()}

    def states_in(self, group: str) -> dict[str, str]:
        """Return the lifecycle state of a group's instances by id; of none when there is no such group."""
        return {
            one["InstanceId"]: one["LifecycleState"]
            for one in self._groups(AutoScalingGroupNames=[group]).get(group, ())
        }

    def waiting_in_pools(self, cluster: str) -> dict[str, tuple[str, ...]]:
        """Return the instances that wait in a terminating hook, by name, of every group tagged as this cluster's worker pool."""
        tags = {"kubecfn:cluster": cluster, "kubecfn:role": "worker"}
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
        return {name: _who_waits(ones) for name, ones in self._groups(Filters=filters).items()}

    def _groups(self, **which: Any) -> dict[str, list[dict[str, Any]]]:
        pages = self.autoscaling.get_paginator("describe_auto_scaling_groups").paginate(**which)
        groups = [group for page in pages for group in page["AutoScalingGroups"]]
        return {group["AutoScalingGroupName"]: group["Instances"] for group in groups}

    def answer(self, one: Leaving, hook: str, answer: Answer) -> bool:
        """Answer the hook for an instance; return False when it had been answered or had run out before.

        Events come twice and late (Amazon EventBridge User Guide, "at least once"), so that is success.
        """
        try:
            self.autoscaling.complete_lifecycle_action(
                AutoScalingGroupName=one.group,
                LifecycleHookName=hook,
                InstanceId=one.instance,
                LifecycleActionResult=answer.value,
            )
        except ClientError as error:
            if _is(error, "ValidationError", "No active Lifecycle Action found"):
                return False
            raise
        return True

    def heartbeat(self, one: Leaving, hook: str) -> bool:
        """Let a hook's timeout begin anew; return False when the hook had been answered or had run out before."""
        try:
            self.autoscaling.record_lifecycle_action_heartbeat(
                AutoScalingGroupName=one.group, LifecycleHookName=hook, InstanceId=one.instance
            )
        except ClientError as error:
            if _is(error, "ValidationError", "No active Lifecycle Action found"):
                return False
            raise
        return True

    def terminate_retained(self, instance: str) -> bool:
        """End an instance that was retained; return False when it was ending already or is gone.

        It counts toward no capacity, so none is decremented.
        """
        try:
            self.autoscaling.terminate_instance_in_auto_scaling_group(
                InstanceId=instance, ShouldDecrementDesiredCapacity=False
            )
        except ClientError as error:
            if _is(error, "ValidationError", "already terminating") or _is(error, "ValidationError", "not found"):
                return False
            raise
        return True


def _who_waits(instances: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted(one["InstanceId"] for one in instances if one["LifecycleState"] == WAITING))


def _is(error: ClientError, code: str, words: str) -> bool:
    found = error.response["Error"]
    return found["Code"] == code and words in found["Message"]
