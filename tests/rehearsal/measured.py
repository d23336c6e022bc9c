"""What rehearsals measured, kept for `make bench`: of each scenario the last play, with its own date and load.

A scenario that was played alone takes the place of its own numbers only: those of the others stay what and when they were.
What the whole takes is known only of a run in which everything was played.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .results import Goal, Results

# Seconds on two processors, once the programs are built.
WHOLE = 15 * 60.0


def keep(file: Path, played: Results, scenarios: Iterable[str], *, whole: bool) -> None:
    """Write what was measured into the file, beside what is there of other scenarios.

    Args:
        file: made if it is not there.
        played: a run.
        scenarios: names of all that there are: numbers of others are of no use any more.
        whole: everything was played.
    """
    kept = _read(file)
    found = {**kept.get("scenarios", {}), **{play.name: _told(played, play.name) for play in played.plays}}
    told: dict[str, Any] = {"scenarios": {name: found[name] for name in scenarios if name in found}}
    if whole:
        goal = Goal("", "the whole rehearsal", played.seconds, WHOLE)
        told["whole"] = _around(goal.measured, os.getloadavg()[2], good=played.good) | {"goals": [_goal(goal)]}
    elif "whole" in kept:
        told["whole"] = kept["whole"]
    half = file.with_suffix(".half")
    half.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    half.replace(file)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _told(played: Results, name: str) -> dict[str, Any]:
    (play,) = (one for one in played.plays if one.name == name)
    rows = [row for row in played.rows if row.scenario == name]
    return {
        **_around(play.seconds, play.load, good=all(row.good for row in rows)),
        "goals": [_goal(one) for one in played.goals if one.scenario == name],
        "steps": [{"step": one.step, "result": one.result, "seconds": round(one.seconds, 2)} for one in rows],
    }


def _around(seconds: float, load: float, *, good: bool) -> dict[str, Any]:
    return {
        "good": good,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "load": round(load, 1),
        "processors": os.cpu_count(),
    }


def _goal(one: Goal) -> dict[str, Any]:
    return {
        "name": one.name,
        "measured": round(one.measured, 3),
        "most": one.most,
        "unit": one.unit,
        "met": one.met,
    }
