"""May this worker leave? Nothing here reads a clock or the network.

1. A stack that is deleted, whose creation is rolled back, or that is gone takes its workers with it: continue at once.
2. Nothing runs on workers yet that would have to be drained: continue.
"""

from __future__ import annotations

from hooks.leaving import Answer, Leaving, Verdict, is_going


def decide(one: Leaving, stack_status: str) -> Verdict:
    """Return the answer to the hook of a worker that is to leave.

    Args:
        one: the worker.
        stack_status: of the cluster's stack; empty when it no longer exists.
    """
    going = is_going(stack_status)
    if going:
        return Verdict(Answer.CONTINUE, f"{going}: {one.instance} goes with it")
    return Verdict(Answer.CONTINUE, f"{one.instance} runs nothing that has to be drained first")
