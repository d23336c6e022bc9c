"""What a life of real members takes for settled, whom it lets be silent, and what it does not take for a fault."""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kubecfn.etcd.client import EtcdError, Listed
from kubecfn.etcd.look import Look
from kubecfn.etcd.view import Cluster, Heard, Machine, Member
from tests.soak.faults import happened
from tests.soak.trio import Flaw, Kind, Trio, insisting

NAMES = ("i-00000001", "i-00000002", "i-00000003")


@pytest.fixture
def settled(tmp_path):
    """A trio of which no etcd runs, that looks settled whenever it is looked at."""
    trio = Trio(tmp_path, random.Random(1), Kind())
    for _ in NAMES:
        trio.launch()
    looks = []

    def look():
        expected = trio.group().expected
        members = tuple(
            Member(name, name, instance=name, healthy=True, machine=trio.machines[name]) for name in expected
        )
        looks.append(expected)
        return Look(
            Cluster(members, 3, expected, linearizable=True, leader=members[0].id), Heard.LINEARIZABLE, {}, "", ""
        )

    trio.look, trio.looks = look, looks
    return trio


def test_a_look_from_before_the_last_fault_settles_nothing(settled):
    """Who died and was launched after a look is not in it: another look has to say that all is well."""

    def strikes(seen):
        if len(settled.looks) == 1:
            settled.machines[NAMES[2]] = Machine.TERMINATED
            settled.launch()

    settled.settle(meanwhile=strikes)

    assert settled.looks == [NAMES, (*NAMES[:2], "i-00000004")]


def test_a_look_after_which_nothing_happened_settles(settled):
    """One look is enough then."""
    settled.settle()

    assert settled.looks == [NAMES]


@pytest.mark.parametrize(("ended", "started"), [(1, [f"{NAMES[0]}=https://a:2380,{NAMES[2]}=own"]), (None, [])])
def test_a_joiner_that_ended_is_started_with_the_list_of_now(settled, ended, started):
    """Its list was overtaken by a removal, so etcd exited; one that runs is left alone."""
    own, lists = settled.cluster[NAMES[2]], []
    own.process = SimpleNamespace(poll=lambda: ended, send_signal=print, wait=print)
    own.start = lambda initial, **_: lists.append(initial.replace(own.peer_url, "own"))
    listed = [Listed("1", NAMES[0], ("https://a:2380",), (), False), Listed("3", "", (own.peer_url,), (), True)]
    settled.connect = lambda *_: SimpleNamespace(members=lambda: listed)
    seen = settled.look()
    waiting = Member("3", "", instance=NAMES[2], learner=True, machine=Machine.RUNNING)
    cluster = replace(seen.cluster, members=(*seen.cluster.members[:2], waiting))

    settled.step(replace(seen, cluster=cluster, via="a"))

    assert (lists, settled.restarts) == (started, len(started))


def answering(*answers):
    """Return a call that gives these answers one after another, the last for ever."""
    left = list(answers)

    def ask():
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


BROKEN_OFF = EtcdError(14, "127.0.0.1:2379 broke off answering maintenance/status", definite=False)


def test_a_healthy_member_may_break_off_one_answer():
    """It is asked again."""
    assert insisting(answering(BROKEN_OFF, 7)) == 7


def test_a_healthy_member_that_never_answers_is_a_flaw():
    """Patience ends, and what it said last is told."""
    with pytest.raises(Flaw, match=r"does not answer: .* broke off"):
        insisting(answering(BROKEN_OFF), patience=0.2)


def test_a_member_of_a_settled_group_that_is_dead_is_a_flaw_of_the_comparison(settled, monkeypatch):
    """Nobody in the group is forgiven for being silent once all has settled."""
    monkeypatch.setattr(insisting, "__defaults__", (0.1,))

    with pytest.raises(Flaw, match="cannot be reached"):
        settled.copies_differ()


@pytest.mark.parametrize("proof", [0, None, False, []])
def test_a_fault_that_struck_nobody_is_a_flaw(proof):
    """A replacement that only looks faulty proves nothing."""
    with pytest.raises(Flaw, match="did not happen: a cut"):
        happened("a cut", proof)
    happened("a cut", 1)
