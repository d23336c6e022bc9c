"""A joiner whose name was lost on the way to the leader is started a second time, and only such a one."""

import pytest
from member.comes_up import LOST, PATIENCE, await_ready


class Joiner:
    """An etcd in a time of its own: it takes in the leader's store and serves, each after so many seconds."""

    def __init__(self, *, taken=None, serving=None, ends=None):
        self.now = 0.0
        self.agains = []
        self._taken, self._serving, self._ends = taken, serving, ends

    def awaited(self, *, told_to_end=False):
        """Wait for it; return the moments at which it was started again."""

        def wait(seconds):
            self.now += seconds
            return told_to_end

        def since(moment):
            return moment is not None and self.now >= moment

        await_ready(
            ready=lambda: since(self._serving),
            ended=lambda: since(self._ends),
            applied=lambda: 7 if since(self._taken) else 0,
            again=lambda: self.agains.append(self.now),
            wait=wait,
            monotonic=lambda: self.now,
        )
        return self.agains


def test_one_that_has_the_store_and_does_not_serve_is_started_again_once():
    """It has asked for its name and lost the question: the next one goes on from the store that it has."""
    joiner = Joiner(taken=1.0)

    assert joiner.awaited() == [pytest.approx(1.0 + LOST, abs=0.11)]
    assert joiner.now < 2.0


def test_one_that_serves_soon_after_is_left_alone():
    """The store and the name may come at two moments."""
    assert Joiner(taken=1.0, serving=1.0 + LOST / 2).awaited() == []


def test_one_that_takes_its_time_for_the_store_is_left_alone():
    """Started anew, it would have to take in a large store from the beginning, again and again."""
    joiner = Joiner(taken=None)

    assert joiner.awaited() == []
    assert joiner.now == pytest.approx(PATIENCE, abs=0.11)


@pytest.mark.parametrize("way", [{"ends": 1.2}, {"serving": 0.3}])
def test_whoever_ends_or_serves_is_waited_for_no_longer(way):
    """The loop goes on looking."""
    joiner = Joiner(taken=1.0, **way)

    assert joiner.awaited() == []
    assert joiner.now <= 1.3


def test_an_agent_that_has_to_end_does_not_wait():
    """A node that goes down is not held up."""
    joiner = Joiner(taken=1.0)

    assert joiner.awaited(told_to_end=True) == []
    assert joiner.now < 0.2
