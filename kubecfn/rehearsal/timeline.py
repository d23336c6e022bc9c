"""A run as one drawing: lanes of instances, operations as bands across them, write latency below with every stall marked."""

from __future__ import annotations

from dataclasses import dataclass

from kubecfn.rehearsal.chart import draw_axis, draw_chart
from kubecfn.rehearsal.drawing import Paper, seconds, width_of
from kubecfn.rehearsal.frame import BAND, CHART, LANE, LEFT, MARGIN, RIGHT, WIDTH, Frame, slowest
from kubecfn.rehearsal.record import Operation, Phase, Run

TILE = 58.0
_TILES = 5  # so many stand in a row; more become narrower
KINDS = ("found", "grow", "roll", "kill", "restore", "backup")
_LEGEND = (Phase.BOOTING, Phase.LEARNER, Phase.VOTER, Phase.LEADER, Phase.LEAVING, Phase.DEAD)
# How high each phase stands in its lane: one sees who leads without colours.
_HEIGHTS = {
    Phase.BOOTING: 8.0,
    Phase.LEARNER: 10.0,
    Phase.VOTER: 12.0,
    Phase.LEADER: 19.0,
    Phase.LEAVING: 8.0,
    Phase.DEAD: 3.0,
}


@dataclass(frozen=True)
class Span:
    """An instance was in a phase from one time to another."""

    phase: Phase
    begun: float
    ended: float


def spans(run: Run) -> dict[str, tuple[Span, ...]]:
    """Return every instance's phases in order; instances in the order in which they appeared."""
    found: dict[str, list[Span]] = {}
    for change in sorted(run.changes, key=lambda change: change.at):
        own = found.setdefault(change.instance, [])
        if own and own[-1].phase is change.phase:
            continue
        if own and own[-1].ended > change.at:
            own[-1] = Span(own[-1].phase, own[-1].begun, change.at)
        if change.phase is not Phase.GONE:
            own.append(Span(change.phase, change.at, run.ended))
    return {instance: tuple(own) for instance, own in found.items() if own}


def svg(run: Run) -> str:
    """Return the drawing of a run as a standalone SVG document: no script, nothing fetched."""
    lanes, rows = spans(run), rows_of(run)
    top = 66.0 + (TILE + 18 if run.facts else 0)
    bands = top + 30
    first_lane = bands + BAND * max(1, 1 + max(rows.values(), default=0)) + 14
    chart = first_lane + LANE * max(1, len(lanes)) + 46
    frame = Frame(run, bands, first_lane, chart, slowest(run))
    paper = Paper(WIDTH, frame.foot + 62, run.title, description(run))
    paper.words(MARGIN, 40, run.title, "title", size=21)
    paper.words(MARGIN, 60, _subtitle(run, len(lanes)), "dim")
    _draw_facts(paper, run)
    _draw_legend(paper, top + 12)
    _draw_washes(paper, frame)
    _draw_bands(paper, frame, rows)
    _draw_lanes(paper, frame, lanes)
    draw_chart(paper, frame)
    draw_axis(paper, frame)
    return paper.svg()


def description(run: Run) -> str:
    """Return the run in sentences, for whoever does not see the drawing."""
    said = [f"A run of {seconds(run.ended)} with {len(spans(run))} instances."]
    for operation in run.operations:
        stall = run.stall(operation)
        after = f", longest write stall {seconds(stall.seconds)}" if stall else ""
        length = seconds(operation.ended - operation.begun)
        said.append(f"{operation.name}: from {seconds(operation.begun)}, {length} long{after}.")
    return " ".join([*said, *(f"{name}: {value}." for name, value in run.facts)])


def _subtitle(run: Run, instances: int) -> str:
    acknowledged = sum(write.acknowledged for write in run.writes)
    return (
        f"{seconds(run.ended)} · {instances} instances · {acknowledged:,} acknowledged writes · time runs to the right"
    )


def rows_of(run: Run) -> dict[Operation, int]:
    """Return in which row each operation's band stands, so that neither bands nor their words overlap."""
    ends: list[float] = []
    rows: dict[Operation, int] = {}
    scale = (RIGHT - LEFT) / max(run.ended, 1e-9)
    for operation in run.operations:
        begun = operation.begun * scale
        ended, words = operation.ended * scale, width_of(operation.name, 11.5) + 14
        ended = ended if ended - begun >= words else ended + words
        row = next((place for place, end in enumerate(ends) if end <= begun), len(ends))
        ends[row:] = [ended, *ends[row + 1 :]]
        rows[operation] = row
    return rows


def _draw_facts(paper: Paper, run: Run) -> None:
    room = (RIGHT - MARGIN + 12) / max(_TILES, len(run.facts))
    for place, (name, value) in enumerate(run.facts):
        x = MARGIN + place * room
        paper.box(x, 76, room - 12, TILE, "tile", round_by=8)
        paper.words(x + 14, 101, value, "value", size=21)
        paper.words(x + 14, 121, name, "dim small", size=11)


def _draw_legend(paper: Paper, y: float) -> None:
    x = LEFT
    for phase in _LEGEND:
        _draw_phase(paper, phase, x, y, width=24, tip=phase.value)
        paper.words(x + 31, y + 4, phase.value, "small", size=11)
        x += 31 + width_of(phase.value, 11) + 20
    for style, words in (("latency", "latency, quickest to slowest"), ("stall", "longest stall of an operation")):
        paper.line(x, y, x + 24, y, style)
        paper.words(x + 31, y + 4, words, "small", size=11)
        x += 31 + width_of(words, 11) + 20


def _kind(operation: Operation) -> str:
    return operation.kind if operation.kind in KINDS else "other"


def _draw_washes(paper: Paper, frame: Frame) -> None:
    """Tint what every operation covers, through lanes and chart."""
    paper.box(LEFT, frame.chart, RIGHT - LEFT, CHART, "panel", round_by=0)
    for operation in frame.run.operations:
        x, end = frame.x(operation.begun), frame.x(operation.ended)
        paper.box(x, frame.bands, end - x, frame.foot - frame.bands, f"wash {_kind(operation)}", round_by=0)


def _draw_bands(paper: Paper, frame: Frame, rows: dict[Operation, int]) -> None:
    for operation, row in rows.items():
        x, end, y = frame.x(operation.begun), frame.x(operation.ended), frame.bands + BAND * row
        length = seconds(operation.ended - operation.begun)
        tip = f"{operation.name}: from {seconds(operation.begun)}, {length} long"
        paper.box(x, y, end - x, BAND - 4, f"band {_kind(operation)}", tip=tip)
        inside = end - x >= width_of(operation.name, 11.5) + 14
        style = "onband small" if inside else "small halo"
        at = x + 7 if inside else max(end, x) + 5
        overflow = at + width_of(operation.name, 11.5) > RIGHT and not inside
        paper.words(
            x - 5 if overflow else at, y + 13, operation.name, style, size=11.5, anchor="end" if overflow else "start"
        )


def _draw_lanes(paper: Paper, frame: Frame, lanes: dict[str, tuple[Span, ...]]) -> None:
    for row, (instance, own) in enumerate(lanes.items()):
        y = frame.lanes + LANE * row + LANE / 2
        paper.words(LEFT - 12, y + 4, instance, "mono", size=11, anchor="end")
        paper.line(LEFT, y, RIGHT, y, "rail")
        for span in own:
            x, end = frame.x(span.begun), frame.x(span.ended)
            tip = f"{instance}: {span.phase.value} from {seconds(span.begun)} to {seconds(span.ended)}"
            _draw_phase(paper, span.phase, x, y, width=end - x, tip=tip)


def _draw_phase(paper: Paper, phase: Phase, x: float, y: float, *, width: float, tip: str) -> None:
    height = _HEIGHTS[phase]
    paper.box(x, y - height / 2, width, height, phase.value, tip=tip, round_by=min(3.0, height / 2))
