"""What a rehearsal left is told as it is, and nothing is told when there was none."""

import json

from benchmarks.rehearsal import rows


def test_each_goal_is_a_row_and_a_missed_one_is_missed(tmp_path):
    """Numbers and verdicts are the rehearsal's own; the table adds nothing."""
    left = tmp_path / "measured.json"
    goals = [
        {"name": "acknowledged writes lost", "measured": 0, "most": 0, "unit": "", "met": True},
        {"name": "longest stall", "measured": 0.71, "most": 0.6, "unit": "s", "met": False},
    ]
    left.write_text(
        json.dumps({"good": False, "at": "2026-11-21T19:14:03+00:00", "load": 9.5, "processors": 2, "goals": goals})
    )

    first, *rest = rows(left)

    assert first.what == "of 2026-11-21 19:14 UTC"
    assert first.measured == "NOT ALL STEPS DONE, load 9.5 on 2 processors"
    assert [(row.measured, row.goal, row.met) for row in rest] == [
        ("0", "at most 0", True),
        ("0.71 s", "at most 0.6 s", False),
    ]


def test_without_a_rehearsal_the_table_says_how_to_get_one(tmp_path):
    """No number is made up, and none counts as met."""
    (row,) = rows(tmp_path / "measured.json")

    assert row.met is None
    assert "make rehearse" in row.goal
