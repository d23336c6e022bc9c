"""Where the parts of a timeline stand: pixels, and what one second and one latency are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kubecfn.rehearsal.record import Run

WIDTH, MARGIN, LEFT = 1280.0, 28.0, 176.0
RIGHT = WIDTH - MARGIN
LANE, BAND, CHART = 24.0, 22.0, 210.0
FASTEST = 0.001  # seconds: the foot of the chart


@dataclass(frozen=True)
class Frame:
    """Where the parts stand: pixels from the top, and what one second is."""

    run: Run
    bands: float
    lanes: float
    chart: float
    slowest: float

    def x(self, at: float) -> float:
        """Return where a time is."""
        whole = max(self.run.ended, 1e-9)
        return LEFT + (RIGHT - LEFT) * min(max(at / whole, 0.0), 1.0)

    def y(self, latency: float) -> float:
        """Return where a latency is, on a logarithmic scale."""
        share = math.log10(max(latency, FASTEST) / FASTEST) / math.log10(self.slowest / FASTEST)
        return self.chart + CHART * (1 - min(share, 1.0))

    @property
    def foot(self) -> float:
        """The chart's lower edge."""
        return self.chart + CHART


def slowest(run: Run) -> float:
    """Return the chart's upper edge: the next power of ten above the longest stall."""
    longest = max((write.ended - write.begun for write in run.writes), default=0.0)
    stalled = max((stall.seconds for stall in map(run.stall, run.operations) if stall), default=0.0)
    return float(10 ** math.ceil(math.log10(max(longest, stalled, 0.5) * 1.15)))
