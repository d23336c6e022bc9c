"""The rules about etcd's members. Nothing here reads a clock, a disk or the network.

1. Only a linearizable read proves quorum; without that proof nothing is changed.
2. A member that is on no instance of ours was added by hand and is never touched.
3. Under a CORRUPT alarm nothing is changed: a person has to say which copy is right.
4. A voter leaves when its instance is leaving or terminated, as EC2 says: unreachable is neither.
5. It leaves only if the voters that stay healthy are a quorum of those that stay; so the last one never leaves.
6. One that serves leaves only if `size` healthy voters stay: its replacement is promoted first.
7. One that is silent is removed after SILENCE seconds: earlier, the leader was measured to freeze for up to 9.4 s.
8. A leader hands leadership on before it is removed.
9. A learner is removed when its instance is leaving or terminated: a stuck one blocks every join.
10. A learner is added when there is no other, every voter is healthy (etcd mostly refuses beside a dead voter: remove
    that one first) and not more than `size` voters are there to stay: so never more than one in excess. Its instance is
    there to stay, too: one that was removed because it leaves must not come back until it has left.
11. A learner is promoted when it is healthy and its instance is there to stay; the healthy are then a quorum still.
12. The cluster is settled when its voters are exactly the group's instances, not fewer than `size`, all healthy, with a
    leader, no learner and no alarm. A member on a leaving instance is not of the group any more.

Sources: etcd's mayAddMember and mayRemoveMember; Cluster API's targetEtcdClusterHealthy; measurements.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubecfn.etcd.view import Cluster, Machine, Member, Say, Verdict

SILENCE = 20.0
_GOING = (Machine.LEAVING, Machine.TERMINATED)


def quorum(voters: int) -> int:
    """Return how many of so many voters must agree."""
    return voters // 2 + 1


def lost_for_good(members: Iterable[Member]) -> bool:
    """Say whether quorum can never come back: too few voters are left that EC2 does not call terminated.

    Of an even number, half is enough: two of four are no quorum.
    """
    voters = [one for one in members if not one.learner]
    left = [one for one in voters if one.machine is not Machine.TERMINATED]
    return bool(voters) and len(left) < quorum(len(voters))


def may_remove(cluster: Cluster, wanted: str) -> Verdict:  # noqa: PLR0911  one rule, one sentence
    """Say whether the member with this id may be removed now."""
    member = cluster.member(wanted)
    if member is None:
        return Verdict(Say.DONE, f"member {wanted} is not in the list")
    if not member.instance:
        return Verdict(Say.NO, f"member {wanted} is on no instance of ours: added by hand")
    if member.machine is Machine.UNKNOWN:
        return Verdict(Say.WAIT, f"EC2 has not said what became of {member.instance}")
    if member.machine is Machine.RUNNING:
        return Verdict(Say.NO, f"{member.instance} is neither leaving nor terminated")
    frozen = _frozen(cluster)
    if frozen:
        return frozen
    if member.learner:
        return Verdict(Say.YES, f"{member.instance} is {member.machine.value}")
    return _may_voter_leave(cluster, member)


def _may_voter_leave(cluster: Cluster, member: Member) -> Verdict:
    others = [one for one in cluster.voters if one.id != member.id]
    healthy = [one for one in others if one.healthy]
    if len(healthy) < quorum(len(others)):
        return Verdict(Say.WAIT, f"only {len(healthy)} of the {len(others)} other voters are healthy, too few to go on")
    if member.healthy and member.machine is Machine.TERMINATED:
        return Verdict(Say.WAIT, f"{member.instance} serves although EC2 calls it terminated")
    if member.healthy and len(healthy) < cluster.size:
        return Verdict(
            Say.WAIT, f"{len(healthy)} of {cluster.size} healthy voters would stay; a replacement comes first"
        )
    if not member.healthy and member.silent < SILENCE:
        return Verdict(Say.WAIT, f"{member.instance} has been silent for {member.silent:.0f} s of {SILENCE:.0f}")
    if member.id == cluster.leader:
        best = min(healthy, key=lambda one: (one.machine is not Machine.RUNNING, one.instance, one.id))
        return Verdict(Say.MOVE, f"{member.instance} leads; {best.instance or best.id} is to lead first", best.id)
    return Verdict(Say.YES, f"{member.instance} is {member.machine.value} and {len(healthy)} healthy voters stay")


def may_add(cluster: Cluster, instance: str) -> Verdict:  # noqa: PLR0911  one rule, one sentence
    """Say whether this instance may be added as a learner now."""
    if instance not in cluster.expected:
        return Verdict(Say.WAIT, f"{instance} is told to leave, or the group does not know it yet")
    mine = next((one for one in cluster.members if one.instance == instance), None)
    if mine and (mine.learner or not mine.name):
        return Verdict(Say.DONE, f"{instance} is in the list already and has only to start")
    if mine:
        return Verdict(Say.NO, f"{instance} is a voter that lost its data: terminate the instance, it will be replaced")
    frozen = _frozen(cluster)
    if frozen:
        return frozen
    learner = next((one for one in cluster.members if one.learner), None)
    if learner:
        return Verdict(Say.WAIT, f"learner {learner.instance or learner.id} is joining; one at a time")
    dead = next((one for one in cluster.voters if not one.healthy), None)
    if dead:
        return Verdict(Say.WAIT, f"voter {dead.instance or dead.id} is not healthy; it is removed or comes back first")
    stay = [one for one in cluster.voters if one.instance and one.machine not in _GOING]
    if len(stay) > cluster.size:
        return Verdict(Say.WAIT, f"{len(stay)} voters for a size of {cluster.size}: one has to leave first")
    return Verdict(Say.YES, f"all {len(cluster.voters)} voters are healthy and nobody else is joining")


def may_promote(cluster: Cluster, wanted: str) -> Verdict:  # noqa: PLR0911  one rule, one sentence
    """Say whether the learner with this id may become a voter now."""
    member = cluster.member(wanted)
    if member is None:
        return Verdict(Say.NO, f"member {wanted} is not in the list: it was collected, and has to join again")
    if not member.learner:
        return Verdict(Say.DONE, f"member {wanted} is a voter")
    if not member.instance:
        return Verdict(Say.NO, f"member {wanted} is on no instance of ours: added by hand")
    if member.machine in _GOING:
        return Verdict(Say.NO, f"{member.instance} is {member.machine.value}: its learner will be removed")
    if member.machine is Machine.UNKNOWN:
        return Verdict(Say.WAIT, f"EC2 has not said what {member.instance} is")
    frozen = _frozen(cluster)
    if frozen:
        return frozen
    if not member.name or not member.healthy:
        return Verdict(Say.WAIT, f"the learner {member.instance} has not started or does not answer")
    healthy = 1 + len([one for one in cluster.voters if one.healthy])
    after = 1 + len(cluster.voters)
    if healthy < quorum(after):
        return Verdict(Say.WAIT, f"only {healthy} of then {after} voters would be healthy")
    return Verdict(Say.YES, f"{member.instance} answers and {healthy} of then {after} voters are healthy")


def settled(cluster: Cluster) -> Verdict:
    """Say whether the cluster is as it should be: the gate of the success signal."""
    for reason in (
        *("no linearizable read succeeded" for _ in [0] if not cluster.linearizable),
        *(f"alarm {alarm}" for alarm in cluster.alarms),
        *(_flaw(one) for one in sorted(cluster.members, key=lambda one: one.id)),
    ):
        if reason:
            return Verdict(Say.WAIT, reason)
    members = sorted(one.instance for one in cluster.voters)
    if members != sorted(cluster.expected):
        return Verdict(Say.WAIT, f"the voters are {members}, the group's instances {sorted(cluster.expected)}")
    if len(members) < cluster.size:
        return Verdict(Say.WAIT, f"{len(members)} of {cluster.size} voters")
    if cluster.leader not in [one.id for one in cluster.voters]:
        return Verdict(Say.WAIT, "no leader is known")
    return Verdict(Say.YES, f"{len(members)} voters, all healthy")


def _flaw(member: Member) -> str:
    """Return why a cluster with this member is not settled; empty when it may be."""
    who = member.instance or f"member {member.id}"
    if not member.instance:
        return f"{who} is on no instance of ours"
    if member.learner or not member.name:
        return f"{who} is joining"
    if member.machine is not Machine.RUNNING:
        return f"the instance of voter {who} is {member.machine.value}"
    return "" if member.healthy else f"voter {who} is not healthy"


def _frozen(cluster: Cluster) -> Verdict | None:
    """Return why nothing may be changed at all."""
    if not cluster.linearizable:
        return Verdict(Say.WAIT, "no linearizable read succeeded: there may be no quorum")
    if "CORRUPT" in cluster.alarms:
        return Verdict(Say.WAIT, "etcd raised CORRUPT: a person has to say which copy is right")
    return None
