"""Lifecycle hooks: their API, the actions that instances wait for, and how such a wait ends.

Sources: Auto Scaling User Guide, "How lifecycle hooks work in Auto Scaling groups" and "Considerations and limitations
for lifecycle hooks"; API reference of each operation.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from kubecfn.local.api import Answer, Call, ServiceError
from kubecfn.local.fleet.model import LAUNCHING, TERMINATING, Action, Book, Group, Hook, Member

_TRANSITIONS = {LAUNCHING, TERMINATING}
_RESULTS = {"CONTINUE", "ABANDON"}
MOST_HOOKS = 50


def hook_from(params: Mapping[str, Any], old: Hook | None = None) -> Hook:
    """Build a hook from PutLifecycleHook's parameters or a LifecycleHookSpecification, with AWS's defaults.

    Args:
        params: the API's names.
        old: the hook of that name when it exists: what is not named stays.

    Raises:
        ServiceError: a value AWS refuses, or one this emulation does not carry.
    """
    if params.get("NotificationTargetARN"):
        raise ServiceError("ValidationError", "NotificationTargetARN is not emulated: use an EventBridge rule instead.")
    base = old or Hook(str(params["LifecycleHookName"]), "", 3600, "ABANDON")
    hook = Hook(
        name=base.name,
        transition=str(params.get("LifecycleTransition") or base.transition),
        heartbeat=int(params.get("HeartbeatTimeout") or base.heartbeat),
        default=str(params.get("DefaultResult") or base.default),
        metadata=str(params.get("NotificationMetadata") or base.metadata),
    )
    if hook.transition not in _TRANSITIONS:
        raise ServiceError("ValidationError", f"Invalid lifecycle transition: {hook.transition or '(none)'}")
    if hook.default not in _RESULTS:
        raise ServiceError(
            "ValidationError", f"Invalid default result: {hook.default}. Valid values are CONTINUE and ABANDON."
        )
    if not 30 <= hook.heartbeat <= 7200:  # noqa: PLR2004  the API's own range
        raise ServiceError(
            "ValidationError", f"Heartbeat timeout {hook.heartbeat} must be between 30 and 7200 seconds, inclusive."
        )
    return hook


def begin(group: Group, member: Member, transition: str, now: float) -> list[Action]:
    """Let an instance wait for every hook of a transition at once; no hook, no wait."""
    member.actions = [
        Action(hook, str(uuid.uuid4()), now + hook.heartbeat, now + hook.limit) for hook in group.hooks_of(transition)
    ]
    return member.actions


def outcome(member: Member, now: float) -> str:
    """Take the default result of what has run out, then say how the wait ended, or nothing while it goes on.

    One ABANDON ends the wait at once, CONTINUE lets the other hooks finish.
    """
    for action in member.actions:
        if not action.result and now >= min(action.deadline, action.last):
            action.result = action.hook.default
    results = {action.result for action in member.actions}
    if "ABANDON" in results:
        return "ABANDON"
    return "" if "" in results else "CONTINUE"


def next_deadline(group: Group) -> float | None:
    """Return the instant of the clock at which the next open action of a group runs out."""
    waits = [
        min(action.deadline, action.last)
        for member in group.members.values()
        for action in member.actions
        if not action.result and member.state.endswith(":Wait")
    ]
    return min(waits, default=None)


def put_hook(book: Book, call: Call) -> Answer:
    """PutLifecycleHook. A change affects instances that begin to wait afterwards."""
    with book.lock:
        group = book.group(call)
        name = str(call.params["LifecycleHookName"])
        if name not in group.hooks and len(group.hooks) >= MOST_HOOKS:
            raise ServiceError("LimitExceeded", f"You have already reached your limit of {MOST_HOOKS} lifecycle hooks.")
        group.hooks[name] = hook_from(call.params, group.hooks.get(name))
    return {}


def delete_hook(book: Book, call: Call) -> Answer:
    """DeleteLifecycleHook. Outstanding actions are completed: ABANDON for launching, CONTINUE for terminating instances."""
    with book.lock:
        group = book.group(call)
        name = str(call.params["LifecycleHookName"])
        if group.hooks.pop(name, None) is None:
            raise ServiceError("ValidationError", f"No Lifecycle Hook found with name: {name}")
        for member in group.members.values():
            for action in member.actions:
                if action.hook.name == name and not action.result:
                    action.result = "ABANDON" if action.hook.transition == LAUNCHING else "CONTINUE"
        book.changed.set()
    return {}


def describe_hooks(book: Book, call: Call) -> Answer:
    """DescribeLifecycleHooks."""
    wanted = call.params.get("LifecycleHookNames") or []
    with book.lock:
        group = book.group(call)
        hooks = [_answer(group, hook) for hook in group.hooks.values() if not wanted or hook.name in wanted]
    return {"LifecycleHooks": hooks}


def complete(book: Book, call: Call) -> Answer:
    """CompleteLifecycleAction, by token or by instance."""
    result = str(call.params["LifecycleActionResult"])
    if result not in _RESULTS:
        raise ServiceError("ValidationError", "Lifecycle Action Result must be one of CONTINUE or ABANDON")
    with book.lock:
        _open_action(book, call).result = result
        book.changed.set()
    return {}


def heartbeat(book: Book, call: Call) -> Answer:
    """RecordLifecycleActionHeartbeat: the timeout begins anew, but never past the hook's global timeout."""
    with book.lock:
        action = _open_action(book, call)
        action.deadline = book.world.clock.monotonic() + action.hook.heartbeat
        book.changed.set()
    return {}


OPERATIONS = {
    "PutLifecycleHook": put_hook,
    "DeleteLifecycleHook": delete_hook,
    "DescribeLifecycleHooks": describe_hooks,
    "CompleteLifecycleAction": complete,
    "RecordLifecycleActionHeartbeat": heartbeat,
}


def _open_action(book: Book, call: Call) -> Action:
    group = book.group(call)
    name = str(call.params["LifecycleHookName"])
    token, instance_id = call.params.get("LifecycleActionToken"), call.params.get("InstanceId")
    if not token and not instance_id:
        raise ServiceError("ValidationError", "Either a lifecycle action token or an instance ID must be specified.")
    now = book.world.clock.monotonic()
    for member in group.members.values():
        for action in member.actions:
            named = action.token == token if token else member.id == instance_id
            still_open = not action.result and now < min(action.deadline, action.last)
            if named and action.hook.name == name and still_open and member.state.endswith(":Wait"):
                return action
    what = f"token {token}" if token else f"instance ID {instance_id}"
    raise ServiceError("ValidationError", f"No active Lifecycle Action found with {what}")


def _answer(group: Group, hook: Hook) -> Answer:
    answer: Answer = {
        "LifecycleHookName": hook.name,
        "AutoScalingGroupName": group.name,
        "LifecycleTransition": hook.transition,
        "HeartbeatTimeout": hook.heartbeat,
        "GlobalTimeout": hook.limit,
        "DefaultResult": hook.default,
    }
    if hook.metadata:
        answer["NotificationMetadata"] = hook.metadata
    return answer
