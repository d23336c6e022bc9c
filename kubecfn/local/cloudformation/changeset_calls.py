"""Operations on change sets.

AWS: API Reference "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "ListChangeSets".
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kubecfn.local.api import Answer, Call, ServiceError
from kubecfn.local.cloudformation import parameters
from kubecfn.local.cloudformation.account import Account
from kubecfn.local.cloudformation.changesets import ChangeSet
from kubecfn.local.cloudformation.refusals import invalid, stack_missing
from kubecfn.local.cloudformation.requests import check_stack_name, page, wanted_of
from kubecfn.local.cloudformation.stacks import Stack
from kubecfn.local.cloudformation.states import refuse_update
from kubecfn.local.world import partition_of

PAGE = 100
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_UNSUPPORTED = ("IncludeNestedStacks", "ImportExistingResources", "ResourcesToImport")


def create_change_set(account: Account, call: Call) -> Answer:
    """CreateChangeSet: of a new stack (CREATE, which then is REVIEW_IN_PROGRESS) or of one that exists (UPDATE)."""
    params, name = call.params, str(call.params.get("ChangeSetName", ""))
    if not _NAME.fullmatch(name):
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'changeSetName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
        )
    kind = str(params.get("ChangeSetType", "UPDATE"))
    if kind not in {"CREATE", "UPDATE"}:
        raise invalid(f"ChangeSetType {kind} is not emulated.")
    for key in _UNSUPPORTED:
        if str(params.get(key) or "false").lower() != "false":
            raise invalid(f"{key} is not emulated.")
    on_failure = str(params.get("OnStackFailure", ""))
    if on_failure == "DELETE" and kind != "CREATE":
        raise invalid("OnStackFailure DELETE is only valid when ChangeSetType is CREATE.")
    with account.stacks.lock:
        stack, made = _stack_for(account, call, kind, name)
        existing = account.change_sets.find(name, stack)
    if existing is not None:
        if params.get("ClientToken") and existing.token == params["ClientToken"]:
            return {"Id": existing.id, "StackId": stack.id}
        raise ServiceError("AlreadyExistsException", f"ChangeSet [{name}] already exists")
    try:
        wanted = wanted_of(account.around, params, stack, fresh=kind == "CREATE")
    except BaseException:
        if made:
            account.stacks.forget(stack)
        raise
    uid = account.stacks.uuid()
    change_set = ChangeSet(
        id=f"arn:{partition_of(call.region)}:cloudformation:{call.region}:{call.account}:changeSet/{name}/{uid}",
        name=name,
        stack=stack,
        kind=kind,
        wanted=wanted,
        created=account.stacks.clock.now(),
        description=str(params.get("Description", "")),
        on_stack_failure=on_failure,
        token=str(params.get("ClientToken", "")),
    )
    account.change_sets.add(change_set, account.around)
    return {"Id": change_set.id, "StackId": stack.id}


def _stack_for(account: Account, call: Call, kind: str, name: str) -> tuple[Stack, bool]:
    stack_name = str(call.params.get("StackName", ""))
    stack = account.stacks.find(call.region, stack_name)
    if stack is not None and stack.status == "DELETE_COMPLETE":
        stack = None
    if kind == "UPDATE":
        if stack is None:
            raise stack_missing(stack_name)
        refuse_update(stack)
        return stack, False
    if stack is None:
        stack = account.stacks.add(
            check_stack_name(stack_name), call.region, partition_of(call.region), "REVIEW_IN_PROGRESS"
        )
        account.stacks.set_status(stack, "REVIEW_IN_PROGRESS", "User Initiated")
        return stack, True
    if stack.status != "REVIEW_IN_PROGRESS":
        raise invalid(f"Stack [{stack_name}] already exists and cannot be created again with the changeSet [{name}].")
    return stack, False


def _named(account: Account, call: Call) -> ChangeSet:
    name, stack_name = str(call.params["ChangeSetName"]), call.params.get("StackName")
    if not stack_name and not name.startswith("arn:"):
        raise invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
    stack = account.stacks.find(call.region, stack_name) if stack_name else None
    if stack_name and stack is None:
        raise stack_missing(stack_name)
    return account.change_sets.get(name, stack)


def describe_change_set(account: Account, call: Call) -> Answer:
    """DescribeChangeSet; values and contexts only with IncludePropertyValues."""
    one = _named(account, call)
    values = str(call.params.get("IncludePropertyValues", "false")).lower() == "true"
    with account.stacks.lock:
        about = _summary(one) | {
            "NotificationARNs": list(one.wanted.topics),
            "RollbackConfiguration": {},
            "Capabilities": list(one.wanted.capabilities),
            "Tags": [{"Key": key, "Value": value} for key, value in one.wanted.tags.items()],
            "Parameters": parameters.described(one.wanted.parameters),
        }
        if one.on_stack_failure:
            about["OnStackFailure"] = one.on_stack_failure
        changes = list(one.changes)
    return page(
        changes, call.params, PAGE, lambda rows: about | {"Changes": [row.answer(values=values) for row in rows]}
    )


def list_change_sets(account: Account, call: Call) -> Answer:
    """ListChangeSets of one stack."""
    stack = account.stacks.get(call.region, str(call.params["StackName"]))
    rows = account.change_sets.of(stack)
    return page(rows, call.params, PAGE, lambda part: {"Summaries": [_summary(row) for row in part]})


def _summary(one: ChangeSet) -> Answer:
    return {
        "ChangeSetId": one.id,
        "ChangeSetName": one.name,
        "StackId": one.stack.id,
        "StackName": one.stack.name,
        "CreationTime": one.created,
        "Status": one.status,
        "ExecutionStatus": one.execution,
        "IncludeNestedStacks": False,
        **({"StatusReason": one.reason} if one.reason else {}),
        **({"Description": one.description} if one.description else {}),
    }


def execute_change_set(account: Account, call: Call) -> Answer:
    """ExecuteChangeSet: once, while what it saw is still true."""
    one, params = _named(account, call), call.params
    disable = params.get("DisableRollback")
    if disable is not None and one.on_stack_failure:
        raise invalid("DisableRollback can't be specified when OnStackFailure was specified for the change set.")
    with account.stacks.lock:
        if one.status != "CREATE_COMPLETE":
            raise _not_executable(one, f"status of [{one.status}]")
        if one.execution != "AVAILABLE":
            raise _not_executable(one, f"execution status of [{one.execution}]")
        stack = one.stack
        if one.kind == "UPDATE":
            refuse_update(stack)
        one.execution = "EXECUTE_IN_PROGRESS"
        stack.token, stack.change_set_id = str(params.get("ClientRequestToken", "")), one.id
        stack.retain_except_on_create = str(params.get("RetainExceptOnCreate", "false")).lower() == "true"
        stack.disable_rollback = str(disable or "false").lower() == "true" or one.on_stack_failure == "DO_NOTHING"
        account.change_sets.remove_others(stack, one)
        if one.kind == "CREATE":
            stack.on_failure = one.on_stack_failure or "ROLLBACK"
            account.engine.create(stack, one.wanted, _settle(account, one))
        else:
            account.engine.update(
                stack, one.wanted, disable_rollback=stack.disable_rollback, ended=_settle(account, one)
            )
    return {}


def _settle(account: Account, one: ChangeSet) -> Callable[[bool], None]:
    def ended(good: bool) -> None:  # noqa: FBT001  the engine's callback
        with account.stacks.lock:
            one.execution = "EXECUTE_COMPLETE" if good else "EXECUTE_FAILED"

    return ended


def _not_executable(one: ChangeSet, state: str) -> ServiceError:
    return ServiceError("InvalidChangeSetStatus", f"ChangeSet [{one.id}] cannot be executed in its current {state}")


def delete_change_set(account: Account, call: Call) -> Answer:
    """DeleteChangeSet: one that is not there counts as deleted; the stack in review stays."""
    stack_name = call.params.get("StackName")
    stack = account.stacks.get(call.region, stack_name) if stack_name else None
    one = account.change_sets.find(str(call.params["ChangeSetName"]), stack)
    if one is None:
        return {}
    if one.execution == "EXECUTE_IN_PROGRESS" or one.status in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
        state = one.execution if one.status == "CREATE_COMPLETE" else one.status
        raise ServiceError(
            "InvalidChangeSetStatus", f"ChangeSet [{one.id}] cannot be deleted in its current status of [{state}]"
        )
    account.change_sets.remove(one)
    return {}


CHANGE_SET_CALLS: dict[str, Callable[[Account, Call], Answer]] = {
    "CreateChangeSet": create_change_set,
    "DeleteChangeSet": delete_change_set,
    "DescribeChangeSet": describe_change_set,
    "ExecuteChangeSet": execute_change_set,
    "ListChangeSets": list_change_sets,
}
