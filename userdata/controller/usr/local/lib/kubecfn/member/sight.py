"""What this node knows in one round, asked in the order in which it may be believed.

The cluster object first, then EC2, then the members, then the words. Whoever could come to hold data after it said that
it holds none withdraws its word before; so what the words say was still so when EC2 had called the others terminated. And
the object is written over only in the version that was read first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, FrozenSet, Mapping, Optional, Tuple

from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.etcd import quorum
from kubecfn.etcd.gateway import EtcdError
from kubecfn.etcd.look import Look
from kubecfn.etcd.places import Group, NoGroupError
from kubecfn.etcd.store import Stored, StoreError, moment
from kubecfn.etcd.view import Epoch, Heard, Known, Machine, Member, Start, Word

from .seams import Fleet, LookAt, Peer, Store

REFUSED = (ClientError, BotoCoreError, StoreError, NoGroupError, OSError)
_EVER = datetime(2000, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Sight:
    """What was seen.

    Attributes:
        stored: the cluster object; None when there is none or it could not be read.
        object: which of the two.
        look: at the members; None when it could not be found out whom to ask.
        machines: what became of everyone in the object, and of the members.
        troubles: what could not be asked, and why.
    """

    stored: Optional[Stored]
    object: Known
    look: Optional[Look]
    machines: Mapping[str, Machine]
    troubles: Tuple[str, ...] = ()

    @property
    def heard(self) -> Heard:
        """What the voters answered."""
        return self.look.heard if self.look else Heard.NOT_ASKED

    @property
    def ended(self) -> FrozenSet[str]:
        """The instances that EC2 calls terminated."""
        return frozenset(one for one, machine in self.machines.items() if machine is Machine.TERMINATED)

    def member(self, me: str) -> Optional[Member]:
        """Return this node's entry in the list of a cluster that proved its quorum."""
        if self.look is None or not self.look.cluster.linearizable:
            return None
        return next((one for one in self.look.cluster.members if one.instance == me), None)


def see(store: Store, fleet: Fleet, look_at: LookAt, now: datetime) -> Sight:
    """Ask everyone. What could not be asked is said to be so, never to be absent."""
    troubles = []
    stored, there = None, Known.NOT_ASKED
    try:
        stored = store.read()
        there = Known.PRESENT if stored else Known.ABSENT
    except REFUSED as error:
        troubles.append(f"the cluster object could not be read: {plainly(error)}")
    machines: Dict[str, Machine] = {}
    look = None
    try:
        group = fleet.group()
        enlisted = stored.instances if stored else {}
        machines = fleet.machines({one: moment(since) for one, since in enlisted.items()}, now, group)
        machines.update({place.instance: place.machine for place in group.places if place.instance not in machines})
        look = look_at(group.remembering(machines))
    except REFUSED as error:
        troubles.append(f"the group's instances could not be asked for: {plainly(error)}")
    return Sight(stored, there, look, machines, tuple(troubles))


def heard_of_others(fleet: Fleet, look_at: LookAt, me: str) -> Heard:
    """Return what the voters on other instances answer: this node's own, without quorum, is in nobody's way."""
    try:
        group = fleet.group()
    except REFUSED:
        return Heard.NOT_ASKED
    others = tuple(place for place in group.places if place.instance != me)
    if all(place.machine is Machine.TERMINATED for place in others):
        return Heard.NOBODY
    return look_at(Group(group.name, group.size, others)).heard


def own_word(
    stored: Stored, data: int, peer: Optional[Peer], fleet: Fleet, now: datetime, *, may_vote: bool = True
) -> Dict[str, Any]:
    """Return what this node says about the data it holds.

    Args:
        stored: the cluster object; what is said is said of its epoch.
        data: the epoch of the data here; 0 for none that counts.
        peer: its own etcd; None when it does not run.
        fleet: tells whether the voters that this etcd knows are terminated.
        now: the time.
        may_vote: a member that was promoted may take itself for a learner when it was killed before it knew.
    """
    nothing = {"epoch": stored.epoch, "index": 0, "data": 0, "lost": False}
    unknown = {"epoch": stored.epoch, "index": None, "data": data, "lost": False}
    if not data:
        return nothing
    if peer is None:
        return unknown
    try:
        status = peer.status()
        if status.learner:
            return unknown if may_vote else {**nothing, "data": data}
        members = peer.any_members()
    except EtcdError:
        return unknown
    since = {one.name: stored.instances.get(one.name) for one in members if one.name.startswith("i-")}
    # A member in no object any more was let in by an earlier one, and left out because it was terminated.
    machines = fleet.machines({one: moment(at) if at else _EVER for one, at in since.items()}, now)
    seen = [Member(one.id, learner=one.learner, machine=machines.get(one.name, Machine.UNKNOWN)) for one in members]
    return {"epoch": stored.epoch, "index": status.raft_index, "data": data, "lost": quorum.lost_for_good(seen)}


def epoch(stored: Stored, machines: Mapping[str, Machine], words: Mapping[str, Mapping[str, Any]]) -> Epoch:
    """Return the cluster object as the rules read it: words said of another epoch were not said of this one."""
    return Epoch(
        number=stored.epoch,
        founder=stored.founder,
        way=Start(stored.way),
        established=stored.established,
        words=tuple(_word(one, stored, machines, words.get(one, {})) for one in sorted(stored.instances)),
        ordered=stored.ordered,
    )


def _word(instance: str, stored: Stored, machines: Mapping[str, Machine], said: Mapping[str, Any]) -> Word:
    machine = machines.get(instance, Machine.UNKNOWN)
    if said.get("epoch") != stored.epoch or type(said.get("index")) is not int:
        return Word(instance, machine)
    return Word(instance, machine, said["index"], int(said.get("data", 0)), bool(said.get("lost", False)))


def plainly(error: Exception) -> str:
    """Return an error as one clause that is the same each time: AWS puts a new request id into each."""
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        return f"{error.operation_name} was refused: {told.get('Code', '')} {told.get('Message', '')}".strip()
    return str(error).rstrip(".") or type(error).__name__
