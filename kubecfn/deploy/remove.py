"""Deleting a stack against everything that would block it: protection, retained instances, records, leftovers.

The order: lift what holds the stack, sweep what the cluster's programs made, delete, sweep again while groups and functions
go (the last of them still write), and try again what failed. Source: CloudFormation User Guide, "Delete a stack",
"Troubleshooting CloudFormation", section "Delete stack fails".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.deploy.follow import watch
from kubecfn.deploy.leftovers import find_leftovers, remove_leftovers
from kubecfn.deploy.progress import Kind, Work
from kubecfn.deploy.protection import lift
from kubecfn.deploy.stacks import Event, Resource, Stack, last_event_at, read_stack, resources
from kubecfn.deploy.states import ACTS, Delete, State
from kubecfn.deploy.zone import foreign_records, remove_records

_GROUP = "AWS::AutoScaling::AutoScalingGroup"
_ZONE = "AWS::Route53::HostedZone"
_WRITERS = frozenset({_GROUP, "AWS::Lambda::Function"})
_GONE = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})
_TRIES = 4
# Functions in a VPC leave interfaces that AWS itself takes away, within 40 minutes (Lambda: "Configuring a VPC").
_INTERFACE_WAIT_SECONDS = 300.0


def remove(aws: Aws, stack: Stack, cluster: str, work: Work, *, retain_blocked: bool = False) -> Stack:
    """Delete a stack and return it as it rests: DELETE_COMPLETE, or DELETE_FAILED when something still blocks.

    Args:
        aws: account and region.
        stack: its name.
        cluster: the cluster's name.
        work: how to wait, report and come back.
        retain_blocked: leave in the account what cannot be deleted after `_TRIES`, instead of failing.

    Raises:
        DetachedError: Ctrl-C while watching; the deletion goes on.
        AwsError: AWS refuses.
    """
    sweep = _Sweep(aws, stack.id, cluster, work)
    if ACTS[stack.state].delete is not Delete.FOLLOW:
        lift(aws, stack.id)
        release_instances(aws, stack.id, work)
        sweep.everything()
    for attempt in range(_TRIES):
        retain = _blocked(aws, stack.id) if retain_blocked and attempt == _TRIES - 1 else []
        stack = _once(aws, stack, sweep, retain, work)
        if stack.state is State.DELETE_COMPLETE:
            return stack
        blocked = [one for one in resources(aws, stack.id) if one.status == "DELETE_FAILED"]
        names = ", ".join(f"{one.logical_id} ({one.reason})" for one in blocked)
        work.tell(Kind.WARNING, f"Not deleted yet: {names or stack.reason}. Clearing what blocks, then again.")
        sweep.everything()
        if attempt and any(one.type in {"AWS::EC2::Subnet", "AWS::EC2::SecurityGroup"} for one in blocked):
            work.tell(Kind.NOTE, "Network interfaces of functions may hold subnets for up to 40 minutes: waiting")
            work.clock.sleep(_INTERFACE_WAIT_SECONDS)
    return stack


def release_instances(aws: Aws, stack: str, work: Work) -> None:
    """Let every group end its instances: one that retains what a hook abandons cannot be deleted.

    Source: EC2 Auto Scaling API reference, InstanceLifecyclePolicy, RetentionTriggers.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    client = aws.client("autoscaling")
    for group in resources(aws, stack):
        if group.type != _GROUP or not group.physical_id or group.status in _GONE:
            continue
        work.tell(Kind.STEP, f"{group.logical_id} no longer retains instances")
        with doing(f"letting the group {group.logical_id} go"):
            try:
                client.update_auto_scaling_group(
                    AutoScalingGroupName=group.physical_id,
                    InstanceLifecyclePolicy={"RetentionTriggers": {"TerminateHookAbandon": "terminate"}},
                )
            except ClientError as error:
                if code_of(error) != "ValidationError" or "not found" not in str(error):
                    raise


def _once(aws: Aws, stack: Stack, sweep: _Sweep, retain: list[str], work: Work) -> Stack:
    running = ACTS[stack.state].delete is Delete.FOLLOW
    since = None if running else last_event_at(aws, stack.id)
    total = sum(1 for one in resources(aws, stack.id) if one.status not in _GONE)
    if not running:
        arguments: dict[str, Any] = {"RetainResources": retain} if retain else {}
        with doing(f"deleting the stack {stack.name}"):
            aws.client("cloudformation").delete_stack(StackName=stack.id, **arguments)
    watch(aws, stack.id, work, since=since, began=running, changes=total, on_event=sweep.after)
    return read_stack(aws, stack.id)


def _blocked(aws: Aws, stack: str) -> list[str]:
    return [one.logical_id for one in resources(aws, stack) if one.status == "DELETE_FAILED"]


@dataclass
class _Sweep:
    """Removes, again and again, what blocks."""

    aws: Aws
    stack: str
    cluster: str
    work: Work

    def everything(self) -> None:
        """Remove foreign records and the cluster's own leftovers."""
        listed = resources(self.aws, self.stack)
        self._records(listed)
        self._leftovers()

    def after(self, event: Event) -> None:
        """Sweep when a writer is gone: until then it may have written."""
        if event.type in _WRITERS and event.status == "DELETE_COMPLETE":
            work: Callable[[], None] = self._leftovers if event.type == _GROUP else self._records_again
            work()

    def _records_again(self) -> None:
        self._records(resources(self.aws, self.stack))

    def _records(self, listed: list[Resource]) -> None:
        for zone in listed:
            if zone.type != _ZONE or zone.status in _GONE or not zone.physical_id:
                continue
            records = foreign_records(self.aws, zone.physical_id, listed)
            if records:
                self.work.tell(Kind.STEP, f"Removing {len(records)} records from the zone {zone.physical_id}")
                remove_records(self.aws, zone.physical_id, records)

    def _leftovers(self) -> None:
        found = find_leftovers(self.aws, self.cluster)
        for leftover in found:
            self.work.tell(Kind.STEP, f"Removing the {leftover}")
        for leftover in remove_leftovers(self.aws, found):
            self.work.tell(Kind.NOTE, f"The {leftover} is still in use; again later")
