"""Every state a stack can be in, and what apply, delete, plan and follow may do there: a closed table.

Source: CloudFormation User Guide, "Stack status codes"; API reference, Stack, StackStatus; "Continue rolling back an update".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """A stack's status; ABSENT is ours for a stack that does not exist."""

    ABSENT = "ABSENT"
    REVIEW_IN_PROGRESS = "REVIEW_IN_PROGRESS"
    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_FAILED = "CREATE_FAILED"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    ROLLBACK_COMPLETE = "ROLLBACK_COMPLETE"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"
    DELETE_FAILED = "DELETE_FAILED"
    DELETE_COMPLETE = "DELETE_COMPLETE"
    UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
    UPDATE_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    UPDATE_COMPLETE = "UPDATE_COMPLETE"
    UPDATE_FAILED = "UPDATE_FAILED"
    UPDATE_ROLLBACK_IN_PROGRESS = "UPDATE_ROLLBACK_IN_PROGRESS"
    UPDATE_ROLLBACK_FAILED = "UPDATE_ROLLBACK_FAILED"
    UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
    UPDATE_ROLLBACK_COMPLETE = "UPDATE_ROLLBACK_COMPLETE"
    IMPORT_IN_PROGRESS = "IMPORT_IN_PROGRESS"
    IMPORT_COMPLETE = "IMPORT_COMPLETE"
    IMPORT_ROLLBACK_IN_PROGRESS = "IMPORT_ROLLBACK_IN_PROGRESS"
    IMPORT_ROLLBACK_FAILED = "IMPORT_ROLLBACK_FAILED"
    IMPORT_ROLLBACK_COMPLETE = "IMPORT_ROLLBACK_COMPLETE"


class Apply(StrEnum):
    """What `apply` and `plan` begin with."""

    CREATE = "make a change set of type CREATE"
    UPDATE = "make a change set of type UPDATE"
    DELETE_FIRST = "ask, delete what is left, then create anew"
    CONTINUE_ROLLBACK = "ask, continue the rollback, then update"
    WAIT = "someone's operation runs: follow it, then begin"
    REFUSE = "nothing can be applied"


class Delete(StrEnum):
    """What `delete` does."""

    NOTHING = "there is nothing to delete"
    DELETE = "delete the stack"
    AGAIN = "delete it again, leaving in place what blocks if that is asked for"
    FOLLOW = "the deletion already runs: follow it"
    REFUSE = "an operation runs: wait for it"


class Ended(StrEnum):
    """What a state means to whoever follows."""

    RUNNING = "running"
    WELL = "well"
    BADLY = "badly"


@dataclass(frozen=True)
class Acts:
    """What may be done in one state.

    Attributes:
        apply: for `apply`; `plan` does the same but neither asks, deletes nor continues: it says so instead.
        delete: for `delete`.
        ended: for `follow`.
        means: one sentence for a person.
    """

    apply: Apply
    delete: Delete
    ended: Ended
    means: str


_RUNS, _WELL, _BADLY = Ended.RUNNING, Ended.WELL, Ended.BADLY
_UPDATE, _WAIT = Apply.UPDATE, Apply.WAIT

ACTS: Mapping[State, Acts] = MappingProxyType(
    {
        State.ABSENT: Acts(Apply.CREATE, Delete.NOTHING, _WELL, "There is no such stack."),
        State.REVIEW_IN_PROGRESS: Acts(
            Apply.CREATE, Delete.DELETE, _WELL, "Only change sets were made; the stack holds no resource yet."
        ),
        State.CREATE_IN_PROGRESS: Acts(_WAIT, Delete.DELETE, _RUNS, "The stack is being created."),
        State.CREATE_FAILED: Acts(
            Apply.DELETE_FIRST,
            Delete.DELETE,
            _BADLY,
            "The creation failed and was not rolled back; such a stack can only be deleted.",
        ),
        State.CREATE_COMPLETE: Acts(_UPDATE, Delete.DELETE, _WELL, "The stack stands."),
        State.ROLLBACK_IN_PROGRESS: Acts(
            _WAIT, Delete.DELETE, _RUNS, "The creation failed; what was made is being deleted."
        ),
        State.ROLLBACK_FAILED: Acts(
            Apply.DELETE_FIRST,
            Delete.AGAIN,
            _BADLY,
            "The creation failed and something could not be deleted again; the stack can only be deleted.",
        ),
        State.ROLLBACK_COMPLETE: Acts(
            Apply.DELETE_FIRST,
            Delete.DELETE,
            _BADLY,
            "The creation failed and was rolled back; the empty stack has to be deleted before another is made.",
        ),
        State.DELETE_IN_PROGRESS: Acts(_WAIT, Delete.FOLLOW, _RUNS, "The stack is being deleted."),
        State.DELETE_FAILED: Acts(
            Apply.DELETE_FIRST,
            Delete.AGAIN,
            _BADLY,
            "Something could not be deleted; the stack can only be deleted again.",
        ),
        State.DELETE_COMPLETE: Acts(Apply.CREATE, Delete.NOTHING, _WELL, "The stack is deleted."),
        State.UPDATE_IN_PROGRESS: Acts(_WAIT, Delete.REFUSE, _RUNS, "The stack is being updated."),
        State.UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: Acts(
            _WAIT, Delete.REFUSE, _RUNS, "The update succeeded; what it replaced is being deleted."
        ),
        State.UPDATE_COMPLETE: Acts(_UPDATE, Delete.DELETE, _WELL, "The stack stands, updated."),
        State.UPDATE_FAILED: Acts(
            _UPDATE, Delete.DELETE, _BADLY, "The last update failed and was not rolled back; another may mend it."
        ),
        State.UPDATE_ROLLBACK_IN_PROGRESS: Acts(
            _WAIT, Delete.REFUSE, _RUNS, "The update failed; the old values are being put back."
        ),
        State.UPDATE_ROLLBACK_FAILED: Acts(
            Apply.CONTINUE_ROLLBACK,
            Delete.AGAIN,
            _BADLY,
            "The update failed and the old values could not be put back everywhere; the rollback has to be continued.",
        ),
        State.UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: Acts(
            _WAIT, Delete.REFUSE, _RUNS, "The update was rolled back; what it had made is being deleted."
        ),
        State.UPDATE_ROLLBACK_COMPLETE: Acts(
            _UPDATE, Delete.DELETE, _BADLY, "The last update failed and was rolled back; the stack stands as before."
        ),
        State.IMPORT_IN_PROGRESS: Acts(_WAIT, Delete.REFUSE, _RUNS, "Resources are being imported into the stack."),
        State.IMPORT_COMPLETE: Acts(_UPDATE, Delete.DELETE, _WELL, "The stack stands, with imported resources."),
        State.IMPORT_ROLLBACK_IN_PROGRESS: Acts(
            _WAIT, Delete.REFUSE, _RUNS, "An import failed; it is being taken back."
        ),
        State.IMPORT_ROLLBACK_FAILED: Acts(
            Apply.REFUSE,
            Delete.AGAIN,
            _BADLY,
            "An import failed and could not be taken back; mend it in the console, or delete the stack.",
        ),
        State.IMPORT_ROLLBACK_COMPLETE: Acts(
            _UPDATE, Delete.DELETE, _BADLY, "An import failed and was taken back; the stack stands as before."
        ),
    }
)


def state_of(status: str | None) -> State:
    """Return the state a StackStatus names; None is ABSENT.

    Raises:
        ValueError: a status that CloudFormation did not have when this was written.
    """
    return State.ABSENT if status is None else State(status)
