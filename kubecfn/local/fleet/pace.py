"""How simulated and real seconds relate, for what must really be waited for: processes and the machine's own patience."""

from __future__ import annotations

from kubecfn.local.clock import Clock


def simulated_seconds(clock: Clock, real: float) -> float:
    """Return how many simulated seconds pass in so many real ones; a clock without a speed is real time."""
    return real * float(getattr(clock, "speed", 1.0))
