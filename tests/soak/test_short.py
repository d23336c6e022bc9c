"""A short soak: some seeds of every part, and broken rules that every part has to catch."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kubecfn.etcd import quorum, starting
from kubecfn.etcd.view import Decision, Known, Machine, Say, Start, Verdict
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
    "answers hooks without proof of a quorum": (
        Rules(decide=lambda facts: decide(replace(facts, cluster=replace(facts.cluster, linearizable=True)))),
        "ended by its hook while it is a voter",
    ),
    "lets go without a fresh backup": (
        Rules(decide=lambda facts: decide(replace(facts, unsaved=""))),
        "without a fresh backup",
    ),
    "abandons at once": (Rules(decide=lambda facts: decide(replace(facts, budget=0))), "is abandoned after"),
    "removes the leader": (Rules(decide=changed(MOVE=Do.REMOVE)), "is removed while it leads"),
    "adds who is told to leave": (
        Rules(may_add=lambda cluster, who: A(replace(cluster, expected=(*cluster.expected, who)), who)),
        "is added although",
    ),
    "promotes who is told to leave": (
        Rules(may_promote=seeing(P, lambda m: replace(m, machine=Machine.RUNNING) if m.learner else m)),
        "is promoted although",
    ),
    "signals beside one that is no more of the group": (
        Rules(settled=lambda cluster: S(replace(cluster, expected=tuple(one.instance for one in cluster.voters)))),
        "takes the cluster for settled",
    ),
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
    happened = {kind for one in seen for kind, count in one.counts.items() if count}
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
        "signals late",
        "doubled",
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
    """Refused, throttled, slow and lost answers delay a founding; none makes a second one, or one over an old snapshot."""
    founded = [found(seed) for seed in [*range(7), 9]]

    assert [(one.seed, one.flaw) for one in founded if one.flaw] == []
    assert all(sum(one.struck[kind] for one in founded) for kind in founded[0].struck)
    assert founded[3] == found(3)


def rushed(start, when):
    """Return rules of starting that decide so where the real ones give a reason with `when` in it."""
    true = starting.start

    def broken(boot):
        decision = true(boot)
        return Decision(start, "broken on purpose") if when in decision.reason else decision

    return broken


def without(**known):
    """Return rules of starting that take something for otherwise than it is."""
    true = starting.start
    return lambda boot: true(replace(boot, **known))


STARTS = {
    "founds while another does": (rushed(Start.FOUND, "is making epoch"), ""),
    "founds over an old snapshot": (without(snapshot=Known.ABSENT), "founded where there had been a cluster"),
    "joins before it is written": (rushed(Start.JOIN, "does not name this instance"), "not in the cluster object"),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_broken_start_is_caught_within_some_foundings(name, monkeypatch):
    """The foundings can fail: each mistake of an agent's is found."""
    broken, flaw = STARTS[name]
    monkeypatch.setattr("member.loop.starting.start", broken)

    assert next((one.flaw for one in map(found, range(40)) if one.flaw and flaw in one.flaw), "")


def test_an_agent_that_takes_anything_for_settled_is_caught(monkeypatch):
    """The success signal of a controller is watched: it may not come before all vote."""
    monkeypatch.setattr("member.loop.quorum.settled", lambda _: Verdict(Say.YES, "broken on purpose"))

    assert any("for settled" in found(seed).flaw for seed in range(3))


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
    world = SimpleNamespace(
        made=made,
        nodes={"i-a": None, "i-b": None},
        serving=lambda: [branch],
        lost=list,
        wiped=[],
        stored=lambda: {"instances": {}},
    )

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
