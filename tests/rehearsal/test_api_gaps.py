"""What is said of a stretch of time is what a client of the API met in it."""

from __future__ import annotations

import pytest

from tests.rehearsal.kubernetes.writer import Attempt, stretch

WELL = [Attempt(n / 10, n / 10 + 0.05) for n in range(100)]


def without(since: float, until: float, problem: str = "") -> list[Attempt]:
    """Return writes of which those of some seconds failed, or were not tried."""
    kept = [one for one in WELL if not since < one.ended < until]
    failed = [Attempt(one.begun, one.ended, problem) for one in WELL if since < one.ended < until and problem]
    return sorted([*kept, *failed], key=lambda one: one.begun)


@pytest.mark.parametrize(
    ("attempts", "gap", "at", "failed"),
    [
        (WELL, 0.1, None, 0),
        (without(2.0, 3.0), 1.1, 1.95, 0),
        (without(2.0, 3.0, "timed out"), 1.1, 1.95, 10),
        (without(0.9, 1.5), 0.7, 0.85, 0),
        (without(4.5, 8.0), 0.55, 4.45, 0),
        (without(4.5, 99.0, "refused"), 0.55, 4.45, 5),
    ],
    ids=["nothing", "silence", "failures", "before the stretch", "at its end", "until its end"],
)
def test_the_longest_gap_is_between_two_acknowledged_writes_or_one_and_the_end(attempts, gap, at, failed):
    """A gap counts from the last acknowledged write to the next one or the stretch's end, and failures are no writes."""
    seen = stretch(attempts, 1.0, 5.0)
    assert (round(seen.gap, 6), seen.failed) == (round(gap, 6), failed)
    assert at is None or seen.at == pytest.approx(at)


def test_what_failed_is_told_once():
    """Problems are told each once, in the order in which they came."""
    attempts = [Attempt(0.1, 0.2, "b"), Attempt(0.2, 0.3, "a"), Attempt(0.3, 0.4, "b"), Attempt(0.4, 0.5)]
    assert stretch(attempts, 0.0, 1.0).problems == ("b", "a")
