"""What the last rehearsals measured, as they left it: they need root and minutes, so they are not run anew for a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.row import Row

MEASURED = Path(__file__).parent.parent / "build" / "rehearsal" / "measured.json"


def rows(measured: Path = MEASURED) -> Iterator[Row]:
    """Yield a row for each number, scenario by scenario, each with its own date; one that says how to get them when there are none."""
    told = json.loads(measured.read_text(encoding="utf-8")) if measured.exists() else {}
    played: dict[str, Mapping[str, Any]] = dict(told.get("scenarios", {}))
    if not played:
        yield Row(
            "rehearsal", "containers with systemd, real etcd and Kubernetes", "not run here", "make rehearse, as root"
        )
        return
    if "whole" in told:
        yield from _rows("everything", told["whole"])
    else:
        yield Row("rehearsal", "everything in one run", "not run here", "make rehearse, as root")
    for name, one in played.items():
        yield from _rows(name, one)


def _rows(name: str, told: Mapping[str, Any]) -> Iterator[Row]:
    at = datetime.fromisoformat(told["at"]).astimezone(UTC)
    done = "all steps done" if told["good"] else "NOT ALL STEPS DONE"
    load = f"load {told['load']:g} on {told['processors']} processors"
    subject = f"rehearsal: {name}"
    yield Row(subject, f"of {at:%Y-%m-%d %H:%M} UTC", f"{done} in {told['seconds']:.0f} s, {load}")
    for goal in told["goals"]:
        unit = f" {goal['unit']}" if goal["unit"] else ""
        most = "" if goal["most"] is None else f"at most {goal['most']:g}{unit}"
        yield Row(subject, goal["name"], f"{goal['measured']:g}{unit}", most, goal["met"])
