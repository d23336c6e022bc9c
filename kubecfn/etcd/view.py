"""What the rules about etcd look at and answer: frozen views in, a verdict with its reason out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Machine(Enum):
    """What EC2 and the group say about an instance. Not to have been told is UNKNOWN, never TERMINATED."""

    RUNNING = "running"
    LEAVING = "leaving"  # terminating, held by its hook; or retained after ABANDON
    TERMINATED = "terminated"
    UNKNOWN = "unknown"


class Say(Enum):
    """The answer to "may I?"."""

    YES = "yes"
    MOVE = "move-leader"  # to `target` first; then ask again
    WAIT = "wait"  # not now: look and ask again
    NO = "no"  # asking again will not help
    DONE = "done"  # it is so already


class Start(Enum):
    """How a controller starts."""

    RESUME = "resume"  # start etcd on the data that is here
    WIPE = "wipe"  # remove the data, look again
    ASIDE = "aside"  # stop etcd, set the data aside whole, look again
    ENLIST = "enlist"  # conditionally write this instance into the cluster object, look again
    JOIN = "join"  # as a learner, once `may_add` says yes
    FOUND = "found"  # claim the epoch if not ours yet, start an empty cluster alone
    RESTORE = "restore"  # the same, on the newest verified snapshot
    SURVIVE = "survive"  # the same, by --force-new-cluster on this node's own data, a snapshot of it saved first
    WAIT = "wait"
    STOP = "stop"  # loudly: a person has to decide


@dataclass(frozen=True)
class Verdict:
    """May it be done, and why: the same words go to the log line, the signal and the hook's record."""

    say: Say
    reason: str
    target: str = ""  # the member to move leadership to


@dataclass(frozen=True)
class Decision:
    """How to start, and why."""

    start: Start
    reason: str


@dataclass(frozen=True)
class Member:
    """One entry of etcd's member list, with what is known about it now.

    `healthy`: a voter served a linearizable read, a learner answered its status. `instance`: found by its peer URL; empty
    for a member that is none of ours. `silent`: seconds since it was last seen healthy, 0 when that is not known.
    """

    id: str
    name: str = ""  # empty until it has started
    peer_urls: tuple[str, ...] = ()
    instance: str = ""
    learner: bool = False
    healthy: bool = False
    machine: Machine = Machine.UNKNOWN
    silent: float = 0.0


@dataclass(frozen=True)
class Cluster:
    """The members, and what the group wants.

    `size`: voters the cluster is to have (the configured count: the floor). `expected`: the group's instances that are
    not leaving. `linearizable`: a linearizable read succeeded, which alone proves quorum. `leader`: a member's id.
    """

    members: tuple[Member, ...]
    size: int
    expected: tuple[str, ...] = ()
    linearizable: bool = False
    leader: str = ""
    alarms: tuple[str, ...] = ()

    def member(self, wanted: str) -> Member | None:
        """Return the member with this id."""
        return next((one for one in self.members if one.id == wanted), None)

    @property
    def voters(self) -> tuple[Member, ...]:
        """The members that count for quorum."""
        return tuple(one for one in self.members if not one.learner)


class Heard(Enum):
    """What the voters at every candidate (SRV records and the group's instances) answered. A learner is no voter."""

    LINEARIZABLE = "linearizable"
    NO_QUORUM = "no quorum"
    NOBODY = "nobody"
    NOT_ASKED = "not asked"


class Known(Enum):
    """What a look-up said."""

    PRESENT = "present"
    ABSENT = "absent"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Word:
    """An instance of the epoch: EC2's word on it and its own.

    `index`: the committed raft index of the voter's data it holds, asked in this round while nobody served; 0 for none
    (a learner's copy is none); None when it has not said. `data`: the epoch of that data. `lost`: by its own member list
    quorum is gone for good (`quorum.lost_for_good`).
    """

    instance: str
    machine: Machine = Machine.UNKNOWN
    index: int | None = None
    data: int = 0
    lost: bool = False


@dataclass(frozen=True)
class Epoch:
    """The cluster object in S3.

    `way`: how `founder` makes this epoch. `established`: the newest epoch that acknowledged a write, 0 for none; taking
    over carries it on. `words`: everyone who was let in (see `starting.enlisted`). `ordered`: a person ordered this
    restore, whatever data there is.
    """

    number: int
    founder: str
    way: Start
    established: int
    words: tuple[Word, ...]
    ordered: bool = False


@dataclass(frozen=True)
class Boot:
    """What one controller knows when it starts. `data`: the epoch of its own voter's or learner's data, 0 for none.

    `tried`: its etcd ran on that data and found no quorum. `removed`: etcd, or a linearizable member list, says so.
    `leaving`: its group has told it to leave.
    """

    me: str
    heard: Heard
    object: Known
    epoch: Epoch | None = None
    snapshot: Known = Known.NOT_ASKED
    data: int = 0
    tried: bool = False
    removed: bool = False
    leaving: bool = False
