"""What a stack is: its record, resources, events and outputs, and where all stacks of the account are kept.

AWS: API Reference "Stack", "StackEvent", "StackResource"; User Guide "Understand CloudFormation stack creation events".
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubecfn.local.clock import Clock
from kubecfn.local.cloudformation.parameters import Parameter
from kubecfn.local.cloudformation.refusals import stack_missing
from kubecfn.local.cloudformation.template import Definition, Template
from kubecfn.local.providers.seam import Properties

STACK_TYPE = "AWS::CloudFormation::Stack"
Tags = dict[str, str]


@dataclass(frozen=True)
class Event:
    """One line of a stack's history."""

    id: str
    at: datetime
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str
    token: str
    operation: str


@dataclass(frozen=True)
class Resource:
    """A resource as the stack last knew it.

    Attributes:
        definition: the template's words at the last successful operation.
        properties: the same, resolved.
        needs: logical ids that must outlive it.
        created_by: the operation that made it, for RetainExceptOnCreate.
    """

    logical_id: str
    type: str
    definition: Definition
    properties: Properties
    physical_id: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    status: str = ""
    reason: str = ""
    updated: datetime | None = None
    needs: frozenset[str] = frozenset()
    created_by: str = ""


@dataclass(frozen=True)
class Wanted:
    """What one operation makes of a stack: everything a caller says about it."""

    template: Template
    parameters: Mapping[str, Parameter]
    tags: Tags
    capabilities: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    role: str = ""


@dataclass(frozen=True)
class Output:
    """One output with its value."""

    key: str
    value: str
    description: str = ""
    export: str = ""


@dataclass(frozen=True)
class Before:
    """What a stack was before an update, so that it can go back there."""

    wanted: Wanted
    resources: Mapping[str, Resource]
    outputs: tuple[Output, ...]


@dataclass
class Stack:
    """One stack; every change happens under the lock of `Stacks`."""

    id: str
    name: str
    region: str
    account: str
    created: datetime
    status: str
    reason: str = ""
    wanted: Wanted | None = None
    resources: dict[str, Resource] = field(default_factory=dict)
    garbage: list[Resource] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    policy: str = ""
    protected: bool = False
    disable_rollback: bool = False
    retain_except_on_create: bool = False
    on_failure: str = "ROLLBACK"
    timeout_minutes: int = 0
    updated: datetime | None = None
    deleted: datetime | None = None
    change_set_id: str = ""
    deletion_mode: str = ""
    operation: str = ""
    operation_type: str = ""
    token: str = ""
    before: Before | None = None
    raised: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


class Stacks:
    """All stacks of one account, by region; the one place where their state changes.

    Args:
        clock: stamps events.
        account: twelve digits.
    """

    def __init__(self, clock: Clock, account: str) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.account = account
        self._stacks: list[Stack] = []
        self._dice = random.Random(account)  # noqa: S311  ids, not secrets

    def uuid(self) -> str:
        """Return a new id in AWS's form."""
        with self.lock:
            return str(uuid.UUID(int=self._dice.getrandbits(128), version=4))

    def add(self, name: str, region: str, arn_partition: str, status: str) -> Stack:
        """Keep a new stack; the caller has made sure that the name is free."""
        stack_id = f"arn:{arn_partition}:cloudformation:{region}:{self.account}:stack/{name}/{self.uuid()}"
        stack = Stack(stack_id, name, region, self.account, self.clock.now(), status)
        with self.lock:
            self._stacks.append(stack)
        return stack

    def forget(self, stack: Stack) -> None:
        """Drop a stack as if it had never been (a refused first change set leaves none behind)."""
        with self.lock:
            self._stacks.remove(stack)

    def find(self, region: str, name: str) -> Stack | None:
        """Return the stack by name, or by id even after its deletion."""
        with self.lock:
            for stack in reversed(self._stacks):
                if stack.region == region and (
                    stack.id == name or (stack.name == name and stack.status != "DELETE_COMPLETE")
                ):
                    return stack
        return None

    def get(self, region: str, name: str) -> Stack:
        """Return the stack by name or id; ValidationError when there is none."""
        stack = self.find(region, name)
        if stack is None:
            raise stack_missing(name)
        return stack

    def all(self, region: str) -> list[Stack]:
        """Return every stack of a region, newest first, the deleted ones too."""
        with self.lock:
            return [stack for stack in reversed(self._stacks) if stack.region == region]

    def living(self, region: str) -> Iterator[Stack]:
        """Yield the stacks of a region that are not deleted."""
        return (stack for stack in self.all(region) if stack.status != "DELETE_COMPLETE")

    def set_status(self, stack: Stack, status: str, reason: str = "") -> None:
        """Move the stack to a state and write the event."""
        with self.lock:
            stack.status, stack.reason = status, reason
            self._write(stack, status, reason)

    def put(self, stack: Stack, resource: Resource, *, event: bool = True) -> None:
        """Keep what a resource has become and write the event."""
        with self.lock:
            stack.resources[resource.logical_id] = resource
            if event:
                self.note(stack, resource, resource.status, resource.reason)

    def note(self, stack: Stack, resource: Resource, status: str, reason: str = "") -> None:
        """Write an event of a resource without changing what is kept of it."""
        with self.lock:
            self._write(stack, status, reason, resource)

    def _write(self, stack: Stack, status: str, reason: str, resource: Resource | None = None) -> None:
        """Write an event of a resource, or of the stack itself."""
        if resource is None:
            resource = Resource(stack.name, STACK_TYPE, {}, {}, stack.id)
            event_id = self.uuid()
        else:
            event_id = f"{resource.logical_id}-{status}-{self.uuid()}"
        event = Event(
            id=event_id,
            at=self.clock.now(),
            logical_id=resource.logical_id,
            physical_id=resource.physical_id,
            type=resource.type,
            status=status,
            reason=reason,
            token=stack.token,
            operation=stack.operation,
        )
        stack.events.append(event)
