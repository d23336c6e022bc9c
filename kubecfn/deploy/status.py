"""How a cluster is at this moment: its stack, its groups by life-cycle state, and the last signal of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kubecfn.deploy.aws import Aws, doing
from kubecfn.deploy.stacks import Event, Stack, events, read_stack, resources
from kubecfn.deploy.states import ACTS, State
from kubecfn.errors import StackError

_GROUP = "AWS::AutoScaling::AutoScalingGroup"
# As many events as one roll of a large cluster writes; older signals say nothing about now.
_RECENT = 400


@dataclass(frozen=True)
class GroupStatus:
    """One auto scaling group.

    Attributes:
        wanted: its desired capacity.
        states: life-cycle state -> how many instances.
        last_signal: CloudFormation's words for the last signal of a node, with its time; empty when there is none.
    """

    name: str
    wanted: int
    states: Mapping[str, int]
    last_signal: str

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row: group, in service, wanted, launching, leaving, last signal."""
        launching = sum(count for state, count in self.states.items() if state.startswith("Pending"))
        leaving = sum(count for state, count in self.states.items() if state.startswith("Terminating"))
        return (
            self.name,
            str(self.states.get("InService", 0)),
            str(self.wanted),
            str(launching),
            str(leaving),
            self.last_signal,
        )


@dataclass(frozen=True)
class Status:
    """A cluster at one moment."""

    stack: Stack
    groups: tuple[GroupStatus, ...]

    @property
    def headline(self) -> str:
        """One line: the stack's state and what it means."""
        return f"{self.stack.name}: {self.stack.state.value}. {ACTS[self.stack.state].means}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        groups = [
            {
                "group": group.name,
                "wanted": group.wanted,
                "states": dict(group.states),
                "last_signal": group.last_signal,
            }
            for group in self.groups
        ]
        return {"stack": self.stack.to_json(), "groups": groups}


def status(aws: Aws, name: str) -> Status:
    """Return how the stack and its groups are.

    Raises:
        StackError: there is no such stack.
        AwsError: AWS could not be asked.
    """
    stack = read_stack(aws, name)
    if stack.state is State.ABSENT:
        raise StackError(
            f"There is no stack {name} in {aws.region}.",
            remedy="Create it with: kubecfn apply, or name another region with --region.",
        )
    with doing(f"reading the groups of {name}"):
        ids = {
            one.physical_id: one.logical_id for one in resources(aws, name) if one.type == _GROUP and one.physical_id
        }
        described = _describe(aws, list(ids)) if ids else []
        recent = tuple(islice(events(aws, name), _RECENT))
    groups = [_group(ids[one["AutoScalingGroupName"]], one, recent) for one in described]
    return Status(stack, tuple(sorted(groups, key=lambda group: group.name)))


def _describe(aws: Aws, names: list[str]) -> list[dict[str, Any]]:
    pages = (
        aws.client("autoscaling").get_paginator("describe_auto_scaling_groups").paginate(AutoScalingGroupNames=names)
    )
    return [group for page in pages for group in page["AutoScalingGroups"]]


def _group(logical_id: str, described: Mapping[str, Any], recent: Iterable[Event]) -> GroupStatus:
    states = Counter(instance["LifecycleState"] for instance in described["Instances"])
    said = next(
        (event for event in recent if event.logical_id == logical_id and " signal with UniqueId " in event.reason), None
    )
    words = f"{said.at:%H:%M:%S} {said.reason.removeprefix('Received ')}" if said else ""
    return GroupStatus(logical_id, described["DesiredCapacity"], dict(states), words)
