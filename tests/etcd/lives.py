"""A small world of starting controllers: the cluster object, what each disk holds, who can be heard, what EC2 says.

Four places for instances (or so many as given), one voter less wanted. Joining is one step here (learners are model.py's subject); what is
checked is who founds, joins, survives, restores, wipes, in every order of deaths, returns and half-done takings over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from kubecfn.etcd import starting
from kubecfn.etcd.view import Boot, Epoch, Heard, Known, Machine, Member, Start, Word
from tests.etcd.model import Rules, Step

WRITES = 2
FREE, UP, CUT, ENDED = "-", "R", "X", "T"  # never launched; runs; dead or cut off, may return; terminated


class Node(NamedTuple):
    """One instance: its disk's epoch (0: nothing), committed index and member list."""

    phase: str = FREE
    data: int = 0
    index: int = 0
    list: frozenset[int] = frozenset()
    enlisted: bool = False


class Object(NamedTuple):
    """The cluster object."""

    number: int
    founder: int
    way: Start
    established: int
    ordered: bool = False  # a person ordered this restore


class World(NamedTuple):
    """Everything. `epoch`, `voters` and `acked` are the truth about the newest cluster that was made."""

    nodes: tuple[Node, ...] = (Node(),) * 4
    object: Object | None = None
    snapshot: bool = False
    epoch: int = 0
    voters: frozenset[int] = frozenset()
    acked: int = 0
    split: bool = False  # nobody reaches a peer, as with bad certificates or no DNS; everybody reaches S3 and EC2


@cache
def canonical(world: World) -> World:
    """Return the world with places in a settled order and with ranks for epochs and indexes: they are only compared."""

    def key(place: int) -> tuple[object, ...]:
        node = world.nodes[place]
        founder = world.object is not None and world.object.founder == place
        named = sum(place in other.list for other in world.nodes)
        return (node[:3], node.enlisted, place in world.voters, founder, len(node.list), place in node.list, named)

    order = sorted(range(len(world.nodes)), key=key)
    where = {old: new for new, old in enumerate(order)}
    made = world.object
    epochs = {node.data for node in world.nodes} | {0, world.epoch}
    if made:
        epochs |= {made.number, made.established}
    epoch = {old: new for new, old in enumerate(sorted(epochs))}
    index = {old: new for new, old in enumerate(sorted({node.index for node in world.nodes} | {0, world.acked}))}
    return World(
        tuple(
            Node(n.phase, epoch[n.data], index[n.index], frozenset(where[p] for p in n.list), n.enlisted)
            for n in (world.nodes[old] for old in order)
        ),
        made and Object(epoch[made.number], where[made.founder], made.way, epoch[made.established], made.ordered),
        world.snapshot,
        epoch[world.epoch],
        frozenset(where[p] for p in world.voters),
        index[world.acked],
        world.split,
    )


def put(world: World, place: int, **about: object) -> World:
    """Return the world with one instance changed."""
    nodes = list(world.nodes)
    nodes[place] = nodes[place]._replace(**about)
    return world._replace(nodes=tuple(nodes))


def obeying(world: World) -> bool:
    """Return whether a person's order is to be carried out."""
    made = world.object
    return made is not None and made.ordered and made.established < made.number


def holders(world: World) -> frozenset[int]:
    """Return the voters of the newest cluster that may still come back with their data."""
    return frozenset(p for p in world.voters if world.nodes[p].phase in "RX" and world.nodes[p].data == world.epoch)


def serving(world: World) -> frozenset[int]:
    """Return the voters that serve; empty without quorum."""
    up = frozenset(p for p in holders(world) if world.nodes[p].phase == UP)
    reach = not world.split or len(world.voters) == 1
    return up if reach and world.voters and len(up) >= len(world.voters) // 2 + 1 else frozenset()


def synced(world: World, whom: frozenset[int]) -> World:
    """Return the world in which these voters have all that is committed."""
    for place in whom:
        world = put(world, place, index=world.acked, list=world.voters)
    return world


def word(rules: Rules, world: World, place: int) -> Word:
    """Return what EC2 and an instance say of it."""
    node = world.nodes[place]
    machine = Machine.TERMINATED if node.phase == ENDED else Machine.RUNNING
    if node.phase != UP:
        return Word(f"i-{place}", machine)
    members = [
        Member(
            str(p), instance=f"i-{p}", machine=Machine.TERMINATED if world.nodes[p].phase == ENDED else Machine.RUNNING
        )
        for p in node.list
    ]
    return Word(
        f"i-{place}", machine, node.index if node.data else 0, node.data, bool(node.data) and rules.lost(members)
    )


def boot(rules: Rules, world: World, me: int) -> Boot:
    """Return what a controller sees that sees everything."""
    node, made = world.nodes[me], world.object
    others = any(n.phase == UP and n.data for p, n in enumerate(world.nodes) if p != me)
    heard = Heard.LINEARIZABLE if serving(world) else Heard.NO_QUORUM if others else Heard.NOBODY
    epoch = None
    if made:
        words = tuple(word(rules, world, p) for p, n in enumerate(world.nodes) if n.enlisted)
        epoch = Epoch(made.number, f"i-{made.founder}", made.way, made.established, words, made.ordered)
    return Boot(
        f"i-{me}",
        heard,
        Known.PRESENT if made else Known.ABSENT,
        epoch,
        Known.PRESENT if world.snapshot else Known.ABSENT,
        node.data,
        tried=bool(node.data),
        removed=bool(node.data and serving(world) and me not in world.voters),
    )


def blurred(seen: Boot) -> Iterator[Boot]:
    """Yield the same look with one question unanswered, or answered late."""
    yield replace(seen, object=Known.NOT_ASKED, epoch=None)
    yield replace(seen, heard=Heard.NOT_ASKED)
    yield replace(seen, snapshot=Known.NOT_ASKED)
    if seen.epoch:
        for machine in (Machine.UNKNOWN, Machine.RUNNING):  # not asked; a stale answer
            words = tuple(
                w if w.instance == seen.me or w.index is not None else Word(w.instance, machine)
                for w in seen.epoch.words
            )
            yield replace(seen, epoch=replace(seen.epoch, words=words))


def taking(world: World, me: int, way: Start) -> str:  # noqa: PLR0911  one sentence for each thing that must not happen
    """Return what is wrong with founding, restoring or surviving here; empty when nothing is."""
    node, hold = world.nodes[me], holders(world)
    made = world.object
    if made and made.established < made.number and made.founder != me and world.nodes[made.founder].phase in "RX":
        return "two make an epoch at once"
    if way is Start.FOUND and (world.acked or (made and made.established)):
        return "an empty cluster is founded over an established one"
    if made and obeying(world):
        if way is not Start.RESTORE:
            return "something else is made than what was ordered"
        beside = any(one.phase in "RX" and 0 < one.data < made.number for one in world.nodes)
        return "an ordered restore begins beside older data" if beside else ""
    if way is Start.RESTORE and hold:
        return "a snapshot is restored while someone holds the data"
    if way is Start.SURVIVE:
        # an epoch that acknowledged nothing takes nothing away from the data before it
        if not made or node.data < made.established:
            return "a survivor takes over with stale data"
        if len(hold) >= len(world.voters) // 2 + 1 and len(world.voters) > 1:
            return "a survivor takes over while quorum could come back"
        if any(world.nodes[p].index > node.index for p in hold):
            return "a survivor takes over while another holds more"
    return ""


def take(world: World, me: int, way: Start, epoch: Epoch | None) -> World:
    """Return the world after the claim; or, when the claim is there, after the new cluster was made."""
    made = world.object
    if made is None or made.founder != me or made.established == made.number:
        named = starting.enlisted(epoch, f"i-{me}") if epoch else (f"i-{me}",)
        for place in range(len(world.nodes)):
            world = put(world, place, enlisted=f"i-{place}" in named)
        number, before = (made.number + 1, made.established) if made else (1, 0)
        return world._replace(object=Object(number, me, way, before, made is not None and obeying(world)))
    index = world.nodes[me].index if way is Start.SURVIVE else 1
    alone = frozenset([me])
    world = put(world, me, data=made.number, index=index, list=alone)
    return world._replace(epoch=made.number, voters=alone, acked=index if made.established else 0)


def act(rules: Rules, world: World, me: int, seen: Boot) -> Iterator[Step]:
    """Yield what this controller does after this look, and judge it."""
    start = rules.start(seen).start
    node, made = world.nodes[me], world.object
    name = f"{me} decides to {start.value}"
    if start is Start.ASIDE:
        flaw = (
            "" if made and obeying(world) and node.data < made.number else "data is set aside that nobody ordered away"
        )
        yield Step(name, put(world, me, data=0, index=0, list=frozenset()), flaw, heals=True)
    elif start is Start.WIPE:
        flaw = "data of a voter is wiped" if me in world.voters and node.data == world.epoch else ""
        yield Step(name, put(world, me, data=0, index=0, list=frozenset()), flaw, heals=True)
    elif start is Start.ENLIST and made:
        named = starting.enlisted(seen.epoch, seen.me)
        for place in range(len(world.nodes)):
            world = put(world, place, enlisted=f"i-{place}" in named)
        yield Step(name, world, heals=True)
    elif start is Start.JOIN and len(serving(world)) == len(world.voters) < len(world.nodes):
        flaw = "" if node.data == 0 else "a node joins on old data"
        after = put(world, me, data=world.epoch)._replace(voters=world.voters | {me})
        yield Step(name, synced(after, after.voters), flaw, heals=True)
    elif start in (Start.FOUND, Start.RESTORE, Start.SURVIVE):
        yield Step(name, take(world, me, start, seen.epoch), taking(world, me, start), heals=True)


def agents(rules: Rules, world: World, *, unsure: bool = True) -> Iterator[Step]:
    """Yield what each running controller outside the serving cluster does, when unsure with one thing not answered."""
    now = serving(world)
    for me, node in enumerate(world.nodes):
        if node.phase != UP or (me in now and not obeying(world)):
            continue
        seen = boot(rules, world, me)
        yield from act(rules, world, me, seen)
        for look in blurred(seen) if unsure else ():
            for step in act(rules, world, me, look):
                yield Step(f"{step.name} (not all asked)", step.to, step.flaw)


def cluster(world: World) -> Iterator[Step]:
    """Yield what a serving cluster does: establish, acknowledge writes, save a snapshot, drop the terminated."""
    now, made = serving(world), world.object
    if not now or made is None:
        return
    if made.established < made.number == world.epoch:
        after = world._replace(object=made._replace(established=made.number, ordered=False), acked=max(world.acked, 1))
        yield Step("established", synced(after, now), heals=True)
        return
    if not world.snapshot:
        yield Step("snapshot", world._replace(snapshot=True))
    yield Step("all catch up", synced(world, now), heals=True)
    if world.acked < WRITES:
        wrote = world._replace(acked=world.acked + 1)
        yield Step("a write is acknowledged", synced(wrote, now))
        if len(now) > len(world.voters) // 2 + 1:
            yield from (Step(f"a write passes {p} by", synced(wrote, now - {p})) for p in now)
    gone = [p for p in world.voters if world.nodes[p].phase == ENDED]
    if gone:
        after = world._replace(voters=world.voters - {gone[0]})
        yield Step(f"{gone[0]} is collected", synced(after, now), heals=True)


def environment(world: World, *, parting: bool = True) -> Iterator[Step]:
    """Yield deaths, returns, ends and launches."""
    for place, node in enumerate(world.nodes):
        if node.phase == UP:
            yield Step(f"{place} is cut off", put(world, place, phase=CUT))
        if node.phase == CUT:
            yield Step(f"{place} returns", put(world, place, phase=UP))
        if node.phase in (UP, CUT):
            ended = Node(ENDED, 0, 0, frozenset(), node.enlisted)
            nodes = (*world.nodes[:place], ended, *world.nodes[place + 1 :])
            yield Step(f"{place} is terminated", world._replace(nodes=nodes), heals=node.phase == CUT)
    if world.voters and parting:
        yield Step(
            "peers meet" if world.split else "peers part", world._replace(split=not world.split), heals=world.split
        )
    alive = [node for node in world.nodes if node.phase in (UP, CUT)]
    for place, node in enumerate(world.nodes):
        referred = (place in world.voters and holders(world)) or any(place in other.list for other in alive)
        made = world.object  # a terminated instance's entry in it says nothing, unless it began what is not done
        founder = made is not None and made.founder == place and made.established < made.number
        if node.phase == FREE or (node.phase == ENDED and not referred and not founder):
            if len(alive) < len(world.nodes):
                yield Step(
                    "EC2 launches an instance",
                    put(world._replace(voters=world.voters - {place}), place, **Node(UP)._asdict()),
                    heals=True,
                )
            break


def orders(world: World) -> Iterator[Step]:
    """Yield a person's order to restore, with any running instance as its founder."""
    made = world.object
    if made is None or not world.snapshot or obeying(world):
        return
    for place, node in enumerate(world.nodes):
        if node.phase == UP:
            for other, one in enumerate(world.nodes):
                if one.phase in (UP, CUT):
                    world = put(world, other, enlisted=True)
            order = Object(made.number + 1, place, Start.RESTORE, made.established, ordered=True)
            yield Step(f"a person orders {place} to restore", world._replace(object=order))


def old_cluster(world: World) -> str:
    """Return a flaw when disks of an older cluster are a quorum among themselves."""
    for node in world.nodes:
        if node.phase != UP or not node.data or node.data == world.epoch:
            continue
        same = [p for p in node.list if world.nodes[p].phase == UP and world.nodes[p].data == node.data]
        if len(same) >= len(node.list) // 2 + 1:
            return "an older cluster serves beside the newest"
    return ""


def steps(rules: Rules, world: World, *, ordering: bool = False, rough: bool = True) -> Iterator[Step]:
    """Yield everything that can happen next, with worlds in canonical form.

    Args:
        rules: under test.
        world: now.
        ordering: a person may order a restore.
        rough: peers may lose each other while everybody reaches S3 and EC2, and any one question may stay unanswered.
    """
    yield from map(_settled, agents(rules, world, unsure=rough))
    yield from map(_settled, cluster(world))
    yield from map(_settled, environment(world, parting=rough))
    if ordering:
        yield from map(_settled, orders(world))


def _settled(step: Step) -> Step:
    return Step(step.name, canonical(step.to), step.flaw or old_cluster(step.to), step.heals)


def grown() -> World:
    """Return a world in which three serve and a fourth place is free: where most of what can go wrong is near."""
    voters = frozenset(range(3))
    nodes = (*(Node(UP, 1, 1, voters, enlisted=True) for _ in voters), Node())
    return canonical(World(nodes, Object(1, 0, Start.FOUND, 1), snapshot=False, epoch=1, voters=voters, acked=1))


def ordered() -> World:
    """Return a world in which two serve, and a person has ordered the first to restore what was saved."""
    voters = frozenset(range(2))
    nodes = (*(Node(UP, 1, 1, voters, enlisted=True) for _ in voters), Node())
    order = Object(2, 0, Start.RESTORE, 1, ordered=True)
    return canonical(World(nodes, order, snapshot=True, epoch=1, voters=voters, acked=1))


def healed(world: World) -> bool:
    """Say whether an established cluster of three serves; or nobody holds data and there is no snapshot: a loud stop."""
    made = world.object
    if made and made.established and not holders(world) and not world.snapshot:
        return True
    return (
        bool(made)
        and made.established == made.number
        and len(serving(world)) == len(world.voters) >= len(world.nodes) - 1
    )
