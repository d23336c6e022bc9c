"""Patience for refusals that pass: one for all calls of a run; what does not pass is told with the object's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kubecfn.kubernetes.client import KubernetesError
from kubecfn.kubernetes.objects import Name

_PAUSE = 0.1  # seconds, then twice as long each time
_LONGEST_PAUSE = 2.0
_CONFLICT, _TOO_MANY, _SERVER = 409, 429, 500
_Answer = TypeVar("_Answer")


class ApplyError(Exception):
    """An object was refused.

    Args:
        name: which; None when it does not say.
        reason: why, in the server's words.
    """

    def __init__(self, name: Name | None, reason: str) -> None:
        super().__init__(f"{name} is refused: {reason}" if name else reason)
        self.name = name
        self.reason = reason


class Waiting:
    """Calls that are tried again while what refuses them may pass.

    Args:
        patience: seconds for all calls together.
        clock: has ``monotonic`` and ``sleep``.
        report: told a sentence when a call has to wait.
    """

    def __init__(self, patience: float, clock: Any, report: Callable[[str], None]) -> None:
        self._clock, self._report = clock, report
        self._patience = patience
        self._until = clock.monotonic() + patience

    def through(self, name: Name, call: Callable[[], _Answer]) -> _Answer:
        """Return what the call returns in the end.

        Args:
            name: the object that it is about.
            call: raises KubernetesError while it is refused.

        Raises:
            ApplyError: it is refused for good, or was for too long.
        """
        pause, told = _PAUSE, False
        while True:
            try:
                return call()
            except KubernetesError as error:
                if not passes(error) or self._clock.monotonic() + pause > self._until:
                    raise ApplyError(name, self._final(error)) from None
                if not told:
                    self._report(f"{name} has to wait: {error.message}")
                    told = True
            self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _final(self, error: KubernetesError) -> str:
        if passes(error):
            return f"{error.message} (for {self._patience:g} s)"
        if "immutable" in error.message:
            return f"{error.message}. It cannot be changed in place: delete it, and it is made anew"
        return error.message


def passes(error: KubernetesError) -> bool:
    """Say whether time may heal it.

    Not reached, a conflict, too much at once, a server's own trouble (also a webhook whose pods do not run yet), or a
    kind that somebody is about to serve.
    """
    if error.status == 0:
        return error.reason in {"Unreachable", "Lost"}
    return error.status in {_CONFLICT, _TOO_MANY} or error.status >= _SERVER or error.reason == "NoKind"
