"""``python -m tests.soak``: thousands of seeds, one table, and for every flaw the command that repeats it.

Environment: PART tries one part, SEED one seed; with SECONDS, which bounds the whole run, SEED is the first of many: a long
soak is run in slices, each of which says where the next begins. WORKERS: so many processes at a time. LINES: a file to which
each seed's outcome is added as a line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.soak.checker import program
from tests.soak.parts import HEADS, PARTS, Part, lived
from tests.support.real_etcd import binaries

_TOLD_EVERY = 15.0


def main() -> int:
    """Run; 1 when anything flawed was found."""
    seconds = float(os.environ.get("SECONDS") or 0)
    seed = int(os.environ["SEED"]) if os.environ.get("SEED") else None
    names = [os.environ["PART"]] if os.environ.get("PART") else list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        sys.stderr.write(f"PART={unknown[0]}: there is no such part; the parts are {', '.join(PARTS)}.\n")
        return 2
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    binaries(), program()  # built once, before many ask for them
    first = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    results: dict[str, list[Any]] = {}
    shares = sum(PARTS[name].share for name in names)
    for name in names:
        until = time.time() + seconds * PARTS[name].share / shares if seconds else float("inf")
        results[name] = list(_soaked(PARTS[name], first, until, console, alone=seed is not None and not seconds))
    _print(results, first)
    flawed = [(name, one) for name, found in results.items() for one in found if _flaw(one)]
    for name, one in flawed[:10]:
        sys.stdout.write(f"\nmake soak PART={name} SEED={one.seed}: {_flaw(one)}\n")
        sys.stdout.writelines(f"    {line}\n" for line in getattr(one, "trace", ()))
    return 1 if flawed else 0


def _flaw(one: Any) -> str:
    return "; ".join(one.flaws) if hasattr(one, "flaws") else str(one.flaw)


def _soaked(part: Part, first: int, until: float, console: Console, *, alone: bool) -> Iterator[Any]:
    """Yield what every seed came to, until there are enough or the time is over."""
    workers = int(os.environ.get("WORKERS") or max(2, os.cpu_count() or 2))
    count, told, next_seed = 0, 0.0, first
    goal = 1 if alone else part.goal
    # spawn: a worker has threads of its own, and none of ours
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: set[Future[list[Any]]] = set()
        while True:
            while len(waiting) < workers and count + len(waiting) * part.batch < goal and time.time() < until:
                batch = 1 if alone else part.batch
                waiting.add(pool.submit(lived, part.name, range(next_seed, next_seed + batch), until))
                next_seed += batch
            if not waiting:
                console.print(f"{part.what}: {count:,} of {part.goal:,}, seeds {first} to {next_seed - 1}")
                return
            done, waiting = wait(waiting, timeout=_TOLD_EVERY, return_when=FIRST_COMPLETED)
            for future in done:
                for one in future.result():
                    count += part.count(one)
                    _noted(part.name, one)
                    yield one
            if time.time() - told > _TOLD_EVERY:
                told = time.time()
                console.print(f"{part.what}: {count:,} of {part.goal:,}, seeds from {first}")


def _noted(part: str, one: Any) -> None:
    """Add one seed's outcome to a file, at once: what ends a run later does not take it away."""
    if path := os.environ.get("LINES"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"part": part, **asdict(one)}) + "\n")


def _print(results: dict[str, list[Any]], first: int) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 170
    table = Table(title=f"soak, seeds from {first}", title_justify="left", title_style="bold")
    for head in HEADS:
        table.add_column(head, overflow="fold")
    for name, found in results.items():
        for row in PARTS[name].rows(found):
            table.add_row(*row)
        table.add_section()
    console.print(table)
    for note in (note for name in results for note in PARTS[name].notes):
        console.print(note, style="dim")


if __name__ == "__main__":
    sys.exit(main())
