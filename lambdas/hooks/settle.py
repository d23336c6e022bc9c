"""Act on verdicts: one instance's trouble never keeps the others waiting, and is never swallowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from kubecfn.etcd.journal import say

from .aws import Aws
from .leaving import Answer, Found, Leaving, Verdict


def settle(aws: Aws, hook: str, found: Found, decide: Callable[[Leaving], Verdict]) -> dict[str, int]:
    """Decide about every instance and answer; return how many were answered, left waiting, or had been answered before.

    Raises:
        ExceptionGroup: for some instances AWS refused; all were tried.
    """
    counts = {"answered": 0, "waiting": 0, "late": 0}
    if found.ignored:
        say("ignore", found.ignored)
    errors = []
    for one in found.leaving:
        try:
            counts[_settle_one(aws, hook, one, decide(one))] += 1
        except Exception as error:  # noqa: BLE001  raised below, when every instance had its turn
            errors.append(error)
    if errors:
        raise ExceptionGroup(f"hooks were not answered: {'; '.join(map(str, errors))}", errors)
    return counts


def _settle_one(aws: Aws, hook: str, one: Leaving, verdict: Verdict) -> str:
    say(verdict.answer.value, verdict.reason, instance=one.instance, group=one.group)
    match verdict.answer:
        case Answer.WAIT:
            return "waiting"
        case Answer.CONTINUE | Answer.ABANDON:
            if aws.answer(one, hook, verdict.answer):
                return "answered"
            say("late", "the hook was answered or ran out before", instance=one.instance, group=one.group)
            return "late"
    assert_never(verdict.answer)
