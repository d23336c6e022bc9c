"""Bringing a stack out of whatever state it is in to one where a change can begin; see `kubecfn.deploy.states`."""

from __future__ import annotations

from kubecfn.deploy.aws import Aws, doing
from kubecfn.deploy.changeset import busy
from kubecfn.deploy.follow import watch
from kubecfn.deploy.progress import Ask, Kind, Question, Work
from kubecfn.deploy.remove import remove
from kubecfn.deploy.stacks import Stack, last_event_at, read_stack, resources
from kubecfn.deploy.states import ACTS, Apply, State
from kubecfn.deploy.why import tell_why
from kubecfn.errors import DeclinedError, StackError


def settle(aws: Aws, name: str, cluster: str, ask: Ask, work: Work) -> Stack:
    """Return the stack in a state in which a change set can be made.

    Raises:
        DeclinedError: a person did not want what is needed for that.
        StackError: the operation under way failed, or the state needs a person.
        DetachedError: Ctrl-C while watching an operation.
    """
    stack = read_stack(aws, name)
    match ACTS[stack.state].apply:
        case Apply.CREATE | Apply.UPDATE:
            return stack
        case Apply.REFUSE:
            raise StackError(f"The stack {name} is in {stack.state}. {ACTS[stack.state].means}")
        case Apply.WAIT:
            _watch(aws, stack, cluster, work)
        case Apply.DELETE_FIRST:
            _remove_remains(aws, stack, cluster, ask, work)
        case Apply.CONTINUE_ROLLBACK:
            _continue_rollback(aws, stack, cluster, ask, work)
    return settle(aws, name, cluster, ask, work)


def refuse_unplannable(aws: Aws, stack: Stack) -> None:
    """Raise when no change set can be made now; a plan neither waits nor repairs.

    Raises:
        StackError: with what `apply` would do first.
    """
    acts = ACTS[stack.state]
    if acts.apply is Apply.WAIT:
        raise busy(aws, stack.name)
    if acts.apply not in {Apply.CREATE, Apply.UPDATE}:
        raise StackError(
            f"Nothing can be planned: the stack {stack.name} is in {stack.state}. {acts.means}",
            remedy=f"kubecfn apply would {acts.apply}; kubecfn why says what failed.",
        )


def _watch(aws: Aws, stack: Stack, cluster: str, work: Work) -> None:
    work.tell(Kind.STEP, f"{ACTS[stack.state].means.rstrip('.')}: following it to its end first")
    ended = watch(aws, stack.id, work)
    if not ended.well:
        diagnosis = tell_why(aws, stack.id, cluster, ended.stack.reason)
        raise StackError(
            f"The operation that ran on {stack.name} ended in {ended.stack.state}.\n{diagnosis.text()}",
            remedy=diagnosis.next_step,
        )


def _remove_remains(aws: Aws, stack: Stack, cluster: str, ask: Ask, work: Work) -> None:
    left = [one for one in resources(aws, stack.id) if one.status not in {"DELETE_COMPLETE", "DELETE_SKIPPED"}]
    shown = tuple(f"  {one.logical_id} ({one.type}): {one.status}" for one in left)
    question = Question(
        "replace-remains",
        f"Delete what is left of the stack {stack.name} and create it anew?",
        (f"{stack.name} is in {stack.state}. {ACTS[stack.state].means}", *shown),
    )
    if not ask(question):
        raise DeclinedError(f"Declined; {stack.name} stays in {stack.state}.")
    ended = remove(aws, stack, cluster, work)
    if ended.state is not State.DELETE_COMPLETE:
        diagnosis = tell_why(aws, stack.id, cluster, ended.reason)
        raise StackError(
            f"What is left of {stack.name} cannot be deleted.\n{diagnosis.text()}", remedy=diagnosis.next_step
        )


def _continue_rollback(aws: Aws, stack: Stack, cluster: str, ask: Ask, work: Work) -> None:
    """Continue; when that fails again, offer to go on without the resources that block.

    Source: CloudFormation User Guide, "Continue rolling back an update"; a skipped resource may differ from the template.
    """
    skip: list[str] = []
    ended = stack
    for offer_skip in (False, True):
        blocking = [one for one in resources(aws, stack.id) if one.status == "UPDATE_FAILED"]
        shown = tuple(f"  {one.logical_id} ({one.type}): {one.reason}" for one in blocking)
        skip = [one.logical_id for one in blocking] if offer_skip else []
        how = f" without {', '.join(skip)} (they stay as they are)" if skip else ""
        question = Question(
            "continue-rollback",
            f"Continue the rollback of {stack.name}{how}?",
            (f"{stack.name} is in {ended.state}. {ACTS[ended.state].means}", *shown),
        )
        if not ask(question):
            raise DeclinedError(f"Declined; {stack.name} stays in {ended.state}.")
        since = last_event_at(aws, stack.id)
        with doing(f"continuing the rollback of {stack.name}"):
            aws.client("cloudformation").continue_update_rollback(
                StackName=stack.id, **({"ResourcesToSkip": skip} if skip else {})
            )
        ended = watch(aws, stack.id, work, since=since, began=False).stack
        if ended.state is State.UPDATE_ROLLBACK_COMPLETE:
            return
    diagnosis = tell_why(aws, stack.id, cluster, ended.reason)
    raise StackError(f"The rollback of {stack.name} fails again.\n{diagnosis.text()}", remedy=diagnosis.next_step)
