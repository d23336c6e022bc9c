"""Write latency over time on a logarithmic scale, every operation's longest stall marked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from kubecfn.rehearsal.drawing import Paper, number, seconds, width_of
from kubecfn.rehearsal.frame import FASTEST, LEFT, MARGIN, RIGHT, Frame
from kubecfn.rehearsal.record import Operation, Run, Stall, Write

# So many pixels make one point of the line of medians; so many ticks are on the axis at most.
STRETCH, TICKS = 8, 14
_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
_WORDS_HEIGHT = 13


def draw_chart(paper: Paper, frame: Frame) -> None:
    """Draw the scale, every pixel's latencies, the medians, the writes without an answer, the stalls."""
    paper.words(MARGIN, frame.chart - 10, "write latency", size=12)
    paper.words(LEFT - 12, frame.chart - 10, "log scale", "dim small", size=11, anchor="end")
    for power in range(round(math.log10(FASTEST)), round(math.log10(frame.slowest)) + 1):
        y = frame.y(10.0**power)
        paper.line(LEFT, y, RIGHT, y, "grid")
        paper.words(LEFT - 12, y + 4, _tick(10.0**power), "dim small", size=11, anchor="end")
    for column in columns(frame.run.writes, frame.run.ended, int(RIGHT - LEFT)):
        x = LEFT + column.place + 0.5
        paper.line(x, frame.y(column.quickest) + 1, x, frame.y(column.slowest) - 1, "latency")
    paper.path(_line(frame), "typical")
    for write in frame.run.writes:
        if not write.acknowledged:
            x = frame.x(write.begun)
            tip = f"write {write.number}: {write.outcome.value} after {seconds(write.ended - write.begun)}"
            paper.line(x, frame.foot - 9, x, frame.foot, "unanswered", tip=tip)
    _draw_stalls(paper, frame)


def _tick(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.0f} s"


@dataclass(frozen=True)
class Column:
    """The writes that ended within one pixel."""

    place: int
    quickest: float
    slowest: float


def columns(writes: tuple[Write, ...], ended: float, pixels: int) -> Iterator[Column]:
    """Yield the quickest and the slowest acknowledged write of every pixel that has one."""
    for place, latencies in _by_pixel(writes, ended, pixels):
        yield Column(place, min(latencies), max(latencies))


def _line(frame: Frame) -> str:
    """Return the path of the medians; where nothing was acknowledged for a while it is broken."""
    stretches = max(1, int(RIGHT - LEFT) // STRETCH)
    path, before = "", -2
    for place, latencies in _by_pixel(frame.run.writes, frame.run.ended, stretches):
        at = (place + 0.5) * frame.run.ended / stretches
        pen = "L" if place == before + 1 else "M"
        path += f"{pen}{number(frame.x(at))},{number(frame.y(median(latencies)))}"
        before = place
    return path


def _by_pixel(writes: tuple[Write, ...], ended: float, pixels: int) -> Iterator[tuple[int, list[float]]]:
    def place(write: Write) -> int:
        return min(pixels - 1, int(write.ended / max(ended, 1e-9) * pixels))

    done = sorted((write for write in writes if write.acknowledged), key=place)
    for pixel, here in groupby(done, key=place):
        yield pixel, [write.ended - write.begun for write in here]


def marked(run: Run) -> dict[Stall, Operation]:
    """Return the stall to mark for each operation; one that several share is marked once, for the shortest of them."""
    found: dict[Stall, Operation] = {}
    for operation in sorted(run.operations, key=lambda one: one.ended - one.begun):
        stall = run.stall(operation)
        if stall and stall not in found:
            found[stall] = operation
    return dict(sorted(found.items(), key=lambda item: item[0].begun))


def _draw_stalls(paper: Paper, frame: Frame) -> None:
    taken: list[tuple[float, float, float]] = []
    for stall, operation in marked(frame.run).items():
        x, end, y = frame.x(stall.begun), frame.x(stall.ended), frame.y(stall.seconds)
        tip = f"{operation.name}: longest stall {seconds(stall.seconds)}"
        paper.line(x, y, max(end, x + 3), y, "stall", tip=tip)
        paper.line(x, y - 4, x, y + 4, "stall")
        paper.line(max(end, x + 3), y - 4, max(end, x + 3), y + 4, "stall")
        words = seconds(stall.seconds)
        room = width_of(words, 11.5)
        left = min(x, RIGHT - room - 4)
        at = y - 8
        while any(left < b and a < left + room and abs(at - h) < _WORDS_HEIGHT for a, b, h in taken):
            at -= _WORDS_HEIGHT
        taken.append((left, left + room, at))
        paper.words(left, at, words, "stallword halo", size=11.5)


def draw_axis(paper: Paper, frame: Frame) -> None:
    """Draw the seconds."""
    step = tick_length(frame.run.ended)
    paper.line(LEFT, frame.foot, RIGHT, frame.foot, "axis")
    for place in range(int(frame.run.ended / step) + 1):
        x = frame.x(place * step)
        paper.line(x, frame.foot, x, frame.foot + 5, "axis")
        paper.words(x, frame.foot + 19, f"{place * step:g} s", "dim small", size=11, anchor="middle")
    paper.words(RIGHT, frame.foot + 40, "seconds since the run began", "dim small", size=11, anchor="end")


def tick_length(length: float) -> float:
    """Return the round number of seconds between ticks."""
    return next((step for step in _STEPS if length / step <= TICKS), length)
