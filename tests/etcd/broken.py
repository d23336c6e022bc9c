"""Broken versions of the rules, each by one mistake, with the flaw that the exploration has to name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from kubecfn.etcd import quorum, starting
from kubecfn.etcd.view import Boot, Cluster, Decision, Known, Machine, Member, Say, Start, Verdict
from tests.etcd.model import Rules

YES = Verdict(Say.YES, "broken on purpose")
STUCK = "stuck"


def seeing(rule: Callable[..., Verdict], lens: Callable[[Member], Member]) -> Callable[..., Verdict]:
    """Return a rule that sees every member through a lens."""
    return lambda cluster, *rest: rule(replace(cluster, members=tuple(map(lens, cluster.members))), *rest)


def instead(rule: Callable[..., Verdict], *sentences: str) -> Callable[..., Verdict]:
    """Return a rule that says yes where the real one objects with one of these sentences."""

    def broken(*about: object) -> Verdict:
        verdict = rule(*about)
        return YES if any(sentence in verdict.reason for sentence in sentences) else verdict

    return broken


def rushed(decide: Start, when: str) -> Callable[[Boot], Decision]:
    """Return a start that decides so where the real one gives a reason with `when` in it."""

    def broken(boot: Boot) -> Decision:
        decision = starting.start(boot)
        return Decision(decide, "broken on purpose") if when in decision.reason else decision

    return broken


def majority_only(members: Iterable[Member]) -> bool:
    """Take a majority of terminated voters for the only loss: forgets that half of an even number is one too."""
    voters = [one for one in members if not one.learner]
    return sum(one.machine is Machine.TERMINATED for one in voters) > len(voters) // 2


def unreachable_is_lost(members: Iterable[Member]) -> bool:
    """Take voters that do not answer for terminated."""
    voters = [one for one in members if not one.learner]
    return sum(one.healthy for one in voters) < quorum.quorum(len(voters))


def words_as(**about: object) -> Callable[[Boot], Decision]:
    """Return a start that hears every instance's silence as something else."""

    def broken(boot: Boot) -> Decision:
        if boot.epoch:
            words = tuple(replace(w, **about) if w.index is None else w for w in boot.epoch.words)
            boot = replace(boot, epoch=replace(boot.epoch, words=words))
        return starting.start(boot)

    return broken


def looking(**about: dict[object, object]) -> Callable[[Boot], Decision]:
    """Return a start that takes one answer for another."""

    def broken(boot: Boot) -> Decision:
        fields = {name: table.get(getattr(boot, name), getattr(boot, name)) for name, table in about.items()}
        return starting.start(replace(boot, **fields))

    return broken


def any_survivor(boot: Boot) -> Decision:
    """Let whoever asks first survive, whatever it holds."""
    decision = starting.start(boot)
    return Decision(Start.SURVIVE, "me too") if boot.data and "holds the most" in decision.reason else decision


def own_list_only(boot: Boot) -> Decision:
    """Survive by the own member list alone, though others of the epoch have not spoken."""
    mine = boot.epoch and next((w for w in boot.epoch.words if w.instance == boot.me), None)
    silent = "has not said what data" in starting.start(boot).reason
    return Decision(Start.SURVIVE, "lost by my list") if silent and mine and mine.lost else starting.start(boot)


def no_enlisting(boot: Boot) -> Decision:
    """Join without being written into the object first."""
    decision = starting.start(boot)
    return Decision(Start.JOIN, "at once") if decision.start is Start.ENLIST else decision


def stale_is_fresh(boot: Boot) -> Decision:
    """Count data of an older epoch as data of this one."""
    if boot.epoch:
        words = tuple(replace(w, data=boot.epoch.number) if w.data else w for w in boot.epoch.words)
        boot = replace(boot, epoch=replace(boot.epoch, words=words))
    return starting.start(boot)


def without_founder(boot: Boot) -> Decision:
    """Let a founder that died half-way begin nothing again."""
    decision = starting.start(boot)
    begun = boot.epoch and boot.epoch.founder == boot.me and boot.epoch.established < boot.epoch.number
    return Decision(Start.WAIT, "for somebody else") if begun else decision


def eager_wipe(boot: Boot) -> Decision:
    """Wipe whenever own data finds no quorum."""
    decision = starting.start(boot)
    return Decision(Start.WIPE, "no quorum") if boot.data and decision.start is Start.WAIT else decision


def well(member: Member) -> Member:
    """See every voter healthy."""
    return member if member.learner else replace(member, healthy=True)


def gathered(cluster: Cluster) -> Verdict:
    """Signal when enough healthy voters are there, whatever their instances are about to do."""
    members = tuple(replace(m, machine=Machine.RUNNING) for m in cluster.members)
    return quorum.settled(replace(cluster, members=members, expected=tuple(m.instance for m in cluster.voters)))


def all_voters(member: Member) -> Member:
    """See learners as voters."""
    return replace(member, learner=False)


def proven(rule: Callable[..., Verdict]) -> Callable[..., Verdict]:
    """Return a rule that needs no linearizable read."""
    return lambda cluster, *rest: rule(replace(cluster, linearizable=True), *rest)


def never_collects_learners(cluster: Cluster, wanted: str) -> Verdict:
    """Leave stuck learners where they are."""
    member = cluster.member(wanted)
    return Verdict(Say.NO, "a learner") if member and member.learner else quorum.may_remove(cluster, wanted)


R, A, P, S = quorum.may_remove, quorum.may_add, quorum.may_promote, quorum.settled
MEMBERS = {
    "removes below the floor": (Rules(may_remove=instead(R, "a replacement comes first")), "below the floor"),
    "removes what nobody asked to leave": (
        Rules(may_remove=instead(R, "neither leaving")),
        "whose instance is to stay",
    ),
    "removes members added by hand": (Rules(may_remove=instead(R, "by hand")), "added by hand is removed"),
    "removes without counting those who stay": (
        Rules(may_remove=instead(R, "too few to go on")),
        "the last voter is removed",
    ),
    "removes on a mere flicker": (Rules(may_remove=instead(R, "has been silent")), ""),
    "removes the leader as it is": (Rules(may_remove=instead(R, "to lead first")), "before it handed over"),
    "counts learners as voters": (Rules(may_remove=seeing(R, all_voters)), ""),
    "takes an answer for proof when removing": (Rules(may_remove=proven(R)), "without proof"),
    "never collects learners": (Rules(may_remove=never_collects_learners), STUCK),
    "adds beside a dead voter": (Rules(may_add=seeing(A, well)), "beside a dead voter"),
    "adds a second learner": (Rules(may_add=instead(A, "one at a time")), "a second learner"),
    "adds without end": (Rules(may_add=instead(A, "one has to leave first")), "more than one voter in excess"),
    "never adds when a learner could": (Rules(may_add=lambda *_: Verdict(Say.WAIT, "never")), STUCK),
    "promotes learners that do not answer": (
        Rules(may_promote=instead(P, "does not answer")),
        "a promotion ends quorum",
    ),
    "promotes what is about to leave": (Rules(may_promote=instead(P, "will be removed")), "about to leave"),
    "takes an answer for proof when promoting": (Rules(may_promote=proven(P)), "without proof"),
    "signals beside a leaving member": (Rules(settled=gathered), "signalled too early"),
    "signals beside a learner": (
        Rules(settled=seeing(S, lambda m: replace(m, learner=False, name="x", healthy=True))),
        "too early",
    ),
    "signals under an alarm": (Rules(settled=lambda c: S(replace(c, alarms=()))), "under an alarm"),
    "takes unreachable for terminated": (
        Rules(lost=unreachable_is_lost, start=words_as(index=0)),
        "someone holds the data",
    ),
    "forgets that half of four is no quorum": (Rules(lost=majority_only), STUCK),
}
STARTS = {
    "takes an object that could not be read for absent": (
        Rules(start=looking(object={Known.NOT_ASKED: Known.ABSENT})),
        "two make an epoch",
    ),
    "takes snapshots that could not be listed for none": (
        Rules(start=rushed(Start.FOUND, "could not find out whether there are snapshots")),
        "",
    ),
    "starts empty where data was": (Rules(start=rushed(Start.FOUND, "never start empty")), "founded over"),
    "restores while someone is unreachable": (Rules(start=words_as(index=0)), "while someone holds the data"),
    "takes unreachable for terminated": (Rules(start=words_as(machine=Machine.TERMINATED)), ""),
    "does not ask whether quorum can come back": (Rules(lost=lambda _: True), "quorum could come back"),
    "forgets that half of two is no quorum": (Rules(lost=majority_only), STUCK),
    "lets any survivor take over": (Rules(start=any_survivor), "another holds more"),
    "trusts its own member list": (Rules(start=own_list_only), ""),
    "joins without being enlisted": (Rules(start=no_enlisting), ""),
    "takes old data for new": (Rules(start=stale_is_fresh), "stale data"),
    "does not wait for a founder": (Rules(start=rushed(Start.FOUND, "is making epoch")), "two make an epoch"),
    "forgets what it began": (Rules(start=without_founder), STUCK),
    "wipes what finds no quorum": (Rules(start=eager_wipe), "wiped"),
}
# Three that serve are needed before these show.
FAR = ("lets any survivor take over", "trusts its own member list", "takes old data for new")


def under_order(decide: Start, when: str) -> Callable[[Boot], Decision]:
    """Return a start that decides so, under an order alone, where the real one gives a reason with `when` in it."""

    def broken(boot: Boot) -> Decision:
        decision = starting.start(boot)
        epoch = boot.epoch
        order = epoch is not None and epoch.ordered and epoch.established < epoch.number
        return Decision(decide, "broken on purpose") if order and when in decision.reason else decision

    return broken


def order_dies_with_its_founder(boot: Boot) -> Decision:
    """Forget the order when the founder it names is terminated."""
    epoch = boot.epoch
    if epoch and any(w.instance == epoch.founder and w.machine is Machine.TERMINATED for w in epoch.words):
        boot = replace(boot, epoch=replace(epoch, ordered=False))
    return starting.start(boot)


def eager_aside(boot: Boot) -> Decision:
    """Set data aside whenever its epoch is not the newest, ordered or not."""
    if boot.epoch and 0 < boot.data < boot.epoch.number:
        return Decision(Start.ASIDE, "broken on purpose")
    return starting.start(boot)


ORDERS = {
    "restores before all data is set aside": (
        Rules(start=under_order(Start.RESTORE, "has not set its data aside")),
        "beside older data",
    ),
    "restores without those who have not said": (
        Rules(start=under_order(Start.RESTORE, "has not said what data")),
        "beside older data",
    ),
    "restores beside a cluster that serves": (
        Rules(start=under_order(Start.RESTORE, "has not established")),
        "",
    ),
    "does not wait for the founder that was named": (
        Rules(start=under_order(Start.RESTORE, "is making epoch")),
        "two make an epoch",
    ),
    "never sets anything aside": (Rules(start=under_order(Start.WAIT, "a person ordered a restore as")), STUCK),
    "never restores": (Rules(start=under_order(Start.WAIT, "all older data is set aside")), STUCK),
    "lets an order die with its founder": (Rules(start=order_dies_with_its_founder), ""),
    "sets data aside that nobody ordered away": (Rules(start=eager_aside), "nobody ordered away"),
}
