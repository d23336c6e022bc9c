"""A short soak: some seeds of every part, and broken rules that every part has to catch."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kubecfn.etcd import quorum, starting
from kubecfn.etcd.view import Decision, Machine, Say, Start, Verdict
from kubecfn.rehearsal.record import Outcome, Write
from kubecfn.rehearsal.writer import Checked, Writer
from lambdas.controller_lifecycle.decision import decide
from lambdas.controller_lifecycle.facts import Do
from tests.etcd.broken import instead, seeing
from tests.soak.foundings import _judge, found
from tests.soak.interleavings import Rules, play
from tests.soak.replacements import _read_back, live
from tests.support.real_etcd import EtcdCluster


def changed(**answers):
    """Return the function's decision with some of its steps done otherwise; None leaves them out."""

    def broken(facts):
        for step in decide(facts):
            other = answers.get(step.do.name, step.do)
            if other:
                yield replace(step, do=other)

    return broken


def eager(facts):
    """Answer every hook at once: what the hook is there to prevent."""
    return [step if step.do is not Do.WAIT else replace(step, do=Do.CONTINUE) for step in decide(facts)]


def with_rule(rule, facts):
    """Return what the function would decide if members could be removed by another rule."""
    true, quorum.may_remove = quorum.may_remove, rule
    try:
        return decide(facts)
    finally:
        quorum.may_remove = true


R, A, P, S = quorum.may_remove, quorum.may_add, quorum.may_promote, quorum.settled
BROKEN = {
    "answers hooks before the member is removed": (Rules(decide=eager), "ended by its hook while it is a voter"),
    "removes below the floor": (
        Rules(decide=lambda facts: with_rule(instead(R, "a replacement comes first"), facts)),
        "healthy voters",
    ),
    "removes on a mere flicker": (
        Rules(decide=lambda facts: with_rule(instead(R, "has been silent"), facts)),
        "s of silence",
    ),
    "never removes anybody": (Rules(decide=changed(REMOVE=None)), "not settled after"),
    "never ends who is retained": (Rules(decide=changed(TERMINATE=None)), "not settled after"),
    "ends who is retained before its member is removed": (
        Rules(
            decide=lambda facts: [
                replace(step, do=Do.TERMINATE) if one_retained(facts, step) else step for step in decide(facts)
            ]
        ),
        "ended by the function while it is a voter",
    ),
    "never adds": (Rules(may_add=lambda *_: Verdict(Say.WAIT, "never")), "not settled after"),
    "never promotes": (Rules(may_promote=lambda *_: Verdict(Say.WAIT, "never")), "not settled after"),
    "signals beside a learner": (
        Rules(settled=seeing(S, lambda m: replace(m, learner=False, name="x", healthy=True, machine=Machine.RUNNING))),
        "takes the cluster for settled",
    ),
}


def one_retained(facts, step):
    return step.do is Do.WAIT and step.instance in [one.instance for one in facts.leavers if one.retained]


def test_whatever_order_things_come_in_nothing_of_ours_takes_quorum_and_all_settles():
    """Hooks, signals, events lost, late and doubled, functions killed, looks that miss answers: nothing harms."""
    seen = [play(seed) for seed in range(25)]

    assert [(one.seed, one.flaw, one.trace) for one in seen if one.flaw] == []
    happened = {kind for one in seen for kind in one.counts}
    assert {
        "lost",
        "late",
        "killed",
        "abandon",
        "rolls",
        "removed",
        "promoted",
        "ends",
        "dies",
        "hangs",
        "signals lost",
        "signals doubled",
    } <= happened


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_decision_is_caught_within_some_seeds(name):
    """The interleavings can fail: each mistake is found, and its seed repeats it."""
    rules, flaw = BROKEN[name]
    caught = next((one for one in (play(seed, rules) for seed in range(60)) if one.flaw), None)

    assert caught
    assert flaw in caught.flaw
    assert caught == play(caught.seed, rules)


def test_groups_that_boot_minutes_apart_while_s3_and_ec2_fail_found_exactly_once():
    """Refused, throttled, slow and lost answers delay a founding; none makes a second one."""
    founded = [found(seed) for seed in range(7)]

    assert [(one.seed, one.flaw) for one in founded if one.flaw] == []
    assert all(sum(one.struck[kind] for one in founded) for kind in founded[0].struck)
    assert founded[3] == found(3)


def test_an_agent_that_founds_whenever_nobody_answers_is_caught(monkeypatch):
    """The foundings can fail: an agent that does not wait for the one who began is found."""
    true = starting.start

    def hasty(boot):
        decision = true(boot)
        waits = decision.start is Start.WAIT and "is making epoch" in decision.reason
        return Decision(Start.FOUND, "nobody answers") if waits else decision

    monkeypatch.setattr("member.loop.starting.start", hasty)

    assert any(found(seed).flaw for seed in range(10))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ([("found", 1, "i-a"), ("found", 1, "i-b")], "exactly once"),
        ([("found", 1, "i-a"), ("restore", 2, "i-b")], "exactly once"),
        ([("restore", 1, "i-a")], "exactly once"),
        ([], "exactly once"),
        ([("found", 1, "i-a"), ("join", 1, "i-b")], "the voters are"),
    ],
)
def test_a_founding_is_judged_by_what_was_made_and_who_votes(made, words):
    """Two foundings, a restore in place of one, none, or an instance that is no voter: each is a flaw."""
    branch = SimpleNamespace(members={1: SimpleNamespace(name="i-a", learner=False)})
    world = SimpleNamespace(made=made, nodes={"i-a": None, "i-b": None}, serving=lambda: [branch], lost=list)

    assert words in _judge(world, in_time=True)


@pytest.mark.parametrize(
    ("checked", "words"),
    [
        (Checked(2), ""),
        (Checked(2, lost=(Write(7, 0, 1, Outcome.OK),)), "1 acknowledged writes are lost, the first is number 7"),
        (Checked(2, unexplained=("key",)), "nobody made"),
        (Checked(2, duplicated=1), ""),
    ],
)
def test_what_reading_back_found_becomes_the_flaw_of_a_life(checked, words):
    """Lost and unexplained entries fail a life; a write done twice because its answer was lost does not."""
    assert words in _read_back(checked)
    assert bool(words) == bool(_read_back(checked))


def test_real_members_are_replaced_and_nothing_acknowledged_is_lost():
    """Killed, cut off, told to leave: writes go on, histories are linearizable, copies are equal."""
    life = live(3, 3, faults=("kill -9", "graceful", "network cut"))

    assert life.flaws == ()
    assert [one.fault for one in life.replacements] == ["kill -9", "graceful", "network cut"]
    assert life.lost == 0
    assert life.acknowledged > 10
    assert life.verdicts["ok"] >= 3


def test_a_write_that_vanishes_from_a_real_member_is_found(tmp_path):
    """Reading back can fail: what is deleted behind the writer's back is lost."""
    with EtcdCluster(tmp_path / "etcd") as cluster:
        cluster.found("i-a")
        member = cluster["i-a"]
        with Writer(lambda: [member.address], lambda _, timeout: member.client(timeout), time.monotonic) as writer:
            while len(writer.writes) < 5:
                time.sleep(0.01)
        key = writer._key(0, writer.writes[0].attempts - 1)
        member.client()._ask("kv/deleterange", {"key": base64.b64encode(key).decode()}, lambda answer: answer)
        checked = writer.check()

    assert [one.number for one in checked.lost] == [0]
