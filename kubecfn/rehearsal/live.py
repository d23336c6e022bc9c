"""A run while it happens: one screen that is drawn anew on a terminal, plain lines of what is new elsewhere."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kubecfn.rehearsal.drawing import seconds
from kubecfn.rehearsal.record import Phase
from kubecfn.rehearsal.writer import Numbers

# Seconds between two screens; between two looks for news where lines are printed.
EVERY = 0.25
_BLOCKS = "▁▂▃▄▅▆▇█"
# The sparkline's lowest and highest block, seconds; a log scale between.
_QUICK, _SLOW = 0.001, 10.0
_MARKS = {
    Phase.BOOTING: ("○", "dim"),
    Phase.LEARNER: ("◔", "yellow"),
    Phase.VOTER: ("●", "cyan"),
    Phase.LEADER: ("★", "bold cyan"),
    Phase.LEAVING: ("◌", "magenta"),
    Phase.DEAD: ("✕", "bold red"),
    Phase.GONE: (" ", "dim"),
}
_ALARMING = 0.5  # seconds a write waits before it is shown in red


@dataclass(frozen=True)
class Screen:
    """What there is to see at one moment.

    Attributes:
        title: of the run.
        operation: what is going on; empty for nothing. `since`: for how many seconds.
        phases: of every instance, in the order to show them.
        details: a few words for an instance, such as its revision.
        numbers: of the writer.
        decision: the last line of a journal, ready to read.
    """

    title: str
    operation: str = ""
    since: float = 0.0
    phases: dict[str, Phase] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    numbers: Numbers = field(default_factory=Numbers)
    decision: str = ""


def sparkline(latencies: Sequence[float], width: int) -> str:
    """Return the last latencies as blocks of a logarithmic scale from 1 ms to 10 s; each block is the worst of its share."""
    if not latencies:
        return ""
    share = max(1, math.ceil(len(latencies) / width))
    worst = [max(latencies[start : start + share]) for start in range(0, len(latencies), share)]
    span = math.log10(_SLOW / _QUICK)
    heights = (math.log10(max(value, _QUICK) / _QUICK) / span for value in worst)
    return "".join(_BLOCKS[min(len(_BLOCKS) - 1, int(height * len(_BLOCKS)))] for height in heights)


def drawn(screen: Screen, width: int = 60) -> RenderableType:
    """Return the screen for a terminal; `width` is the sparkline's."""
    members = Table.grid(padding=(0, 2))
    for instance, phase in screen.phases.items():
        mark, style = _MARKS[phase]
        members.add_row(
            Text(f"{mark} {phase.value}", style), Text(instance), Text(screen.details.get(instance, ""), "dim")
        )
    if not screen.phases:
        members.add_row(Text("no controller yet", "dim"))
    numbers = screen.numbers
    waiting = Text(f"  waiting for {seconds(numbers.pending)}", "bold red") if numbers.pending > _ALARMING else Text("")
    writes = Text.assemble(
        ("writes ", "bold"),
        f"{numbers.acknowledged:,} acknowledged, now {seconds(numbers.latency)}, longest {seconds(numbers.longest)}",
        waiting,
    )
    parts: list[RenderableType] = [members, Text(""), writes, Text(sparkline(numbers.recent, width), "cyan")]
    if screen.decision:
        parts.append(Text(screen.decision, "dim", overflow="ellipsis", no_wrap=True))
    doing = f"{screen.operation} · {seconds(screen.since)}" if screen.operation else "nothing under way"
    return Panel(Group(*parts), title=Text(screen.title, "bold"), subtitle=Text(doing), title_align="left")


def news(before: Screen | None, now: Screen) -> Iterator[str]:
    """Yield a line for everything that is new since the screen before."""
    before = before or Screen(now.title)
    if before.operation != now.operation:
        if before.operation:
            yield f"{before.operation}: done after {seconds(before.since)}; {_said(now.numbers)}"
        if now.operation:
            yield f"{now.operation} …"
    for instance in {**before.phases, **now.phases}:
        was, phase = before.phases.get(instance, Phase.GONE), now.phases.get(instance, Phase.GONE)
        if was is not phase:
            yield f"  {instance} is {phase.value}"
    if now.decision and before.decision != now.decision:
        yield f"  {now.decision}"


def _said(numbers: Numbers) -> str:
    return f"{numbers.acknowledged:,} writes acknowledged, longest stall so far {seconds(numbers.longest)}"


def decision(line: str) -> str:
    """Return one line of a journal (`kubecfn.etcd.journal`) as a person reads it; empty when it is none."""
    try:
        said = json.loads(line)
        words = f"{said['decision']}: {said['reason']}"
    except (KeyError, TypeError, ValueError):
        return ""
    who = said.get("instance", "")
    return f"{who} {words}" if who else words


def last_decision(lines: Iterable[str]) -> str:
    """Return the newest line of a journal that is a decision."""
    return next((said for line in reversed(list(lines)) if (said := decision(line))), "")


@contextmanager
def showing(console: Console, look: Callable[[], Screen], *, every: float = EVERY) -> Iterator[None]:
    """Show `look()` until the end of the `with`: live on a terminal, elsewhere a line for everything new."""
    if console.is_terminal:
        with Live(console=console, get_renderable=lambda: drawn(look()), refresh_per_second=1 / every, transient=True):
            yield
        return
    stopped = threading.Event()
    thread = threading.Thread(target=_tell, args=(console, look, stopped, every), name="news", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _tell(console: Console, look: Callable[[], Screen], stopped: threading.Event, every: float) -> None:
    before: Screen | None = None
    while True:
        last = stopped.wait(every)  # the last look comes after the end, so that nothing is left untold
        now = look()
        for line in news(before, now):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        before = now
        if last:
            return
