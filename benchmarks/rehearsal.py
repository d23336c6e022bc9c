"""What the last `make rehearse` measured, as it left it: it needs root and minutes, so it is not run anew for a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.row import Row

MEASURED = Path(__file__).parent.parent / "build" / "rehearsal" / "measured.json"


def rows(measured: Path = MEASURED) -> Iterator[Row]:
    """Yield a row for each number that has a goal; one that says how to get them when there are none."""
    if not measured.exists():
        yield Row("rehearsal", "containers with systemd and real etcd", "not run here", "make rehearse, as root")
        return
    told = json.loads(measured.read_text(encoding="utf-8"))
    at = datetime.fromisoformat(told["at"]).astimezone(UTC)
    done = "all steps done" if told["good"] else "NOT ALL STEPS DONE"
    load = f"load {told['load']:g} on {told['processors']} processors"
    yield Row("rehearsal", f"of {at:%Y-%m-%d %H:%M} UTC", f"{done}, {load}")
    for goal in told["goals"]:
        unit = f" {goal['unit']}" if goal["unit"] else ""
        yield Row(
            "rehearsal", goal["name"], f"{goal['measured']:g}{unit}", f"at most {goal['most']:g}{unit}", goal["met"]
        )
