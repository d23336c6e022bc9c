"""Faults a test or a rehearsal asks for: throttling, errors, latency, cut connections, lost answers, refused callers."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass

from kubecfn.local import common_errors
from kubecfn.local.api import Call, ServiceError

KINDS = frozenset({"throttle", "error", "expired", "denied", "latency", "drop", "lost-answer"})


@dataclass
class Fault:
    """One fault and how often it still strikes.

    Attributes:
        kind: ``throttle``, ``error``, ``expired`` and ``denied`` answer with the service's own code unless `code` is
            given; ``latency`` delays; ``drop`` cuts the connection before anything is done; ``lost-answer`` cuts it
            after the call was carried out.
        service: regular expression on botocore's service name.
        operation: regular expression on the API's own operation name.
        times: how many more calls it strikes.
        code: error code instead of the service's own; empty for that.
        status: HTTP status that goes with `code`; 0 for the kind's own.
        message: words instead of the service's own.
        seconds: of latency, on the wall: a client's read timeout runs there too.
        caller: regular expression searched in the caller's ARN.
        probability: of striking a call that fits, decided by the seed.
        internal: also strike the services' own calls to each other.
        struck: calls it struck so far.
    """

    kind: str
    service: str
    operation: str
    times: int
    code: str
    status: int
    message: str
    seconds: float
    caller: str
    probability: float
    internal: bool
    struck: int = 0

    def fits(self, call: Call, *, internal: bool) -> bool:
        """Return whether this fault may strike this call at all."""
        return (
            self.struck < self.times
            and (self.internal or not internal)
            and re.fullmatch(self.service, call.service) is not None
            and re.fullmatch(self.operation, call.operation) is not None
            and re.search(self.caller, call.caller) is not None
        )

    def error(self, service: str, protocol: str) -> ServiceError:
        """Return what the caller is answered."""
        own = common_errors.common_error(self.kind, service, protocol)
        return ServiceError(self.code or own.code, self.message or own.message, self.status or own.status)


class Faults:
    """The faults in force; many threads ask it.

    Args:
        seed: decides where faults with a probability strike; the order of calls decides the rest.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  repeatable on purpose
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(
        self,
        *,
        kind: str,
        service: str = ".*",
        operation: str = ".*",
        times: int = 1,
        code: str = "",
        status: int = 0,
        message: str = "",
        seconds: float = 0.0,
        caller: str = "",
        probability: float = 1.0,
        internal: bool = False,
    ) -> Fault:
        """Put a fault in force and return it, so that a test can ask how often it struck. See `Fault`."""
        if kind not in KINDS:
            raise ValueError(f"unknown kind of fault {kind!r}; there are {', '.join(sorted(KINDS))}")
        fault = Fault(kind, service, operation, times, code, status, message, seconds, caller, probability, internal)
        with self._lock:
            self._faults.append(fault)
        return fault

    def strike(self, call: Call, *, internal: bool) -> list[Fault]:
        """Return what strikes this call: every latency and at most one other fault, each counted as used."""
        with self._lock:
            found: list[Fault] = []
            for fault in self._faults:
                ended = any(other.kind != "latency" for other in found)
                if (ended and fault.kind != "latency") or not fault.fits(call, internal=internal):
                    continue
                if self._random.random() < fault.probability:
                    fault.struck += 1
                    found.append(fault)
            return found

    def clear(self) -> None:
        """Lift every fault."""
        with self._lock:
            self._faults.clear()
