"""The live view: a screen on a terminal, and everything new exactly once elsewhere."""

from __future__ import annotations

import io
import json
import time

import pytest
from rich.console import Console

from kubecfn.rehearsal.live import Screen, decision, drawn, last_decision, news, showing, sparkline
from kubecfn.rehearsal.record import Phase
from kubecfn.rehearsal.writer import Numbers

A_SCREEN = Screen(
    "demo",
    operation="kill one [of three]",
    since=2.5,
    phases={"i-a": Phase.LEADER, "i-b": Phase.DEAD},
    details={"i-a": "revision 7"},
    numbers=Numbers(acknowledged=1234, latency=0.004, pending=1.5, longest=1.5, recent=(0.004, 1.5)),
    decision="i-b join: epoch [1] answers",
)


def on_paper(screen: Screen) -> str:
    console = Console(file=io.StringIO(), width=100, highlight=False)
    console.print(drawn(screen))
    return console.file.getvalue()


def test_the_screen_shows_members_writes_and_the_last_decision():
    """What a person wants to know is on one screen, brackets and all."""
    lines = on_paper(A_SCREEN).splitlines()

    assert any("★ leader" in line and "i-a" in line and "revision 7" in line for line in lines)
    assert any("✕ dead" in line and "i-b" in line for line in lines)
    assert any("1,234 acknowledged, now 4 ms, longest 1.50 s  waiting for 1.50 s" in line for line in lines)
    assert any("i-b join: epoch [1] answers" in line for line in lines)
    assert "kill one [of three] · 2.50 s" in lines[-1]


def test_an_empty_screen_says_so():
    """Before the first controller there is something to read too."""
    assert "no controller yet" in on_paper(Screen("demo"))
    assert "nothing under way" in on_paper(Screen("demo"))


@pytest.mark.parametrize(
    ("latencies", "width", "blocks"),
    [
        ([], 10, ""),
        ([0.001, 10.0], 10, "▁█"),
        ([0.0001, 100.0], 10, "▁█"),
        ([0.001, 0.01, 0.1, 1.0], 10, "▁▃▅▇"),
        ([0.001, 10.0, 0.001, 0.001], 2, "█▁"),
    ],
)
def test_the_sparkline_is_logarithmic_and_never_hides_the_worst(latencies, width, blocks):
    """One block stands for the worst of its share."""
    assert blocks == sparkline(latencies, width)


def test_lines_tell_everything_new_and_nothing_twice():
    """Operations, phases and decisions, each when it changes."""
    first = list(news(None, A_SCREEN))
    again = list(news(A_SCREEN, A_SCREEN))
    later = Screen("demo", phases={"i-a": Phase.LEADER}, numbers=A_SCREEN.numbers, decision=A_SCREEN.decision)

    assert first == ["kill one [of three] …", "  i-a is leader", "  i-b is dead", "  i-b join: epoch [1] answers"]
    assert again == []
    assert list(news(A_SCREEN, later)) == [
        "kill one [of three]: done after 2.50 s; 1,234 writes acknowledged, longest stall so far 1.50 s",
        "  i-b is gone",
    ]


def test_off_a_terminal_plain_lines_come_once_and_the_last_news_is_not_left_out():
    """A log file of a run has every change exactly once and no control characters."""
    screens = iter([Screen("demo", operation="found")] * 3)
    console = Console(file=io.StringIO(), width=40)
    with showing(console, lambda: next(screens, A_SCREEN), every=0.005):
        until = time.monotonic() + 5
        while "i-a is leader" not in console.file.getvalue() and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(0.02)
    text = console.file.getvalue()

    assert "\x1b" not in text
    assert [text.count(line) for line in ("found …", "found: done", "i-a is leader")] == [1, 1, 1]
    assert text.startswith("found …\n")


def test_what_came_after_the_last_look_is_told_at_the_end():
    """A change in the last moment is not left out."""
    console = Console(file=io.StringIO())
    with showing(console, lambda: A_SCREEN, every=10):
        pass

    assert "i-a is leader" in console.file.getvalue()


def test_on_a_terminal_the_screen_is_drawn_and_taken_away_again():
    """Nothing of the live view stays in the way of the final table."""
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with showing(console, lambda: A_SCREEN, every=0.01):
        pass

    assert "kill one" in console.file.getvalue()
    assert console.file.getvalue().rstrip().endswith(("\x1b[2K", "\x1b[?25h"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (json.dumps({"decision": "join", "reason": "epoch 1 answers", "instance": "i-a"}), "i-a join: epoch 1 answers"),
        (json.dumps({"decision": "join", "reason": "epoch 1 answers"}), "join: epoch 1 answers"),
        (json.dumps({"decision": "join"}), ""),
        (json.dumps([1]), ""),
        ("etcd says hello", ""),
    ],
)
def test_a_journal_line_is_read_as_a_sentence_or_not_at_all(line, words):
    """What else programs print is no decision."""
    assert words == decision(line)
    assert words == last_decision([line, "noise"])
