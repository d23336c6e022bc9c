"""Operations that change stacks.

AWS: API Reference, the operations of the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubecfn.local.api import Answer, Call, ServiceError
from kubecfn.local.cloudformation import policy
from kubecfn.local.cloudformation.account import Account
from kubecfn.local.cloudformation.changesets import changes_of
from kubecfn.local.cloudformation.refusals import invalid
from kubecfn.local.cloudformation.requests import body_or_url, check_stack_name, refuse_express, wanted_of
from kubecfn.local.cloudformation.stacks import Stack
from kubecfn.local.cloudformation.states import (
    CANCELLABLE,
    CONTINUABLE,
    UNDELETABLE,
    UNDOABLE,
    refuse_unless,
    refuse_update,
)
from kubecfn.local.world import partition_of


def _true(value: Any) -> bool:
    return str(value or "false").lower() == "true"


def create_stack(account: Account, call: Call) -> Answer:
    """CreateStack."""
    params, name = call.params, check_stack_name(str(call.params.get("StackName", "")))
    if params.get("DisableRollback") is not None and params.get("OnFailure"):
        raise invalid("You can specify either DisableRollback or OnFailure, but not both.")
    with account.stacks.lock:
        present = account.stacks.find(call.region, name)
        if present is not None:
            token = params.get("ClientRequestToken")
            if token and present.token == token and present.operation_type == "CREATE_STACK":
                return {"StackId": present.id, "OperationId": present.operation}
            raise ServiceError("AlreadyExistsException", f"Stack [{name}] already exists")
        stack = account.stacks.add(name, call.region, partition_of(call.region), "CREATE_IN_PROGRESS")
    try:
        wanted = wanted_of(account.around, params, stack, fresh=True)
        stack.policy = _checked_policy(body_or_url(account.around, params, "StackPolicy", call.region))
    except BaseException:
        account.stacks.forget(stack)
        raise
    with account.stacks.lock:
        stack.token = str(params.get("ClientRequestToken", ""))
        stack.protected = _true(params.get("EnableTerminationProtection"))
        stack.disable_rollback = _true(params.get("DisableRollback"))
        stack.on_failure = str(params.get("OnFailure", "ROLLBACK"))
        stack.retain_except_on_create = _true(params.get("RetainExceptOnCreate"))
        stack.timeout_minutes = int(params.get("TimeoutInMinutes", 0))
        account.engine.create(stack, wanted)
        return {"StackId": stack.id, "OperationId": stack.operation}


def update_stack(account: Account, call: Call) -> Answer:
    """UpdateStack: without a change set; change sets made before are no longer true."""
    params = call.params
    stack = _present(account, call)
    with account.stacks.lock:
        refuse_update(stack)
        before = stack.operation
    wanted = wanted_of(account.around, params, stack, fresh=False)
    override = _checked_policy(body_or_url(account.around, params, "StackPolicyDuringUpdate", call.region))
    own = _checked_policy(body_or_url(account.around, params, "StackPolicy", call.region))
    if changes_of(stack, wanted, account.around)[1]:
        raise invalid("No updates are to be performed.")
    with account.stacks.lock:
        if stack.operation != before:
            refuse_update(stack)
        stack.token = str(params.get("ClientRequestToken", ""))
        stack.policy = own or stack.policy
        account.change_sets.make_obsolete(stack)
        account.engine.update(stack, wanted, policy=override, disable_rollback=_true(params.get("DisableRollback")))
        return {"StackId": stack.id, "OperationId": stack.operation}


def delete_stack(account: Account, call: Call) -> Answer:
    """DeleteStack: one that does not exist counts as deleted."""
    params = call.params
    refuse_express(params)
    stack = account.stacks.find(call.region, str(params.get("StackName", "")))
    if stack is None or stack.status == "DELETE_COMPLETE":
        return {}
    with account.stacks.lock:
        retain = [str(name) for name in params.get("RetainResources", [])]
        force = params.get("DeletionMode") == "FORCE_DELETE_STACK"
        _check_deletion(stack, retain, force=force)
        if stack.status == "DELETE_IN_PROGRESS":
            return {}
        stack.token = str(params.get("ClientRequestToken", ""))
        stack.deletion_mode = str(params.get("DeletionMode", ""))
        account.change_sets.remove_others(stack)
        if stack.status == "REVIEW_IN_PROGRESS":
            stack.deleted = account.stacks.clock.now()
            account.stacks.set_status(stack, "DELETE_IN_PROGRESS", "User Initiated")
            account.stacks.set_status(stack, "DELETE_COMPLETE")
        else:
            account.engine.delete(stack, retain, force=force)
    return {}


def _check_deletion(stack: Stack, retain: list[str], *, force: bool) -> None:
    if stack.protected:
        raise invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
    if stack.status in UNDELETABLE:
        raise invalid(f"Stack [{stack.name}] cannot be deleted while in status {stack.status}")
    if (retain or force) and stack.status != "DELETE_FAILED":
        word = "RetainResources" if retain else "DeletionMode FORCE_DELETE_STACK"
        raise invalid(
            f"Invalid operation on stack [{stack.id}]. {word} can be used only for a stack in the DELETE_FAILED state."
        )
    if unknown := [name for name in retain if name not in stack.resources]:
        raise invalid(f"Resource(s) [{', '.join(unknown)}] do not exist in stack {stack.name}")


def cancel_update_stack(account: Account, call: Call) -> Answer:
    """CancelUpdateStack: roll back an update under way."""
    stack = _present(account, call)
    with account.stacks.lock:
        refuse_unless(stack, CANCELLABLE, "CancelUpdateStack")
        account.engine.cancel(stack)
    return {}


def continue_update_rollback(account: Account, call: Call) -> Answer:
    """ContinueUpdateRollback: try again, leaving out what ResourcesToSkip names."""
    stack = _present(account, call)
    with account.stacks.lock:
        refuse_unless(stack, CONTINUABLE, "ContinueUpdateRollback")
        skip = [str(name).rpartition(".")[2] for name in call.params.get("ResourcesToSkip", [])]
        failed = {name for name, one in stack.resources.items() if one.status == "UPDATE_FAILED"}
        if wrong := [name for name in skip if name not in failed]:
            raise invalid(f"Resource(s) [{', '.join(wrong)}] cannot be skipped: only resources in UPDATE_FAILED can")
        stack.token = str(call.params.get("ClientRequestToken", ""))
        account.engine.roll_back_update(stack, "User Initiated", skip)
    return {}


def rollback_stack(account: Account, call: Call) -> Answer:
    """RollbackStack: after a failure that was left as it was."""
    refuse_express(call.params)
    stack = _present(account, call)
    with account.stacks.lock:
        refuse_unless(stack, UNDOABLE, "RollbackStack")
        stack.token = str(call.params.get("ClientRequestToken", ""))
        if stack.before is not None:
            account.engine.roll_back_update(stack, "User Initiated")
        else:
            account.engine.undo_creation(stack)
        return {"StackId": stack.id, "OperationId": stack.operation}


def set_stack_policy(account: Account, call: Call) -> Answer:
    """SetStackPolicy."""
    stack = _present(account, call)
    body = body_or_url(account.around, call.params, "StackPolicy", call.region)
    if not body:
        raise invalid("Either StackPolicyBody or StackPolicyURL must be specified.")
    stack.policy = _checked_policy(body)
    return {}


def update_termination_protection(account: Account, call: Call) -> Answer:
    """UpdateTerminationProtection."""
    stack = _present(account, call)
    stack.protected = _true(call.params["EnableTerminationProtection"])
    return {"StackId": stack.id}


def signal_resource(account: Account, call: Call) -> Answer:
    """SignalResource."""
    params = call.params
    stack = _present(account, call)
    status = str(params["Status"])
    if status not in {"SUCCESS", "FAILURE"}:
        raise invalid(
            f"Value '{status}' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [SUCCESS, FAILURE]"
        )
    account.signals.receive(stack, str(params["LogicalResourceId"]), str(params["UniqueId"]), status)
    return {}


def _present(account: Account, call: Call) -> Stack:
    return account.stacks.get(call.region, str(call.params.get("StackName", "")))


def _checked_policy(body: str) -> str:
    if body:
        policy.parse(body)
    return body


STACK_CALLS: dict[str, Callable[[Account, Call], Answer]] = {
    "CancelUpdateStack": cancel_update_stack,
    "ContinueUpdateRollback": continue_update_rollback,
    "CreateStack": create_stack,
    "DeleteStack": delete_stack,
    "RollbackStack": rollback_stack,
    "SetStackPolicy": set_stack_policy,
    "SignalResource": signal_resource,
    "UpdateStack": update_stack,
    "UpdateTerminationProtection": update_termination_protection,
}
