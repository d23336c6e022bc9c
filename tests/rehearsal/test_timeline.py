"""The drawing shows the run: all of it, where it was, and nothing that was not."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from kubecfn.rehearsal.chart import Column, columns, marked, tick_length
from kubecfn.rehearsal.drawing import seconds
from kubecfn.rehearsal.frame import LEFT, RIGHT
from kubecfn.rehearsal.page import html
from kubecfn.rehearsal.record import Change, Operation, Outcome, Phase, Run, Write
from kubecfn.rehearsal.timeline import rows_of, spans, svg

SVG = "{http://www.w3.org/2000/svg}"
P = Phase


def a_run() -> Run:
    """Return ten seconds: one leads and dies, another takes over; one write waits two seconds, one is never answered."""
    changes = (
        Change(0, "i-a", P.BOOTING),
        Change(1, "i-a", P.LEADER),
        Change(2, "i-b", P.BOOTING),
        Change(3, "i-b", P.VOTER),
        Change(5, "i-a", P.DEAD),
        Change(7, "i-b", P.LEADER),
        Change(8, "i-a", P.GONE),
    )
    quick = tuple(Write(n, 1 + n / 100, 1 + n / 100 + 0.004, Outcome.OK) for n in range(400))
    slow = (Write(400, 5, 7, Outcome.OK), Write(401, 9, 9.5, Outcome.INDEFINITE))
    operations = (Operation("found <two>", "found", 0, 3), Operation("kill & wait", "kill", 4.5, 8))
    return Run("a & b", 10, changes, operations, (*quick, *slow), (("writes lost", "0"),))


def drawing(run: Run) -> ET.Element:
    return ET.fromstring(svg(run))


def classed(root: ET.Element, style: str) -> list[ET.Element]:
    return [one for one in root.iter() if style in one.get("class", "").split()]


def time_of(root_x: str, run: Run) -> float:
    return (float(root_x) - LEFT) / (RIGHT - LEFT) * run.ended


def tips(root: ET.Element) -> list[str]:
    return [one.text for one in root.iter(f"{SVG}title") if one.text]


def test_every_phase_of_every_instance_is_a_bar_where_it_was():
    """A bar begins and ends when its phase did, and one that is gone has none after."""
    run = a_run()
    root = drawing(run)
    bars = {
        bar.find(f"{SVG}title").text: (float(bar.get("x")), float(bar.get("width")))
        for bar in root.iter(f"{SVG}rect")
        if bar.find(f"{SVG}title") is not None
    }
    for instance, own in spans(run).items():
        for span in own:
            tip = f"{instance}: {span.phase.value} from {seconds(span.begun)} to {seconds(span.ended)}"
            x, width = bars.pop(tip)

            assert span.begun == pytest.approx(time_of(str(x), run), abs=0.01)
            assert span.ended == pytest.approx(time_of(str(x + width), run), abs=0.01)

    assert {instance: (own[0].begun, own[-1].ended) for instance, own in spans(run).items()} == {
        "i-a": (0, 8),
        "i-b": (2, 10),
    }


def test_operations_are_bands_with_their_names_as_words():
    """What was done stands above the lanes, escaped as XML wants it."""
    root = drawing(a_run())
    words = [one.text for one in root.iter(f"{SVG}text")]

    assert {"found <two>", "kill & wait"} <= set(words)
    assert len(classed(root, "band")) == 2
    assert any(tip == "kill & wait: from 4.50 s, 3.50 s long" for tip in tips(root))


def test_the_longest_stall_of_each_operation_is_marked_with_its_length():
    """Two seconds without an answer cannot be overlooked."""
    run = a_run()
    root = drawing(run)

    assert [one.text for one in classed(root, "stallword")] == ["4 ms", "2.00 s"]
    assert {"found <two>", "kill & wait"} == {operation.name for operation in marked(run).values()}
    bar = next(one for one in classed(root, "stall") if "2.00 s" in "".join(one.itertext()))
    assert (
        pytest.approx(time_of(bar.get("x1"), run), abs=0.01),
        pytest.approx(time_of(bar.get("x2"), run), abs=0.01),
    ) == (5, 7)


def test_latencies_are_drawn_by_pixel_and_a_write_without_an_answer_is_shown_apart():
    """Every pixel keeps its slowest write, however many there are; an unanswered one has no latency."""
    run = a_run()
    drawn = list(columns(run.writes, run.ended, 1000))

    assert max(column.slowest for column in drawn) == 2.0
    assert all(column.quickest <= column.slowest for column in drawn)
    assert len(drawn) == len({column.place for column in drawn})
    beside = (Write(0, 1, 1.001, Outcome.OK), Write(1, 0.5, 1.002, Outcome.OK))
    assert list(columns(beside, 10, 100)) == [Column(10, pytest.approx(0.001), pytest.approx(0.502))]
    assert ["".join(one.itertext()).strip() for one in classed(drawing(run), "unanswered")] == [
        "write 401: indefinite after 0.50 s"
    ]


def test_the_line_of_medians_is_broken_where_nothing_was_acknowledged():
    """A line across an outage would claim writes that were not there."""
    (path,) = classed(drawing(a_run()), "typical")

    assert path.get("d").count("M") == 2


def test_the_drawing_stands_alone_and_speaks_to_who_cannot_see_it():
    """A title and a description, no script, nothing fetched, light and dark."""
    root = drawing(a_run())
    named = {one.get("id"): one.text for one in root if one.get("id")}

    assert root.get("aria-labelledby").split() == list(named)
    assert named["timeline-title"] == "a & b"
    assert "kill & wait: from 4.50 s, 3.50 s long, longest write stall 2.00 s." in named["timeline-description"]
    assert "writes lost: 0." in named["timeline-description"]
    assert not [one for one in root.iter() if one.tag in {f"{SVG}script", f"{SVG}image", f"{SVG}use"}]
    assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text


def test_everything_stands_inside_the_paper_and_lanes_do_not_overlap():
    """Also with many instances and operations that follow each other closely."""
    changes = tuple(Change(i / 10, f"i-{i}", P.VOTER) for i in range(40))
    operations = tuple(Operation(f"operation number {i}", "roll", 9 + i / 50, 9 + i / 40) for i in range(8))
    run = Run("many", 10, changes, operations)
    root = drawing(run)
    height = float(root.get("height"))
    lanes = sorted({float(one.get("y")) for one in classed(root, "mono")})

    assert all(0 <= float(one.get("y", 0)) <= height for one in root.iter())
    assert len(lanes) == 40
    assert min(b - a for a, b in pairwise(lanes)) >= 20
    assert len(set(rows_of(run).values())) == 8


def test_an_operation_too_short_for_its_name_has_the_name_beside_it_and_nothing_over_that():
    """A name is never written across the next operation."""
    first, second = Operation("an operation with a long name", "roll", 0, 1), Operation("next", "kill", 1.2, 9)
    rows = rows_of(Run("close", 60, operations=(first, second)))

    assert rows[first] != rows[second]
    assert set(rows_of(Run("wide", 10, operations=(first, Operation("next", "kill", 5, 9)))).values()) == {0}


@pytest.mark.parametrize("run", [Run("nothing", 0.0), Run("short", 0.001, writes=(Write(0, 0, 0, Outcome.OK),))])
def test_a_run_in_which_nothing_happened_can_be_drawn(run):
    """An aborted run still leaves its page."""
    assert drawing(run).find(f"{SVG}title").text == run.title


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 s"),
        (0.0004, "0.4 ms"),
        (0.004, "4 ms"),
        (0.41, "0.41 s"),
        (12.34, "12.3 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
    ],
)
def test_durations_read_as_people_say_them(value, words):
    """Two digits say enough."""
    assert words == seconds(value)


@pytest.mark.parametrize(("length", "step"), [(0, 0.5), (7, 0.5), (8, 1), (84, 10), (3600, 300), (10**7, 10**7)])
def test_the_axis_has_round_steps_and_room_for_them(length, step):
    """At most fourteen ticks."""
    assert step == tick_length(length)


class Cells(HTMLParser):
    """Collects a page's table cells and complains about anything left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.cells, self.tags = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note a beginning."""
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note what is empty."""
        self.tags.append(tag)

    def handle_endtag(self, tag):
        """Note an end."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note a cell."""
        if "td" in self.open:
            self.cells.append(data)


def test_the_page_holds_the_drawing_and_the_same_in_tables():
    """Figures can be read and copied, not only looked at; everything is escaped; there is no script."""
    page = Cells(html(a_run()))

    assert page.open == []
    assert "svg" in page.tags
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert page.cells[5:10] == ["kill & wait", "4.50 s", "3.50 s", "51", "2.00 s"]
    assert "booting 0 s, leader 1.00 s, dead 5.00 s" in page.cells
