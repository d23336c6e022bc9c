"""Controllers that boot minutes apart while S3 and EC2 fail, are slow, or answer and lose the answer: the agent's own loop."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from botocore.exceptions import ClientError
from member_node import FakeClock
from member_s3 import S3, refused
from member_world import CLUSTER, Node, World

from kubecfn.etcd.store import Store
from kubecfn.etcd.view import Start

# Simulated seconds: boots are spread over the first, faults happen in the second, all is over in the third.
BOOTS, FAULTY, PATIENCE = 400.0, 700.0, 4000.0
_SIZES = (3, 3, 3, 1, 5)
_KINDS = ("slow down", "denied", "slow", "answer lost", "throttled", "EC2 slow")
# So many seeds, of each ten, find a bucket with a snapshot whose cluster object somebody has deleted.
_DELETED = (9,)


@dataclass(frozen=True)
class Founding:
    """What one seed came to.

    `seconds`: simulated, until the last was a voter. `struck`: how often each fault happened. `deleted`: there had been a
    cluster whose object is gone: nobody may found, and all have to say so.
    """

    seed: int
    size: int
    seconds: float
    struck: dict[str, int]
    restarts: int
    flaw: str
    deleted: bool = False


def found(seed: int, make: Callable[..., World] = World) -> Founding:
    """Let one group found its cluster; its faults, boots and kills follow from the seed."""
    chance = random.Random(f"founding {seed}")
    folder = Path(tempfile.mkdtemp(prefix=f"founding-{seed}-"))
    world = make(folder, seed=seed, size=chance.choice(_SIZES))
    try:
        with redirect_stdout(StringIO()):  # what agents say would be millions of lines
            return _founded(seed, world, chance)
    finally:
        world.close()
        shutil.rmtree(folder, ignore_errors=True)


def _founded(seed: int, world: World, chance: random.Random) -> Founding:
    size = world.size
    struck = dict.fromkeys(_KINDS, 0)
    restarts: list[str] = []
    deleted = seed % 10 in _DELETED
    try:
        if deleted:
            _saved_once(world)
        world.ec2_lag = chance.choice([0.0, 0.0, 5.0, 60.0])
        nodes = world.launch(size, after=lambda: chance.choice([0.0, chance.uniform(0, 20), chance.uniform(0, BOOTS)]))
        rate = chance.choice([0.02, 0.1, 0.3])
        for node in nodes:
            (world.folder / node.name).mkdir(exist_ok=True)
            node.s3.fault = _s3(world, chance, rate, struck)
            node.ec2 = _ec2(world, chance, rate, struck)
        world.sim.start("kills", lambda: _kill_some(world, chance, nodes, restarts))
        world.sim.start("watch", lambda: _watch(world))
        if deleted:
            flaw = _judge_stopped(world, in_time=world.run(PATIENCE, until=lambda: world.made or _all_stopped(world)))
        else:
            flaw = _judge(world, in_time=world.run(PATIENCE, until=world.settled))
        return Founding(seed, size, world.sim.now, struck, len(restarts), flaw, deleted)
    except Exception as error:  # noqa: BLE001  whatever ended an agent is its seed's flaw
        return Founding(seed, size, world.sim.now, struck, len(restarts), str(error) or repr(error), deleted)


def _saved_once(world: World) -> None:
    """Leave a snapshot in the bucket, and no cluster object."""
    path = world.folder / "old.db"
    path.write_text('{"keys": [], "revision": 7}')
    Store(S3(world, world.bucket), "backups", CLUSTER, clock=FakeClock(world.sim).now).put_snapshot(
        path, epoch=1, revision=7, instance="i-0", etcd_version="3.6.16", cluster_id="1"
    )


def _all_stopped(world: World) -> bool:
    return all(node.loop.last.decision == "stop" for node in world.nodes.values())


def _judge_stopped(world: World, *, in_time: bool) -> str:
    if world.made:
        return f"founded where there had been a cluster: {world.made}"
    last = {node.name: node.loop.last.reason for node in world.nodes.values()}
    return "" if in_time else f"not stopped after {PATIENCE:.0f} simulated seconds: {last}"


def _judge(world: World, *, in_time: bool) -> str:
    """Return what is wrong with how it ended."""
    if not in_time:
        last = {node.name: node.loop.last.reason for node in world.nodes.values()}
        return f"not settled after {PATIENCE:.0f} simulated seconds: {last}"
    foundings = [made for made in world.made if made[0] != "join"]
    if len(foundings) != 1 or foundings[0][0] != Start.FOUND.value:
        return f"founded other than exactly once: {foundings}"
    (branch,) = world.serving()
    voters = sorted(one.name for one in branch.members.values() if not one.learner)
    if voters != sorted(world.nodes):
        return f"the voters are {voters}, the instances {sorted(world.nodes)}"
    if world.wiped:
        return f"data was wiped: {[(name, epoch) for name, epoch, _ in world.wiped]}"
    if unnamed := sorted(set(voters) - set(world.stored()["instances"])):
        return f"{unnamed} vote and are not in the cluster object"
    return f"{len(world.lost())} acknowledged writes are lost" if world.lost() else ""


def _s3(
    world: World, chance: random.Random, rate: float, struck: dict[str, int]
) -> Callable[[str, str], Exception | float | str | None]:
    def fault(operation: str, _key: str) -> Exception | float | str | None:
        if world.sim.now > FAULTY or chance.random() > rate:
            return None
        kind = chance.choice(
            ("slow down", "denied", "slow", *(("answer lost",) * 3 if operation == "put_object" else ()))
        )
        struck[kind] += 1
        if kind == "slow":
            return chance.uniform(1.0, 30.0)
        if kind == "answer lost":
            return "lost"
        return refused("SlowDown" if kind == "slow down" else "AccessDenied", operation)

    return fault


def _ec2(world: World, chance: random.Random, rate: float, struck: dict[str, int]) -> Callable[[], Exception | None]:
    def fault() -> ClientError | None:
        if world.sim.now > FAULTY or chance.random() > rate:
            return None
        if chance.random() < 0.5:
            struck["EC2 slow"] += 1
            world.sim.wait(chance.uniform(1.0, 30.0))
            return None
        struck["throttled"] += 1
        return refused("RequestLimitExceeded", "DescribeInstances")

    return fault


def _kill_some(world: World, chance: random.Random, nodes: list[Node], restarts: list[str]) -> None:
    """Kill some agents somewhere in the middle, or cut a node's power; they start again on what is on their disk."""
    for _ in range(chance.choice([0, 0, 1, 3])):
        world.sim.wait(chance.choice([chance.uniform(0, 10), chance.uniform(1, BOOTS / 2)]))
        node = chance.choice(nodes)
        if node.done:
            restarts.append(node.name)
            if chance.random() < 0.5:
                world.kill(node)
            else:
                world.power_off(node)
            world.sim.wait(1.0)
            world.boot(node, 5.0)


def _watch(world: World) -> None:
    """See that nobody takes for settled what is not: whoever says so tells the stack to go on."""
    while True:
        world.sim.wait(0.5)
        for branch in world.serving():
            voters = sum(not one.learner for one in branch.members.values())
            early = [node.name for node in world.nodes.values() if node.loop and node.loop.last.settled]
            assert not early or voters >= world.size, f"{early} take {voters} of {world.size} voters for settled"
