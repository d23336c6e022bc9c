"""What CloudFormation says about one stack: its state, values, events, resources and template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubecfn.deploy.aws import Aws, code_of, doing, message_of
from kubecfn.deploy.states import State, state_of
from kubecfn.deploy.templates import parse
from kubecfn.errors import StackError

STACK_TYPE = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Stack:
    """A stack at one moment.

    Attributes:
        id: its ARN; empty when there is no such stack.
        reason: AWS's words for the state.
        protected: whether termination protection is on.
        updated: when the last operation began.
    """

    name: str
    state: State
    id: str = ""
    reason: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    protected: bool = False
    updated: datetime | None = None

    @property
    def stands(self) -> bool:
        """Whether it holds, or may hold, resources."""
        return self.state not in {State.ABSENT, State.REVIEW_IN_PROGRESS, State.DELETE_COMPLETE}

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.name,
            "id": self.id,
            "state": self.state.value,
            "reason": self.reason,
            "parameters": dict(self.parameters),
            "outputs": dict(self.outputs),
            "tags": dict(self.tags),
            "termination_protection": self.protected,
            "updated": self.updated.isoformat() if self.updated else None,
        }


@dataclass(frozen=True)
class Event:
    """One line of a stack's history.

    Attributes:
        token: ClientRequestToken of whoever began the operation.
        is_stack: whether it is about the stack itself.
    """

    id: str
    at: datetime
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str
    token: str
    is_stack: bool


@dataclass(frozen=True)
class Resource:
    """One resource of a stack."""

    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str = ""


def short(name: str) -> str:
    """Return a stack's name, given its name or its ARN."""
    return name.split("/")[1] if ":stack/" in name else name


def read_stack(aws: Aws, name: str) -> Stack:
    """Return the stack, ABSENT when CloudFormation says that there is none.

    Args:
        aws: where.
        name: name, or ARN; only by ARN a deleted stack is still found.

    Raises:
        AwsError: it could not be asked, which is not the same as "there is none".
        StackError: a state that this kubecfn does not know.
    """
    with doing(f"reading the stack {short(name)}"):
        described = _described(aws, name)
    if described is None:
        return Stack(name, State.ABSENT)
    try:
        state = state_of(described["StackStatus"])
    except ValueError as error:
        raise StackError(
            f"The stack {name} is in the state {described['StackStatus']}, which this kubecfn does not know.",
            remedy="Use a newer kubecfn, or the console.",
        ) from error
    return Stack(
        name=described["StackName"],
        state=state,
        id=described["StackId"],
        reason=described.get("StackStatusReason", ""),
        parameters={one["ParameterKey"]: one.get("ParameterValue", "") for one in described.get("Parameters", ())},
        outputs={one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", ())},
        tags={one["Key"]: one["Value"] for one in described.get("Tags", ())},
        protected=bool(described.get("EnableTerminationProtection")),
        updated=described.get("LastUpdatedTime") or described.get("CreationTime"),
    )


def _described(aws: Aws, name: str) -> Mapping[str, Any] | None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    try:
        stacks = aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if code_of(error) == "ValidationError" and "does not exist" in message_of(error):
            return None
        raise
    return stacks[0] if stacks else None


def events(aws: Aws, name: str) -> Iterator[Event]:
    """Yield a stack's events, newest first; pages are asked for as they are needed."""
    client = aws.client("cloudformation")
    arguments = {"StackName": name}
    while True:
        with doing(f"reading the events of {short(name)}"):
            page = client.describe_stack_events(**arguments)
        yield from map(_event, page["StackEvents"])
        if not page.get("NextToken"):
            return
        arguments["NextToken"] = page["NextToken"]


def _event(data: Mapping[str, Any]) -> Event:
    return Event(
        id=data["EventId"],
        at=data["Timestamp"],
        logical_id=data.get("LogicalResourceId", ""),
        physical_id=data.get("PhysicalResourceId", ""),
        type=data.get("ResourceType", ""),
        status=data.get("ResourceStatus", ""),
        reason=data.get("ResourceStatusReason", ""),
        token=data.get("ClientRequestToken", ""),
        is_stack=data.get("ResourceType") == STACK_TYPE and data.get("PhysicalResourceId") == data.get("StackId"),
    )


def resources(aws: Aws, name: str) -> list[Resource]:
    """Return every resource of a stack."""
    with doing(f"listing the resources of {short(name)}"):
        pages = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
        return [
            Resource(
                one["LogicalResourceId"],
                one.get("PhysicalResourceId", ""),
                one["ResourceType"],
                one["ResourceStatus"],
                one.get("ResourceStatusReason", ""),
            )
            for page in pages
            for one in page["StackResourceSummaries"]
        ]


def template_of(aws: Aws, name: str) -> Mapping[str, Any]:
    """Return the template in force, parsed."""
    with doing(f"reading the template of {short(name)}"):
        answer = aws.client("cloudformation").get_template(StackName=name, TemplateStage="Original")
    return parse(answer["TemplateBody"])


def policy_of(aws: Aws, name: str) -> Mapping[str, Any] | None:
    """Return the stack policy; None when there is none."""
    with doing(f"reading the stack policy of {short(name)}"):
        body = aws.client("cloudformation").get_stack_policy(StackName=name).get("StackPolicyBody")
    return json.loads(body) if body else None


def last_event_at(aws: Aws, name: str) -> datetime | None:
    """Return when the newest event happened; what comes after belongs to what is asked for next."""
    newest = next(events(aws, name), None)
    return newest.at if newest else None
