"""How the cost of emitting grows: with the pools of one cluster, and with the clusters of one process."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.row import Row
from kubecfn.config import found_from, load_text
from kubecfn.template import build, emit

FEW, HALF, MANY = 1, 25, 50
WARM, CLUSTERS = 100, 1000
# proc(5): the second number is the resident set, in pages.
_PAGES = Path("/proc/self/statm")
_MEBIBYTE = 1 << 20
# A later pool may cost this much more than an early one before it is no longer linear.
STEEPER = 1.25
LEAK = 8 * _MEBIBYTE


def cluster(name: str, pools: int) -> str:
    """Return the configuration of a cluster with so many pools."""
    lines = "".join(f"  - {{name: pool-{number}}}\n" for number in range(pools))
    return f"name: {name}\nregion: eu-central-1\ndns: {{parent_zone: k8s.example.com}}\npools:\n{lines}"


def emitted(name: str, pools: int) -> tuple[float, int]:
    """Return the seconds that one cluster takes from its text to its template's text, and its resources."""
    start = time.process_time()
    config = load_text(cluster(name, pools))
    built = build(config, found_from(config))
    emit(built)
    return time.process_time() - start, len(built.resources)


def rows() -> Iterator[Row]:
    """Yield pools first, then clusters."""
    yield from pool_rows()
    yield from cluster_rows()


def pool_rows(rounds: int = 7) -> Iterator[Row]:
    """Yield time and resources for each further pool, and whether late pools cost what early ones do."""
    measured: dict[int, list[float]] = {count: [] for count in (FEW, HALF, MANY)}
    resources = {count: emitted("pools", count)[1] for count in measured}
    for _ in range(rounds):
        for count, seconds in measured.items():
            seconds.append(emitted("pools", count)[0])
    # The fastest of each: what disturbs a run only ever adds to it.
    times = {count: min(seconds) for count, seconds in measured.items()}
    early, late = slope(times, FEW, HALF), slope(times, HALF, MANY)
    subject = f"{FEW} to {MANY} pools"
    yield Row(subject, "each further pool", f"{slope(times, FEW, MANY) * 1000:.2f} ms")
    yield Row(subject, "each further pool", f"{slope(resources, FEW, MANY):.1f} resources")
    what = f"a pool of the last {MANY - HALF} / one of the first {HALF}"
    yield Row(subject, what, f"{late / early:.2f} x", f"at most {STEEPER} x (linear)", late / early <= STEEPER)


def slope(values: dict[int, float] | dict[int, int], first: int, last: int) -> float:
    """Return how much one more costs between two points."""
    return (values[last] - values[first]) / (last - first)


def cluster_rows() -> Iterator[Row]:
    """Yield speed and growth of memory of many clusters in one process of their own."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth"], check=True, capture_output=True, text=True
    ).stdout
    result = json.loads(found)
    subject, grown = f"{CLUSTERS:,} clusters in one process", int(result["grown"])
    yield Row(subject, "clusters a second", f"{result['rate']:.1f}")
    goal = f"at most {LEAK // _MEBIBYTE} MiB (no leak)"
    yield Row(subject, f"memory held, {WARM}th to last", f"{grown / _MEBIBYTE:+.1f} MiB", goal, grown <= LEAK)


def many() -> dict[str, float]:
    """Emit many clusters; return clusters a second and the bytes by which memory grew after the first hundred."""
    warm = 0
    start = time.perf_counter()
    for number in range(1, CLUSTERS + 1):
        emitted(f"cluster-{number}", pools=1)
        if number == WARM:
            warm = held()
    return {"rate": CLUSTERS / (time.perf_counter() - start), "grown": held() - warm}


def held() -> int:
    """Return the memory this process holds, in bytes, after collecting what is not used."""
    gc.collect()
    if _PAGES.exists():
        return int(_PAGES.read_text().split()[1]) * resource.getpagesize()
    # Elsewhere (macOS) the peak, in bytes: getrusage(2).
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    print(json.dumps(many()))
