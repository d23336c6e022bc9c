"""Watching an operation to its end, from any moment on; nothing here ever changes the stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubecfn.deploy.aws import Aws, is_passing
from kubecfn.deploy.explain.values import Values, as_int
from kubecfn.deploy.progress import Kind, Progress, RealClock, Reporter, Waiting, Work, silent
from kubecfn.deploy.stacks import Event, Stack, events, read_stack, short, template_of
from kubecfn.deploy.states import ACTS, Ended, State
from kubecfn.deploy.stopping import DetachedError
from kubecfn.deploy.track import Track
from kubecfn.errors import AwsError

# DescribeStackEvents is limited to a few calls a second for the whole account; people do not notice five seconds.
POLL_SECONDS = 5.0
_QUIET_POLL_SECONDS = 15.0
# How long AWS may be unreachable before we stop watching; the stack does not notice.
_PATIENCE_SECONDS = 600.0
# How long an operation that was just asked for may take to show in the stack's state.
_BEGINNING_SECONDS = 90.0
_BEGINNINGS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "REVIEW_IN_PROGRESS"})


@dataclass(frozen=True)
class Followed:
    """How an operation ended.

    Attributes:
        well: whether it ended as it was meant to.
        events: all of it, oldest first.
    """

    stack: Stack
    well: bool
    events: tuple[Event, ...] = field(repr=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """It in plain lines."""
        acts = ACTS[self.stack.state]
        ending = "" if self.well else " kubecfn why says what failed."
        return (f"{self.stack.name} is {self.stack.state}: {acts.means}{ending}",)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"stack": self.stack.to_json(), "well": self.well, "events": len(self.events)}


def follow(
    aws: Aws,
    stack: str,
    *,
    since: datetime | None = None,
    clock: Waiting | None = None,
    report: Reporter = silent,
    come_back: str = "kubecfn apply",
) -> Followed:
    """Watch the operation under way (or, at rest, see the last one) until the stack rests.

    Args:
        aws: account and region.
        stack: name, or ARN (needed to see the end of a deletion).
        since: show events after this instant; None begins with the operation under way.
        clock: what to wait by; None is the wall clock.
        report: is told every step.
        come_back: the command that picks the stack up again, told after Ctrl-C.

    Raises:
        DetachedError: Ctrl-C; the stack is untouched and goes on.
        AwsError: AWS did not answer for `_PATIENCE_SECONDS`, or refuses (expired credentials).
    """
    return watch(aws, stack, Work(clock or RealClock(), report, come_back), since=since)


def watch(
    aws: Aws,
    stack: str,
    work: Work,
    *,
    since: datetime | None = None,
    began: bool = True,
    changes: int = 0,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Followed:
    """Do what `follow` says, for an operation of our own.

    Args:
        aws: account and region.
        stack: name or ARN.
        work: how to wait, report and come back.
        since: show events after this instant; None begins with the operation under way.
        began: False when the operation was only just asked for: then a state at rest is not its end yet.
        changes: how many resources it touches; 0 reads it off the template.
        on_event: called with every event, oldest first, after it was reported.

    Raises:
        DetachedError: Ctrl-C; the stack is untouched and goes on.
        AwsError: AWS did not answer for `_PATIENCE_SECONDS`, or refuses (expired credentials).
    """
    watched = _Watch(aws, stack, work.clock, work.report, on_event, since, began, changes, work.clock.monotonic())
    try:
        while not watched.is_over():
            watched.pause()
    except KeyboardInterrupt as interrupt:
        doing = ACTS[watched.state].means.rstrip(".").lower()
        raise DetachedError(short(stack), doing, work.come_back) from interrupt
    except AwsError as error:
        raise AwsError(
            f"{error.message} The stack goes on without us.",
            code=error.code,
            remedy=f"{error.remedy} Come back with: {work.come_back}".strip(),
        ) from error
    return watched.outcome()


@dataclass
class _Watch:
    aws: Aws
    name: str
    clock: Waiting
    report: Reporter
    on_event: Callable[[Event], None]
    since: datetime | None
    began: bool
    changes: int
    started: float
    track: Track | None = None
    seen: list[Event] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    current: Stack | None = None
    unreachable_since: float | None = None
    nap: float = POLL_SECONDS

    @property
    def state(self) -> State:
        """The state last seen."""
        return self.current.state if self.current else State.ABSENT

    def is_over(self) -> bool:
        """Look once; return whether the stack rests."""
        looked = self._asked(self._look)
        if looked is None:
            return False
        stack, fresh, track = looked
        self.current, self.track = stack, track
        self.nap = POLL_SECONDS if fresh else min(_QUIET_POLL_SECONDS, self.nap * 1.5)
        for event in fresh:
            self.report((track or Track(self.changes)).see(event))
            self.on_event(event)
        if ACTS[stack.state].ended is Ended.RUNNING or any(event.is_stack for event in fresh):
            self.began = True
        if ACTS[stack.state].ended is Ended.RUNNING:
            return False
        return self.began or self.clock.monotonic() - self.started > _BEGINNING_SECONDS

    def pause(self) -> None:
        """Wait until it is worth looking again."""
        self.clock.sleep(self.nap)

    def outcome(self) -> Followed:
        """Return how it ended."""
        assert self.current is not None
        return Followed(self.current, ACTS[self.current.state].ended is Ended.WELL, tuple(self.seen))

    def _look(self) -> tuple[Stack, list[Event], Track | None]:
        """Read the state before the events: what ended by then has all its events."""
        stack = read_stack(self.aws, self.name)
        self.name = stack.id or self.name  # a name is forgotten when the stack is deleted, its ARN is not
        track = self.track or _expectations(self.aws, stack, self.changes)
        return stack, self._fresh_events() if stack.id else [], track

    def _fresh_events(self) -> list[Event]:
        found: list[Event] = []
        for event in events(self.aws, self.name):
            if event.id in self.ids or (self.since is not None and event.at <= self.since):
                break
            found.append(event)
            if self.since is None and event.is_stack and event.status in _BEGINNINGS:
                break
        found.reverse()
        self.seen.extend(found)
        self.ids.update(event.id for event in found)
        return found

    def _asked(self, question: Callable[[], Any]) -> Any:
        """Ask AWS; None while it is unreachable and patience lasts."""
        try:
            answer = question()
        except AwsError as error:
            now = self.clock.monotonic()
            if self.unreachable_since is None:
                self.unreachable_since = now
                self.report(Progress(Kind.WARNING, f"{error.message} Still trying; the stack goes on."))
            if not is_passing(error) or now - self.unreachable_since > _PATIENCE_SECONDS:
                raise
            return None
        self.unreachable_since = None
        return answer


def _expectations(aws: Aws, stack: Stack, changes: int) -> Track | None:
    """Return what the operation has to reach, read off the template; None while it has not begun.

    Deletions and updates touch what they touch; a creation needs every resource and every signal of its policies.
    """
    if not stack.stands:
        return None
    values = Values(template_of(aws, stack.id), stack.parameters)
    present: Mapping[str, Any] = values.template.get("Resources") or {}
    made = [one for one, resource in present.items() if values.holds_for(resource)]
    needed = {}
    if stack.state is State.CREATE_IN_PROGRESS:
        signals = {one: values.attribute(one, "CreationPolicy").get("ResourceSignal") for one in made}
        needed = {one: as_int(rule.get("Count"), 1) for one, rule in signals.items() if isinstance(rule, Mapping)}
    return Track(total=changes or len(made), needed=needed)
