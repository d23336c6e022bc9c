"""A client of the API that writes all the time through the load balancer, each write over a connection of its own."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

_PATH = "/api/v1/namespaces/default/configmaps"
_NAME = "rehearsal"
_TYPES = {"POST": "application/json", "PATCH": "application/merge-patch+json"}
_FIRST_ERROR, _CONFLICT = 300, 409


@dataclass(frozen=True)
class Attempt:
    """One write: when it was begun and ended, and why it failed; empty when it did not."""

    begun: float
    ended: float
    problem: str = ""


@dataclass(frozen=True)
class Seen:
    """What a stretch of time was like.

    Attributes:
        written: writes that were acknowledged.
        failed: attempts that were not.
        gap: the longest time in seconds between two acknowledged writes, or between one and the stretch's end.
        at: when that one began, on `time.monotonic`.
        problems: what the failed ones met, each once.
    """

    written: int
    failed: int
    gap: float
    at: float
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        met = f" ({'; '.join(self.problems[:3])})" if self.problems else ""
        return f"{self.written} writes, {self.failed} failed{met}, longest gap {self.gap:.2f} s"


class ApiWriter:
    """Writes in a thread of its own from `with` until its end.

    Args:
        address: of the load balancer.
        name: which the certificate must have.
        context: shows who writes.
        pause: seconds between two writes.
        timeout: seconds for one; whoever waits longer than a load balancer's worst learns nothing more.
    """

    def __init__(
        self, address: tuple[str, int], name: str, context: ssl.SSLContext, *, pause: float = 0.1, timeout: float = 1.5
    ) -> None:
        self._address, self._name, self._context = address, name, context
        self._pause, self._timeout = pause, timeout
        self._attempts: list[Attempt] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="api-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop writing, if it ever began."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def last(self) -> int:
        """The number of the last write that was acknowledged."""
        return max((n for n, one in enumerate(list(self._attempts)) if not one.problem), default=-1)

    def seen(self, since: float, until: float) -> Seen:
        """Return what a stretch of `time.monotonic` was like."""
        return stretch(list(self._attempts), since, until)

    def _write_on(self) -> None:
        number = 0
        while not self._stopped.is_set():
            begun = time.monotonic()
            problem = self._write(number)
            self._attempts.append(Attempt(begun, time.monotonic(), problem))
            number += 1
            self._stopped.wait(self._pause)

    def _write(self, number: int) -> str:
        """Write a number; return why it failed. A first write makes the object, whoever made it before."""
        data = {"data": {"number": str(number)}}
        try:
            if number == 0:
                self._ask("POST", _PATH, {"metadata": {"name": _NAME}, **data})
            self._ask("PATCH", f"{_PATH}/{_NAME}", data)
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"[:120]
        return ""

    def _ask(self, method: str, path: str, body: object) -> None:
        asks = http.client.HTTPSConnection(*self._address, timeout=self._timeout, context=self._context)
        plain = socket.create_connection(self._address, self._timeout)
        try:
            asks.sock = self._context.wrap_socket(plain, server_hostname=self._name)
            asks.request(method, path, json.dumps(body), {"Content-Type": _TYPES[method]})
            answer = asks.getresponse()
            said = answer.read()
        finally:
            asks.close()
            plain.close()
        if answer.status >= _FIRST_ERROR and not (method == "POST" and answer.status == _CONFLICT):
            raise OSError(answer.status, said[:80].decode(errors="replace"))


def stretch(attempts: Sequence[Attempt], since: float, until: float) -> Seen:
    """Return what a stretch of time was like by the attempts of all time, in their order."""
    inside = [one for one in attempts if one.begun < until and one.ended > since]
    done = [one.ended for one in inside if not one.problem]
    # What was acknowledged last before the stretch is where its first gap begins.
    before = max((one.ended for one in attempts if one.ended <= since and not one.problem), default=since)
    marks = [before, *done, max([until, *done])]
    gap, at = max((later - earlier, earlier) for earlier, later in itertools.pairwise(marks))
    problems = dict.fromkeys(one.problem for one in inside if one.problem)
    return Seen(len(done), sum(bool(one.problem) for one in inside), gap, at, tuple(problems))
