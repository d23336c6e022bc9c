"""A lease is one holder's at a time, whoever's clock is wrong, and what is noted on it stays."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from kubecfn.kubernetes.leases import SKEW, Lease

_NAMES = itertools.count(1)
SECONDS = 15


@pytest.fixture
def lease(cluster, clock):
    """Return one lease as several holders see it: ``lease("i-a")``."""
    name = f"test-{next(_NAMES)}"

    def seen_by(holder, at=clock):
        return Lease(cluster.admin, "kube-system", name, holder, seconds=SECONDS, clock=at)

    return seen_by


def test_the_first_has_it_and_may_take_it_again(lease):
    """To hold it already is success: a holder that starts anew goes on."""
    assert lease("i-a").acquire()
    assert lease("i-a").acquire()
    assert lease("i-a").read().holder == "i-a"


def test_another_does_not_get_what_is_held(lease, clock):
    """Not at once, and not while it is renewed, however long that is."""
    one, two = lease("i-a"), lease("i-b")
    assert one.acquire()
    for _ in range(10):
        assert not two.acquire()
        clock.sleep(SECONDS - 1)
        assert one.renew()
    assert not two.renew()
    assert not two.release()
    assert one.read().holder == "i-a"


def test_a_holder_that_died_is_followed(lease, clock):
    """Who watches takes over when nothing was renewed for the lease's whole time."""
    assert lease("i-a").acquire()
    two = lease("i-b")
    assert not two.acquire()
    clock.sleep(SECONDS + 0.1)
    assert two.acquire()
    assert not lease("i-a").renew()


def test_a_clock_that_runs_ahead_takes_nothing(lease, clock):
    """A machine a minute ahead sees every lease as old; it still waits like the others."""
    assert lease("i-a").acquire()
    ahead = type(clock)()
    ahead.now = clock.now + SKEW
    assert not lease("i-b", ahead).acquire()
    ahead.now += SECONDS + 0.1
    assert lease("i-b", ahead).acquire()


def test_one_that_was_forgotten_is_taken_at_the_first_look(lease, clock):
    """Who looks once an hour never watches; a lease of long ago is nobody's."""
    assert lease("i-a").acquire()
    clock.sleep(SECONDS + SKEW + 1)
    assert lease("i-b").acquire()


def test_what_is_given_back_is_anybodys(lease):
    """At once, and its notes are there still."""
    one = lease("i-a")
    assert one.acquire()
    assert one.renew({"kubecfn.io/configuration": "abc"})
    assert one.release()
    assert lease("i-b").read().notes == {"kubecfn.io/configuration": "abc"}
    assert lease("i-b").acquire()
    assert lease("i-b").read().notes == {"kubecfn.io/configuration": "abc"}


def test_notes_of_others_stay(lease):
    """A note is added, never the whole replaced."""
    one = lease("i-a")
    one.acquire()
    one.renew({"a": "1"})
    one.renew({"b": "2"})
    assert one.read().notes == {"a": "1", "b": "2"}


def test_nothing_is_there_before_the_first(lease):
    """To look makes no lease."""
    one = lease("i-a")
    assert one.read() is None
    assert not one.renew()
    assert not one.release()


def test_of_many_at_once_one_gets_it(lease, clock):
    """New, released and abandoned alike: the API server's versions decide, not who was told first."""

    def everybody():
        with ThreadPoolExecutor(6) as pool:
            holders = [f"i-{number}" for number in range(6)]
            return sum(pool.map(lambda one: one.acquire(), [lease(holder) for holder in holders]))

    assert everybody() == 1
    clock.sleep(SECONDS + SKEW + 1)
    assert everybody() == 1


def test_a_write_whose_answer_was_lost_is_known_again(lease, monkeypatch):
    """Sent twice, it conflicts with itself; the holder still knows that it holds."""
    one = lease("i-a")
    assert one.acquire()
    client = one._client
    real = client.replace
    monkeypatch.setattr(client, "replace", lambda path, body: (real(path, body), real(path, body)))
    assert one.renew({"a": "1"})
    monkeypatch.undo()
    assert one.read().notes == {"a": "1"}
