"""Change sets: a look at what an operation would do, kept until it is executed, deleted or no longer true.

AWS: User Guide "Update CloudFormation stacks using change sets"; API Reference "CreateChangeSet", "DescribeChangeSet",
"ExecuteChangeSet" ("CloudFormation deletes all change sets associated with the stack ... they aren't valid for the updated stack").
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from kubecfn.local.api import ServiceError
from kubecfn.local.cloudformation.diff import Change, Side, changes_between
from kubecfn.local.cloudformation.refusals import change_set_missing, invalid
from kubecfn.local.cloudformation.resolver import Scope, resolve
from kubecfn.local.cloudformation.stacks import Stack, Stacks, Wanted
from kubecfn.local.cloudformation.surroundings import Surroundings

_log = logging.getLogger(__name__)
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_GONE = {"DELETE_COMPLETE", "DELETE_SKIPPED"}


@dataclass
class ChangeSet:
    """One change set; its state changes under the lock of `Stacks`."""

    id: str
    name: str
    stack: Stack
    kind: str
    wanted: Wanted
    created: datetime
    description: str = ""
    on_stack_failure: str = ""
    token: str = ""
    status: str = "CREATE_PENDING"
    execution: str = "UNAVAILABLE"
    reason: str = ""
    changes: Sequence[Change] = field(default_factory=list)

    def settle(self, status: str, execution: str, reason: str = "") -> None:
        """Move to a state."""
        self.status, self.execution, self.reason = status, execution, reason


class ChangeSets:
    """All change sets of the account."""

    def __init__(self, stacks: Stacks) -> None:
        self._stacks = stacks
        self._sets: list[ChangeSet] = []
        self._threads: list[threading.Thread] = []

    def add(self, change_set: ChangeSet, around: Surroundings) -> None:
        """Keep a new change set and look at the changes beside the caller, as AWS does."""
        with self._stacks.lock:
            self._sets.append(change_set)
        thread = threading.Thread(target=look, args=(change_set, around), name=f"look {change_set.name}", daemon=True)
        self._threads = [*(old for old in self._threads if old.is_alive()), thread]
        thread.start()

    def find(self, name: str, stack: Stack | None) -> ChangeSet | None:
        """Return a change set by id, or by name within its stack."""
        with self._stacks.lock:
            for change_set in self._sets:
                if change_set.id == name or (change_set.name == name and change_set.stack is stack):
                    return change_set
        return None

    def get(self, name: str, stack: Stack | None) -> ChangeSet:
        """Return a change set; ChangeSetNotFound when there is none."""
        change_set = self.find(name, stack)
        if change_set is None:
            raise change_set_missing(name)
        return change_set

    def of(self, stack: Stack) -> list[ChangeSet]:
        """Return a stack's change sets, newest first."""
        with self._stacks.lock:
            return [change_set for change_set in reversed(self._sets) if change_set.stack is stack]

    def remove(self, change_set: ChangeSet) -> None:
        """Forget a change set."""
        with self._stacks.lock:
            self._sets.remove(change_set)

    def remove_others(self, stack: Stack, kept: ChangeSet | None = None) -> None:
        """Forget every change set of a stack but one."""
        with self._stacks.lock:
            self._sets = [one for one in self._sets if one.stack is not stack or one is kept]

    def make_obsolete(self, stack: Stack) -> None:
        """Say of every change set of a stack that what it saw is no longer true."""
        with self._stacks.lock:
            for one in self._sets:
                if one.stack is stack and one.execution == "AVAILABLE":
                    one.execution = "OBSOLETE"

    def close(self) -> None:
        """Wait for looks under way."""
        for thread in self._threads:
            thread.join(timeout=5)


def look(change_set: ChangeSet, around: Surroundings) -> None:
    """Compute the changes and settle the change set's state."""
    with around.stacks.lock:
        change_set.status = "CREATE_IN_PROGRESS"
    try:
        changes, same = changes_of(change_set.stack, change_set.wanted, around)
    except ServiceError as problem:
        with around.stacks.lock:
            change_set.settle("FAILED", "UNAVAILABLE", problem.message)
        return
    except Exception as problem:  # noqa: BLE001  a broken look must end in a state, or its caller waits for ever
        _log.exception("change set %s broke inside the emulation", change_set.name)
        with around.stacks.lock:
            change_set.settle("FAILED", "UNAVAILABLE", f"Internal Failure: {problem}")
        return
    with around.stacks.lock:
        change_set.changes = changes
        if same:
            change_set.settle("FAILED", "UNAVAILABLE", NO_CHANGES)
        else:
            change_set.settle("CREATE_COMPLETE", "AVAILABLE")


def changes_of(stack: Stack, wanted: Wanted, around: Surroundings) -> tuple[list[Change], bool]:
    """Return the changes, and whether the operation would change nothing at all: no resource and no output."""
    with around.stacks.lock:
        previous = stack.wanted if stack.status != "REVIEW_IN_PROGRESS" else None
        live = {name: one for name, one in stack.resources.items() if one.physical_id and one.status not in _GONE}
    kinds = {name: str(definition["Type"]) for name, definition in wanted.template.resources.items()}
    if moved := sorted(name for name, one in live.items() if kinds.get(name, one.type) != one.type):
        raise invalid(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(moved)}]"
        )
    scope = around.scope(stack, wanted)
    if previous is None:
        return changes_between({}, None, Side(scope, wanted.tags), stack.region), False
    old = around.scope(stack, previous)
    names = old.parameters.keys() | scope.parameters.keys()
    changed = frozenset(name for name in names if _value(old, name) != _value(scope, name))
    changes = changes_between(live, Side(old, previous.tags), Side(scope, wanted.tags, changed), stack.region)
    same_outputs = previous.template.outputs == wanted.template.outputs and _outputs(old) == _outputs(scope)
    pending = len(live) != len(stack.resources) or stack.status.endswith("_FAILED")
    return changes, not changes and same_outputs and previous.tags == wanted.tags and not pending


def _value(scope: Scope, name: str) -> object:
    parameter = scope.parameters.get(name)
    return None if parameter is None else parameter.value


def _outputs(scope: Scope) -> object:
    open_scope = replace(scope, resource=lambda _name: None)
    return [
        (name, resolve(definition["Value"], open_scope))
        for name, definition in scope.template.outputs.items()
        if scope.conditions.get(str(definition.get("Condition", "")), True)
    ]
