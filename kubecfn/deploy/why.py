"""The reason of the last failure in one screen: the first thing that failed, what the node itself said, and what to do next.

`diagnose` is pure; `why` reads what it needs. Source: CloudFormation User Guide, "Troubleshooting CloudFormation"; a node writes
each failed step as one JSON line to the log group /kubecfn/CLUSTER/nodes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.deploy.stacks import Event, events, read_stack
from kubecfn.deploy.states import State
from kubecfn.errors import AwsError

_CASCADE = re.compile(r"Resource (creation|update|deletion) cancelled", re.IGNORECASE)
_FAILURE = re.compile(r"Received FAILURE signal with UniqueId (\S+)")
_SILENT = re.compile(r"Failed to receive \d+ resource signal|Received \d+ \w+ signal\(s\) out of")
_LAUNCHED = re.compile(r"Launching a new EC2 instance: (i-\w+)")
_STARTS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"})
_MOST_EVENTS = 2000
_MOST_NODES = 5
_MOST_LINES = 50
_CONSOLE_LINES = 15
_REMEDIES = (
    (
        r"AccessDenied|not authorized|UnauthorizedOperation",
        "Give the deploying role the permission that is named, then apply again.",
    ),
    (r"LimitExceeded|quota|maximum number", "Raise the limit in Service Quotas or free something, then apply again."),
    (
        r"AlreadyExists|already exists|AlreadyOwned",
        "Remove or rename what already exists under that name, then apply again.",
    ),
    (
        r"HostedZoneNotEmpty|DependencyViolation|ResourceInUse|not empty",
        "Run kubecfn delete again: it clears what blocks first.",
    ),
    (r"stack policy|Action denied", "The stack policy protects it; such a change needs a new cluster."),
    (r"hash|sha-?256|checksum", "Run kubecfn upload, which verifies what is in the bucket, then apply again."),
    (
        r"InsufficientInstanceCapacity|VcpuLimit|instance type",
        "Choose other instance types or zones, then apply again.",
    ),
)


@dataclass(frozen=True)
class NodeLine:
    """What a node said of itself.

    Attributes:
        step: what it was doing.
    """

    instance: str
    step: str
    reason: str
    at: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Why the last operation failed.

    Attributes:
        resource: logical id of what failed first; empty when nothing failed.
        at: when; None when nothing failed.
        reason: AWS's own words.
        instances: those that signalled failure.
        nodes: what nodes said.
        console: the end of a node's console, when it said nothing itself.
        cascade: how many other resources failed only because of the first.
        next_step: what to do, as one sentence.
    """

    stack: str
    state: str
    resource: str = ""
    type: str = ""
    at: datetime | None = None
    reason: str = ""
    instances: tuple[str, ...] = ()
    nodes: tuple[NodeLine, ...] = ()
    console: tuple[str, ...] = ()
    cascade: int = 0
    next_step: str = ""

    def lines(self) -> list[str]:
        """Return it as plain lines; at most one screen."""
        if not self.resource:
            return [f"{self.stack} is {self.state}; nothing failed in its last operation."]
        when = f" at {self.at:%H:%M:%S} UTC" if self.at else ""
        more = [f"  {self.cascade} other resources failed only because of it"] if self.cascade else []
        signals = [f"  failure was signalled by {', '.join(self.instances)}"] if self.instances else []
        nodes = [f"  {line.instance}, while {line.step}: {line.reason}" for line in self.nodes]
        console = ["  the end of its console:", *(f"    {line}" for line in self.console)] if self.console else []
        return [f"{self.resource} ({self.type}) failed{when}: {self.reason}", *nodes, *signals, *console, *more]

    def text(self) -> str:
        """Return the lines as one text."""
        return "\n".join(self.lines())

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "at": self.at.isoformat() if self.at else None}


def diagnose(
    stack: str,
    state: State,
    history: Iterable[Event],
    nodes: Iterable[NodeLine] = (),
    console: Iterable[str] = (),
) -> Diagnosis:
    """Return why the last operation failed.

    Args:
        stack: its name.
        state: the one it is in.
        history: the stack's events, newest first.
        nodes: what nodes said, oldest first.
        console: lines of the console of a node that said nothing.
    """
    operation = last_operation(history)
    failed = [event for event in operation if event.status.endswith("_FAILED") and not event.is_stack]
    real = [event for event in failed if not _CASCADE.search(event.reason)]
    instances = tuple(dict.fromkeys(match[1] for event in operation if (match := _FAILURE.search(event.reason))))
    if not real:
        whole = next((event for event in operation if event.is_stack and "ROLLBACK" in event.status), None)
        if whole is None:
            return Diagnosis(stack, state.value, next_step="")
        real = [whole]
    first = real[0]
    said = [line for line in nodes if not instances or line.instance in instances][-_MOST_NODES:]
    words = " ".join([first.reason, *(line.reason for line in said)])
    return Diagnosis(
        stack=stack,
        state=state.value,
        resource=first.logical_id,
        type=first.type,
        at=first.at,
        reason=first.reason.strip() or first.status,
        instances=instances,
        nodes=tuple(said),
        console=tuple(console)[-_CONSOLE_LINES:] if not said else (),
        cascade=len({event.logical_id for event in failed} - {first.logical_id}),
        next_step=_next_step(state, words),
    )


def last_operation(history: Iterable[Event]) -> list[Event]:
    """Return the events of the last operation, oldest first; a rollback, or a deletion on failure, belongs to what failed."""
    found: list[Event] = []
    for event in history:
        found.append(event)
        if event.is_stack and event.status in _STARTS and "failed to create" not in event.reason:
            break
    return found[::-1]


def why(aws: Aws, stack: str, cluster: str) -> Diagnosis:
    """Return why the last operation on a stack failed, asking the nodes' log and console where events are not enough.

    Args:
        aws: account and region.
        stack: name, or ARN of a deleted stack.
        cluster: its name; the nodes write to ``/kubecfn/CLUSTER/nodes``.
    """
    found = read_stack(aws, stack)
    if not found.id:
        return Diagnosis(stack, found.state.value)
    history = [event for event, _ in zip(events(aws, found.id), range(_MOST_EVENTS), strict=False)]
    operation = last_operation(history)
    about_nodes = [event for event in operation if _FAILURE.search(event.reason) or _SILENT.search(event.reason)]
    if not about_nodes:
        return diagnose(found.name, found.state, history)
    failing = [match[1] for event in about_nodes if (match := _FAILURE.search(event.reason))]
    instances = failing or _launched(aws, about_nodes[0].physical_id, operation[0].at)
    said = node_lines(aws, cluster, instances)
    return diagnose(found.name, found.state, history, said, [] if said else _console(aws, instances))


def tell_why(aws: Aws, stack: str, cluster: str, reason: str) -> Diagnosis:
    """Return what `why` finds; when AWS does not answer, at least the stack's own words: a failure is never hidden by another."""
    try:
        return why(aws, stack, cluster)
    except AwsError as error:
        return Diagnosis(stack, "", resource=stack, reason=f"{reason} ({error.message})", next_step="Run kubecfn why.")


def node_lines(aws: Aws, cluster: str, instances: Iterable[str]) -> list[NodeLine]:
    """Return what nodes wrote about failed steps, oldest first for each; "no such log" is nothing.

    Args:
        aws: account and region.
        cluster: its name.
        instances: their ids, which are the names of their log streams.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    group = f"/kubecfn/{cluster}/nodes"
    messages: list[str] = []
    for instance in list(dict.fromkeys(instances))[:_MOST_NODES]:
        with doing(f"reading what {instance} wrote to {group}"):
            try:
                answer = aws.client("logs").get_log_events(
                    logGroupName=group, logStreamName=instance, startFromHead=False, limit=_MOST_LINES
                )
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
                continue
        messages += [event["message"] for event in answer["events"]]
    return [line for message in messages if (line := _node_line(message))]


def _launched(aws: Aws, group: str, since: datetime) -> list[str]:
    """Return the instances a group launched since an instant, newest first: those that should have signalled."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"looking at what the group {group} did"):
        try:
            pages = aws.client("autoscaling").get_paginator("describe_scaling_activities")
            found = pages.paginate(
                AutoScalingGroupName=group, IncludeDeletedGroups=True, PaginationConfig={"MaxItems": 100}
            )
            activities = [one for page in found for one in page["Activities"] if one["StartTime"] >= since]
        except ClientError as error:
            if code_of(error) != "ValidationError":
                raise
            return []  # the rollback has deleted the group by now, and its history with it
    launched = (_LAUNCHED.search(activity.get("Description", "")) for activity in activities)
    return [match[1] for match in launched if match]


def _node_line(message: str) -> NodeLine | None:
    try:
        data = json.loads(message)
    except ValueError:
        return None
    if not isinstance(data, Mapping) or not data.get("reason"):
        return None
    return NodeLine(*(str(data.get(name, "")) for name in ("instance", "step", "reason", "at")))


def _console(aws: Aws, instances: Iterable[str]) -> list[str]:
    """Return the end of the first console that can still be read; a terminated instance has none after an hour."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    for instance in instances:
        try:
            with doing(f"reading the console of {instance}"):
                try:
                    output = aws.client("ec2").get_console_output(InstanceId=instance).get("Output", "")
                except ClientError as error:
                    if "NotFound" in code_of(error):
                        continue
                    raise
        except AwsError:
            continue  # a console is a help, not a need: without it the rest is still worth telling
        if lines := _decoded(output).splitlines():
            return lines[-_CONSOLE_LINES:]
    return []


def _decoded(output: str) -> str:
    """AWS answers base64, and boto3 decodes it; some answers are text already."""
    try:
        return base64.b64decode(output, validate=True).decode(errors="replace")
    except ValueError:
        return output


def _next_step(state: State, words: str) -> str:
    match state:
        case State.UPDATE_ROLLBACK_FAILED:
            return "Run kubecfn apply: it offers to continue the rollback."
        case State.DELETE_FAILED:
            return "Run kubecfn delete again: it clears what blocks first."
        case _:
            known = next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, words, re.IGNORECASE)), "")
            return known or "Mend what is named, then run kubecfn apply again."
