"""What the loop needs from the world: each may be played by a test in a time of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Protocol, Tuple

from kubecfn.etcd.client import Listed, Status
from kubecfn.etcd.look import Look
from kubecfn.etcd.places import Group
from kubecfn.etcd.store import Snapshot, Stored
from kubecfn.etcd.view import Machine


class Hands(Protocol):
    """What is done on this node's disk and to its etcd: `member.hands.EtcdHands`.

    Every method may be called again after it was cut off at any point, and goes on from there. The marker, i.e.
    `data_epoch`, is on the disk before data of its epoch can be. All raise StepFailed or OSError.
    """

    def data_epoch(self) -> int:
        """Return the epoch of the data that is here; 0 for none."""

    def running(self) -> bool:
        """Say whether etcd runs, or will by itself (systemd starts it again after a crash)."""

    def ended(self) -> str:
        """Return why etcd does not run, its kind first, e.g. ``removed: ...``; empty when it runs or was told to end."""

    def resume(self) -> None:
        """Start etcd on the data that is here; return at once."""

    def found(self, epoch: int, token: str) -> None:
        """Start an empty cluster alone, where no data is."""

    def join(self, epoch: int, initial_cluster: str) -> None:
        """Start etcd as the member that was just added: ``NAME=URL,...`` of all members, this one too."""

    def restore(self, epoch: int, token: str, snapshot: Path) -> None:
        """Make data of a snapshot, alone, with bumped revisions, and start on it; where no data is."""

    def survive(self, epoch: int) -> None:
        """Save the data, mark it as this epoch's, start on it once with every other member dropped."""

    def ask_to_vote(self) -> None:
        """Remember, before this learner is promoted, that its data may be a voter's from now on."""

    def may_vote(self) -> bool:
        """Say whether this member is or may be a voter, whatever it says of itself."""

    def stop(self) -> None:
        """Hand leadership on and stop etcd; return when it does not run. Not to run is fine."""

    def wipe(self) -> None:
        """Stop etcd and remove its data; the marker goes last."""

    def aside(self) -> None:
        """Stop etcd and set its data aside, whole, beside what was set aside before; `data_epoch` is 0 then."""

    def discard(self) -> None:
        """Remove whatever was set aside; nothing there is fine, and costs nothing."""

    def verify(self, snapshot: Path) -> Tuple[int, int]:
        """Return a snapshot's revision and hash, as etcdutl reads them. Raises StepFailed when it is no good."""


class Store(Protocol):
    """The cluster's bucket: `kubecfn.etcd.store.Store`. All raise ClientError, BotoCoreError or StoreError."""

    def read(self) -> Optional[Stored]:
        """Return the cluster object."""

    def create(self, new: Stored) -> Optional[Stored]:
        """Write the first one; None: somebody else did."""

    def replace(self, old: Stored, new: Stored) -> Optional[Stored]:
        """Write the next one; None: somebody else did."""

    def words(self, of: Optional[Iterable[str]] = None) -> Dict[str, Dict[str, Any]]:
        """Return what everyone said, or those that are named."""

    def say(self, instance: str, word: Mapping[str, Any]) -> None:
        """Say one's own."""

    def snapshots(self) -> Tuple[Snapshot, ...]:
        """Return all, the newest first."""

    def fetch(self, key: str, target: Path) -> Dict[str, str]:
        """Bring one, verified."""


class Fleet(Protocol):
    """EC2 and the group: `kubecfn.etcd.places.Fleet`. All raise ClientError, BotoCoreError or NoGroupError."""

    def group(self) -> Group:
        """Return the group now."""

    def machines(
        self, instances: Mapping[str, datetime], now: datetime, group: Optional[Group] = None
    ) -> Dict[str, Machine]:
        """Say what became of these; the group need not be asked for again where it was just seen."""


class Peer(Protocol):
    """One member: `kubecfn.etcd.client.Client`. All raise EtcdError."""

    def status(self) -> Status:
        """Ask itself; a learner answers too."""

    def any_members(self) -> Tuple[Listed, ...]:
        """Ask for its own list, quorum or not."""

    def add_learner(self, peer_url: str) -> Tuple[str, Tuple[Listed, ...]]:
        """Add; the id and the list with it."""

    def promote(self, member: str) -> None:
        """Promote."""

    def remove(self, member: str) -> None:
        """Remove."""

    def put(self, key: bytes, value: bytes) -> int:
        """Write; the revision."""


class Clock(Protocol):
    """Time, and waiting that a stop ends."""

    def now(self) -> datetime:
        """Return the time of day, with its zone."""

    def monotonic(self) -> float:
        """Return seconds that never jump."""

    def wait(self, seconds: float) -> bool:
        """Wait; True when told to stop."""


LookAt = Callable[[Group], Look]
Ask = Callable[[str], Peer]
# The leader's backups: called in every round in which this node serves; says what it did in log lines of its own.
Duty = Callable[[Look, Stored], None]
