"""What several clients asked one store and what they were told, in the order of one clock."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from kubecfn.etcd.gateway import EtcdError


@dataclass(frozen=True)
class Operation:
    """One operation on one key; `call` and `end` are nanoseconds of one monotonic clock."""

    key: str
    kind: str  # register, append
    client: int
    call: int
    end: int
    do: str  # read, write, append
    outcome: str  # ok, failed, indefinite
    value: str = ""
    seen: str = ""

    def line(self) -> str:
        """Return it as the checker reads it."""
        known = asdict(self)
        known["return"] = known.pop("end")
        return json.dumps(known)


@dataclass
class History:
    """Collects operations of several threads."""

    operations: list[Operation] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, key: str, client: int, do: str, value: str, act: Callable[[], str]) -> str | None:
        """Do something and record it; return what was seen, or None when it was not acknowledged."""
        kind = "append" if key.startswith("append") else "register"
        call, outcome, seen = time.monotonic_ns(), "indefinite", ""
        try:
            with suppress(EtcdError):
                try:
                    seen = act()
                    outcome = "ok"
                except EtcdError as error:
                    outcome = "failed" if error.definite else "indefinite"
        finally:
            done = Operation(key, kind, client, call, time.monotonic_ns(), do, outcome, value, seen)
            with self._lock:
                self.operations.append(done)
        return seen if outcome == "ok" else None

    def lines(self) -> list[str]:
        """Return every operation as the checker reads it."""
        with self._lock:
            return [one.line() for one in self.operations]
