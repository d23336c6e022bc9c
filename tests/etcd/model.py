"""A small world of one cluster's members: what the environment may do, what our rules let us do, and what must hold.

A state is a sorted string, one letter for each member or waiting instance: sorting is the symmetry reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations_with_replacement

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

RUNNING, LEAVING, TERMINATED, UNKNOWN = Machine.RUNNING, Machine.LEAVING, Machine.TERMINATED, Machine.UNKNOWN
# For each letter: the machine, then whether it is a learner, healthy, named and ours.
KINDS = {
    "V": (RUNNING, False, True, True, True),  # a voter that serves
    "D": (RUNNING, False, False, True, True),  # dead or cut off; its instance runs, so it may come back
    "L": (LEAVING, False, True, True, True),  # serves on a terminating instance
    "K": (LEAVING, False, False, True, True),  # dead on a terminating instance
    "T": (TERMINATED, False, False, True, True),
    "n": (RUNNING, True, False, False, True),  # a learner that has not started
    "l": (RUNNING, True, True, True, True),
    "d": (RUNNING, True, False, True, True),
    "k": (LEAVING, True, True, True, True),
    "t": (TERMINATED, True, False, True, True),
    "H": (UNKNOWN, False, True, True, False),  # voters and a learner that someone added by hand
    "h": (UNKNOWN, False, False, False, False),
    "b": (UNKNOWN, True, False, False, False),
}
VOTERS, SERVING, ALIVE, COMING, HAND = "VDLKTHh", "VLH", "VDLKHh", "VDnldN", "Hhb"

# What the world may do to one letter; "" is gone.
DIES = {"V": "D", "L": "K", "l": "d", "H": "h"}
RETURNS = {"D": "V", "K": "L", "d": "l", "h": "H"}
LEAVES = {"V": "L", "D": "K", "n": "k", "l": "k", "d": "k", "N": ""}
ENDS = {"V": "T", "D": "T", "L": "T", "K": "T", "n": "t", "l": "t", "d": "t", "k": "t", "N": ""}
STARTS = {"n": "l"}
REPLACED = {
    "D": "T",
    "K": "T",
    "d": "t",
}  # the group, or whoever collects retained instances, ends what does not answer
WORLD = (("dies", DIES), ("comes back", RETURNS), ("leaves", LEAVES), ("is terminated", ENDS), ("starts", STARTS))


@dataclass(frozen=True)
class Rules:
    """The rules under test; a broken version replaces one."""

    may_add: Callable[[Cluster, str], Verdict] = quorum.may_add
    may_remove: Callable[[Cluster, str], Verdict] = quorum.may_remove
    may_promote: Callable[[Cluster, str], Verdict] = quorum.may_promote
    settled: Callable[[Cluster], Verdict] = quorum.settled
    start: Callable[[Boot], Decision] = starting.start
    lost: Callable[[Iterable[Member]], bool] = quorum.lost_for_good


@dataclass(frozen=True)
class Step:
    """One edge: what happened, where it leads, what is wrong with it, and whether healing may count on it."""

    name: str
    to: str
    flaw: str = ""
    heals: bool = False


def swap(state: str, old: str, new: str) -> str:
    """Return the state with one letter replaced."""
    return "".join(sorted(state.replace(old, "", 1) + new))


@cache
def counts(state: str, letters: str) -> int:
    """Return how many of these letters there are."""
    return len(state) - len(state.translate(str.maketrans("", "", letters)))


@cache
def has_quorum(state: str) -> bool:
    """Return whether the voters that serve are a quorum: raft's own definition."""
    voters = counts(state, VOTERS)
    return voters > 0 and counts(state, SERVING) >= voters // 2 + 1


def is_settled(state: str, size: int) -> bool:
    """Return whether nothing but healthy voters on running instances is there, and enough of them."""
    return set(state) == {"V"} and len(state) >= size


@cache
def member(letter: str, place: int) -> Member:
    """Return the member a letter stands for."""
    machine, learner, healthy, named, ours = KINDS[letter]
    return Member(
        id=f"{place}",
        name=f"n{place}" if named else "",
        instance=f"i-{place}" if ours else "",
        learner=learner,
        healthy=healthy,
        machine=machine,
        silent=0.0 if healthy else 60.0,
    )


def view(state: str, size: int, leader: str = "") -> Cluster:
    """Return what a caller sees that sees everything."""
    return Cluster(
        members=tuple(member(letter, place) for place, letter in enumerate(state) if letter != "N"),
        size=size,
        expected=tuple(f"i-{place}" for place, letter in enumerate(state) if letter in COMING),
        linearizable=has_quorum(state),
        leader=leader or str(next((place for place, letter in enumerate(state) if letter in SERVING), "")),
    )


def removed(rules: Rules, state: str, size: int, letter: str, seen: Cluster) -> Iterator[Step]:  # noqa: C901  a list of judgements
    """Yield the removal of one member of a kind, if the rules allow it, and judge it."""
    wanted = str(state.index(letter))
    flaws = []
    if letter in SERVING:
        seen = replace(seen, leader=wanted)
    verdict = rules.may_remove(seen, wanted)
    if verdict.say is Say.YES and seen.leader == wanted:
        flaws.append("a leader is removed before it handed over")
    if verdict.say is Say.MOVE:
        if verdict.target == wanted or state[int(verdict.target)] not in SERVING:
            flaws.append("leadership is moved to nobody who could lead")
        verdict = rules.may_remove(replace(seen, leader=verdict.target), wanted)
    if verdict.say is not Say.YES:
        return
    after = swap(state, letter, "N" if letter in COMING else "")
    voters = counts(after, VOTERS)
    if letter in HAND:
        flaws.append("a member added by hand is removed")
    elif letter in COMING:
        flaws.append("a member is removed whose instance is to stay")
    if not has_quorum(state):
        flaws.append("a member is removed without quorum")
    elif not has_quorum(after):
        flaws.append("a removal ends quorum")
    if letter in SERVING and counts(after, SERVING) < size:
        flaws.append("a removal goes below the floor")
    # etcd's mayRemoveMember; a learner always may go
    if letter in SERVING and counts(state, SERVING) - 1 < 1 + (counts(state, VOTERS) - 1) // 2:
        flaws.append("etcd refuses this removal")
    if letter in VOTERS and not voters:
        flaws.append("the last voter is removed")
    yield Step(f"remove {letter}", after, "; ".join(flaws), heals=True)


def added(rules: Rules, state: str, size: int, seen: Cluster) -> Iterator[Step]:
    """Yield the waiting instance's entry as a learner, if the rules allow it, and judge it."""
    if "N" not in state or rules.may_add(seen, f"i-{state.index('N')}").say is not Say.YES:
        return
    flaws = []
    if not has_quorum(state):
        flaws.append("a learner is added without quorum")
    if any(KINDS[letter][1] for letter in state if letter != "N"):
        flaws.append("etcd refuses a second learner")
    if counts(state, VOTERS) > counts(state, SERVING):
        flaws.append("etcd refuses to add beside a dead voter")
    if counts(state, "VD") > size:
        flaws.append("there is more than one voter in excess")
    yield Step("add a learner", swap(state, "N", "n"), "; ".join(flaws), heals=True)


def promoted(rules: Rules, state: str, letter: str, seen: Cluster) -> Iterator[Step]:
    """Yield a learner's promotion, if the rules allow it, and judge it."""
    if rules.may_promote(seen, str(state.index(letter))).say is not Say.YES:
        return
    after = swap(state, letter, {"l": "V", "n": "D", "d": "D", "k": "L", "t": "T", "b": "h"}.get(letter, letter))
    flaws = []
    if letter == "b":
        flaws.append("a learner added by hand is promoted")
    if not has_quorum(state):
        flaws.append("a learner is promoted without quorum")
    elif not has_quorum(after):
        flaws.append("a promotion ends quorum")
    if not KINDS[letter][2]:
        flaws.append("a learner is promoted that does not serve")
    if letter == "k":
        flaws.append("a learner is promoted that is about to leave")
    yield Step(f"promote {letter}", after, "; ".join(flaws), heals=True)


def changes(rules: Rules, state: str, size: int, seen: Cluster) -> Iterator[Step]:
    """Yield every change of membership that the rules allow to a caller who sees this."""
    yield from added(rules, state, size, seen)
    for letter in dict.fromkeys(state.replace("N", "")):
        yield from removed(rules, state, size, letter, seen)
        if letter in "nldktb":
            yield from promoted(rules, state, letter, seen)


def word(rules: Rules, letter: str, place: int, seen: Cluster) -> Word:
    """Return what an instance says of itself: a dead process says nothing, a learner's copy counts for nothing."""
    machine = RUNNING if letter == "N" else KINDS[letter][0]
    said = letter in "VLnlkN"
    holds = letter in "VL"
    return Word(f"i-{place}", machine, int(holds) if said else None, int(holds), holds and rules.lost(seen.members))


def taken_over(rules: Rules, state: str) -> Iterator[Step]:
    """Yield what controllers decide among themselves when nobody serves, and judge it."""
    seen = view(state, 0)
    words = tuple(word(rules, letter, place, seen) for place, letter in enumerate(state) if letter not in HAND)
    epoch = Epoch(1, "i-gone", Start.FOUND, 1, words)
    heard = Heard.NO_QUORUM if counts(state, SERVING) else Heard.NOBODY
    left = counts(state, ALIVE)
    done = []
    for place, letter in enumerate(state):
        if letter not in "VLnlkN":
            continue
        data = int(letter in "VL")
        decision = rules.start(Boot(f"i-{place}", heard, Known.PRESENT, epoch, Known.PRESENT, data, tried=True))
        flaws = []
        if decision.start is Start.FOUND:
            flaws.append("an empty cluster is founded over an established one")
        elif decision.start is Start.SURVIVE and left >= counts(state, VOTERS) // 2 + 1:
            flaws.append("a survivor takes over while quorum could come back")
        elif decision.start is Start.RESTORE and counts(state, "VDLKH"):
            flaws.append("a snapshot is restored while someone holds the data")
        elif decision.start not in (Start.SURVIVE, Start.RESTORE):
            continue
        mine = "V" if letter not in "Lk" else "L"
        others = state[:place] + state[place + 1 :]
        after = "".join(sorted(mine + "N" * counts(others, "VnlN") + "".join(c for c in others if c in "Dd")))
        done.append(decision.start)
        yield Step(
            f"{letter} decides to {decision.start.value}",
            after.replace("D", "N").replace("d", "N"),
            "; ".join(flaws),
            heals=True,
        )
    if done.count(Start.SURVIVE) > 1:
        yield Step("two survive", state, "two survivors take over at once")


def blurred(state: str, seen: Cluster) -> Iterator[Cluster]:
    """Yield the same look with one thing not answered or not answered yet."""
    yield replace(seen, linearizable=False)
    yield replace(seen, alarms=("CORRUPT",))
    for letter in dict.fromkeys(state.replace("N", "")):
        for worse in ({"machine": UNKNOWN}, {"healthy": False, "silent": 0.0}):
            wanted = str(state.index(letter))
            yield replace(seen, members=tuple(replace(m, **worse) if m.id == wanted else m for m in seen.members))


def steps_unsure(rules: Rules, state: str, size: int) -> Iterator[Step]:
    """Yield what the rules allow to a caller who sees less than everything, judged by what is so."""
    for seen in blurred(state, view(state, size)):
        blind = not seen.linearizable or bool(seen.alarms)
        for step in changes(rules, state, size, seen):
            yield replace(
                step, flaw=step.flaw or ("a change without proof of quorum, or under CORRUPT" if blind else "")
            )
        if blind and rules.settled(seen).say is Say.YES:
            yield Step("signal success", state, "success is signalled unseen or under an alarm")


def steps(rules: Rules, state: str, size: int) -> Iterator[Step]:
    """Yield everything that can happen next; EC2 launches while no more than four are there in excess."""
    seen = view(state, size)
    if rules.settled(seen).say is Say.YES and not is_settled(state, size):
        yield Step("signal success", state, "success is signalled too early")
    if is_settled(state, size) and rules.settled(seen).say is not Say.YES:
        yield Step("no signal", state, "a settled cluster never signals success")
    yield from changes(rules, state, size, seen)
    if not has_quorum(state):
        yield from taken_over(rules, state)
    for what, table in WORLD:
        for letter in dict.fromkeys(state):
            if letter in table:
                yield Step(f"{letter} {what}", swap(state, letter, table[letter]), heals=table is STARTS)
    for letter in dict.fromkeys(state):
        if letter in REPLACED:
            yield Step(f"EC2 gives up on {letter}", swap(state, letter, REPLACED[letter]), heals=True)
    running = counts(state, COMING)
    if running <= size and (len(state) < size + 4 or set(state) <= set("Tt")):
        yield Step("EC2 launches an instance", swap(state, "", "N"), heals=running < size)
    if running > size + 1 and "N" in state:
        yield Step("the group ends one in excess", swap(state, "N", ""), heals=True)


def every_state(most: int) -> Iterator[str]:
    """Yield every multiset of up to `most` voters, beside every learner there can be, beside one that waits or none."""
    for voters in range(1, most + 1):
        for kinds in combinations_with_replacement("DKLTV", voters):
            for learner in ("", *"nldkt"):
                for waiting in range(2):
                    yield "".join(sorted((*kinds, learner, "N" * waiting)))


@dataclass(frozen=True)
class Found:
    """What an exploration saw: the states, the first flaw with the way there, and the states that cannot heal."""

    states: int
    steps: int
    flaw: str
    trace: tuple[str, ...]
    stuck: tuple[str, ...]


def explore(
    first: Iterable[str],
    next_steps: Callable[[str], Iterable[Step]],
    good: Callable[[str], bool],
) -> Found:
    """Walk breadth first from `first` until nothing is new or something is wrong; then look for what cannot heal."""
    parents: dict[str, tuple[str, str]] = dict.fromkeys(first, ("", ""))
    queue, healing, total = list(parents), {}, 0
    for state in queue:
        for step in next_steps(state):
            total += 1
            if step.flaw:
                return Found(len(parents), total, step.flaw, (*trace(parents, state), f"{step.name} -> {step.to}"), ())
            if step.heals:
                healing.setdefault(step.to, set()).add(state)
            if step.to not in parents:
                parents[step.to] = (state, step.name)
                queue.append(step.to)
    well = [state for state in queue if good(state)]
    seen = set(well)
    for state in well:
        well.extend(healing.get(state, set()) - seen)
        seen |= healing.get(state, set())
    stuck = tuple(state for state in queue if state not in seen)
    return Found(len(parents), total, "", trace(parents, stuck[0]) if stuck else (), stuck)


def trace(parents: dict[str, tuple[str, str]], state: str) -> tuple[str, ...]:
    """Return the shortest way from a first state, step by step."""
    way = []
    while state in parents and parents[state][1]:
        before, name = parents[state]
        way.append(f"{name} -> {state}")
        state = before
    return (state, *reversed(way))
