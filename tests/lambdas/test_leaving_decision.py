from dataclasses import replace

import pytest
from controller_lifecycle.decision import BACKUP_WAIT, decide
from controller_lifecycle.facts import Do, Facts, Leaver
from hypothesis import given
from hypothesis import strategies as st

from kubecfn.etcd import quorum
from kubecfn.etcd.view import Cluster, Machine, Member, Say

BUDGET = 900.0
RUNNING, LEAVING, TERMINATED, UNKNOWN = Machine.RUNNING, Machine.LEAVING, Machine.TERMINATED, Machine.UNKNOWN


def member(name, machine=RUNNING, *, healthy=True, silent=0.0, learner=False, ours=True):
    """Make a member `m-NAME` on the instance `i-NAME`."""
    instance = f"i-{name}" if ours else ""
    return Member(f"m-{name}", instance, (), instance, learner, healthy, machine, silent)


A, B, C, D = (member(name) for name in "abcd")
GOING = replace(A, machine=LEAVING)
DEAD = replace(A, machine=TERMINATED, healthy=False, silent=60.0)
FRESH_DEAD = replace(DEAD, silent=5.0)
WAITS, RETAINED = Leaver("i-a", 30.0), Leaver("i-a", 30.0, retained=True)
OLD = replace(RETAINED, seconds=2 * BUDGET)


def facts(*members, leavers=(), linearizable=True, leader="m-b", alarms=(), size=3, **about):
    cluster = Cluster(members, size, linearizable=linearizable, leader=leader, alarms=alarms)
    return Facts(cluster, leavers, budget=BUDGET, **about)


def done(found):
    return [(step.do, step.instance) for step in decide(found)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(facts(GOING, B, C, D, leavers=(WAITS,)), Do.REMOVE, id="a replacement serves"),
        pytest.param(facts(GOING, B, C, D, leavers=(WAITS,), leader="m-a"), Do.MOVE, id="it leads"),
        pytest.param(facts(GOING, B, C, leavers=(WAITS,)), Do.WAIT, id="no replacement yet"),
        pytest.param(facts(B, C, D, leavers=(WAITS,)), Do.CONTINUE, id="its member is gone"),
        pytest.param(facts(B, C, D, leavers=(replace(WAITS, known=False),)), Do.WAIT, id="its address is not known"),
        pytest.param(facts(B, C, D, leavers=(WAITS,), linearizable=False), Do.WAIT, id="absent from an unproven list"),
        pytest.param(facts(GOING, B, C, D, leavers=(WAITS,), linearizable=False), Do.WAIT, id="no quorum"),
        pytest.param(facts(GOING, B, C, D, leavers=(WAITS,), alarms=("CORRUPT",)), Do.WAIT, id="corrupt"),
        pytest.param(facts(GOING, B, C, D, leavers=(WAITS,), alarms=("NOSPACE",)), Do.REMOVE, id="no space left"),
        pytest.param(facts(A, B, C, D, leavers=(WAITS,)), Do.WAIT, id="EC2 has yet to hear that it leaves"),
        pytest.param(facts(replace(A, machine=UNKNOWN), B, C, D, leavers=(WAITS,)), Do.WAIT, id="EC2 says nothing"),
        pytest.param(facts(FRESH_DEAD, B, C, leavers=(WAITS,)), Do.WAIT, id="silent for seconds"),
        pytest.param(facts(DEAD, B, C, leavers=(WAITS,)), Do.REMOVE, id="silent for long"),
        pytest.param(facts(replace(GOING, learner=True), B, C, D, leavers=(WAITS,)), Do.REMOVE, id="it is a learner"),
        pytest.param(facts(leavers=(WAITS,), linearizable=False, nothing="never founded"), Do.CONTINUE, id="nothing"),
        pytest.param(facts(GOING, leavers=(WAITS,), leader="m-a", size=1), Do.WAIT, id="the last voter"),
        pytest.param(facts(GOING, B, leavers=(WAITS,), size=1), Do.REMOVE, id="one of one, replaced"),
    ],
)
def test_a_controller_leaves_only_when_the_members_that_stay_can_do_without_it(found, expected):
    """Its hook waits until the rules let its member go, and is continued when the member is proven gone."""
    assert done(found) == [(expected, "i-a")]
    assert all(step.reason for step in decide(found))


@pytest.mark.parametrize(
    ("found", "late"),
    [
        (facts(GOING, B, C, leavers=(WAITS,)), Do.ABANDON),
        (facts(GOING, B, C, D, leavers=(WAITS,), linearizable=False), Do.ABANDON),
        (facts(GOING, B, C, D, leavers=(WAITS,), alarms=("CORRUPT",)), Do.ABANDON),
        (facts(B, C, D, leavers=(replace(WAITS, known=False),)), Do.ABANDON),
        (facts(GOING, B, C, D, leavers=(WAITS,)), Do.REMOVE),
        (facts(B, C, D, leavers=(WAITS,)), Do.CONTINUE),
    ],
)
def test_what_is_not_safe_within_the_budget_is_abandoned_and_what_is_safe_is_done_however_late(found, late):
    """The group then keeps the instance; not one second earlier, and never in place of what is possible."""
    almost = replace(found, leavers=tuple(replace(one, seconds=BUDGET - 1) for one in found.leavers))
    over = replace(found, leavers=tuple(replace(one, seconds=BUDGET) for one in found.leavers))

    assert Do.ABANDON not in [do for do, _ in done(almost)]
    assert done(over) == [(late, "i-a")]
    assert late is not Do.ABANDON or "not safe within 900 s" in decide(over)[0].reason


UNSAVED = facts(GOING, B, C, D, leavers=(WAITS,), unsaved="the newest backup is 900 s old")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (UNSAVED, Do.BACKUP),
        (replace(UNSAVED, cluster=replace(UNSAVED.cluster, leader="m-a")), Do.BACKUP),
        (replace(UNSAVED, leavers=(replace(WAITS, seconds=BACKUP_WAIT - 1),)), Do.BACKUP),
        (replace(UNSAVED, leavers=(replace(WAITS, seconds=BACKUP_WAIT),)), Do.REMOVE),
        (replace(UNSAVED, cluster=replace(UNSAVED.cluster, members=(B, C, D))), Do.CONTINUE),
        (replace(UNSAVED, cluster=replace(UNSAVED.cluster, members=(DEAD, B, C))), Do.REMOVE),
        (replace(UNSAVED, cluster=replace(UNSAVED.cluster, members=(GOING, B, C))), Do.WAIT),
    ],
)
def test_a_voter_that_serves_leaves_after_a_fresh_backup_but_does_not_wait_for_it_for_ever(found, expected):
    """After a bound it leaves without one, and that is said; what is dead already is not held up by it."""
    assert done(found) == [(expected, "i-a")]
    if expected is Do.REMOVE and found.cluster.members[0].machine is not TERMINATED:
        assert "without a fresh backup after 120 s: the newest backup is 900 s old" in decide(found)[0].reason


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(facts(DEAD, B, C), [(Do.REMOVE, "i-a")], id="dead"),
        pytest.param(facts(FRESH_DEAD, B, C), [(Do.WAIT, "i-a")], id="silent for seconds"),
        pytest.param(facts(replace(A, healthy=False, silent=90.0), B, C), [], id="dead, but to stay"),
        pytest.param(facts(replace(DEAD, learner=True), B, C), [(Do.REMOVE, "i-a")], id="stuck learner"),
        pytest.param(facts(replace(A, learner=True, healthy=False), B, C, D), [], id="learner that is to start"),
        pytest.param(facts(GOING, B, C, D), [], id="serves, and its hook has yet to begin"),
        pytest.param(facts(DEAD, B, C, linearizable=False), [(Do.WAIT, "i-a")], id="no quorum"),
        pytest.param(facts(DEAD, B, C, alarms=("CORRUPT",)), [(Do.WAIT, "i-a")], id="corrupt"),
        pytest.param(facts(B, C, member("x", ours=False)), [(Do.LEAVE_ALONE, "m-x")], id="added by hand"),
        pytest.param(
            facts(B, C, D, member("x", healthy=False, silent=900.0, ours=False)),
            [(Do.LEAVE_ALONE, "m-x")],
            id="added by hand and dead",
        ),
    ],
)
def test_what_nobody_waits_for_is_collected_by_the_same_rules(found, expected):
    """Dead members and stuck learners of terminated instances go; what is to stay or is a stranger's is not touched."""
    assert done(found) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(facts(B, C, D, leavers=(RETAINED,)), Do.TERMINATE, id="its member is gone"),
        pytest.param(facts(B, C, D, leavers=(replace(RETAINED, known=False),)), Do.WAIT, id="its address is unknown"),
        pytest.param(facts(GOING, B, C, D, leavers=(RETAINED,)), Do.REMOVE, id="its member may go now"),
        pytest.param(facts(GOING, B, C, leavers=(OLD,)), Do.WAIT, id="its member is needed, however old"),
        pytest.param(
            facts(leavers=(RETAINED,), linearizable=False, nothing="never founded"), Do.TERMINATE, id="nothing"
        ),
    ],
)
def test_a_retained_instance_is_ended_when_its_member_is_gone(found, expected):
    """What was abandoned is tried again by every later run, and costs no second hook."""
    assert done(found) == [(expected, "i-a")]


SILENT = replace(GOING, healthy=False, silent=60.0)
ENDED_B, ENDED_C = replace(B, machine=TERMINATED, healthy=False), replace(C, machine=TERMINATED, healthy=False)
CUT_C = replace(C, healthy=False)
BLOCKED = facts(SILENT, ENDED_B, CUT_C, leavers=(OLD,), linearizable=False)


@pytest.mark.parametrize(
    ("found", "expected", "word"),
    [
        (BLOCKED, Do.TERMINATE, "without its end nobody may take over"),
        (replace(BLOCKED, leavers=(RETAINED,)), Do.WAIT, "1800 s to come back"),
        (replace(BLOCKED, leavers=(replace(OLD, seconds=2 * BUDGET - 1),)), Do.WAIT, "1800 s to come back"),
        (replace(BLOCKED, leavers=(replace(OLD, speaks=True),)), Do.WAIT, "still has a say"),
        (facts(SILENT, B, CUT_C, leavers=(OLD,), linearizable=False), Do.WAIT, "may come back to quorum without"),
        (facts(SILENT, ENDED_B, ENDED_C, leavers=(OLD,), linearizable=False), Do.WAIT, "may be the only copy"),
        (facts(SILENT, ENDED_B, ENDED_C, leavers=(OLD,), linearizable=False, saved=True), Do.TERMINATE, "0 of 3"),
        (facts(leavers=(OLD,), linearizable=False, saved=True), Do.WAIT, "nobody says who the voters are"),
        (facts(leavers=(OLD,), linearizable=False, saved=True, enlisted=(SILENT, ENDED_B)), Do.TERMINATE, "0 of 2"),
        (facts(leavers=(OLD,), linearizable=False, saved=True, enlisted=(SILENT, B, C)), Do.WAIT, "may come back"),
        (replace(BLOCKED, cluster=replace(BLOCKED.cluster, alarms=("CORRUPT",))), Do.WAIT, "CORRUPT"),
    ],
)
def test_without_quorum_a_dead_retained_instance_is_ended_only_when_that_alone_helps_and_loses_nothing(
    found, expected, word
):
    """Until EC2 calls it terminated nobody may take over; but it may hold what nobody else does."""
    step = next(one for one in decide(found) if one.instance == "i-a")

    assert (step.do, step.instance) == (expected, "i-a")
    assert word in step.reason


def test_two_dead_retained_instances_do_not_hope_for_each_other():
    """What is retained and dead brings nobody's quorum back: else both would wait for ever."""
    other = replace(ENDED_B, machine=LEAVING)
    found = facts(SILENT, other, C, leavers=(OLD, replace(OLD, instance="i-b")), linearizable=False)

    assert done(found) == [(Do.TERMINATE, "i-a"), (Do.TERMINATE, "i-b")]


def test_a_retained_instance_that_speaks_is_hope_for_the_others():
    """Its etcd may come back to quorum with the one that lives: the dead one beside it is not ended for its sake."""
    other = replace(ENDED_B, machine=LEAVING)
    speaks = replace(OLD, instance="i-b", speaks=True)
    found = facts(SILENT, other, C, leavers=(OLD, speaks), linearizable=False)

    assert done(found) == [(Do.WAIT, "i-a"), (Do.WAIT, "i-b")]


def test_a_learner_left_behind_goes_first_then_who_is_silent():
    """A stuck learner blocks every join, a dead voter every add: both before one that can wait."""
    learner = replace(member("z", TERMINATED, healthy=False, silent=60.0), learner=True)
    dead = member("e", TERMINATED, healthy=False, silent=60.0)

    assert done(facts(dead, learner, B, C, D))[0] == (Do.REMOVE, "i-z")


@pytest.mark.parametrize(("alarms", "watch"), [((), True), (("CORRUPT",), False)])
def test_a_silent_member_is_watched_for_its_time_but_not_while_nothing_may_be_changed(alarms, watch):
    """A few seconds more of silence decide; under CORRUPT no look of this run does."""
    (step,) = decide(facts(FRESH_DEAD, B, C, alarms=alarms))

    assert (step.do, step.watch) == (Do.WAIT, watch)


def test_one_change_at_a_time_and_the_dead_go_first():
    """After a change everything is looked at again; answers to hooks need not wait for it."""
    e = member("e", TERMINATED, healthy=False, silent=60.0)
    found = facts(GOING, e, B, C, D, leavers=(WAITS, Leaver("i-f", 1.0)))

    assert done(found) == [(Do.REMOVE, "i-e"), (Do.CONTINUE, "i-f")]


MEMBERS = st.lists(
    st.builds(
        member,
        st.sampled_from("abcdefg"),
        st.sampled_from(Machine),
        healthy=st.booleans(),
        silent=st.sampled_from([0.0, 19.0, 60.0]),
        learner=st.booleans(),
        ours=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
)
LEAVERS = st.lists(
    st.builds(
        Leaver,
        st.sampled_from([f"i-{name}" for name in "abcdefg"]),
        st.sampled_from([0.0, 130.0, 1000.0, 2000.0]),
        retained=st.booleans(),
        known=st.booleans(),
        speaks=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda one: one.instance,
)


@given(
    MEMBERS,
    LEAVERS,
    st.sampled_from(["m-a", "m-b", ""]),
    st.sampled_from([(), ("NOSPACE",), ("CORRUPT",)]),
    st.booleans(),
    st.sampled_from(["", "old"]),
    st.randoms(),
)
def test_whatever_is_seen_nothing_is_changed_that_the_rules_forbid(
    members, leavers, leader, alarms, linearizable, unsaved, random
):
    """At most one change of membership, never without the rules' own yes; each instance gets one step, in any order of the list."""
    found = facts(
        *members, leavers=tuple(leavers), leader=leader, alarms=alarms, linearizable=linearizable, unsaved=unsaved
    )
    steps = decide(found)
    changes = [step for step in steps if step.do in (Do.MOVE, Do.REMOVE)]

    assert len(changes) <= 1
    for step in changes:
        assert quorum.may_remove(found.cluster, step.member).say in (Say.YES, Say.MOVE)
    for step in steps:
        if step.do is Do.CONTINUE:
            assert linearizable
            assert step.instance not in [one.instance for one in members]
    assert len({step.instance for step in steps}) == len(steps)
    shuffled = random.sample(members, len(members))
    again = decide(replace(found, cluster=replace(found.cluster, members=tuple(shuffled))))
    assert {(one.do, one.instance) for one in again} == {(one.do, one.instance) for one in steps}
