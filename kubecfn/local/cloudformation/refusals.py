"""How CloudFormation says no: the errors of its API, as the service writes them."""

from __future__ import annotations

from kubecfn.local.api import ServiceError


def invalid(message: str) -> ServiceError:
    """A ``ValidationError``: what CloudFormation answers to nearly every mistake of a caller (API Reference: "Common Errors")."""
    return ServiceError("ValidationError", message)


def stack_missing(name: str) -> ServiceError:
    """The answer of operations that read or change one stack that is not there."""
    return invalid(f"Stack [{name}] does not exist")


def change_set_missing(name: str) -> ServiceError:
    """The answer when a change set is named that the stack does not have (API Reference: "DescribeChangeSet", Errors)."""
    return ServiceError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)


class OperationFailedError(Exception):
    """A resource or a whole operation failed while it ran; the text becomes the event's ResourceStatusReason."""


class CancelledError(OperationFailedError):
    """The resource was given up because another one failed or a person cancelled the update."""
