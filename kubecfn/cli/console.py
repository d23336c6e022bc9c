"""How progress, tables and questions look: live on a terminal, plain lines elsewhere, nothing but JSON on stdout for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from kubecfn.deploy.progress import Kind, Progress, Question, Reporter
from kubecfn.errors import WrongUseError

_COLOURS = {Kind.STEP: "bold", Kind.WARNING: "yellow", Kind.NOTE: "cyan", Kind.SIGNAL: "green"}
_GROUPS_ON_SHOW = frozenset({Kind.RESOURCE, Kind.UPLOAD, Kind.SIGNAL})


def stderr() -> Console:
    """Return the console for progress and questions; results go to stdout."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def reporting() -> Iterator[Reporter]:
    """Give a reporter: a live bar for each kind of work on a terminal, one plain line for each event elsewhere."""
    console = stderr()
    if not console.is_terminal:
        yield lambda progress: console.print(_line(progress), markup=False) if _worth_a_line(progress) else None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        yield _live(bars)


def _live(bars: Bars) -> Reporter:
    tasks: dict[str, Any] = {}

    def report(progress: Progress) -> None:
        if _worth_a_line(progress):
            bars.print(_line(progress), style=_COLOURS.get(progress.kind, ""), markup=False)
        if progress.total and progress.kind in _GROUPS_ON_SHOW:
            label = str(progress.detail.get("group", progress.kind.value))
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=progress.total)
            bars.update(tasks[label], completed=progress.done, total=progress.total)

    return report


def _worth_a_line(progress: Progress) -> bool:
    """Of a resource's steps only the end, and what CloudFormation has a word for, is shown."""
    beginnings = ("in progress", "made, not ready yet")
    return progress.kind is not Kind.RESOURCE or not progress.text.endswith(beginnings)


def _line(progress: Progress) -> str:
    clock = progress.at.strftime("%H:%M:%S  ") if progress.at else ""
    share = f"  [{progress.done}/{progress.total}]" if progress.total else ""
    return f"{clock}{progress.text}{share}"


def asking(*, yes: bool) -> Any:
    """Return the function that puts a `Question` to a person; with `yes` every answer is yes."""

    def ask(question: Question) -> bool:
        console = stderr()
        for line in question.lines:
            console.print(line, markup=False)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise WrongUseError(
                f"There is nobody to ask: {question.text}",
                remedy="Run it on a terminal, or add --yes after looking at the plan.",
            )
        return click.confirm(question.text, default=False, err=True)

    return ask


def print_json(value: Any) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(value, indent=2, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table for people; without a terminal it is as wide as it needs to be."""
    console = Console(highlight=False)
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    if not console.is_terminal:
        console.width = max(console.width, 160)
    console.print(table, markup=False)
