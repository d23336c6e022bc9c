"""etcd as far as membership goes: quorum, learners, what it refuses and when; one branch of history for each cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from kubecfn.etcd.client import Listed, Status
from kubecfn.etcd.gateway import FAILED_PRECONDITION, NOT_FOUND, UNAVAILABLE, EtcdError

HEALTHY_AFTER = 5.0  # etcd's strict-reconfig-check: connected to all peers for so long
START = 0.3


@dataclass
class Branch:
    """One cluster's truth: what its quorum agreed on. Forcing a new cluster branches off another."""

    id: str
    members: dict[str, Listed]
    index: int = 1
    keys: list[str] = field(default_factory=list)
    leader: str = ""
    alarms: tuple[str, ...] = ()


@dataclass
class Disk:
    """A member's data: whose it is, and how much of the branch it has."""

    branch: Branch
    member: str
    index: int
    keys: list[str]
    members: dict[str, Listed]
    way: str = "join"
    voting: bool = False


@dataclass
class Process:
    """A running etcd."""

    since: float


def unavailable(why: str) -> EtcdError:
    return EtcdError(UNAVAILABLE, why, definite=False)


class Clusters:
    """All etcd members of a world; `nodes` gives disks, processes and who reaches whom."""

    def __init__(self, world) -> None:
        self._world = world
        self._ids = 0

    def new_id(self) -> str:
        """Return an id that nobody has yet."""
        self._ids += 1
        return f"{0x1000 + self._ids:x}"

    def new(self, name: str, url: str, keys: list[str], index: int = 1) -> Disk:
        """Make a cluster of one."""
        member = Listed(self.new_id(), name, (url,), (url.replace("2380", "2379"),), False)
        branch = Branch(self.new_id(), {member.id: member}, index, list(keys))
        return Disk(branch, member.id, branch.index, list(keys), dict(branch.members), "made")

    def forced(self, disk: Disk, name: str) -> Disk:
        """Drop every other member, and what was not committed."""
        mine = replace(disk.members[disk.member], name=name, learner=False)
        branch = Branch(disk.branch.id, {mine.id: mine}, disk.index, list(disk.keys))
        return Disk(branch, mine.id, branch.index, list(disk.keys), dict(branch.members), "made")

    def up(self, branch: Branch) -> dict[str, object]:
        """Return the nodes that run members of a branch, by member."""
        found = {}
        for node in self._world.nodes.values():
            disk, process = node.disk, node.process
            ready = node.powered and process and self._world.sim.now >= process.since + START
            if disk and ready and disk.branch is branch and disk.member in branch.members and not node.cut:
                found[disk.member] = node
        return found

    def quorum(self, branch: Branch) -> dict[str, object]:
        """Return those that are up when they are a quorum, else none. Whoever is up then has what is agreed on."""
        up = self.up(branch)
        voters = [one for one in branch.members.values() if not one.learner]
        if len([one for one in voters if one.id in up]) < len(voters) // 2 + 1:
            branch.leader = ""
            return {}
        if branch.leader not in up or branch.members[branch.leader].learner:
            branch.leader = min(one.id for one in voters if one.id in up)
        for member, node in up.items():
            named = branch.members[member]
            if not named.name:
                branch.members[member] = replace(named, name=node.name, client_urls=(node.client_url,))
        for node in up.values():
            if not node.lagging:
                node.disk.index, node.disk.keys = branch.index, list(branch.keys)
                node.disk.members = dict(branch.members)
        return up

    def agree(self, branch: Branch) -> None:
        """Commit one more entry."""
        if not self.quorum(branch):
            raise unavailable("etcdserver: request timed out")
        branch.index += 1
        self.quorum(branch)


class Peer:
    """One member as its clients see it."""

    def __init__(self, world, by, address: str) -> None:
        self._world = world
        self._by = by
        self._address = address

    def _node(self):
        node = self._world.at(self._address)
        me = self._by
        if node is None or not node.powered or (me is not node and (node.cut or (me and me.cut))):
            raise unavailable(f"{self._address} does not answer")
        node.check_removed()
        if not node.process or self._world.sim.now < node.process.since + START:
            raise unavailable(f"{self._address} refuses the connection")
        return node

    def _quorum(self):
        node = self._node()
        up = self._world.etcd.quorum(node.disk.branch)
        if node.disk.member not in up:
            raise unavailable("etcdserver: request timed out")
        if node.disk.branch.members[node.disk.member].learner:
            raise EtcdError(UNAVAILABLE, "etcdserver: rpc not supported for learner", definite=True)
        return node, node.disk.branch, up

    def _change(self, what: str, act):
        self._world.step(f"etcd {what}")
        _, branch, up = self._quorum()
        voters = [one for one in branch.members.values() if not one.learner]
        young = [one for one in up.values() if self._world.sim.now < one.process.since + HEALTHY_AFTER]
        dead = [one for one in voters if one.id not in up]
        if what != "remove" and len(branch.members) > 1 and (dead or (young and what == "add")):
            raise EtcdError(UNAVAILABLE, "etcdserver: unhealthy cluster", definite=True)
        found = act(branch, up)
        self._world.etcd.agree(branch)
        self._world.step(f"etcd {what} answered")
        return found

    def linearizable(self) -> None:
        """Read through a quorum."""
        self._quorum()

    def status(self) -> Status:
        """Answer for itself, quorum or not."""
        node = self._node()
        branch, disk = node.disk.branch, node.disk
        self._world.etcd.quorum(branch)
        known = disk.members.get(disk.member)
        return Status(
            disk.member, branch.id, branch.leader, "3.6.16", 100 + disk.index, disk.index, 2, 1000, 1000,
            bool(known and known.learner),
        )  # fmt: skip

    def members(self):
        """Return the list as a quorum knows it."""
        _, branch, _ = self._quorum()
        return tuple(branch.members.values())

    def any_members(self):
        """Return the list as this member's disk has it."""
        return tuple(self._node().disk.members.values())

    def alarms(self):
        """Return what is raised."""
        node, branch, _ = self._quorum()
        return tuple((node.disk.member, name) for name in branch.alarms)

    def add_learner(self, peer_url: str):
        """Add a learner, unless etcd would refuse."""

        def act(branch, up):
            if any(one.learner for one in branch.members.values()):
                raise EtcdError(FAILED_PRECONDITION, "etcdserver: too many learner members in cluster", definite=True)
            if any(peer_url in one.peer_urls for one in branch.members.values()):
                raise EtcdError(FAILED_PRECONDITION, "etcdserver: Peer URLs already exists", definite=True)
            new = Listed(self._world.etcd.new_id(), "", (peer_url,), (), True)
            branch.members[new.id] = new
            return new.id, tuple(branch.members.values())

        return self._change("add", act)

    def promote(self, member: str) -> None:
        """Make a learner a voter, unless etcd would refuse."""

        def act(branch, up):
            if member not in branch.members:
                raise EtcdError(NOT_FOUND, "etcdserver: member not found", definite=True)
            if member not in up:
                raise EtcdError(
                    FAILED_PRECONDITION,
                    "etcdserver: can only promote a learner member which is in sync with leader",
                    definite=True,
                )
            branch.members[member] = replace(branch.members[member], learner=False)

        self._change("promote", act)

    def remove(self, member: str) -> None:
        """Remove a member."""
        self._change("remove", lambda branch, up: branch.members.pop(member, None))

    def move_leader(self, to: str) -> None:
        """Hand leadership on."""
        _, branch, _ = self._quorum()
        branch.leader = to

    def put(self, key: bytes, value: bytes) -> int:
        """Write."""
        self._world.step("etcd put")
        _, branch, _ = self._quorum()
        if "NOSPACE" in branch.alarms:
            raise EtcdError(8, "etcdserver: mvcc: database space exceeded", definite=True)
        branch.keys.append(value.decode())
        self._world.etcd.agree(branch)
        self._world.step("etcd put answered")
        return branch.index
