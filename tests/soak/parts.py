"""The soak's three parts: what one seed of each is, when a part is done, and its rows of the table."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from kubecfn.rehearsal.drawing import seconds
from tests.soak.faults import FAULTS
from tests.soak.foundings import Founding, found
from tests.soak.interleavings import Interleaving, play
from tests.soak.replacements import Life, live
from tests.soak.trio import FASTER

# Replacements of one life; seeds of the quick parts that one call of a worker tries.
LIFE, BATCH = 8, 20


@dataclass(frozen=True)
class Part:
    """One part. `goal` and `count`: how many of what; `share`: of the time when that is bounded; `batch`: seeds of one call."""

    name: str
    what: str
    goal: int
    share: float
    batch: int
    live: Callable[[int, float], Any]
    count: Callable[[Any], int]
    rows: Callable[[list[Any]], list[tuple[str, ...]]]
    notes: tuple[str, ...] = ()


_VERDICTS = {"ok": "linearizable", "illegal": "not linearizable", "unknown": "not judged in time"}
HEADS = ("part", "how many", "what was seen", "longest write stall", "lost", "flaws")


def _of_lives(lives: list[Life]) -> list[tuple[str, ...]]:
    rows = []
    for fault in FAULTS:
        own = [one for life in lives for one in life.replacements if one.fault == fault]
        if own:
            middle = statistics.median(one.seconds for one in own)
            ways = Counter(one.how for one in own if one.how)
            how = "".join(f"; {count} {way}" for way, count in sorted(ways.items()))
            seen = f"{sum(one.leader for one in own)} of leaders{how}; half settled within {seconds(middle)}"
            stalls = [one.stall for one in own]
            worst = f"{seconds(max(stalls))}, half within {seconds(statistics.median(stalls))}"
            rows.append((f"replaced: {fault}", f"{len(own):,}", seen, worst, "", ""))
    verdicts = Counter[str]()
    for life in lives:
        verdicts.update(life.verdicts)
    told = ", ".join(f"{count:,} {_VERDICTS[word]}" for word, count in verdicts.items() if count)
    seen = (
        f"{sum(life.acknowledged for life in lives):,} writes acknowledged, {sum(life.indefinite for life in lives)} unanswered; "
        f"{sum(life.operations for life in lives):,} operations; keys: {told or 'none'}; "
        f"{sum(life.panics for life in lives)} removed members panicked when asked, "
        f"{sum(life.restarts for life in lives)} others ended and were started again"
    )
    total = sum(len(life.replacements) for life in lives)
    stalls = [one.stall for life in lives for one in life.replacements]
    lost = str(sum(life.lost for life in lives))
    name = f"all replacements, {len(lives)} cluster{'' if len(lives) == 1 else 's'}"
    return [
        *rows,
        (name, f"{total:,}", seen, seconds(max(stalls, default=0)), lost, _flaws(lives, lambda life: life.flaws)),
    ]


def _of_foundings(foundings: list[Founding]) -> list[tuple[str, ...]]:
    struck = Counter[str]()
    for one in foundings:
        struck.update(one.struck)
    faults = ", ".join(f"{count:,} {kind}" for kind, count in struck.items())
    slowest = max((one.seconds for one in foundings if not one.deleted), default=0.0)
    seen = (
        f"all voters after at most {seconds(slowest)} simulated; faults: {faults}; "
        f"{sum(one.restarts for one in foundings):,} agents killed or nodes without power; "
        f"{sum(one.deleted for one in foundings):,} found a snapshot without its cluster's object, and stopped"
    )
    return [("foundings", f"{len(foundings):,}", seen, "", "", _flaws(foundings, lambda one: one.flaw))]


def _of_interleavings(found: list[Interleaving]) -> list[tuple[str, ...]]:
    counts = Counter[str]()
    for one in found:
        counts.update(one.counts)
    seen = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common() if count)
    return [("interleavings", f"{len(found):,}", seen, "", "", _flaws(found, lambda one: one.flaw))]


def _flaws(lives: Iterable[Any], flawed: Callable[[Any], object]) -> str:
    seeds = [str(life.seed) for life in lives if flawed(life)]
    return f"seeds {', '.join(seeds[:8])}{' …' if len(seeds) > 8 else ''}" if seeds else "0"


def _life(seed: int, until: float, count: int = LIFE) -> Life:
    return live(seed, count, until)


_NOTES = (
    *(f"{name}: {fault.__doc__}" for name, fault in FAULTS.items()),
    f"Silence is counted {FASTER:.0f} times as fast. Every third cluster has the network of proxies.",
    "Every second waits for its disk. Every fourth has etcd's strict checks, and TLS for every call.",
    "Stalls hold this machine's own slowness, and etcd's election of one second.",
)
PARTS = {
    part.name: part
    for part in (
        Part(
            "interleavings",
            "interleavings",
            10_000,
            0.2,
            BATCH,
            lambda seed, _: play(seed),
            lambda _: 1,
            _of_interleavings,
        ),
        Part("foundings", "foundings", 1_000, 0.25, BATCH, lambda seed, _: found(seed), lambda _: 1, _of_foundings),
        Part(
            "replacements",
            "replacements",
            1_000,
            0.55,
            1,
            _life,
            lambda life: len(life.replacements),
            _of_lives,
            _NOTES,
        ),
    )
}


def lived(name: str, seeds: range, until: float) -> list[Any]:
    """Return what each seed of a part came to; what a worker process is asked."""
    return [one(until) for one in (partial(PARTS[name].live, seed) for seed in seeds)]
