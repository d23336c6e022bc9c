"""What the decision looks at and answers: frozen facts in, ordered steps out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kubecfn.etcd.view import Cluster, Member


@dataclass(frozen=True)
class Leaver:
    """An instance of the group that is on its way out.

    Attributes:
        instance: its id.
        seconds: since its hook was first seen, by whichever run.
        retained: its hook was abandoned and it lives on; else it waits in its hook.
        known: EC2 says which address it has or that it is terminated, so that its member can be told from others.
        speaks: its etcd, or its agent, was heard lately.
    """

    instance: str
    seconds: float = 0.0
    retained: bool = False
    known: bool = True
    speaks: bool = False


@dataclass(frozen=True)
class Facts:
    """One look.

    Attributes:
        cluster: the members as etcd lists them; no proof of anything unless `linearizable`.
        leavers: instances that wait in their hook or are retained.
        nothing: why no instance can hold anything yet; empty when one may.
        enlisted: everyone the cluster object names, as members; for when no list could be read.
        saved: there is a snapshot to restore from.
        unsaved: why the newest backup is not fresh; empty when it is.
        budget: seconds after which a hook is abandoned.
    """

    cluster: Cluster
    leavers: tuple[Leaver, ...] = ()
    nothing: str = ""
    enlisted: tuple[Member, ...] = ()
    saved: bool = False
    unsaved: str = ""
    budget: float = 0.0


class Do(Enum):
    """What is to be done about one instance."""

    MOVE = "move-leader"
    REMOVE = "remove"
    BACKUP = "ask-for-backup"
    CONTINUE = "CONTINUE"
    ABANDON = "ABANDON"
    TERMINATE = "terminate"
    WAIT = "wait"
    LEAVE_ALONE = "leave-alone"


@dataclass(frozen=True)
class Step:
    """One thing to do, and why.

    Attributes:
        instance: whom it is about; a member's id when it is on no instance of ours.
        member: the member to remove, or the leader that hands over.
        target: the member that is to lead.
        watch: looking again within seconds may show more.
    """

    do: Do
    instance: str
    reason: str
    member: str = ""
    target: str = ""
    watch: bool = False
