"""Fair comparison of two commands: in turns, as whole processes, medians of pairs."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paired:
    """Two commands measured in turns.

    Attributes:
        ours: median seconds of ours.
        theirs: median seconds of the baseline.
        ratio: median of the ratios, pair by pair, so that a machine that drifts does not decide.
    """

    ours: float
    theirs: float
    ratio: float


def in_turns(
    ours: Sequence[str], theirs: Sequence[str], *, rounds: int = 7, environment: Mapping[str, str] | None = None
) -> Paired:
    """Run both once unmeasured, then `rounds` times in turns."""
    for command in (ours, theirs):
        seconds(command, environment)
    pairs = [(seconds(ours, environment), seconds(theirs, environment)) for _ in range(rounds)]
    return Paired(
        statistics.median(first for first, _ in pairs),
        statistics.median(second for _, second in pairs),
        statistics.median(first / second for first, second in pairs),
    )


def seconds(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Return how long `command` takes as a whole process; it must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def with_bytecode(folder: Path) -> dict[str, str]:
    """Return an environment in which Python keeps its bytecode in `folder`.

    Installed packages have theirs; without this, whichever side was installed without would pay for compiling.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder)}
