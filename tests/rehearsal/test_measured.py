"""Numbers of one scenario never pass for those of another play, nor part of a run for the whole."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from tests.rehearsal.measured import keep
from tests.rehearsal.results import Results

ALL = ("three", "five")


def run(*names: str, measured: float = 1.0, fails: bool = False) -> Results:
    """Return a run of scenarios that each measured one number."""
    results = Results(Console(quiet=True))
    for name in names:
        with results.playing(name):
            with results.step(name, "one"):
                results.measure("stall", measured, 2.0)
            if fails:
                results.fail(name, "it broke")
    return results


@pytest.fixture
def file(tmp_path):
    """Where numbers are kept."""
    return tmp_path / "measured.json"


def numbers(file):
    """Return what is kept, by scenario."""
    found = json.loads(file.read_text())["scenarios"]
    return {name: [goal["measured"] for goal in one["goals"]] for name, one in found.items()}


def test_a_scenario_played_alone_takes_the_place_of_its_own_numbers_only(file):
    """The others stay, in the order in which they are played, with the date that they had."""
    keep(file, run(*ALL, measured=1.0), ALL, whole=True)
    before = json.loads(file.read_text())

    keep(file, run("three", measured=1.5), ALL, whole=False)

    after = json.loads(file.read_text())
    assert numbers(file) == {"three": [1.5], "five": [1.0]}
    assert after["scenarios"]["five"] == before["scenarios"]["five"]
    assert after["whole"] == before["whole"]


def test_only_a_run_of_everything_says_how_long_everything_takes(file):
    """A short run is no quick rehearsal."""
    keep(file, run("three"), ALL, whole=False)

    assert "whole" not in json.loads(file.read_text())


def test_a_failed_play_takes_the_place_of_a_good_one_and_says_so(file):
    """The last play counts, also when it went wrong: older numbers would hide that."""
    keep(file, run("three"), ALL, whole=False)
    keep(file, run("three", fails=True), ALL, whole=False)

    assert json.loads(file.read_text())["scenarios"]["three"]["good"] is False


@pytest.mark.parametrize("left", ["", "[]", '{"goals": [{"name": "three: stall"}], "good": true}'])
def test_what_is_no_record_of_scenarios_is_not_taken_over(file, left):
    """Numbers of which nobody knows whose they are stand nowhere."""
    file.write_text(left)

    keep(file, run("five"), ALL, whole=False)

    assert numbers(file) == {"five": [1.0]}


def test_a_scenario_that_is_no_more_takes_its_numbers_with_it(file):
    """Nobody could measure them again."""
    keep(file, run("three", "five"), ALL, whole=False)
    keep(file, run("five"), ("five",), whole=False)

    assert list(numbers(file)) == ["five"]
