"""Which stack status allows which operation.

AWS: User Guide "Stack status codes", "Stack failure options"; API Reference of the operations.
"""

from __future__ import annotations

from kubecfn.local.cloudformation.refusals import invalid
from kubecfn.local.cloudformation.stacks import Stack

UPDATABLE = frozenset(
    {"CREATE_COMPLETE", "CREATE_FAILED", "UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"}
)
CANCELLABLE = frozenset({"UPDATE_IN_PROGRESS"})
CONTINUABLE = frozenset({"UPDATE_ROLLBACK_FAILED"})
UNDOABLE = frozenset({"CREATE_FAILED", "UPDATE_FAILED"})
# A creation may be deleted while it runs; an update must end first.
UNDELETABLE = frozenset(
    {
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    }
)


def refuse_update(stack: Stack) -> None:
    """Raise unless the stack may be updated now."""
    if stack.status not in UPDATABLE:
        raise invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")


def refuse_unless(stack: Stack, allowed: frozenset[str], operation: str) -> None:
    """Raise unless the operation may be called in the stack's state."""
    if stack.status not in allowed:
        raise invalid(f"{operation} cannot be called from current stack status")
