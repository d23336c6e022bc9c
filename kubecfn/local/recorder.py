"""Every API call that reached the gate: when, who, what, how it ended, and which statement allowed it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kubecfn.local.api import Call

# A bundle or template kept once per call would fill the memory of a long rehearsal.
LARGEST_KEPT = 4096


@dataclass(frozen=True)
class Recorded:
    """One call that reached the gate.

    Attributes:
        at: the simulated instant it arrived.
        call: who asked for what; byte strings above 4 KiB are replaced by their length.
        outcome: ``ok``, the error code as the caller saw it, ``cut`` or ``lost-answer``.
        internal: made by a service of the embedded AWS itself, not by a program that uses it.
        statements: for a role's call, the policy statements that decided, as ``role/policy[index]``.
        reason: why it was refused, or what the authorisation could not check; empty when there is nothing to say.
    """

    at: datetime
    call: Call
    outcome: str
    internal: bool = False
    statements: tuple[str, ...] = ()
    reason: str = ""


class Recorder:
    """A list that many threads append to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Recorded] = []

    def add(self, recorded: Recorded) -> None:
        """Keep one call."""
        slim = replace(recorded, call=replace(recorded.call, params=_slim(recorded.call.params)))
        with self._lock:
            self._calls.append(slim)

    @property
    def calls(self) -> list[Recorded]:
        """What programs asked for, oldest first; the services' own calls are in `internal`."""
        return self.where(lambda recorded: not recorded.internal)

    @property
    def internal(self) -> list[Recorded]:
        """What the services asked of each other, oldest first."""
        return self.where(lambda recorded: recorded.internal)

    def by(self, operation: str, *, caller: str = "") -> list[Recorded]:
        """Return the calls of one operation (``PutObject`` or ``s3:PutObject``) whose caller contains `caller`."""
        return [
            recorded
            for recorded in self.calls
            if operation in {recorded.call.operation, f"{recorded.call.service}:{recorded.call.operation}"}
            and caller in recorded.call.caller
        ]

    def where(self, rule: Callable[[Recorded], bool]) -> list[Recorded]:
        """Return the calls for which the rule holds, internal ones included."""
        with self._lock:
            calls = list(self._calls)
        return [recorded for recorded in calls if rule(recorded)]

    def used_statements(self) -> set[str]:
        """Return every ``role/policy[index]`` that allowed a call; what is granted beside it was never needed."""
        return {name for recorded in self.calls for name in recorded.statements}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._calls.clear()


def _slim(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"<{len(value)} bytes>" if isinstance(value, bytes) and len(value) > LARGEST_KEPT else value
        for name, value in params.items()
    }
