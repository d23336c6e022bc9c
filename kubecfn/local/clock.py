"""Time as an argument: real, or running faster than the wall so that a 15-minute pause costs seconds."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the embedded AWS asks about time. All durations are seconds of simulated time."""

    def now(self) -> datetime:
        """The simulated instant, timezone-aware UTC."""

    def monotonic(self) -> float:
        """Simulated seconds since an arbitrary start; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Block for so many simulated seconds."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block until the event is set (True) or so many simulated seconds passed (False)."""


class ScaledClock:
    """A clock that runs `speed` times as fast as the wall. Order and gates stay real; only waiting is shorter.

    Args:
        speed: simulated seconds per real second; 1 is real time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.speed = speed
        self._start_wall = datetime.now(UTC)
        self._start = time.monotonic()

    def now(self) -> datetime:
        """The simulated instant, timezone-aware UTC."""
        return self._start_wall + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Simulated seconds since this clock was made."""
        return (time.monotonic() - self._start) * self.speed

    def sleep(self, seconds: float) -> None:
        """Block for so many simulated seconds."""
        time.sleep(max(0.0, seconds) / self.speed)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block until the event is set (True) or so many simulated seconds passed (False)."""
        return event.wait(max(0.0, seconds) / self.speed)
