"""Rolls, deaths, hooks and events in random order: the function's decision and the agents' rules against a fake fleet.

Events are lost, late and doubled; the schedule comes again; looks miss answers and EC2's word is old; whoever acts does so
some time after it looked and may be killed in between; answers of etcd are lost. Faults of the world never take quorum by
themselves, so whatever takes it was ours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kubecfn.etcd import quorum
from kubecfn.etcd.view import Cluster, Machine, Member, Say, Verdict
from lambdas.controller_lifecycle.decision import BACKUP_WAIT, decide
from lambdas.controller_lifecycle.facts import Do, Facts, Leaver, Step
from tests.soak.fleet import HEARTBEAT, Fleet, Instance, Program, Refused

# Simulated seconds: things go wrong in the first, and have settled at the end of the second.
STORMY, PATIENCE = 5_400.0, 4 * 3600.0
BUDGET = 1_200.0
LATE = 60.0  # is what comes after more
SCHEDULE = 300.0
FRESH = 600.0  # a backup, for so long


@dataclass(frozen=True)
class Rules:
    """What agents and function decide by; a broken version replaces one."""

    decide: Callable[[Facts], Iterable[Step]] = decide
    may_add: Callable[[Cluster, str], Verdict] = quorum.may_add
    may_promote: Callable[[Cluster, str], Verdict] = quorum.may_promote
    settled: Callable[[Cluster], Verdict] = quorum.settled


@dataclass(frozen=True)
class Interleaving:
    """What one seed came to."""

    seed: int
    flaw: str
    trace: tuple[str, ...]
    counts: dict[str, int]


@dataclass
class Play:
    """One fleet and those who act on it."""

    fleet: Fleet
    rules: Rules
    blur: float
    blind: float
    lag: float
    lossy: float
    busy: bool = False
    backup_at: float = 0.0

    @property
    def chance(self) -> random.Random:
        """Where all of it is drawn from."""
        return self.fleet.chance

    def look(self, silence: dict[str, float]) -> Cluster:
        """Look, while things go wrong through bad glasses, and now and then with closed eyes."""
        stormy = self.fleet.now < STORMY
        blur = 1.0 if self.happens(self.blind) else self.blur if stormy else 0.0
        return self.fleet.view(silence, blur=blur, lag=self.lag)

    def happens(self, likely: float) -> bool:
        """Say whether something unlikely happens now; only while things go wrong."""
        return self.fleet.now < STORMY and self.chance.random() < likely


def play(seed: int, rules: Rules | None = None) -> Interleaving:
    """Let one seed happen."""
    chance = random.Random(f"interleaving {seed}")
    size = chance.choice([3, 3, 3, 5, 1])
    fleet = Fleet(chance, size, wanted=size)
    world = Play(
        fleet,
        rules or Rules(),
        blur=chance.choice([0.0, 0.02, 0.15]),
        blind=chance.choice([0.0, 0.02, 0.2]),
        lag=chance.choice([0.0, 30.0, 240.0]),
        lossy=chance.choice([0.0, 0.2, 0.6]),
    )
    for _ in range(size):
        one = fleet.launch()
        one.entry, one.named, one.up, one.told, one.signalled = "voter", True, True, True, True
        fleet.start(agent(world, one), chance.uniform(0, 60))
    fleet.elect()
    fleet.start(schedule(world), chance.uniform(0, SCHEDULE))
    fleet.start(group(world))
    fleet.start(heartbeats(world))
    fleet.start(misfortune(world))
    if chance.random() < 0.7:
        fleet.start(roll(world), chance.uniform(0, STORMY / 3))
    until = STORMY
    fleet.run(until)
    while not fleet.flaw and not fleet.well and until < PATIENCE:
        until += 300
        fleet.run(until)
    if not fleet.flaw and not fleet.well:
        states = [
            f"{one.name} {one.state} {one.entry} {'up' if one.up else 'down'}" for one in fleet.instances.values()
        ]
        fleet.wrong(f"not settled after {PATIENCE:.0f} s: {[one for one in states if 'terminated none' not in one]}")
    return Interleaving(seed, fleet.flaw, tuple(fleet.trace), fleet.counts)


# the controllers' agents


def agent(world: Play, one: Instance) -> Program:
    """Join, start, be promoted, signal: one look and at most one act at a time."""
    fleet, silence = world.fleet, dict[str, float]()
    while one.state != "terminated":
        looked, seen = fleet.now, world.look(silence)
        settled = world.rules.settled(seen).say is Say.YES
        if settled and not fleet.could_be_settled:
            fleet.wrong(f"{one.name} takes the cluster for settled, which it is not")
        yield world.chance.uniform(0, 2)
        if one.state == "terminated":
            return
        yield from _joins(world, one, seen, looked)
        if settled and one.entry == "voter" and one.up and not one.told:
            one.told = True
            _signals(world, one)
        yield 60.0 if one.told or one.state != "running" else world.chance.uniform(4, 8)


def _signals(world: Play, one: Instance) -> None:
    """Send the success signal: it arrives, late or twice, or never."""
    if world.happens(0.1):
        world.fleet.note(f"the signal of {one.name} is lost", "signals lost")
        return
    for _ in range(2 if world.happens(0.1) else 1):
        late = world.chance.choice([0.0, 1.0, world.chance.uniform(0, 300)])
        world.fleet.count("signals late", late > LATE)
        world.fleet.start(_arrives(world, one), late)


def _arrives(world: Play, one: Instance) -> Program:
    if one.signalled:
        world.fleet.note(f"the signal of {one.name} comes again", "signals doubled")
    else:
        one.signalled = True
        world.fleet.note(f"{one.name} signalled success", "signalled")
    yield from ()


def _joins(world: Play, one: Instance, seen: Cluster, looked: float) -> Program:
    fleet = world.fleet
    try:
        if one.entry == "none":
            if world.rules.may_add(seen, one.name).say is Say.YES:
                fleet.add(one.name, looked)
        elif one.entry == "learner" and not one.up:
            yield world.chance.uniform(0.5, 4)
            if one.entry == "learner" and one.state != "terminated" and not world.happens(0.1):
                one.named = True
                fleet.serves(one.name)
        elif one.entry == "learner" and world.rules.may_promote(seen, one.name).say is Say.YES:
            fleet.promote(one.name, looked)
    except Refused:
        return


# the function


def schedule(world: Play) -> Program:
    """The schedule: it drifts, and now and then a run is missing."""
    while True:
        if not world.happens(0.2):
            world.fleet.start(function(world))
        yield SCHEDULE * world.chance.uniform(0.9, 1.2)


def event(world: Play) -> None:
    """A hook's event: at least once, unordered; or never."""
    if world.happens(world.lossy):
        world.fleet.note("an event is lost", "lost")
        return
    times = 2 if world.happens(0.3) else 1
    world.fleet.count("doubled", times - 1)
    for _ in range(times):
        late = world.chance.choice([0.0, 2.0, world.chance.uniform(0, 600)])
        world.fleet.count("late", late > LATE)
        world.fleet.start(function(world), late)


def function(world: Play) -> Program:
    """One invocation under its lease: look, decide, act, look again; killed anywhere with some chance."""
    if world.busy:
        return
    world.busy = True
    fleet, silence = world.fleet, dict[str, float]()
    ends = fleet.now + 240
    killed = world.chance.uniform(0, 20) if world.happens(0.15) else 1e9
    begun = fleet.now
    while fleet.now < ends:
        looked, seen = fleet.now, world.look(silence)
        steps = tuple(world.rules.decide(facts(world, seen)))
        for step in steps:
            yield world.chance.uniform(0, 1.5)
            if fleet.now - begun > killed:
                fleet.note("the function is killed", "killed")
                yield 30.0  # its lease runs out
                world.busy = False
                return
            act(world, step, looked, seen)
        if not any(step.watch or step.do in (Do.MOVE, Do.REMOVE) for step in steps):
            break
        yield world.chance.uniform(2, 5)
    world.busy = False


def facts(world: Play, seen: Cluster) -> Facts:
    """Return what the function knows besides the members."""
    fleet = world.fleet
    leavers = tuple(
        Leaver(one.name, fleet.now - one.hook_since, retained=one.state == "retained", speaks=one.up)
        for one in fleet.instances.values()
        if one.state in ("waiting", "retained")
    )
    unsaved = "" if fleet.now - world.backup_at < FRESH else "the newest backup is old"
    enlisted = tuple(
        Member(one.name, one.name, instance=one.name, machine=one.machine)
        for one in fleet.instances.values()
        if one.entry != "none"
    )
    return Facts(seen, leavers, enlisted=enlisted, saved=True, unsaved=unsaved, budget=BUDGET)


def act(world: Play, step: Step, looked: float, seen: Cluster) -> None:
    """Do one step, decided by a look at that time, which saw this; what etcd does not answer may have been done or not."""
    fleet = world.fleet
    _judge(world, step, looked, seen)
    try:
        if step.do is Do.MOVE and fleet.instances[step.target].up and fleet.has_quorum:
            fleet.leader = step.target
        elif step.do is Do.REMOVE and not world.happens(0.05):
            fleet.remove(step.member, looked, next(one for one in seen.members if one.id == step.member))
    except Refused:
        return
    if step.do in (Do.CONTINUE, Do.ABANDON):
        fleet.complete(step.instance, step.do.value)
    elif step.do is Do.TERMINATE:
        fleet.end(step.instance, by="the function")
    elif step.do is Do.BACKUP:
        world.backup_at = fleet.now if not world.happens(0.5) else world.backup_at
    elif step.do is Do.WAIT and step.instance in fleet.instances:
        fleet.instances[step.instance].beat = fleet.now


def _judge(world: Play, step: Step, looked: float, seen: Cluster) -> None:
    """Note what the function may not do, by what it saw."""
    one = world.fleet.instances.get(step.instance)
    if one is None:
        return
    member = next((other for other in seen.members if other.instance == one.name), None)
    if step.do is Do.REMOVE and seen.leader == one.name:
        world.fleet.wrong(f"{one.name} is removed while it leads")
    if one.state != "waiting":
        return
    waited = looked - one.hook_since
    if step.do is Do.ABANDON and waited < BUDGET:
        world.fleet.wrong(f"the hook of {one.name} is abandoned after {waited:.0f} s")
    if step.do is Do.ABANDON and seen.linearizable and member is None:
        world.fleet.wrong(f"the hook of {one.name} is abandoned although it is no member")
    serves = member is not None and member.healthy and not member.learner
    if step.do is Do.REMOVE and serves and waited < BACKUP_WAIT and looked - world.backup_at >= FRESH:
        world.fleet.wrong(f"{one.name} is removed after {waited:.0f} s, without a fresh backup")


# EC2 and the group


def group(world: Play) -> Program:
    """Keep the wanted number of instances; whoever is too many is told to leave, the oldest first."""
    fleet = world.fleet
    while True:
        running = [one for one in fleet.instances.values() if one.state == "running"]
        if len(running) < fleet.wanted:
            one = fleet.launch()
            boots = world.chance.choice([30.0, 60.0, 1_500.0 if fleet.now < STORMY else 60.0])
            fleet.start(agent(world, one), boots)
        elif len(running) > fleet.wanted:
            leave(world, running[0].name)
        yield 10.0


def leave(world: Play, name: str) -> None:
    """Tell one to leave, and say so in an event."""
    world.fleet.tell_to_leave(name)
    event(world)


def heartbeats(world: Play) -> Program:
    """End hooks that nobody answered in time: with ABANDON, which retains."""
    while True:
        for one in list(world.fleet.instances.values()):
            if one.state == "waiting" and world.fleet.now - one.beat > HEARTBEAT:
                world.fleet.complete(one.name, "ABANDON")
        yield 60.0


def roll(world: Play) -> Program:
    """Add one, wait for its signal, tell an old one to leave, do not wait for its hook: CloudFormation's rolling update."""
    fleet = world.fleet
    old = [one.name for one in fleet.instances.values()]
    fleet.note("a roll begins", "rolls")
    for name in old:
        fleet.wanted = fleet.size + 1
        begun = fleet.now
        while not _new_signalled(fleet, old, fleet.size + 1):
            yield 10.0
            if fleet.now - begun > 1_800.0:
                fleet.wanted = fleet.size
                return
        fleet.wanted = fleet.size
        leave(world, name)
        yield world.chance.choice([0.0, 5.0, 60.0])


def _new_signalled(fleet: Fleet, old: list[str], count: int) -> bool:
    running = [one for one in fleet.instances.values() if one.state == "running"]
    return len(running) >= count and all(one.signalled for one in running if one.name not in old)


def misfortune(world: Play) -> Program:
    """Kill etcds, hang them, end instances, tell healthy ones to leave; never so that quorum is lost by that alone."""
    fleet, chance = world.fleet, world.chance
    while fleet.now < STORMY:
        yield chance.expovariate(1 / 400)
        alive = [one for one in fleet.instances.values() if one.state != "terminated" and one.up]
        if not alive or fleet.now > STORMY:
            continue
        one = chance.choice(alive)
        voters = [other for other in fleet.voters if other is not one]
        if one.entry == "voter" and sum(other.up for other in voters) < quorum.quorum(len(fleet.voters)):
            continue
        what = chance.choice(["ends", "dies", "hangs", "leaves"])
        fleet.note(f"{one.name} {what}", what)
        if what == "ends":
            fleet.end(one.name, by="EC2")
        elif what == "leaves":
            leave(world, one.name)
        else:
            fleet.dies(one.name)
            fleet.start(comes_back(world, one), chance.choice([1.0, 30.0, 400.0]) if what == "hangs" else 90.0)


def comes_back(world: Play, one: Instance) -> Program:
    """Let an etcd go on, unless it was removed or its instance is gone meanwhile."""
    if one.state != "terminated" and one.entry != "none" and one.machine is not Machine.TERMINATED:
        world.fleet.serves(one.name)
    yield from ()
