"""Which instances wait for an answer. Nothing here reads a clock or the network.

1. An event names one instance; it is believed only for a group and a hook of ours.
2. Events get lost: a run without one takes every instance of our groups that waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Answer(Enum):
    """What is said to a hook, or that nothing is said yet."""

    CONTINUE = "CONTINUE"
    WAIT = "WAIT"
    ABANDON = "ABANDON"


@dataclass(frozen=True)
class Verdict:
    """An answer and why, in words for the log."""

    answer: Answer
    reason: str


@dataclass(frozen=True)
class Leaving:
    """An instance that waits in its terminating hook."""

    instance: str
    group: str


@dataclass(frozen=True)
class Found:
    """Who waits, and why a named one was left out (empty when none was)."""

    leaving: tuple[Leaving, ...]
    ignored: str = ""


def leaving(event: Mapping[str, Any], hook: str, waiting: Mapping[str, tuple[str, ...]]) -> Found:
    """Return the instances to decide about.

    Args:
        event: EventBridge's "EC2 Instance-terminate Lifecycle Action" (Amazon EC2 Auto Scaling User Guide, "Amazon EC2
            Auto Scaling event reference"), or anything without a hook's name for a look at all.
        hook: our hook's name.
        waiting: of every group of ours, the instances that wait, by the group's name.
    """
    detail = event.get("detail") or {}
    if "LifecycleHookName" not in detail:
        return Found(tuple(Leaving(one, group) for group, ones in sorted(waiting.items()) for one in ones))
    group, instance = detail["AutoScalingGroupName"], detail["EC2InstanceId"]
    if detail["LifecycleHookName"] != hook:
        return Found((), f"the event is for the hook {detail['LifecycleHookName']}, ours is {hook}")
    if group not in waiting:
        return Found((), f"the event is for the group {group}, which is not ours")
    return Found((Leaving(instance, group),))


def is_going(stack_status: str) -> str:
    """Return why a stack's state makes waiting pointless, or nothing.

    While a stack is deleted, or its creation rolled back, an instance belongs to what is taken away. A rolled back
    *update* (``UPDATE_ROLLBACK_...``) is not such a state: the cluster lives on, and stays in it until the next update.
    """
    if not stack_status:
        return "the stack no longer exists"
    if stack_status.startswith(("DELETE_", "ROLLBACK_")):
        return f"the stack is in {stack_status}"
    return ""
