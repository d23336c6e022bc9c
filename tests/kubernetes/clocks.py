"""A time that tests set."""

from __future__ import annotations

import time


class Clock:
    """A time of its own: to sleep is to be there."""

    def __init__(self):
        self.now = time.time()
        self.slept = []

    def time(self):
        """Seconds since 1970."""
        return self.now

    monotonic = time

    def sleep(self, seconds):
        """Be later."""
        self.slept.append(seconds)
        self.now += seconds
