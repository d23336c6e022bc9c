"""Stalls are measured so that nothing makes them look shorter, and a recorder keeps changes only."""

from __future__ import annotations

import pytest

from kubecfn.rehearsal.record import Operation, Outcome, Phase, Recorder, Run, Write, longest, stalls

OK, FAILED, INDEFINITE = Outcome.OK, Outcome.FAILED, Outcome.INDEFINITE


def write(number: int, begun: float, ended: float, outcome: Outcome = OK) -> Write:
    return Write(number, begun, ended, outcome)


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        ([], []),
        ([write(0, 1, 2)], [(1, 2)]),
        ([write(0, 1, 2), write(1, 5, 6)], [(1, 2), (5, 6)]),
        ([write(0, 1, 2, FAILED), write(1, 3, 4)], [(1, 4)]),
        ([write(0, 1, 2, INDEFINITE), write(1, 3, 4, FAILED), write(2, 5, 9)], [(1, 9)]),
        ([write(0, 1, 2), write(1, 3, 7, FAILED)], [(1, 2), (3, 7)]),
    ],
)
def test_a_stall_lasts_until_the_next_acknowledgement(writes, expected):
    """Giving a write up early makes no stall shorter; a pause between writes is no stall."""
    assert expected == [(stall.begun, stall.ended) for stall in stalls(writes)]


def test_what_is_unanswered_at_the_end_is_a_stall_up_to_now():
    """A run that ends without a cluster does not look well."""
    assert [stall.seconds for stall in stalls([write(0, 1, 2, FAILED)], now=10)] == [9]


@pytest.mark.parametrize(("since", "until", "expected"), [(0, 99, 4), (0, 4, 1), (3.5, 5, 4), (9.5, 99, 0.5)])
def test_an_operation_owns_the_longest_stall_that_touches_it(since, until, expected):
    """Also one that began before it or ended after it."""
    writes = [write(0, 0, 1), write(1, 5, 9), write(2, 9.5, 10)]

    found = longest(writes, since, until)

    assert found is not None
    assert expected == found.seconds


def test_no_write_is_no_stall_rather_than_a_short_one():
    """Where nothing was written nothing is claimed."""
    assert longest([]) is None
    assert Run("r", 9, operations=(operation := Operation("x", "x", 0, 9),)).stall(operation) is None


def test_a_recorder_keeps_changes_and_notices_who_is_gone():
    """The same phase twice is one change; whoever is not seen any more is gone once."""
    time = iter(range(100))
    recorder = Recorder("run", lambda: float(next(time)))
    for seen in ({"a": Phase.BOOTING}, {"a": Phase.BOOTING}, {"a": Phase.VOTER, "b": Phase.BOOTING}, {}, {}):
        recorder.phases(seen)
    changes = [(change.instance, change.phase) for change in recorder.run().changes]

    assert changes == [
        ("a", Phase.BOOTING),
        ("a", Phase.VOTER),
        ("b", Phase.BOOTING),
        ("a", Phase.GONE),
        ("b", Phase.GONE),
    ]


def test_an_operation_that_fails_is_recorded_and_one_that_goes_on_is_shown():
    """The drawing of a failed run shows where it failed."""
    time = iter(range(100))
    recorder = Recorder("run", lambda: float(next(time)))
    with pytest.raises(ValueError, match="no"), recorder.operation("kill one", "kill"):  # noqa: PT012
        assert recorder.current().name == "kill one"
        assert [one.name for one in recorder.run().operations] == ["kill one"]
        raise ValueError("no")
    run = recorder.run()

    assert recorder.current() is None
    assert [(one.name, one.begun < one.ended < run.ended) for one in run.operations] == [("kill one", True)]
