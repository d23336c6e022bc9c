"""How progress, tables and questions look: live on a terminal, plain lines elsewhere, nothing but JSON on stdout for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from kubecfn.deploy.progress import Ask, Kind, Progress, Question, Reporter
from kubecfn.errors import WrongUseError

_COLOURS = {Kind.STEP: "bold", Kind.WARNING: "yellow", Kind.NOTE: "cyan", Kind.SIGNAL: "green"}
_BARS = {
    Kind.RESOURCE: "resources",
    Kind.UPLOAD: "uploads",
    Kind.DOWNLOAD: "tenths of {key}",
    Kind.SIGNAL: "signals of {resource}",
}


@dataclass(frozen=True)
class Talk:
    """How a command speaks with the person at the terminal while it works.

    Attributes:
        report: shows progress.
        ask: puts a question and waits for the answer; bars stand aside meanwhile.
        console: where both happen.
    """

    report: Reporter
    ask: Ask
    console: Console


def stderr() -> Console:
    """Return the console for progress and questions; results go to stdout."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def talking(*, yes: bool = False, confirm: str = "") -> Iterator[Talk]:
    """Give a talk: a live bar for each kind of work on a terminal, one plain line for each event elsewhere.

    Args:
        yes: answer every question with yes, after showing what it is about.
        confirm: what was typed beforehand, for a question that wants a word typed out.
    """
    console = stderr()
    if not console.is_terminal:
        ask = partial(_ask, console, yes=yes, confirm=confirm)
        yield Talk(lambda progress: _print(console, progress), ask, console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        yield Talk(_live(bars), partial(_ask_between, bars, yes=yes, confirm=confirm), console)


def _print(console: Console, progress: Progress) -> None:
    if _worth_a_line(progress):
        console.print(_line(progress), style=_COLOURS.get(progress.kind, ""), markup=False)


def _live(bars: Bars) -> Reporter:
    tasks: dict[str, TaskID] = {}

    def report(progress: Progress) -> None:
        _print(bars.console, progress)
        if progress.total and progress.kind in _BARS:
            label = _BARS[progress.kind].format_map({"resource": "", "key": "", **progress.detail})
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=progress.total)
            bars.update(tasks[label], completed=progress.done, total=progress.total)

    return report


def _ask_between(bars: Bars, question: Question, *, yes: bool, confirm: str) -> bool:
    """Ask with the bars out of the way: a bar that is drawn anew would overwrite the question."""
    bars.stop()
    try:
        return _ask(bars.console, question, yes=yes, confirm=confirm)
    finally:
        bars.start()


def _ask(console: Console, question: Question, *, yes: bool, confirm: str) -> bool:
    for line in question.lines:
        console.print(line, markup=False)
    if question.typed:
        return _typed(question, confirm)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise WrongUseError(
            f"There is nobody to ask: {question.text}",
            remedy="Run it on a terminal, or add --yes after looking at the plan.",
        )
    return click.confirm(question.text, default=False, err=True)


def _typed(question: Question, confirm: str) -> bool:
    """Have a word typed out; --yes is not enough for what cannot be taken back."""
    if confirm and confirm != question.typed:
        raise WrongUseError(
            f"--confirm names {confirm}, but this is {question.typed}; nothing was changed.",
            remedy="Look whether --config is the one that is meant.",
        )
    if confirm:
        return True
    if not sys.stdin.isatty():
        raise WrongUseError(
            f"There is nobody to ask: {question.text}",
            remedy=f"Run it on a terminal, or add --confirm {question.typed} after looking at what is lost.",
        )
    typed: str = click.prompt(question.text, default="", show_default=False, err=True)
    return typed == question.typed


def _worth_a_line(progress: Progress) -> bool:
    """Of a resource's steps only the end, and what CloudFormation has a word for, is shown."""
    beginnings = ("in progress", "made, not ready yet")
    return progress.kind is not Kind.RESOURCE or not progress.text.endswith(beginnings)


def _line(progress: Progress) -> str:
    clock = progress.at.strftime("%H:%M:%S  ") if progress.at else ""
    share = f"  [{progress.done}/{progress.total}]" if progress.total else ""
    return f"{clock}{progress.text}{share}"


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
        table.add_row(*map(Text, row))  # what AWS writes in brackets is no markup
    if not console.is_terminal:
        console.width = max(console.width, 160)
    console.print(table)
