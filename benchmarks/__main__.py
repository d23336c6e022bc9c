"""`python -m benchmarks`: one table, each subject with its goal and what this run measured."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import click
from rich.console import Console
from rich.table import Table

from benchmarks import cold, growth, keys, rehearsal, sizes
from benchmarks.row import Row


def sections(rounds: int) -> dict[str, Callable[[], Iterator[Row]]]:
    """Return what can be measured, by name."""
    return {
        "cold": lambda: cold.rows(rounds),
        "keys": lambda: keys.rows(2 * rounds + 1),
        "sizes": sizes.rows,
        "growth": growth.rows,
        "rehearsal": rehearsal.rows,
    }


def table(rows: Iterable[Row]) -> Table:
    """Return the table; a subject stands once."""
    drawn = Table(title="kubecfn, ratios of one run", title_justify="left")
    for column in ("subject", "what", "measured", "goal", ""):
        drawn.add_column(column, overflow="fold")
    for subject, group in itertools.groupby(rows, key=lambda row: row.subject):
        for position, row in enumerate(group):
            verdict = "" if row.met is None else "met" if row.met else "MISSED"
            drawn.add_row(subject if position == 0 else "", row.what, row.measured, row.goal, verdict)
        drawn.add_section()
    return drawn


@click.command()
@click.argument("only", nargs=-1, type=click.Choice(["cold", "keys", "sizes", "growth", "rehearsal"]))
@click.option("--rounds", type=click.IntRange(1, 99), default=7, show_default=True, help="Pairs for each ratio.")
def main(only: tuple[str, ...], rounds: int) -> None:
    """Measure everything, or ONLY what is named, and print one table."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 150
    rows: list[Row] = []
    for name, measure in sections(rounds).items():
        if not only or name in only:
            with console.status(f"Measuring {name} …"):
                rows += measure()
    console.print(table(rows), markup=False)
    if not only or "cold" in only:
        console.print(f"Service modules used: {', '.join(cold.services())}.", markup=False)


if __name__ == "__main__":
    main()
