"""What a run saw: phases of instances, operations, writes; all times are seconds on one clock, the run begins at 0."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum


class Phase(Enum):
    """What an instance is to its cluster, in the order of a life."""

    BOOTING = "booting"
    LEARNER = "learner"
    VOTER = "voter"
    LEADER = "leader"
    LEAVING = "leaving"
    DEAD = "dead"
    GONE = "gone"


class Outcome(Enum):
    """How a write ended. INDEFINITE: nobody can say whether it was done."""

    OK = "ok"
    INDEFINITE = "indefinite"
    FAILED = "failed"


@dataclass(frozen=True)
class Write:
    """One write, from its first attempt to its last answer. `revision`: etcd's, of an acknowledged one; else 0."""

    number: int
    begun: float
    ended: float
    outcome: Outcome
    attempts: int = 1
    revision: int = 0

    @property
    def acknowledged(self) -> bool:
        """Whether etcd said that it is done."""
        return self.outcome is Outcome.OK


@dataclass(frozen=True)
class Change:
    """An instance entered a phase."""

    at: float
    instance: str
    phase: Phase


@dataclass(frozen=True)
class Operation:
    """Something was done to the cluster; `kind` is one word, such as found, roll, kill, restore or backup."""

    name: str
    kind: str
    begun: float
    ended: float


@dataclass(frozen=True)
class Run:
    """A whole run, complete or so far. `facts`: what to say in large letters, as name and value."""

    title: str
    ended: float
    changes: tuple[Change, ...] = ()
    operations: tuple[Operation, ...] = ()
    writes: tuple[Write, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()

    def stall(self, operation: Operation) -> Stall | None:
        """Return the longest stall of an operation."""
        return longest(self.writes, operation.begun, operation.ended)


@dataclass(frozen=True)
class Stall:
    """A stretch in which no write was acknowledged although one was wanted."""

    begun: float
    ended: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.ended - self.begun


def stalls(writes: Iterable[Write], now: float | None = None) -> Iterator[Stall]:
    """Yield one stall for every acknowledged write: from where its predecessors first went unanswered.

    A write that failed prolongs the stall of the next acknowledged one, so giving up early makes no stall shorter. What is
    still unanswered at the end yields a last stall, up to `now` when that is given.
    """
    begun: float | None = None
    last = 0.0
    for write in writes:
        begun = write.begun if begun is None else begun
        last = write.ended
        if write.acknowledged:
            yield Stall(begun, write.ended)
            begun = None
    if begun is not None:
        yield Stall(begun, last if now is None else now)


def longest(writes: Iterable[Write], since: float = 0.0, until: float = float("inf")) -> Stall | None:
    """Return the longest stall that touches the stretch from `since` to `until`; none when nothing was written."""
    touching = (stall for stall in stalls(writes) if stall.ended >= since and stall.begun <= until)
    return max(touching, key=lambda stall: stall.seconds, default=None)


@dataclass
class Recorder:
    """Collects a run while it happens; safe to call from several threads.

    Args:
        title: of the run.
        clock: seconds that never go back; the same that the writer has.
    """

    title: str
    clock: Callable[[], float]
    _changes: list[Change] = field(default_factory=list)
    _operations: list[Operation] = field(default_factory=list)
    _running: list[Operation] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.begun = self.clock()

    def now(self) -> float:
        """Return seconds since the run began."""
        return self.clock() - self.begun

    def phases(self, seen: dict[str, Phase]) -> None:
        """Take what every instance is now; only changes are kept. An instance that is not in `seen` any more is GONE."""
        with self._lock:
            at = self.now()
            known = {change.instance: change.phase for change in self._changes}
            for instance in [*known, *(one for one in seen if one not in known)]:
                phase = seen.get(instance, Phase.GONE)
                if known.get(instance) is not phase:
                    self._changes.append(Change(at, instance, phase))

    def phase(self, instance: str, phase: Phase) -> None:
        """Take what one instance is now."""
        with self._lock:
            known = {change.instance: change.phase for change in self._changes}
            if known.get(instance) is not phase:
                self._changes.append(Change(self.now(), instance, phase))

    @contextmanager
    def operation(self, name: str, kind: str) -> Iterator[None]:
        """Record what happens inside as one operation, also when it fails."""
        begun = Operation(name, kind, self.now(), float("inf"))
        with self._lock:
            self._running.append(begun)
        try:
            yield
        finally:
            with self._lock:
                self._running.remove(begun)
                self._operations.append(Operation(name, kind, begun.begun, self.now()))

    def current(self) -> Operation | None:
        """Return the innermost operation that is going on."""
        with self._lock:
            return self._running[-1] if self._running else None

    def run(self, writes: Iterable[Write] = (), facts: Iterable[tuple[str, str]] = ()) -> Run:
        """Return what was recorded so far; the times of `writes` are seconds since this recorder began."""
        with self._lock:
            now = self.now()
            going = [Operation(one.name, one.kind, one.begun, now) for one in self._running]
            operations = sorted((*self._operations, *going), key=lambda one: (one.begun, -one.ended))
            return Run(self.title, now, tuple(self._changes), tuple(operations), tuple(writes), tuple(facts))
