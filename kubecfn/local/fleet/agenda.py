"""Things to do at an instant of the clock: one thread, sleeping until the next is due."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from kubecfn.local.clock import Clock

LOG = logging.getLogger("kubecfn.local")
FOREVER = 3600.0


class Agenda:
    """Runs short jobs in order of their instants; whoever has a long one starts a thread.

    Args:
        clock: its seconds are simulated.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="agenda", daemon=True)
        self._thread.start()

    def after(self, seconds: float, job: Callable[[], None]) -> None:
        """Do something after so many simulated seconds; 0 is as soon as possible, never in the caller's thread."""
        with self._lock:
            heapq.heappush(self._jobs, (self._clock.monotonic() + seconds, next(self._numbers), job))
        self._changed.set()

    def close(self) -> None:
        """Forget what is left; a job that runs is waited for."""
        self._closed = True
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            self._changed.clear()
            job, pause = self._next()
            if job is None:
                self._clock.wait(self._changed, pause)
                continue
            try:
                job()
            except Exception:
                if not self._closed:
                    LOG.exception("a job of the agenda failed")

    def _next(self) -> tuple[Callable[[], None] | None, float]:
        with self._lock:
            if not self._jobs:
                return None, FOREVER
            wait = self._jobs[0][0] - self._clock.monotonic()
            if wait > 0:
                return None, wait
            return heapq.heappop(self._jobs)[2], 0.0
