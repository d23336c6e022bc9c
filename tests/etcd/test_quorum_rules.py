"""What holds for any view at all, and the rules that only numbers show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubecfn.etcd import quorum, starting
from kubecfn.etcd.view import (
    Boot,
    Cluster,
    Decision,
    Epoch,
    Heard,
    Known,
    Machine,
    Member,
    Say,
    Start,
    Verdict,
    Word,
)

INSTANCES = st.sampled_from(["i-0", "i-1", "i-2", "i-3"])
MEMBERS = st.lists(
    st.builds(
        Member,
        id=st.sampled_from("abcdefg"),
        name=st.sampled_from(["", "n"]),
        peer_urls=st.just(()),
        instance=INSTANCES | st.just(""),
        learner=st.booleans(),
        healthy=st.booleans(),
        machine=st.sampled_from(Machine),
        silent=st.sampled_from([0.0, 19.9, 20.0, 60.0]),
    ),
    max_size=7,
    unique_by=(lambda member: member.id, lambda member: member.instance or member.id),
)
CLUSTERS = st.builds(
    Cluster,
    members=MEMBERS.map(tuple),
    size=st.integers(1, 5),
    expected=st.lists(INSTANCES, unique=True).map(tuple),
    linearizable=st.booleans(),
    leader=st.sampled_from("abcdefg"),
    alarms=st.sampled_from([(), ("NOSPACE",), ("CORRUPT",)]),
)
WORDS = st.lists(
    st.builds(
        Word,
        instance=INSTANCES,
        machine=st.sampled_from(Machine),
        index=st.none() | st.integers(0, 2),
        data=st.integers(0, 3),
        lost=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda word: word.instance,
).map(tuple)
EPOCHS = st.builds(
    Epoch,
    number=st.integers(1, 3),
    founder=INSTANCES,
    way=st.sampled_from([Start.FOUND, Start.RESTORE, Start.SURVIVE]),
    established=st.integers(0, 3),
    words=WORDS,
)
BOOTS = st.builds(
    Boot,
    me=INSTANCES,
    heard=st.sampled_from(Heard),
    object=st.sampled_from(Known),
    epoch=st.none() | EPOCHS,
    snapshot=st.sampled_from(Known),
    data=st.integers(0, 3),
    tried=st.booleans(),
    removed=st.booleans(),
)
MAKING = (Start.FOUND, Start.RESTORE, Start.SURVIVE)


def verdicts(cluster: Cluster, wanted: str, instance: str) -> list[Verdict]:
    return [
        quorum.may_remove(cluster, wanted),
        quorum.may_add(cluster, instance),
        quorum.may_promote(cluster, wanted),
        quorum.settled(cluster),
    ]


@given(CLUSTERS, st.sampled_from("abcdefg"), INSTANCES)
def test_every_view_of_members_gets_one_verdict_with_a_reason(cluster, wanted, instance):
    """A rule answers whatever it is shown, and says why."""
    for verdict in verdicts(cluster, wanted, instance):
        assert verdict.say in Say
        assert verdict.reason
        assert (verdict.say is Say.MOVE) == bool(verdict.target)


@given(BOOTS)
def test_every_view_at_boot_gets_one_decision_with_a_reason(boot):
    """A controller always knows what to do next, and says why."""
    decision = starting.start(boot)

    assert decision.start in Start
    assert decision.reason


@given(CLUSTERS, st.sampled_from("abcdefg"), INSTANCES, st.randoms())
def test_the_order_of_the_member_list_changes_no_answer(cluster, wanted, instance, random):
    """Two callers who see the same in another order do the same."""
    members = list(cluster.members)
    random.shuffle(members)
    other = Cluster(
        tuple(members), cluster.size, cluster.expected[::-1], cluster.linearizable, cluster.leader, cluster.alarms
    )

    before, after = verdicts(cluster, wanted, instance), verdicts(other, wanted, instance)

    assert [(one.say, one.target) for one in before] == [(one.say, one.target) for one in after]


@given(BOOTS, st.randoms())
def test_the_order_of_the_words_changes_no_decision(boot, random):
    """The survivor is the same one for everybody."""
    words = list(boot.epoch.words) if boot.epoch else []
    random.shuffle(words)
    epoch = boot.epoch and Epoch(
        boot.epoch.number, boot.epoch.founder, boot.epoch.way, boot.epoch.established, tuple(words)
    )
    other = Boot(boot.me, boot.heard, boot.object, epoch, boot.snapshot, boot.data, boot.tried, boot.removed)

    assert starting.start(boot).start is starting.start(other).start


@given(BOOTS)
def test_what_could_not_be_asked_makes_no_cluster(boot):
    """Not to have been able to ask is never "there is none": nothing is founded, restored, wiped or joined on it."""
    if boot.object is Known.NOT_ASKED or boot.heard is Heard.NOT_ASKED:
        assert starting.start(boot).start in (Start.WAIT, Start.RESUME)
    if boot.snapshot is Known.NOT_ASKED:
        assert starting.start(boot).start is not Start.RESTORE


@given(BOOTS)
def test_beside_a_living_cluster_nobody_makes_another(boot):
    """Where a linearizable read succeeds, nothing is founded, restored or forced; only there anything is wiped."""
    start = starting.start(boot).start

    assert not (boot.heard is Heard.LINEARIZABLE and start in MAKING)
    assert start is not Start.WIPE or boot.heard is Heard.LINEARIZABLE


@pytest.mark.parametrize(("silent", "say"), [(0.0, Say.WAIT), (19.9, Say.WAIT), (20.0, Say.YES)])
def test_a_dead_member_is_removed_only_after_a_while(silent, say):
    """Removed within seconds of its death, a silent member was measured to freeze the leader for up to 9.4 s."""
    dead = Member("a", "a", (), "i-0", machine=Machine.TERMINATED, silent=silent)
    well = [Member(one, one, (), f"i-{one}", healthy=True, machine=Machine.RUNNING) for one in "bc"]

    assert quorum.may_remove(Cluster((dead, *well), 3, linearizable=True, leader="b"), "a").say is say


@pytest.mark.parametrize(
    ("snapshot", "start"),
    [(Known.ABSENT, Start.FOUND), (Known.PRESENT, Start.STOP), (Known.NOT_ASKED, Start.WAIT)],
)
def test_a_lost_object_beside_snapshots_never_looks_like_a_new_cluster(snapshot, start):
    """A marker that a lifecycle rule or a person deleted must not seed an empty cluster: two proofs of emptiness."""
    assert starting.start(Boot("i-0", Heard.NOBODY, Known.ABSENT, None, snapshot)).start is start


def test_total_loss_without_a_snapshot_stops_loudly():
    """An established cluster is never replaced by an empty one."""
    gone = Epoch(1, "i-1", Start.FOUND, 1, (Word("i-1", Machine.TERMINATED),))

    decision = starting.start(Boot("i-0", Heard.NOBODY, Known.PRESENT, gone, Known.ABSENT))

    assert isinstance(decision, Decision)
    assert decision.start is Start.STOP
    assert "no snapshot" in decision.reason


def test_terminated_takes_part_in_no_list_that_is_written():
    """Who is let in is written beside all that may still hold data, and nobody else."""
    epoch = Epoch(
        1, "i-1", Start.FOUND, 1, (Word("i-1", Machine.TERMINATED), Word("i-2"), Word("i-3", Machine.RUNNING))
    )

    assert starting.enlisted(epoch, "i-0") == ("i-0", "i-2", "i-3")


@pytest.mark.parametrize(("expected", "say"), [(("i-a", "i-b"), Say.WAIT), (("i-a", "i-b", "i-c"), Say.YES)])
def test_who_was_told_to_leave_does_not_join_again(expected, say):
    """An agent outlives its member by the time its instance takes to go down; a learner left behind blocks every joiner."""
    members = tuple(Member(one, name=f"i-{one}", instance=f"i-{one}", healthy=True) for one in "ab")
    cluster = Cluster(members, size=3, expected=expected, linearizable=True, leader="a")

    assert quorum.may_add(cluster, "i-c").say is say


@pytest.mark.parametrize(("leaving", "start"), [(True, Start.WAIT), (False, Start.ENLIST)])
def test_who_was_told_to_leave_is_not_let_in_again(leaving, start):
    """Whoever is enlisted has to be heard or terminated before anybody takes over: nobody is enlisted to leave."""
    epoch = Epoch(1, "i-1", Start.FOUND, 1, (Word("i-1"),))

    assert starting.start(Boot("i-0", Heard.LINEARIZABLE, Known.PRESENT, epoch, leaving=leaving)).start is start
