"""One played controller: what EC2 says of it, its disk, its etcd, and the hands of the agent on it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from member_etcd import Disk, Process
from member_s3 import BEGIN, S3
from member_sim import Program, Sim

from kubecfn.artifacts import data_root
from kubecfn.etcd.places import Group
from kubecfn.etcd.places import Place as Where
from kubecfn.etcd.view import Machine

for part in ("common", "controller"):
    sys.path.insert(0, str(data_root("userdata") / part / "usr/local/lib/kubecfn"))

from agent.steps import StepFailed  # noqa: E402  it is found by the lines above
from member.loop import Done, Loop, Pace, Place  # noqa: E402
from member.loop import World as Outside  # noqa: E402

__all__ = ["FakeClock", "FakeFleet", "FakeHands", "Loop", "Node", "Outside", "Pace", "Place"]

World = Any


@dataclass
class Node:
    """One instance: what EC2 says of it, its disk, its etcd, its agent."""

    world: World = field(repr=False)
    name: str
    address: str
    machine: Machine = Machine.RUNNING
    powered: bool = True
    cut: bool = False
    lagging: bool = False
    broken: bool = False
    marker: int = 0
    disk: Disk | None = None
    aside: list[Disk] = field(default_factory=list)
    process: Process | None = None
    ended: str = ""
    loop: Loop | None = None
    program: Program | None = None
    s3: S3 | None = None
    done: list[Done] = field(default_factory=list)
    ec2: Callable[[], Exception | None] = lambda: None

    @property
    def peer_url(self) -> str:
        """Where peers reach it."""
        return f"https://{self.address}:2380"

    @property
    def client_url(self) -> str:
        """Where clients reach it."""
        return f"https://{self.address}:2379"

    def check_removed(self) -> None:
        """End etcd when its cluster has removed it."""
        disk = self.disk
        if self.process and disk and disk.member not in disk.branch.members and not self.cut:
            self.process = None
            self.ended = "removed: the member has been permanently removed from the cluster"


class FakeHands:
    """A node's disk and etcd, with a moment to be killed between any two things done."""

    def __init__(self, world: World, node: Node) -> None:
        self._world = world
        self._node = node

    def data_epoch(self) -> int:
        """Return what the marker says of the data."""
        return self._node.marker if self._node.disk else 0

    def running(self) -> bool:
        """Say whether etcd runs."""
        self._node.check_removed()
        return self._node.process is not None

    def ended(self) -> str:
        """Say why it does not."""
        self._node.check_removed()
        return self._node.ended

    def resume(self) -> None:
        """Start etcd on what is here."""
        self._world.step("resume")
        node = self._node
        assert node.disk, "resumed without data"
        if node.broken:
            node.ended = "failed: etcd ended with status 1: the disk is full"
        elif not node.process:
            node.ended = ""
            node.process = Process(self._world.sim.now)
            node.check_removed()

    def found(self, epoch: int, token: str) -> None:
        """Start an empty cluster."""
        self._make("found", epoch, lambda: self._world.etcd.new(self._node.name, self._node.peer_url, []))

    def join(self, epoch: int, initial_cluster: str) -> None:
        """Start as the member that was added; with a list that is not the cluster's, exit as etcd does."""
        node, world = self._node, self._world
        named = dict(one.split("=") for one in initial_cluster.split(","))
        assert named[node.name] == node.peer_url, initial_cluster

        def data() -> Disk:
            for other in world.nodes.values():
                if other.disk and other is not node and world.etcd.quorum(other.disk.branch):
                    branch = other.disk.branch
                    urls = {url for one in branch.members.values() for url in one.peer_urls}
                    mine = next((one for one in branch.members.values() if node.peer_url in one.peer_urls), None)
                    if mine and urls == set(named.values()):
                        return Disk(branch, mine.id, branch.index, list(branch.keys), dict(branch.members))
            raise StepFailed("join", "etcd ended: error validating peerURLs")

        self._make("join", epoch, data)

    def restore(self, epoch: int, token: str, snapshot: Path) -> None:
        """Start on what was saved."""
        keys = json.loads(snapshot.read_text())["keys"]
        self._make("restore", epoch, lambda: self._world.etcd.new(self._node.name, self._node.peer_url, keys))

    def _make(self, way: str, epoch: int, data: Callable[[], Disk]) -> None:
        node, world = self._node, self._world
        world.step(f"{way} begins")
        if node.disk:
            assert node.marker == epoch, f"{way} over data of epoch {node.marker}"
            self.resume()
            return
        made = data()
        node.marker = epoch
        world.step(f"{way} marked")
        node.disk = made
        if way != "join":
            world.made.append((way, epoch, node.name))
        world.step(f"{way} has data")
        self.resume()

    def survive(self, epoch: int) -> None:
        """Start on what is here, alone."""
        node, world = self._node, self._world
        world.step("survive begins")
        assert node.disk
        self.stop()
        if (epoch, node.name) not in world.forced:
            node.marker = epoch
            world.step("survive marked")
            world.forced.add((epoch, node.name))
            node.disk = world.etcd.forced(node.disk, node.name)
            world.made.append(("survive", epoch, node.name))
        world.step("survive forced")
        self.resume()

    def stop(self) -> None:
        """Stop etcd."""
        self._world.step("stop")
        self._node.process = None
        self._node.ended = ""

    def wipe(self) -> None:
        """Remove the data, the marker last."""
        self.stop()
        node = self._node
        if node.disk:
            self._world.wiped.append((node.name, node.marker, node.disk))
        node.disk = None
        self._world.step("wiped")
        node.marker = 0

    def ask_to_vote(self) -> None:
        """Write it beside the data."""
        self._world.step("ask-to-vote")
        self._node.disk.voting = True

    def may_vote(self) -> bool:
        """Read it there."""
        return self._node.disk.way != "join" or self._node.disk.voting

    def aside(self) -> None:
        """Keep the data where etcd does not look."""
        self.stop()
        if self._node.disk:
            self._node.aside.append(self._node.disk)
        self._node.disk = None

    def discard(self) -> None:
        """Remove what was set aside."""
        self._node.aside.clear()

    def verify(self, snapshot: Path) -> tuple[int, int]:
        """Read a snapshot."""
        self._world.step("verify")
        try:
            return json.loads(snapshot.read_text())["revision"], 0
        except ValueError:
            raise StepFailed("verify-snapshot", f"{snapshot.name} is damaged") from None


class FakeFleet:
    """EC2 and the group as one node sees them; `lag` seconds old."""

    def __init__(self, world: World, node: Node | None) -> None:
        self._world = world
        self._node = node

    def _asked(self, what: str) -> dict[str, Machine]:
        self._world.step(f"ec2 {what}")
        error = self._node.ec2() if self._node else None
        if error:
            raise error
        return self._world.machines_at(self._world.sim.now - self._world.ec2_lag)

    def group(self) -> Group:
        """Return the group."""
        said = self._asked("group")
        places = tuple(
            Where(node.name, node.address, said[node.name], said[node.name] is Machine.RUNNING)
            for node in self._world.nodes.values()
            if node.name in said
        )
        return Group("controllers", self._world.size, places)

    def machines(self, instances, now: datetime, group=None) -> dict[str, Machine]:
        """Say what became of these."""
        said = self._asked("machines")
        return {one: said.get(one, Machine.UNKNOWN) for one in instances}


class FakeClock:
    """The world's time as a node sees it."""

    def __init__(self, sim: Sim) -> None:
        self._sim = sim

    def now(self) -> datetime:
        """Return the time of day."""
        return BEGIN + timedelta(seconds=self._sim.now)

    def monotonic(self) -> float:
        """Return seconds."""
        return self._sim.now

    def wait(self, seconds: float) -> bool:
        """Let time pass."""
        self._sim.wait(seconds)
        return False
