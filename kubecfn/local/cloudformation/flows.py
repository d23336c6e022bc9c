"""How an operation on a whole stack goes, state by state: create, update, roll back, delete.

AWS: User Guide "Stack status codes", "Choose how to handle failures when provisioning resources", "Continue rolling back an
update", "Delete a stack".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from kubecfn.local.api import ServiceError
from kubecfn.local.cloudformation import graph, schedule
from kubecfn.local.cloudformation.outputs import settled_outputs
from kubecfn.local.cloudformation.refusals import OperationFailedError
from kubecfn.local.cloudformation.stacks import Before, Resource, Stack
from kubecfn.local.cloudformation.work import GROUP, NEVER_KEPT, Work

Keep = Callable[[Resource], bool]
_GONE = ("DELETE_COMPLETE", "DELETE_SKIPPED")


def create(work: Work) -> bool:
    """Create everything; on failure do what OnFailure says. The stack is CREATE_IN_PROGRESS already."""
    stacks, stack = work.around.stacks, work.stack
    failed = _forward(work)
    if not (failed or work.cancelled.is_set() or (problem := _publish(work))):
        stacks.set_status(stack, "CREATE_COMPLETE")
        return True
    reason = _named("create", failed) if failed else work.why or problem
    if work.abandoned:
        return False
    if stack.disable_rollback or stack.on_failure == "DO_NOTHING":
        stacks.set_status(stack, "CREATE_FAILED", reason)
    elif stack.on_failure == "DELETE":
        delete(work, first_reason=f"{reason}Delete requested by user.")
    else:
        undo_creation(work, f"{reason}Rollback requested by user.")
    return False


def undo_creation(work: Work, reason: str) -> None:
    """Delete what a failed creation made; the stack stays, empty."""
    stacks, stack = work.around.stacks, work.stack
    stacks.set_status(stack, "ROLLBACK_IN_PROGRESS", reason)
    failed = _remove(work, list(stack.resources.values()), lambda resource: _kept(work, resource))
    if failed:
        stacks.set_status(stack, "ROLLBACK_FAILED", _named("delete", failed))
    else:
        stacks.set_status(stack, "ROLLBACK_COMPLETE")


def update(work: Work, *, disable_rollback: bool) -> bool:
    """Bring the stack to what is wanted; replaced and removed resources go last. It is UPDATE_IN_PROGRESS already."""
    stacks, stack = work.around.stacks, work.stack
    before = stack.before
    assert before is not None
    failed = _refused_removals(work) or _forward(work)
    problem = "" if failed or work.cancelled.is_set() else _publish(work)
    if failed or work.cancelled.is_set() or problem:
        reason = work.why or (_sorted_out(work.stack, failed) if failed else problem)
        if disable_rollback:
            stacks.set_status(stack, "UPDATE_FAILED", reason)
        else:
            roll_back(work.toward(before.wanted), reason)
        return False
    stacks.set_status(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    wanted = graph.included(work.wanted.template, work.scope.conditions)
    _clean(work, [resource for name, resource in stack.resources.items() if name not in wanted])
    stack.before = None
    stacks.set_status(stack, "UPDATE_COMPLETE")
    return True


def roll_back(work: Work, reason: str, skip: Collection[str] = ()) -> None:
    """Bring the stack back to what it was before the update that failed; what the update made goes last."""
    stacks, stack, before = work.around.stacks, work.stack, work.stack.before
    assert before is not None
    stack.wanted = before.wanted
    stacks.set_status(stack, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
    needs = {name: resource.needs for name, resource in before.resources.items()}
    outcome = schedule.run(
        needs,
        lambda name: work.restore(before.resources[name], skip=name in skip),
        aside=lambda name: before.resources[name].type == GROUP,
    )
    if outcome.failed:
        stacks.set_status(stack, "UPDATE_ROLLBACK_FAILED", _named("update", outcome.failed))
        return
    stack.outputs = list(before.outputs)
    stacks.set_status(stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
    _clean(work, [resource for name, resource in stack.resources.items() if name not in before.resources])
    stack.before = None
    stacks.set_status(stack, "UPDATE_ROLLBACK_COMPLETE")


def delete(
    work: Work, retain: Collection[str] = (), *, force: bool = False, first_reason: str = "User Initiated"
) -> None:
    """Delete everything that no policy keeps; a retry goes on where the last one stopped."""
    stacks, stack = work.around.stacks, work.stack
    stacks.set_status(stack, "DELETE_IN_PROGRESS", first_reason)
    if used := _exports_in_use(work):
        stacks.set_status(stack, "DELETE_FAILED", used)
        return
    doomed = [resource for resource in (*stack.resources.values(), *stack.garbage) if resource.status not in _GONE]
    failed = _remove(work, doomed, lambda resource: resource.logical_id in retain or _kept(work, resource))
    if failed and not force:
        stacks.set_status(stack, "DELETE_FAILED", _named("delete", failed))
        return
    stack.deleted = work.around.world.clock.now()
    stack.outputs = []
    stacks.set_status(stack, "DELETE_COMPLETE")


def remember(stack: Stack) -> Before:
    """Return the way back of a stack that is about to be updated."""
    assert stack.wanted is not None
    return stack.before or Before(stack.wanted, dict(stack.resources), tuple(stack.outputs))


def _forward(work: Work) -> list[str]:
    """Create and change every resource in the order of its needs; return what failed."""
    template, conditions = work.wanted.template, work.scope.conditions
    needs, definitions = graph.needs(template, conditions), graph.included(template, conditions)
    outcome = schedule.run(
        needs,
        lambda name: work.settle(name, definitions[name], needs[name]),
        aside=lambda name: definitions[name]["Type"] == GROUP or "CreationPolicy" in definitions[name],
        stop=work.cancelled.is_set,
        on_failure=work.give_up,
    )
    return outcome.failed


def _publish(work: Work) -> str:
    """Compute outputs and exports; return why that is impossible, or nothing."""
    try:
        outputs = settled_outputs(work.around.stacks, work.stack, work.wanted.template, work.scope)
    except (ServiceError, OperationFailedError) as problem:
        return str(getattr(problem, "message", problem))
    work.stack.outputs = outputs
    return ""


def _refused_removals(work: Work) -> list[str]:
    """Ask the stack policy about what the new template no longer has, before anything changes."""
    wanted = graph.included(work.wanted.template, work.scope.conditions)
    refused = []
    for name, resource in work.stack.resources.copy().items():
        if name not in wanted:
            try:
                work.guard("Update:Delete", resource)
            except OperationFailedError:
                refused.append(name)
    return refused


def _clean(work: Work, obsolete: list[Resource]) -> None:
    """Delete what is no longer part of the stack; a failure here is written down and no longer holds the stack up."""
    stack = work.stack
    garbage = list(stack.garbage)
    _remove(
        work,
        [*garbage, *obsolete],
        lambda resource: _replaced_kept(resource) if resource in garbage else _kept(work, resource),
    )
    with work.around.stacks.lock:
        stack.garbage.clear()
        for resource in obsolete:
            stack.resources.pop(resource.logical_id, None)


def _remove(work: Work, doomed: Iterable[Resource], keep: Keep) -> list[str]:
    """Delete resources so that each goes before what it needs; return the logical ids that failed."""
    by_key = {f"{resource.logical_id}/{resource.physical_id}": resource for resource in doomed}
    needed_by: Mapping[str, frozenset[str]] = {
        key: frozenset(other for other, user in by_key.items() if resource.logical_id in user.needs)
        for key, resource in reversed(by_key.items())
    }
    outcome = schedule.run(
        needed_by,
        lambda key: work.delete(by_key[key], keep=_safe(keep, work, by_key[key])),
        aside=lambda key: by_key[key].type == GROUP,
    )
    return [by_key[key].logical_id for key in outcome.failed]


def _safe(keep: Keep, work: Work, resource: Resource) -> bool:
    """Refuse loudly what is not emulated."""
    try:
        return keep(resource)
    except OperationFailedError as problem:
        work.around.stacks.put(work.stack, replace(resource, status="DELETE_FAILED", reason=str(problem)))
        raise


def _kept(work: Work, resource: Resource) -> bool:
    policy = resource.definition.get("DeletionPolicy", "Delete")
    fresh = resource.created_by == work.stack.operation
    if policy == "Snapshot" and resource.physical_id:
        raise OperationFailedError("not emulated: DeletionPolicy Snapshot")
    if policy == "RetainExceptOnCreate" or (policy == "Retain" and work.stack.retain_except_on_create):
        return not fresh
    return bool(policy == "Retain") and bool(resource.physical_id)


def _replaced_kept(resource: Resource) -> bool:
    if resource.created_by == NEVER_KEPT:
        return False
    policy = resource.definition.get("UpdateReplacePolicy", "Delete")
    if policy == "Snapshot":
        raise OperationFailedError("not emulated: UpdateReplacePolicy Snapshot")
    return bool(policy == "Retain")


def _exports_in_use(work: Work) -> str:
    with work.around.stacks.lock:
        for output in work.stack.outputs:
            for other in work.around.stacks.living(work.stack.region):
                if output.export in other.imports and other is not work.stack:
                    return f"Export {output.export} cannot be deleted as it is in use by {other.name}"
    return ""


def _named(verb: str, names: Collection[str]) -> str:
    return f"The following resource(s) failed to {verb}: [{', '.join(names)}]. " if names else ""


def _sorted_out(stack: Stack, failed: Collection[str]) -> str:
    """Name what could not be made apart from what could not be changed."""
    made = [name for name in failed if stack.resources[name].status == "CREATE_FAILED"]
    return _named("create", made) + _named("update", [name for name in failed if name not in made])
