"""The time of one invocation, in the function's own measure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

_STEP = 0.05


@dataclass(frozen=True)
class Invocation:
    """Lambda's own count-down (AWS Lambda Developer Guide, "Using the Lambda context object to retrieve Python function information")."""

    context: Any

    def left(self) -> float:
        """Return the seconds until the invocation is ended."""
        return float(self.context.get_remaining_time_in_millis()) / 1000

    def monotonic(self) -> float:
        """Return an instant, in seconds; only differences mean anything."""
        return -self.left()

    def pause(self, seconds: float) -> None:
        """Let so many seconds pass, unless the invocation ends first."""
        until = self.left() - seconds
        while self.left() > max(until, 0.0):
            time.sleep(_STEP)
