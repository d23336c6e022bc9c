"""Waiting that ends: when the time is over, or when the service is told to stop."""

from __future__ import annotations

import threading
import time
from typing import Callable, Tuple, Type


class StoppedError(Exception):
    """The service was told to stop while it waited."""


class Patience:
    """How long a call is tried again. IAM is eventually consistent: a new role's first calls are refused for a while.

    Args:
        seconds: from a call's first try to its last.
        stop: set when the service has to end.
    """

    def __init__(self, seconds: float, stop: threading.Event) -> None:
        self._seconds = seconds
        self._stop = stop

    def retry(
        self,
        call: Callable[[], object],
        on: Tuple[Type[Exception], ...],
        unless: Callable[[Exception], bool],
    ) -> None:
        """Call until it succeeds, waiting twice as long each time.

        Args:
            call: what to do.
            on: errors after which it is done again.
            unless: which of these are final.

        Raises:
            StoppedError: told to stop meanwhile.
            Exception: the last error, when the time is over.
        """
        end = time.monotonic() + self._seconds
        pause = self._seconds / 100
        while True:
            try:
                call()
            except on as error:
                if unless(error) or time.monotonic() + pause > end:
                    raise
            else:
                return
            if self._stop.wait(pause):
                raise StoppedError
            pause = min(2 * pause, self._seconds / 8)
