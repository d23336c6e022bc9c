"""Three real etcd members whose controllers are replaced again and again by the rules, while clients go on.

What the node agent and the functions do is done here step by step through the same rules and the same client: a joiner adds
itself when `may_add` says so, starts, is promoted when `may_promote` says so; a leaving member is removed when `may_remove`
says so, leadership first. EC2 is a dictionary. Silence is counted faster, so that waiting for it costs little.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from kubecfn.etcd import quorum
from kubecfn.etcd.client import Client, EtcdError
from kubecfn.etcd.look import Look, Silence, look
from kubecfn.etcd.names import CLIENT_PORT, PEER_PORT
from kubecfn.etcd.places import Group, Place
from kubecfn.etcd.view import Machine, Member, Say
from tests.soak.disks import Disks
from tests.soak.plain import PLAIN_PORT, PlainClient
from tests.soak.proxy import Network
from tests.support.real_etcd import EtcdCluster, EtcdMember

SIZE = 3
# So many seconds of silence are one real second: the rules want twenty.
FASTER = 20.0
# Longer than any replacement takes on a machine that others use too.
PATIENCE = 240.0
_BETWEEN_LOOKS = 0.15
# One call may break off on a busy machine; a member that is healthy answers one of those that follow.
_INSISTENCE = 15.0
# userdata/…/member/certificates.py dates certificates back by an hour, kubecfn.pki by five minutes.
_NODES_DATE_BACK = timedelta(minutes=55)
_Answer = TypeVar("_Answer")


class Flaw(Exception):  # noqa: N818  a flaw of what is tested, not of the test
    """Something happened that must not."""


@dataclass(frozen=True)
class Kind:
    """What a trio is like.

    `strict`: etcd's own checks, and TLS for every call; `waits`: for its disk; `cuttable`: a network between them.
    """

    strict: bool = False
    cuttable: bool = False
    waits: bool = False


class Trio:
    """A cluster of three, its instances as EC2 sees them, and a network to cut; everything ends with the `with`.

    Attributes:
        doomed: whose instance ends between its entry as a learner and its first start; another is launched then.
        panics: members that panicked when they were removed.
        restarts: members that ended by themselves and were started again.
    """

    def __init__(self, folder: Path, chance: random.Random, kind: Kind) -> None:
        self.chance, self.kind = chance, kind
        self.cluster = EtcdCluster(folder, strict=kind.strict)
        self.machines: dict[str, Machine] = {}
        self.retired: set[str] = set()
        self.silence = Silence(lambda: time.monotonic() * FASTER)
        self.made = 0
        self.panics = 0
        self.restarts = 0
        self.doomed = ""
        self.said: list[str] = []
        self._ends = ExitStack()
        self.network: Network | None = None
        self.disks: Disks | None = None

    def __enter__(self) -> Self:
        if self.kind.cuttable:
            self.network = Network(self._processes)
            self.network.start()
            self._ends.callback(self.network.stop)
        if self.kind.waits:
            self.disks = Disks(self.cluster.folder)
            self.disks.start()
            self._ends.callback(self.disks.stop)
        self._ends.enter_context(self.cluster)
        first = self.launch()
        first.start(more=self.flags(first))
        self.settle()
        for _ in range(SIZE - 1):
            self.launch()
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def launch(self, skew: timedelta = timedelta(0)) -> EtcdMember:
        """Let EC2 start an instance whose clock is off by `skew`; its agent comes with the next look."""
        self.made += 1
        member = self.cluster.new(f"i-{self.made:08x}")
        if self.disks:
            member.before = self.disks.before(member.name)
        if self.network:
            inner = self._inner(member)
            self.network.lead(member.name, member.address, inner, PEER_PORT, peers=True)
            for port in (CLIENT_PORT, PLAIN_PORT):
                self.network.lead(member.name, member.address, inner, port, peers=False)
        self.machines[member.name] = Machine.RUNNING
        self.cluster.trust.now = datetime.now(UTC) + skew - _NODES_DATE_BACK
        member.trust.member(member.address)
        return member

    def _inner(self, member: EtcdMember) -> str:
        first, second, third, last = member.address.split(".")
        return f"{first}.{int(second) - 99}.{third}.{last}"

    def flags(self, member: EtcdMember) -> tuple[str, ...]:
        """Return what else its etcd is started with."""
        at = self._inner(member) if self.network else member.address
        clients = f"https://{at}:{CLIENT_PORT},http://{at}:{PLAIN_PORT}"
        return (
            f"--unsafe-no-fsync={str(not self.kind.waits).lower()}",
            "--snapshot-count=2000",
            # etcd's own times: a busy machine is no reason for an election.
            "--heartbeat-interval=100",
            "--election-timeout=1000",
            f"--listen-client-urls={clients}",
            f"--listen-peer-urls=https://{at}:{PEER_PORT}",
        )

    def _processes(self) -> dict[str, int]:
        return {one.name: one.process.pid for one in list(self.cluster.members.values()) if one.process}

    def addresses(self) -> Sequence[str]:
        """Return whom clients may ask: the group's instances, in an order of their own."""
        return [
            self.cluster[name].address for name, machine in list(self.machines.items()) if machine is Machine.RUNNING
        ]

    def connect(self, address: str, timeout: float) -> Client:
        """Return a client; every call of a strict trio's has its own TLS, as a node's has."""
        kind = Client if self.kind.strict else PlainClient
        return kind(address, self.cluster.context, timeout=timeout)

    def group(self) -> Group:
        """Return what EC2 and the group say; where terminated instances were, these wrote down while they lived."""
        had = {name: self.cluster[name].address for name in self.machines}
        places = (
            Place(name, "" if machine is Machine.TERMINATED else had[name], machine, staying=machine is Machine.RUNNING)
            for name, machine in self.machines.items()
        )
        return Group("controllers", SIZE, tuple(places)).remembering({}, had)

    def look(self) -> Look:
        """Look as every controller and function does."""
        return look(self.group(), lambda address: self.connect(address, 1.0), self.silence)

    def end(self, name: str) -> None:
        """Let EC2 end an instance: its power is gone before EC2 says so."""
        member = self.cluster[name]
        member.kill()
        member.wipe()
        self.machines[name] = Machine.TERMINATED

    def settle(self, *, meanwhile: Callable[[Look], None] = lambda _: None) -> None:
        """Do what agents and functions do, until nothing is left to do.

        Raises:
            Flaw: it does not end.
        """
        size = SIZE if self.made >= SIZE else 1
        until = time.monotonic() + PATIENCE
        while True:
            group, seen = self.group(), self.look()
            meanwhile(seen)
            if group != self.group():
                continue  # what it did just now is not in this look, which would call settled what no longer is
            if quorum.settled(seen.cluster).say is Say.YES and len(seen.cluster.expected) == size:
                return
            if len(seen.cluster.expected) == size == 1 and seen.cluster.linearizable:
                return
            if time.monotonic() > until:
                raise Flaw(f"not settled after {PATIENCE} s: {quorum.settled(seen.cluster).reason}; {self.said[-6:]}")
            try:
                self.step(seen)
            except EtcdError as error:
                self._say(f"etcd: {error.message}")
            time.sleep(_BETWEEN_LOOKS)

    def step(self, seen: Look) -> None:
        """Do one thing, if the rules allow any."""
        for member in seen.cluster.members:
            going = member.instance and self.machines[member.instance] is not Machine.RUNNING
            if going and self._leaves(seen, member):
                return
        listed = {member.instance for member in seen.cluster.members}
        for name in [name for name, machine in self.machines.items() if machine is Machine.LEAVING]:
            if seen.cluster.linearizable and name not in listed and name not in self.retired:
                self.end(name)
        for name in seen.cluster.expected:
            mine = next((one for one in seen.cluster.members if one.instance == name), None)
            if self._joins(seen, name, mine):
                return

    def _leaves(self, seen: Look, member: Member) -> bool:
        verdict = quorum.may_remove(seen.cluster, member.id)
        self._say(f"{member.instance} leaves: {verdict.say.value}, {verdict.reason}")
        if verdict.say is Say.MOVE:
            self.connect(self.cluster[member.instance].address, 3).move_leader(verdict.target)
        elif verdict.say is Say.YES:
            self.connect(seen.via, 3).remove(member.id)
        return verdict.say in (Say.MOVE, Say.YES)

    def _joins(self, seen: Look, name: str, mine: Member | None) -> bool:
        own = self.cluster[name]
        if mine is None or not mine.name:
            return self._adds(seen, own)
        if own.process and own.process.poll() is not None:
            return self._starts_again(own)
        if not mine.learner:
            return False
        verdict = quorum.may_promote(seen.cluster, mine.id)
        self._say(f"{name} votes: {verdict.say.value}, {verdict.reason}")
        if verdict.say is Say.YES:
            self.connect(seen.via, 3).promote(mine.id)
        return verdict.say is Say.YES

    def _starts_again(self, own: EtcdMember) -> bool:
        """Start one that ended by itself, as systemd does (Restart=on-failure)."""
        assert own.process
        self._say(f"{own.name} ended with {own.process.returncode} and is started again")
        self.restarts += 1
        own.start(state="existing", more=self.flags(own))
        return True

    def _adds(self, seen: Look, own: EtcdMember) -> bool:
        if not seen.via or (own.process and own.process.poll() is None):
            return False
        verdict = quorum.may_add(seen.cluster, own.name)
        self._say(f"{own.name} joins: {verdict.say.value}, {verdict.reason}")
        through = self.connect(seen.via, 3)
        if verdict.say is Say.YES:
            through.add_learner(own.peer_url)
        elif verdict.say is not Say.DONE:
            return False
        if own.name == self.doomed:
            self.end(own.name)
            self.launch()
            return True
        known = {url: one.name for one in through.members() for url in one.peer_urls}
        initial = ",".join(f"{own.name if url == own.peer_url else name}={url}" for url, name in known.items())
        self.restarts += own.process is not None  # it exits when its list is not the cluster's any more
        own.start(initial, state="existing", more=self.flags(own))
        return True

    def _say(self, what: str) -> None:
        if not self.said or self.said[-1] != what:
            self.said.append(what)

    def voter(self, *, leader: bool) -> EtcdMember:
        """Return the leader, or one that follows."""
        seen = self.look()
        voters = [one for one in seen.cluster.voters if self.machines[one.instance] is Machine.RUNNING]
        wanted = [one for one in voters if (one.id == seen.cluster.leader) == leader] or voters
        return self.cluster[self.chance.choice(sorted(one.instance for one in wanted))]

    def copies_differ(self) -> str:
        """Return how the members' stores differ at one revision; empty when they are equal.

        Raises:
            Flaw: one of a settled group does not answer.
        """
        clients = [self.connect(address, 5) for address in self.addresses()]
        revision = min(insisting(client.status).revision for client in clients)
        hashes = {client.address: insisting(partial(client.hash_kv, revision))[0] for client in clients}
        return "" if len(set(hashes.values())) == 1 else f"at revision {revision} the stores differ: {hashes}"


def insisting(ask: Callable[[], _Answer], patience: float = _INSISTENCE) -> _Answer:
    """Ask a member that has to answer again and again.

    Raises:
        Flaw: it does not.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return ask()
        except EtcdError as error:
            if time.monotonic() > until:
                raise Flaw(f"a member of a settled group does not answer: {error.message}") from None
        time.sleep(_BETWEEN_LOOKS)
