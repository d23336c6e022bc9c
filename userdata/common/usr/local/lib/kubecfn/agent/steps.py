"""What a step of the boot is, and how it fails."""

from __future__ import annotations


class StepFailed(Exception):  # noqa: N818  it is the name of what happened, and of what is signalled
    """A step of this node's boot cannot be done.

    Args:
        step: its name, as the signal's log line gives it.
        reason: why, as a sentence without its full stop.
    """

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason
