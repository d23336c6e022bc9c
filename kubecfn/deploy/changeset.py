"""Change sets: made under a name of their own, waited for, described whole, executed once, and never left behind.

Source: CloudFormation API reference, CreateChangeSet, DescribeChangeSet, ExecuteChangeSet, DeleteChangeSet.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubecfn.deploy.aws import Aws, code_of, doing, message_of
from kubecfn.deploy.progress import Kind, Progress, Reporter, Waiting
from kubecfn.deploy.stacks import Stack, events, read_stack
from kubecfn.deploy.states import State
from kubecfn.errors import StackError

CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM")
_POLL_SECONDS = 2.0
_LONGEST_SECONDS = 900.0
_NOTHING = re.compile(r"didn't contain changes|No updates are to be performed", re.IGNORECASE)
_BUSY = re.compile(r"is in (?:the )?([A-Z_]+_IN_PROGRESS) state", re.IGNORECASE)
_BUSY_CODES = frozenset({"OperationInProgressException", "OperationInProgress", "StackInProgressException"})


@dataclass(frozen=True)
class Request:
    """What a stack shall become.

    Attributes:
        stack: its name.
        template: TemplateBody or TemplateURL, as CreateChangeSet takes it.
        parameters: every value by name.
        tags: of the stack, and so of everything in it.
    """

    stack: str
    template: Mapping[str, str]
    parameters: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class ChangeSet:
    """A change set that is ready to be executed.

    Attributes:
        changes: the ResourceChange of every entry, all pages.
        before: the stack when the change set was made.
        made_stack: whether the empty stack it belongs to was made for it.
    """

    id: str
    name: str
    stack: str
    stack_id: str
    changes: tuple[Mapping[str, Any], ...]
    tags: Mapping[str, str]
    before: Stack
    made_stack: bool


def create(aws: Aws, request: Request, before: Stack, *, clock: Waiting, report: Reporter) -> ChangeSet | None:
    """Make a change set and wait until it can be executed; None when nothing would change.

    Whatever happens, a change set that cannot be executed is deleted again, and so is an empty stack made for it.

    Raises:
        StackError: CloudFormation cannot make it, or another operation runs.
        AwsError: AWS refuses.
    """
    name = f"kubecfn-{clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    report(Progress(Kind.STEP, f"Asking CloudFormation what would change in {request.stack}"))
    draft = ChangeSet(name, name, request.stack, before.id, (), {}, before, made_stack=before.state is State.ABSENT)
    try:
        _ask(aws, request, name, before)
        described = _wait(aws, request.stack, name, clock)
        if not _changes_something(described, request.stack):
            discard(aws, draft)
            return None
    except BaseException:
        discard(aws, draft, quietly=True)
        raise
    return ChangeSet(
        described["ChangeSetId"],
        name,
        request.stack,
        described["StackId"],
        tuple(change["ResourceChange"] for change in described["Changes"] if "ResourceChange" in change),
        {tag["Key"]: tag["Value"] for tag in described.get("Tags", ())},
        before,
        made_stack=draft.made_stack,
    )


def _changes_something(described: Mapping[str, Any], stack: str) -> bool:
    """Return whether a change set can be executed; False when it failed because nothing would change."""
    if described["Status"] != "FAILED":
        return True
    reason = described.get("StatusReason", "")
    if _NOTHING.search(reason):
        return False
    raise StackError(f"CloudFormation cannot make this change of {stack}: {reason}")


def _ask(aws: Aws, request: Request, name: str, before: Stack) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    creates = not before.stands
    # STANDARD: EXPRESS ends without waiting for signals, which would take the next controller before this one joined.
    arguments: dict[str, Any] = {
        "StackName": request.stack,
        "ChangeSetName": name,
        "ChangeSetType": "CREATE" if creates else "UPDATE",
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in request.parameters.items()],
        "Tags": [{"Key": key, "Value": value} for key, value in request.tags.items()],
        "Capabilities": list(CAPABILITIES),
        "DeploymentConfig": {"Mode": "STANDARD"},
        "OnStackFailure": "ROLLBACK",
        "ClientToken": name,  # a retry after a lost answer is the same request, not a second change set
        "Description": "made by kubecfn",
        **request.template,
    }
    with doing(f"making a change set of {request.stack}"):
        try:
            aws.client("cloudformation").create_change_set(**arguments)
        except ClientError as error:
            if is_busy(error):
                raise busy(aws, request.stack) from error
            raise


def _wait(aws: Aws, stack: str, name: str, clock: Waiting) -> dict[str, Any]:
    """Return the description, all pages in one, once the change set is made or has failed."""
    client = aws.client("cloudformation")
    arguments = {"StackName": stack, "ChangeSetName": name, "IncludePropertyValues": True}
    started = clock.monotonic()
    while True:
        with doing(f"reading the change set of {stack}"):
            described: dict[str, Any] = client.describe_change_set(**arguments)
        if described["Status"] in {"CREATE_COMPLETE", "FAILED"}:
            break
        if clock.monotonic() - started > _LONGEST_SECONDS:
            raise StackError(f"The change set of {stack} is not made after 15 minutes.", remedy="Repeat the command.")
        clock.sleep(_POLL_SECONDS)
    changes = list(described.get("Changes", ()))
    token = described.get("NextToken")
    while token:
        with doing(f"reading the change set of {stack}"):
            page = client.describe_change_set(**arguments, NextToken=token)
        changes += page.get("Changes", ())
        token = page.get("NextToken")
    return {**described, "Changes": changes}


def discard(aws: Aws, change_set: ChangeSet, *, quietly: bool = False) -> None:
    """Delete a change set, and the empty stack if it was made for it and nobody else uses it.

    Args:
        aws: account and region.
        change_set: which.
        quietly: a failure to tidy up must not hide why we tidy up.
    """
    from kubecfn.errors import KubecfnError  # noqa: PLC0415  beside its only use

    try:
        _discard(aws, change_set)
    except KubecfnError:
        if not quietly:
            raise


def _discard(aws: Aws, change_set: ChangeSet) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    client = aws.client("cloudformation")
    with doing(f"deleting the change set {change_set.name}"):
        try:
            client.delete_change_set(StackName=change_set.stack, ChangeSetName=change_set.name)
        except ClientError as error:
            if code_of(error) not in {"ChangeSetNotFound", "ChangeSetNotFoundException"} and "exist" not in message_of(
                error
            ):
                raise
    if not change_set.made_stack:
        return
    stack = read_stack(aws, change_set.stack)
    if stack.state is not State.REVIEW_IN_PROGRESS:
        return
    with doing(f"deleting the empty stack {change_set.stack}"):
        listed = client.list_change_sets(StackName=stack.id)["Summaries"]
        # Our own may still be named while it goes: only another's keeps the stack.
        if all(one["ChangeSetName"] == change_set.name for one in listed):
            client.delete_stack(StackName=stack.id)


def execute(aws: Aws, change_set: ChangeSet, token: str) -> None:
    """Execute a change set exactly once.

    Args:
        aws: account and region.
        change_set: which.
        token: ClientRequestToken; the stack's events carry it, so that a lost answer can be told from another operator.

    Raises:
        StackError: it was made stale by someone else, or another operation runs.
        AwsError: AWS refuses.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"executing the change set of {change_set.stack}"):
        try:
            aws.client("cloudformation").execute_change_set(
                StackName=change_set.stack, ChangeSetName=change_set.name, ClientRequestToken=token
            )
        except ClientError as error:
            if _is_ours(aws, change_set.stack_id, token):
                return
            if is_busy(error):
                raise busy(aws, change_set.stack) from error
            if code_of(error).startswith(("InvalidChangeSetStatus", "ChangeSetNotFound")):
                raise stale(aws, change_set) from error
            raise


def _is_ours(aws: Aws, stack: str, token: str) -> bool:
    """The execution already runs under our own token: only its answer was lost."""
    return any(event.token == token for event, _ in zip(events(aws, stack), range(50), strict=False))


def stale(aws: Aws, change_set: ChangeSet) -> StackError:
    """Return the error for a change set that no longer fits its stack."""
    now = read_stack(aws, change_set.stack)
    when = f" at {_clock_time(now.updated)}" if now.updated else ""
    return StackError(
        f"The stack {change_set.stack} was changed by someone else{when} after this plan was made (it is {now.state}): "
        "the plan no longer says what would happen.",
        remedy="Plan again.",
    )


def is_busy(error: Any) -> bool:
    """Whether a ClientError says that another operation runs on the stack."""
    return code_of(error) in _BUSY_CODES or bool(_BUSY.search(message_of(error)))


def busy(aws: Aws, stack: str) -> StackError:
    """Return the error for a stack on which another operation runs: since when, whose, and how to follow it."""
    now = read_stack(aws, stack)
    since = f" since {_clock_time(now.updated)}" if now.updated else ""
    first = next((event for event in events(aws, now.id or stack) if event.token), None)
    whose = f", begun under the token {first.token}" if first else ""
    return StackError(
        f"Another operation runs on the stack {stack}: it is {now.state}{since}{whose}.",
        remedy="Wait for it, or run kubecfn apply, which follows it to its end first.",
    )


def _clock_time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
