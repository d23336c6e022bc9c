"""What a rehearsal did and measured: the rows of its table, and the numbers that benchmarks print."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """A number, measured in one scenario, and what it may be at most; None where it is only to be known."""

    scenario: str
    name: str
    measured: float
    most: float | None
    unit: str = "s"

    @property
    def met(self) -> bool | None:
        """Whether it is no more than that; None without a most."""
        return None if self.most is None else self.measured <= self.most

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        goal = "" if self.most is None else f" (goal {self.most:.3g}{unit})"
        return f"{self.measured:.3g}{unit}{goal}"


@dataclass(frozen=True)
class Play:
    """One scenario as it was played.

    Attributes:
        load: how many waited for this machine's processors, in the mean of the five minutes before its end.
    """

    name: str
    seconds: float
    load: float


@dataclass(frozen=True)
class Row:
    """One step of one scenario."""

    scenario: str
    step: str
    result: str
    seconds: float
    good: bool


@dataclass
class Results:
    """Collects a run."""

    console: Console
    rows: list[Row] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    plays: list[Play] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    _playing: str = ""

    @property
    def good(self) -> bool:
        """Whether everything happened as it must; a goal missed by the clock is no failure, it is shown."""
        return all(row.good for row in self.rows)

    @property
    def seconds(self) -> float:
        """How long the run has taken."""
        return time.monotonic() - self.begun

    @contextmanager
    def playing(self, name: str) -> Iterator[None]:
        """Time one scenario."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.plays.append(Play(name, time.monotonic() - begun, os.getloadavg()[1]))

    @contextmanager
    def step(self, scenario: str, name: str) -> Iterator[Callable[[str], None]]:
        """Time one step; what it yields takes words for the result. What is raised inside fails the step and goes on."""
        self.console.print(f"{self._clock()}  {scenario}: {name} …", markup=False)
        begun, words = time.monotonic(), list[str]()
        good, self._playing = False, scenario
        try:
            yield words.append
            good = True
        except BaseException as error:
            words.append(f"{type(error).__name__}: {error}")
            raise
        finally:
            row = Row(scenario, name, "; ".join(words), time.monotonic() - begun, good)
            self.rows.append(row)
            mark = "" if good else "FAILED: "
            self.console.print(f"{self._clock()}    {mark}{row.result or 'done'} ({row.seconds:.1f} s)", markup=False)

    def fail(self, scenario: str, reason: str) -> None:
        """Take note that a scenario ended early, unless one of its steps says so already."""
        if all(row.good for row in self.rows if row.scenario == scenario):
            self.rows.append(Row(scenario, "between the steps", reason, 0.0, good=False))

    def measure(self, name: str, measured: float, most: float | None, unit: str = "s") -> str:
        """Keep a number; return it, with its goal if it has one, in words."""
        self.goals.append(Goal(self._playing, name, measured, most, unit))
        return f"{name} {self.goals[-1]}"

    def table(self) -> Table:
        """Return everything as one table, goals last."""
        drawn = Table(title="Rehearsal with systemd containers", title_justify="left")
        for column in ("scenario", "step", "what came of it", "seconds"):
            drawn.add_column(column, overflow="fold", justify="right" if column == "seconds" else "left")
        before = ""
        for row in self.rows:
            if before and row.scenario != before:
                drawn.add_section()
            shown, before = ("" if row.scenario == before else row.scenario), row.scenario
            drawn.add_row(shown, row.step, ("" if row.good else "FAILED: ") + row.result, f"{row.seconds:.1f}")
        if self.goals:
            drawn.add_section()
            processors = os.cpu_count() or 1
            busy = f"{os.getloadavg()[2]:.1f} waited for {processors} processors in the last quarter of an hour"
            drawn.add_row("", "load of this machine", busy, "")
        for goal in self.goals:
            verdict = "" if goal.met is None else " met" if goal.met else " MISSED"
            drawn.add_row("goal", f"{goal.scenario}: {goal.name}", f"{goal}{verdict}", "")
        return drawn

    def keep(self, run: Path, kept: Path) -> None:
        """Copy what a person reads after a failure: consoles, journals, logs."""
        account = ("*/deploy.log", "*/aws/aws.log", "*/aws/functions/*/output.log")
        for pattern in (*account, "*/instances/*/console", "*/instances/*/upper/var/log/pods/*/*/*.log"):
            for file in run.glob(pattern):
                target = kept / file.relative_to(run)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        for journal in run.glob("*/instances/*/upper/var/log/journal"):
            shutil.copytree(journal, kept / journal.relative_to(run).parts[0] / journal.parts[-5] / "journal")

    def _clock(self) -> str:
        return f"{self.seconds:6.1f} s"
