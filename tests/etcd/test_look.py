"""One look: what real members answer becomes what the rules read, and what must not be believed is not."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from real_etcd import VERSIONS, Client, until

from kubecfn.etcd.client import EtcdError, Listed, Status
from kubecfn.etcd.look import Silence, look
from kubecfn.etcd.places import Group, Place
from kubecfn.etcd.quorum import may_add, may_remove, settled
from kubecfn.etcd.view import Heard, Machine, Say

ONE_RELEASE = pytest.mark.parametrize("members", VERSIONS[:1], indirect=True)


def at(cluster, group, silence=None, timeout=0.4):
    """Look at real members."""
    return look(
        group, lambda address: Client(address, cluster.context, timeout=timeout), silence or Silence(time.monotonic)
    )


@ONE_RELEASE
def test_three_voters_that_serve_are_settled(trio):
    """Everyone answered and proved a quorum; the first in the order of addresses told the rest."""
    leader = trio.leader
    seen = at(trio, trio.group(), timeout=3)
    assert settled(seen.cluster).say is Say.YES
    assert seen.heard is Heard.LINEARIZABLE
    assert seen.via == min(member.address for member in trio)
    assert seen.cluster.leader == leader.id
    assert {name: status.member for name, status in seen.statuses.items()} == {one.name: one.id for one in trio}
    assert seen.cluster_id == leader.client().status().cluster
    assert seen.failures == {}


@ONE_RELEASE
def test_a_voter_that_hangs_is_seen_through_the_others(trio):
    """One silent voter: the quorum is proven by another, and nobody may join beside it."""
    trio["i-a"].pause()
    until("a leader without it", lambda: trio["i-b"].client(1).linearizable() is None)
    seen = at(trio, trio.group())
    assert {one.instance: one.healthy for one in seen.cluster.members} == {"i-a": False, "i-b": True, "i-c": True}
    assert seen.via == trio["i-b"].address
    assert set(seen.statuses) == {"i-b", "i-c"}
    assert list(seen.failures) == [trio["i-a"].address]
    assert may_add(seen.cluster, "i-d").say is Say.WAIT


@ONE_RELEASE
def test_a_learner_answers_for_itself_and_proves_nothing(trio):
    """A learner is healthy when it answers its status, blocks another one, and is no voter that was heard."""
    trio.learner("i-d", through="i-a")
    seen = at(trio, trio.group(), timeout=3)
    learner = next(one for one in seen.cluster.members if one.learner)
    assert (learner.instance, learner.name, learner.healthy) == ("i-d", "i-d", True)
    assert settled(seen.cluster).reason == "i-d is joining"
    assert seen.failures == {}
    alone = Group("controllers", 3, (trio.group().place("i-d"),))
    assert at(trio, alone, timeout=3).heard is Heard.NOBODY


@ONE_RELEASE
def test_a_learner_that_has_not_started_is_placed_by_its_address(trio):
    """Before it starts a member has no name: only the address says whose it is."""
    own, _ = trio["i-a"].client().add_learner(trio.new("i-d").peer_url)
    seen = at(trio, trio.group())
    waiting = seen.cluster.member(own)
    assert (waiting.instance, waiting.name, waiting.healthy) == ("i-d", "", False)
    assert may_add(seen.cluster, "i-d").say is Say.DONE


@ONE_RELEASE
def test_without_quorum_the_voter_that_answers_proves_nothing(trio):
    """It is heard, and its list is shown, but nothing is linearizable, healthy or led, and nothing may be changed."""
    trio["i-b"].pause()
    trio["i-c"].pause()
    seen = at(trio, trio.group(i_b=Machine.TERMINATED))
    assert (seen.heard, seen.via, seen.cluster.linearizable) == (Heard.NO_QUORUM, "", False)
    assert seen.cluster.leader == ""
    assert set(seen.statuses) == {"i-a"}
    assert not any(one.healthy for one in seen.cluster.members)
    victim = next(one.id for one in seen.cluster.members if one.instance == "i-b")
    assert may_remove(seen.cluster, victim).say is Say.WAIT


@ONE_RELEASE
def test_a_member_on_no_instance_of_ours_is_asked_but_never_ours(trio):
    """A voter added by hand counts for quorum and is healthy; its status is known by its id."""
    trio.join("by-hand", through="i-a")
    places = tuple(place for place in trio.group().places if place.instance != "by-hand")
    seen = at(trio, Group("controllers", 3, places), timeout=3)
    stranger = next(one for one in seen.cluster.members if one.name == "by-hand")
    assert (stranger.instance, stranger.machine, stranger.healthy) == ("", Machine.UNKNOWN, True)
    assert seen.statuses[stranger.id].member == stranger.id
    assert may_remove(seen.cluster, stranger.id).say is Say.NO


@ONE_RELEASE
def test_an_alarm_unsettles_by_its_name(trio):
    """The rules know alarms by name, once each."""
    client = trio["i-a"].client()
    for name in ("i-b", "i-c"):
        body = {"action": "ACTIVATE", "memberID": str(int(trio[name].id, 16)), "alarm": "NOSPACE"}
        client._ask("maintenance/alarm", body, lambda _: None)
    try:
        seen = at(trio, trio.group(), timeout=3)
    finally:
        for name in ("i-b", "i-c"):
            client.disarm(trio[name].id, "NOSPACE")
    assert seen.cluster.alarms == ("NOSPACE",)
    assert settled(seen.cluster).reason == "alarm NOSPACE"


DOWN = EtcdError(14, "refused", definite=True)
IDS = {"i-a": "a1", "i-b": "b1", "i-c": "c1"}
ADDRESSES = {"i-a": "10.0.0.1", "i-b": "10.0.0.2", "i-c": "10.0.0.3"}


class Told:
    """A member that answers as it is told; an answer that is an error is raised."""

    def __init__(self, name, cluster="c0", *, serves=True, term=2, index=9, learner=False, names=None, **other):
        self.said = {
            "status": Status(IDS.get(name, name), cluster, "a1", "3.6.16", 5, index, term, 1, 1, learner),
            "linearizable": None if serves else DOWN,
            "members": list(entries(*(names or IDS))),
            "any_members": list(entries(*(names or IDS))),
            "alarms": (),
            **other,
        }

    def __getattr__(self, call):
        def answer():
            said = self.said[call]
            if isinstance(said, EtcdError):
                raise said
            return said

        return answer


def entry(where, **changed):
    url = f"https://{ADDRESSES.get(where, '10.0.0.9')}:2380"
    return replace(Listed(IDS.get(where, "f1"), where, (url,), (), learner=False), **changed)


def entries(*names):
    return (entry(name) for name in names)


def group(**machines):
    """Three places; ``i_a=Machine.…`` changes one."""
    said = {name.replace("_", "-"): machine for name, machine in machines.items()}
    return Group(
        "controllers",
        3,
        tuple(
            Place(name, ADDRESSES[name], said.get(name, Machine.RUNNING), staying=name not in said)
            for name in ADDRESSES
        ),
    )


def told(answers, where=None, silence=None):
    """Look at members that answer so; who is not named refuses."""
    by_address = {ADDRESSES[name]: client for name, client in answers.items()}
    silent = Told("nobody", status=DOWN)
    return look(where or group(), lambda address: by_address.get(address, silent), silence or Silence(time.monotonic))


EVERYONE = {name: Told(name) for name in IDS}


@pytest.mark.parametrize(
    ("where", "answers", "heard"),
    [
        (group(), {}, Heard.NOBODY),
        (group(), {"i-a": Told("i-a", serves=False)}, Heard.NO_QUORUM),
        (group(), {"i-a": Told("i-a", learner=True)}, Heard.NOBODY),
        (group(), {"i-a": Told("i-a", serves=False), "i-b": Told("i-b")}, Heard.LINEARIZABLE),
        (group(i_a=Machine.LEAVING), {"i-a": Told("i-a")}, Heard.LINEARIZABLE),
        (group(i_a=Machine.TERMINATED), {"i-a": Told("i-a")}, Heard.NOBODY),
        (Group("controllers", 3, ()), {}, Heard.NOT_ASKED),
        (
            Group("controllers", 3, (*group().places, Place("i-d", "", Machine.UNKNOWN, staying=True))),
            {},
            Heard.NOT_ASKED,
        ),
        (
            Group("controllers", 3, (*group().places, Place("i-d", "", Machine.TERMINATED, staying=False))),
            {},
            Heard.NOBODY,
        ),
        (
            Group("controllers", 3, (*group().places, Place("i-d", "", Machine.UNKNOWN, staying=True))),
            {"i-a": Told("i-a")},
            Heard.LINEARIZABLE,
        ),
    ],
)
def test_what_was_heard_counts_voters_and_never_calls_the_unasked_silent(where, answers, heard):
    """Nobody answered only where everybody who may live could be asked; a terminated instance's address is another's."""
    assert told(answers, where).heard is heard


def test_two_clusters_that_both_prove_a_quorum_prove_nothing():
    """A split is more than can be judged: somebody was heard, and nothing may be changed."""
    seen = told({**EVERYONE, "i-c": Told("i-c", cluster="c9")})
    assert (seen.heard, seen.via, seen.cluster_id) == (Heard.LINEARIZABLE, "", "")
    assert not seen.cluster.linearizable
    assert seen.cluster.members == ()


def test_a_remnant_of_another_cluster_is_not_healthy():
    """What answers without quorum for another cluster says nothing about this one's member."""
    seen = told({**EVERYONE, "i-c": Told("i-c", cluster="c9", serves=False)})
    assert seen.cluster.linearizable
    assert {one.instance: one.healthy for one in seen.cluster.members} == {"i-a": True, "i-b": True, "i-c": False}
    assert set(seen.statuses) == {"i-a", "i-b"}


def test_who_answers_at_a_members_address_with_another_id_is_not_that_member():
    """An address is given again: the dead member is not healthy because its successor is."""
    seen = told({**EVERYONE, "i-c": Told("c2")})
    assert {one.instance: one.healthy for one in seen.cluster.members} == {"i-a": True, "i-b": True, "i-c": False}


@pytest.mark.parametrize(
    ("listed", "places", "instance", "machine"),
    [
        (entry("i-a"), {}, "i-a", Machine.RUNNING),
        (entry("i-a", name=""), {}, "i-a", Machine.RUNNING),
        (entry("i-a", name="hand-made"), {}, "i-a", Machine.RUNNING),
        # The address is i-a's by now, and was i-old's, which is known as terminated, is forgotten, or never ours.
        (entry("i-a", name="i-old"), {"i-old": Machine.TERMINATED}, "i-old", Machine.TERMINATED),
        (entry("i-a", name="i-old"), {"i-old": Machine.UNKNOWN}, "i-old", Machine.UNKNOWN),
        (entry("i-a", name="i-old"), {}, "", Machine.UNKNOWN),
        # A name is no proof: i-b is elsewhere.
        (entry("i-a", name="i-b"), {}, "", Machine.UNKNOWN),
        # No controller's port.
        (entry("i-a", name="", peer_urls=("https://10.0.0.1:12380",)), {}, "", Machine.UNKNOWN),
        (entry("elsewhere"), {}, "", Machine.UNKNOWN),
        # A learner that never started, where an instance was that is terminated, and one that did not say where it was.
        (entry("elsewhere", name="", learner=True), {"i-gone": "10.0.0.9"}, "i-gone", Machine.TERMINATED),
        (entry("elsewhere", name="", learner=True), {"i-gone": Machine.TERMINATED}, "", Machine.UNKNOWN),
        # Nobody's by hand: a voter, one that has started, and one whose address is a living instance's by now.
        (entry("elsewhere", name=""), {"i-gone": "10.0.0.9"}, "", Machine.UNKNOWN),
        (entry("elsewhere", name="hand-made", learner=True), {"i-gone": "10.0.0.9"}, "", Machine.UNKNOWN),
        (entry("i-a", name="", learner=True), {"i-gone": "10.0.0.1"}, "i-a", Machine.RUNNING),
        (entry("elsewhere", peer_urls=()), {}, "", Machine.UNKNOWN),
        (entry("elsewhere", peer_urls=("https://10.0.0.9:2380", "https://10.0.0.1:1")), {}, "", Machine.UNKNOWN),
    ],
)
def test_a_member_is_placed_by_its_name_or_before_it_starts_by_its_address(listed, places, instance, machine):
    """Ours is who has an instance's name and nothing against it; whatever does not fit is nobody's, so never touched."""
    everyone = [listed, entry("i-b"), entry("i-c")]
    addresses = {one: text for one, text in places.items() if isinstance(text, str)}
    machines = {**places, **dict.fromkeys(addresses, Machine.TERMINATED)}
    seen = told({"i-b": Told("i-b", members=everyone)}, group().remembering(machines, addresses))
    found = seen.cluster.members[0]
    assert (found.instance, found.machine) == (instance, machine)


def test_who_proves_a_quorum_but_cannot_tell_the_members_is_passed_over():
    """The members and the alarms are told by one that proved a quorum, and by nobody else."""
    mute = {"members": DOWN}
    seen = told({**EVERYONE, "i-a": Told("i-a", **mute)})
    assert (seen.via, seen.cluster.linearizable) == ("10.0.0.2", True)
    nobody = told({name: Told(name, **mute) for name in IDS})
    assert (nobody.via, nobody.cluster.linearizable, nobody.heard) == ("", False, Heard.LINEARIZABLE)
    deaf = told({name: Told(name, alarms=DOWN) for name in IDS})
    assert (deaf.via, deaf.cluster.linearizable) == ("", False)


def test_who_stays_is_asked_before_who_leaves():
    """A leaving instance may be gone a moment later."""
    assert told(EVERYONE, group(i_a=Machine.LEAVING)).via == "10.0.0.2"


def test_without_quorum_the_list_of_who_knows_most_is_shown():
    """The highest term decides and then the index; whose list cannot be had is passed over."""
    far = Told("i-b", serves=False, term=3, index=1, names=("i-b",))
    near = Told("i-c", serves=False, term=2, index=99, names=("i-c",))
    shown = told({"i-b": far, "i-c": near}).cluster
    assert [(one.name, one.healthy) for one in shown.members] == [("i-b", False)]
    assert (shown.linearizable, shown.leader) == (False, "")
    far.said["any_members"] = DOWN
    assert [one.name for one in told({"i-b": far, "i-c": near}).cluster.members] == ["i-c"]


def test_silence_is_counted_from_when_it_was_first_seen():
    """A bound from below, whatever time passed between the looks; a member that came back starts anew."""
    now = [100.0]
    silence = Silence(lambda: now[0])
    alive, one_down = EVERYONE, {name: client for name, client in EVERYONE.items() if name != "i-c"}

    def silent(answers):
        return {one.instance: one.silent for one in told(answers, silence=silence).cluster.members}

    assert silent(alive) == {"i-a": 0, "i-b": 0, "i-c": 0}
    now[0] += 60
    assert silent(one_down)["i-c"] == 0
    now[0] += 25
    assert silent(one_down) == {"i-a": 0, "i-b": 0, "i-c": 25}
    now[0] += 1
    assert silent(alive)["i-c"] == 0
    now[0] += 5
    assert silent(one_down)["i-c"] == 0
