"""What long work reports while it runs, what it asks a person, and the clock it waits by."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from kubecfn.deploy.explain.model import Explanation


class Kind(StrEnum):
    """What a line of progress is about."""

    STEP = "step"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    RESOURCE = "resource"
    SIGNAL = "signal"
    STACK = "stack"
    NOTE = "note"
    WARNING = "warning"


@dataclass(frozen=True)
class Progress:
    """One thing that happened or begins.

    Attributes:
        text: one plain line for a person.
        done: how far the work is, in its own unit (resources, bytes, signals).
        total: how far it goes; 0 when nobody knows.
        at: when AWS says it happened; None for what happens here and now.
        detail: the machine's form of the same.
    """

    kind: Kind
    text: str
    done: int = 0
    total: int = 0
    at: datetime | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data for ``--output json``."""
        return {
            "kind": self.kind.value,
            "text": self.text,
            "done": self.done,
            "total": self.total,
            "at": self.at.isoformat() if self.at else None,
            "detail": dict(self.detail),
        }


Reporter = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Question:
    """A decision that is a person's to take.

    Attributes:
        kind: ``change``, ``replace-remains``, ``continue-rollback``, ``delete`` or ``restore``.
        text: the sentence to answer with yes or no.
        lines: what to show before it.
        explanation: of the change that is asked for, when there is one.
        typed: the word that has to be typed out for a yes, where a slip must not be enough; empty for yes or no.
    """

    kind: str
    text: str
    lines: tuple[str, ...] = ()
    explanation: Explanation | None = None
    typed: str = ""


Ask = Callable[[Question], bool]


class Waiting(Protocol):
    """What waiting needs of a clock; all durations are seconds."""

    def now(self) -> datetime:
        """The instant, timezone-aware UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""

    def sleep(self, seconds: float) -> None:
        """Block for so many seconds."""


class RealClock:
    """The wall clock."""

    def now(self) -> datetime:
        """The instant, timezone-aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block for so many seconds."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Work:
    """How long work goes on: what it waits by, whom it tells, and how a person comes back to it.

    Attributes:
        clock: what to wait by.
        report: is told every step.
        come_back: the command that picks it up again, told after Ctrl-C.
    """

    clock: Waiting
    report: Reporter
    come_back: str

    def tell(self, kind: Kind, text: str) -> None:
        """Report one line."""
        self.report(Progress(kind, text))
