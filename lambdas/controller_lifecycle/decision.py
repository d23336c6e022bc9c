"""What becomes of controllers that leave, and of what others left behind. Nothing here reads a clock or the network.

1. `quorum.may_remove` decides about every member; here is only what follows from its answer.
2. One change of membership at a time: after it, everything is looked at again.
3. A member absent from a list that a linearizable read proved is done: its hook is continued, a retained one terminated.
4. Where nothing was ever acknowledged nobody holds anything: continue.
5. Before a healthy voter leaves there is a fresh backup; after `BACKUP_WAIT` seconds it leaves without one, and that is said.
6. What is not safe within the budget is abandoned: the group then keeps the instance, and later runs collect it.
7. A retained instance whose etcd is dead is ended without quorum only if nothing else can bring quorum back, its data is
   not the only copy, and it had the budget twice: until EC2 calls it terminated nobody else may take over.
8. A member on no instance of ours is left alone, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubecfn.etcd import quorum
from kubecfn.etcd.view import Machine, Member, Say, Verdict

from .facts import Do, Facts, Leaver, Step

BACKUP_WAIT = 120.0
_CHANGES = (Do.MOVE, Do.REMOVE)
_GOING = (Machine.LEAVING, Machine.TERMINATED)


def decide(facts: Facts) -> tuple[Step, ...]:
    """Return what to do now, in order, with at most one change of membership."""
    steps: list[Step] = []
    changing = False
    for step in _steps(facts):
        if step.do in _CHANGES:
            if changing:
                continue
            changing = True
        steps.append(step)
    return tuple(steps)


def _steps(facts: Facts) -> Iterator[Step]:
    """Yield a step for everyone: the dead first, since others wait for their removal; then who is retained, then who waits."""
    leavers = sorted(facts.leavers, key=lambda one: (not one.retained, one.instance))
    for member in sorted(facts.cluster.members, key=lambda one: (not one.learner, one.healthy, one.id)):
        if not member.instance:
            yield Step(Do.LEAVE_ALONE, member.id, f"member {member.name or member.id} is on no instance of ours")
        elif member.instance not in [one.instance for one in leavers] and _left_behind(member):
            yield _removal(facts, member, quorum.may_remove(facts.cluster, member.id))
    for leaver in leavers:
        yield _retained(facts, leaver) if leaver.retained else _waiting(facts, leaver)


def _left_behind(member: Member) -> bool:
    """Say whether a member that waits in no hook is to be collected; one that serves until its hook begins is not yet."""
    return member.machine in _GOING and (member.learner or not member.healthy)


def _removal(facts: Facts, member: Member, verdict: Verdict) -> Step:
    if verdict.say is Say.YES:
        return Step(Do.REMOVE, member.instance, verdict.reason, member.id)
    if verdict.say is Say.MOVE:
        return Step(Do.MOVE, member.instance, verdict.reason, member.id, verdict.target)
    silent = not member.healthy and facts.cluster.linearizable and "CORRUPT" not in facts.cluster.alarms
    return Step(Do.WAIT, member.instance, verdict.reason, watch=silent)


def _waiting(facts: Facts, leaver: Leaver) -> Step:  # noqa: PLR0911  one rule, one sentence
    """Return what to do about an instance that waits in its hook."""
    if facts.nothing:
        return Step(Do.CONTINUE, leaver.instance, f"{facts.nothing}: {leaver.instance} holds nothing")
    if not facts.cluster.linearizable:
        return _patience(facts, leaver, "no linearizable read succeeded: there may be no quorum")
    member = _member(facts, leaver)
    if member is None:
        if not leaver.known:
            return _patience(facts, leaver, f"EC2 has not said which address {leaver.instance} has")
        return Step(Do.CONTINUE, leaver.instance, f"{leaver.instance} is not in the member list")
    step = _removal(facts, member, quorum.may_remove(facts.cluster, member.id))
    if step.do not in _CHANGES:
        return _patience(facts, leaver, step.reason)
    if facts.unsaved and member.healthy and not member.learner:
        return _saved_first(facts, leaver, step)
    return step


def _saved_first(facts: Facts, leaver: Leaver, step: Step) -> Step:
    if leaver.seconds < BACKUP_WAIT:
        return Step(Do.BACKUP, leaver.instance, f"{facts.unsaved}; it leaves after a backup", watch=True)
    reason = f"{step.reason}; without a fresh backup after {BACKUP_WAIT:.0f} s: {facts.unsaved}"
    return Step(step.do, step.instance, reason, step.member, step.target)


def _patience(facts: Facts, leaver: Leaver, reason: str) -> Step:
    if leaver.seconds < facts.budget:
        return Step(Do.WAIT, leaver.instance, reason, watch=True)
    return Step(Do.ABANDON, leaver.instance, f"not safe within {facts.budget:.0f} s: {reason}")


def _retained(facts: Facts, leaver: Leaver) -> Step:
    """Return what to do about an instance that outlived its hook."""
    if facts.nothing:
        return Step(Do.TERMINATE, leaver.instance, f"{facts.nothing}: {leaver.instance} holds nothing")
    if not facts.cluster.linearizable:
        return _retained_without_quorum(facts, leaver)
    member = _member(facts, leaver)
    if member:
        return _removal(facts, member, quorum.may_remove(facts.cluster, member.id))
    if not leaver.known:
        return Step(Do.WAIT, leaver.instance, f"EC2 has not said which address {leaver.instance} has")
    return Step(Do.TERMINATE, leaver.instance, f"{leaver.instance} is retained and not in the member list any more")


def _retained_without_quorum(facts: Facts, leaver: Leaver) -> Step:
    reason = ""
    voters = facts.cluster.voters or facts.enlisted
    dead = [one.instance for one in facts.leavers if one.retained and not one.speaks]
    hope = [one for one in voters if one.machine is not Machine.TERMINATED and one.instance not in dead]
    others_heard = [one for one in hope if one.instance != leaver.instance]
    if leaver.speaks:
        reason = f"there is no quorum, and {leaver.instance} still has a say"
    elif "CORRUPT" in facts.cluster.alarms:
        reason = "etcd raised CORRUPT: a person has to say which copy is right"
    elif not voters:
        reason = "nobody says who the voters are"
    elif leaver.seconds < 2 * facts.budget:
        reason = f"etcd on {leaver.instance} is dead; it is given {2 * facts.budget:.0f} s to come back"
    elif len(hope) >= quorum.quorum(len(voters)):
        reason = f"the {len(hope)} others of {len(voters)} voters may come back to quorum without {leaver.instance}"
    elif not others_heard and not facts.saved:
        reason = f"the data on {leaver.instance} may be the only copy, and there is no snapshot"
    if reason:
        return Step(Do.WAIT, leaver.instance, reason)
    why = f"its etcd is dead and without its end nobody may take over: {len(hope)} of {len(voters)} voters are left"
    return Step(Do.TERMINATE, leaver.instance, why)


def _member(facts: Facts, leaver: Leaver) -> Member | None:
    return next((one for one in facts.cluster.members if one.instance == leaver.instance), None)
