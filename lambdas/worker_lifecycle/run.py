"""Look, decide, act, and look again, until nobody waits or the invocation's time is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from etcd_access.span import Invocation
from hooks.aws import Aws
from hooks.leaving import Answer, Leaving, leaving

from .act import Hands
from .settings import Settings

PAUSE = 3.0
# What a last look, its calls and answers may take.
RESERVE = 20.0


@dataclass
class Course:
    """What has happened in this run: counts, whose hook was kept waiting, who is done with, what failed."""

    counts: Counter[str] = field(default_factory=Counter)
    beating: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    failed: dict[str, Exception] = field(default_factory=dict)


@dataclass
class Run:
    """One invocation's work.

    Attributes:
        aws: hooks and groups.
        hands: for the cluster.
        settings: the function's.
        course: what has happened so far.
    """

    aws: Aws
    hands: Hands
    settings: Settings
    course: Course = field(default_factory=Course)

    def run(self, named: Iterable[Leaving], span: Invocation, going: Callable[[], str]) -> dict[str, int]:
        """Return what was done.

        Args:
            named: whom an event names; its group may not show it as waiting yet.
            span: the time there is.
            going: why the whole stack goes, or nothing: then nothing is waited for.

        Raises:
            ExceptionGroup: for some workers AWS refused; all had their turn.
            ClientError: AWS refused a look.
        """
        first = tuple(named)
        while True:
            ones = dict.fromkeys((*first, *self._waiting()))
            waiting = [one for one in ones if one.instance not in self.course.closed and not self._settled(one)]
            if not waiting or span.left() < RESERVE or going():
                break
            span.pause(PAUSE)
        return self._ended(len(waiting))

    def watch(self, instance: str, span: Invocation) -> dict[str, int]:
        """Drain a worker that EC2 takes back within two minutes; there is no hook to answer yet."""
        while self.hands.settle(instance).answer is Answer.WAIT:
            if span.left() < RESERVE:
                return {"interrupted": 1, "waiting": 1}
            span.pause(PAUSE)
        return {"interrupted": 1, "waiting": 0}

    def _waiting(self) -> tuple[Leaving, ...]:
        groups = self.aws.waiting_in_pools(self.settings.cluster)
        return leaving({}, self.settings.hook, groups).leaving

    def _settled(self, one: Leaving) -> bool:
        """Decide about one worker and answer its hook; say whether it is done with."""
        try:
            verdict = self.hands.settle(one.instance)
            if verdict.answer is Answer.WAIT:
                if one.instance not in self.course.beating:
                    self.course.beating.add(one.instance)
                    self.aws.heartbeat(one, self.settings.hook)
                return False
            self.course.counts["answered" if self.aws.answer(one, self.settings.hook, verdict.answer) else "late"] += 1
        except Exception as error:  # noqa: BLE001  raised at the end, when every worker had its turn
            self.course.failed[one.instance] = error
        self.course.closed.add(one.instance)
        return True

    def _ended(self, waiting: int) -> dict[str, int]:
        if self.course.failed:
            errors = list(self.course.failed.values())
            raise ExceptionGroup(f"hooks were not answered: {'; '.join(map(str, errors))}", errors)
        return {"answered": 0, "late": 0, **self.course.counts, "waiting": waiting}
