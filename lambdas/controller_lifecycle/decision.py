"""May this controller leave? Nothing here reads a clock or the network.

1. A stack that is deleted, whose creation is rolled back, or that is gone takes its controllers with it: continue at once.
2. No controller runs an etcd member yet, so none holds anything that must be moved first: continue.
"""

from __future__ import annotations

from hooks.leaving import Answer, Leaving, Verdict, is_going


def decide(one: Leaving, stack_status: str) -> Verdict:
    """Return the answer to the hook of a controller that is to leave.

    Args:
        one: the controller.
        stack_status: of the cluster's stack; empty when it no longer exists.
    """
    going = is_going(stack_status)
    if going:
        return Verdict(Answer.CONTINUE, f"{going}: {one.instance} goes with it")
    return Verdict(Answer.CONTINUE, f"{one.instance} runs no etcd member: nothing has to be moved first")
