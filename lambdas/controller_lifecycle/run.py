"""Look, decide, act, and look again, until there is nothing to do or the invocation's time is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from kubecfn.etcd.client import EtcdError
from kubecfn.etcd.journal import say

from .act import Hands
from .decision import decide
from .facts import Do, Step
from .see import Eyes, Seen

PAUSE = 2.0
# What a last look, its calls and the release of the lease may take.
RESERVE = 15.0
_NO_DIGITS = str.maketrans("", "", "0123456789")
_FINAL = (Do.CONTINUE, Do.ABANDON, Do.TERMINATE)
_COUNTED = {
    Do.MOVE: "moved",
    Do.REMOVE: "removed",
    Do.CONTINUE: "answered",
    Do.ABANDON: "abandoned",
    Do.TERMINATE: "terminated",
}


class Span(Protocol):
    """The time that this invocation has."""

    def left(self) -> float:
        """Return the seconds until it is ended."""

    def pause(self, seconds: float) -> None:
        """Let so many seconds pass."""


@dataclass
class Course:
    """What has happened in this run: what was said, who is done with, and what failed, by instance."""

    counts: Counter[str] = field(default_factory=Counter)
    said: dict[str, tuple[Do, str]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    failed: dict[str, Exception] = field(default_factory=dict)

    def tell(self, step: Step) -> None:
        """Log a step, unless the last one about its instance differed by nothing but numbers."""
        words = (step.do, step.reason.translate(_NO_DIGITS))
        if self.said.get(step.instance) != words:
            self.said[step.instance] = words
            say(step.do.value, step.reason, instance=step.instance)

    def take(self, step: Step, hands: Hands, seen: Seen) -> bool:
        """Do a step; keep its failure for the end, and let only what etcd may answer otherwise be tried again."""
        self.tell(step)
        try:
            changed = hands.do(step, seen)
        except Exception as error:  # noqa: BLE001  raised at the end, when every instance had its turn
            if str(error) != str(self.failed.get(step.instance)):
                say("failed", str(error), instance=step.instance)
            self.failed[step.instance] = error
            if not isinstance(error, EtcdError):
                self.closed.add(step.instance)
            return False
        self.failed.pop(step.instance, None)
        if changed:
            self.counts[_COUNTED[step.do]] += 1
        if step.do in _FINAL:
            self.closed.add(step.instance)
        return changed


def run(eyes: Eyes, hands: Hands, span: Span, going: Callable[[], str] = str) -> dict[str, int]:
    """Return what was done.

    Args:
        eyes: how to look.
        hands: how to act.
        span: the time there is.
        going: why the whole stack goes, or nothing: then nothing is waited for.

    Raises:
        ExceptionGroup: of what failed or was abandoned; every instance had its turn.
        CertificateError: etcd and this function do not trust each other.
        ClientError: AWS refused a look.
    """
    course = Course()
    alarms: tuple[str, ...] = ()
    waiting = 0
    while True:
        seen = eyes.see()
        if seen.look.cluster.alarms != alarms:
            alarms = seen.look.cluster.alarms
            say("alarm", f"etcd raised {', '.join(alarms) or 'no alarm any more'}")
        steps = [step for step in decide(seen.facts) if step.instance not in course.closed]
        before = {one: do for one, (do, _) in course.said.items()}
        changed = [step for step in steps if course.take(step, hands, seen)]
        waiting = sum(step.do in (Do.WAIT, Do.BACKUP) for step in steps)
        if not changed and not any(step.watch or step.instance in course.failed for step in steps):
            break
        if span.left() < RESERVE or going():
            break
        if not changed or all(before.get(step.instance) is step.do for step in changed):
            span.pause(PAUSE)
    if course.failed:
        words = "; ".join(map(str, course.failed.values()))
        raise ExceptionGroup(f"not everything could be done: {words}", list(course.failed.values()))
    return {**dict(sorted(course.counts.items())), "waiting": waiting}
