"""Whole clusters of the agent's own loop in milliseconds: fake S3, EC2, group, etcd and disks on one virtual clock.

world = World(seed=1, size=3)
world.run(60, until=world.settled)
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from member_etcd import Clusters, Disk, Peer
from member_node import FakeClock, FakeFleet, FakeHands, Loop, Node, Outside, Pace, Place
from member_s3 import BEGIN, S3, Bucket
from member_sim import Sim

from kubecfn.etcd import quorum
from kubecfn.etcd.gateway import EtcdError
from kubecfn.etcd.places import Group
from kubecfn.etcd.store import Store, ordered
from kubecfn.etcd.view import Machine, Say

CLUSTER = "payments"
# To be killed between two reads is to be killed before the first.
READS = ("s3 get", "s3 list", "s3 head", "ec2", "look", "verify")


class _Serial:
    """A thread pool that needs no threads: virtual time is not theirs to pass."""

    def __init__(self, max_workers: int) -> None:
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    map = staticmethod(map)


def _serial_look():
    """Return kubecfn.etcd.look once more, asking one after the other."""
    import kubecfn.etcd.look as original  # noqa: PLC0415

    spec = importlib.util.spec_from_file_location("member_world_look", original.__file__)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.ThreadPoolExecutor = _Serial
    return module


LOOK = _serial_look()


class World:
    """A group of controllers with a client that writes all the time and a collector that removes who is gone.

    Args:
        seed: of everything that is left to chance.
        size: of the group.
        folder: for what agents download; has to exist.
        collect: whether somebody removes members whose instance is gone.
        backup_every: seconds between the leader's backups; 0 for none.
        latency: the longest a call takes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 0,
        size: int = 3,
        collect: bool = True,
        backup_every: float = 0.0,
        latency: float = 0.05,
        pace: Pace = Pace(),  # noqa: B008  frozen
    ) -> None:
        self.sim = Sim(seed)
        self.size = size
        self.folder = folder
        self.bucket = Bucket()
        self.etcd = Clusters(self)
        self.nodes: dict[str, Node] = {}
        self.made: list[tuple[str, int, str]] = []
        self.forced: set[tuple[int, str]] = set()
        self.wiped: list[tuple[str, int, Disk]] = []
        self.acked: list[str] = []
        self.saved: list[str] = []
        self.steps: list[tuple[float, str, str]] = []
        self.ec2_lag = 0.0
        self._said: list[tuple[float, str, Machine]] = []
        self._latency = latency
        self._pace = pace
        self._backup_every = backup_every
        self._backed_up = 0.0
        self.sim.start("client", self._write)
        if collect:
            self.sim.start("collector", self._collect)

    # What happens in calls.

    def step(self, what: str) -> None:
        """Something is about to be done, or was: time passes, and whoever does it may be killed."""
        program = self.sim.running
        if program is None:
            return
        self.steps.append((self.sim.now, program.name, what))
        self.sim.wait(self.sim.random.random() * self._latency)
        if not what.startswith(READS):
            self.sim.point()

    def at(self, address: str) -> Node | None:
        """Return who has an address."""
        return next((node for node in self.nodes.values() if node.address == address), None)

    def machines_at(self, time: float) -> dict[str, Machine]:
        """Return what EC2 said at a time."""
        return {name: machine for at, name, machine in self._said if at <= time}

    # What people and AWS do.

    def launch(self, count: int = 1, after: Callable[[], float] = lambda: 0.0) -> list[Node]:
        """Launch instances, each of which boots after so many seconds."""
        launched = []
        for _ in range(count):
            number = len(self.nodes) + 1
            node = Node(self, f"i-{number:08x}", f"10.0.0.{number}")
            node.s3 = S3(self, self.bucket)
            self.nodes[node.name] = node
            self._set(node, Machine.RUNNING)
            self.boot(node, after())
            launched.append(node)
        return launched

    def boot(self, node: Node, after: float = 0.0, kill_at: int | None = None) -> None:
        """Start a node's agent on the disk as it is."""
        look = LOOK
        silence = look.Silence(lambda: self.sim.now)
        clock = FakeClock(self.sim)
        store = Store(node.s3, "backups", CLUSTER, clock=clock.now)

        def look_at(group: Group):
            self.step("look")
            return look.look(group, lambda address: Peer(self, node, address), silence)

        folder = self.folder / node.name
        outside = Outside(
            FakeHands(self, node),
            store,
            FakeFleet(self, node),
            look_at,
            lambda at: Peer(self, node, at),
            lambda: Peer(self, node, node.address),
            clock,
        )
        place = Place(node.name, node.address, node.peer_url, folder)
        node.loop = Loop(
            place, outside, duty=lambda seen, stored: self._backup(node, store, seen, stored), pace=self._pace
        )
        node.powered = True

        def run() -> None:
            while True:
                wait = node.loop.round()
                node.done.append(node.loop.last)
                self.sim.wait(wait)

        node.program = self.sim.start(node.name, run, after)
        node.program.kill_at = kill_at

    def kill(self, node: Node) -> None:
        """Kill the agent alone; etcd goes on."""
        self.sim.kill(node.program)

    def power_off(self, node: Node) -> None:
        """Cut the power: EC2 goes on saying that it runs."""
        self.sim.kill(node.program)
        node.powered = False
        node.process = None

    def terminate(self, node: Node) -> None:
        """End an instance for good."""
        self.power_off(node)
        node.disk, node.marker = None, 0
        self._set(node, Machine.TERMINATED)

    def leave(self, node: Node) -> None:
        """Tell an instance to leave: it goes on running until it is terminated."""
        self._set(node, Machine.LEAVING)

    def _set(self, node: Node, machine: Machine) -> None:
        node.machine = machine
        self._said.append((self.sim.now, node.name, machine))

    def run(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Let time pass."""
        return self.sim.run(seconds, until)

    def close(self) -> None:
        """End everything."""
        self.sim.close()

    # What goes on all the time.

    def serving(self) -> list:
        """Return every branch of history that a quorum serves."""
        branches = {id(node.disk.branch): node.disk.branch for node in self.nodes.values() if node.disk}
        return [branch for branch in branches.values() if self.etcd.quorum(branch)]

    def settled(self) -> bool:
        """Say whether exactly the group's instances serve as voters, and all their agents know."""
        alive = [node for node in self.nodes.values() if node.machine is Machine.RUNNING]
        return len(alive) >= self.size and all(node.loop.last.serves and node.loop.last.settled for node in alive)

    def lost(self) -> list[str]:
        """Return the acknowledged writes that are nowhere to be read."""
        serving = self.serving()
        assert len(serving) == 1, f"{len(serving)} clusters serve"
        return [key for key in self.acked if key not in serving[0].keys]

    def _write(self) -> None:
        count = 0
        while True:
            self.sim.wait(0.5)
            serving = self.serving()
            assert len(serving) <= 1, f"{len(serving)} clusters serve at once"
            for branch in serving:
                count += 1
                branch.keys.append(f"w{count}")
                self.etcd.agree(branch)
                self.acked.append(f"w{count}")

    def _collect(self) -> None:
        silence = LOOK.Silence(lambda: self.sim.now)
        while True:
            self.sim.wait(3.0)
            group = FakeFleet(self, None).group()
            seen = LOOK.look(group, lambda address: Peer(self, None, address), silence)
            for member in seen.cluster.members:
                verdict = quorum.may_remove(seen.cluster, member.id)
                try:
                    if verdict.say is Say.MOVE:
                        Peer(self, None, seen.via).move_leader(verdict.target)
                    elif verdict.say is Say.YES:
                        Peer(self, None, seen.via).remove(member.id)
                        break
                except EtcdError:
                    break

    def _backup(self, node: Node, store: Store, seen, stored) -> None:
        mine = seen.cluster.member(seen.cluster.leader)
        due = self._backup_every and self.sim.now - self._backed_up >= self._backup_every
        if due and mine and mine.instance == node.name:
            self.backup(node, stored.epoch)

    def backup(self, node: Node, epoch: int) -> str:
        """Save what a node has, now."""
        self._backed_up = self.sim.now
        keys = list(node.disk.keys)
        revision = 100 + node.disk.index
        path = self.folder / f"{node.name}.db"
        path.write_text(json.dumps({"keys": keys, "revision": revision}))
        clock = FakeClock(self.sim)
        key = Store(node.s3, "backups", CLUSTER, clock=clock.now).put_snapshot(
            path, epoch=epoch, revision=revision, instance=node.name, etcd_version="3.6.16", cluster_id="1"
        )
        self.saved = keys
        return key

    def order(self, key: str, founder: Node) -> None:
        """A person orders this snapshot to be restored."""
        store = Store(S3(self, self.bucket), "backups", CLUSTER)
        snapshot = next(one for one in store.snapshots() if one.key == key)
        alive = [node.name for node in self.nodes.values() if node.machine is not Machine.TERMINATED]
        at = BEGIN + timedelta(seconds=self.sim.now)
        old = store.read()
        new = ordered(old, snapshot=snapshot, founder=founder.name, present=alive, by="jane", at=at)
        assert store.replace(old, new) if old else store.create(new)

    def stored(self) -> dict:
        """Return the cluster object."""
        return json.loads(self.bucket.objects["etcd/cluster.json"][0])

    def foundings(self) -> list[tuple[str, int, str]]:
        """Return every cluster that was made empty."""
        return [one for one in self.made if one[0] == "found"]
