"""What rehearsals left is told as it is, each scenario with its own date, and nothing is told when there was none."""

import json

import pytest

from benchmarks.rehearsal import rows

AROUND = {"good": True, "at": "2026-11-21T19:14:03+00:00", "seconds": 61.2, "load": 1.5, "processors": 2}
LOST = {"name": "acknowledged writes lost", "measured": 0, "most": 0, "unit": "", "met": True}
STALL = {"name": "longest stall", "measured": 0.71, "most": 0.6, "unit": "s", "met": False}
MEMORY = {"name": "memory of a controller", "measured": 512, "most": None, "unit": "MiB", "met": None}
WHOLE = {"name": "the whole rehearsal", "measured": 840.0, "most": 900.0, "unit": "s", "met": True}


@pytest.fixture
def left(tmp_path):
    """Write what rehearsals left; returns where."""

    def write(told):
        file = tmp_path / "measured.json"
        file.write_text(json.dumps(told))
        return file

    return write


def test_each_number_is_a_row_and_a_missed_one_is_missed(left):
    """Numbers and verdicts are the rehearsal's own; the table adds nothing, and what has no goal is neither met nor missed."""
    three = {**AROUND, "good": False, "load": 9.5, "goals": [LOST, STALL, MEMORY]}

    _, first, *rest = rows(left({"scenarios": {"three": three}}))

    assert (first.subject, first.what) == ("rehearsal: three", "of 2026-11-21 19:14 UTC")
    assert first.measured == "NOT ALL STEPS DONE in 61 s, load 9.5 on 2 processors"
    assert [(row.measured, row.goal, row.met) for row in rest] == [
        ("0", "at most 0", True),
        ("0.71 s", "at most 0.6 s", False),
        ("512 MiB", "", None),
    ]


def test_scenarios_of_different_runs_stand_under_their_own_dates(left):
    """A number is never read as if it had been measured with another one."""
    later = {**AROUND, "at": "2026-11-22T01:02:03+00:00", "goals": []}

    told = [
        (row.subject, row.what) for row in rows(left({"scenarios": {"three": {**AROUND, "goals": []}, "five": later}}))
    ]

    assert told[1:] == [
        ("rehearsal: three", "of 2026-11-21 19:14 UTC"),
        ("rehearsal: five", "of 2026-11-22 01:02 UTC"),
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"whole": {**AROUND, "goals": [WHOLE]}}, [None, True]),
        ({}, [None]),
    ],
)
def test_the_whole_is_told_only_where_everything_was_played(left, told, expected):
    """Scenarios played alone say nothing of how long all of them take."""
    found = rows(left({"scenarios": {"three": {**AROUND, "goals": []}}, **told}))

    whole = [row for row in found if "three" not in row.subject]

    assert expected == [row.met for row in whole]
    assert ("not run here" in [row.measured for row in whole]) == (not told)


def test_without_a_rehearsal_the_table_says_how_to_get_one(tmp_path):
    """No number is made up, and none counts as met."""
    (row,) = rows(tmp_path / "measured.json")

    assert row.met is None
    assert "make rehearse" in row.goal
