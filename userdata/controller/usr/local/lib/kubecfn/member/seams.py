"""What the loop needs from the world: each may be played by a test in a time of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Protocol, Tuple

from kubecfn.etcd.client import Listed, Status
from kubecfn.etcd.look import Look
from kubecfn.etcd.objects import Found
from kubecfn.etcd.places import Group
from kubecfn.etcd.store import Snapshot, Stored
from kubecfn.etcd.view import Machine


class Hands(Protocol):
    """What is done on this node's disk and to its etcd.

    Every method may be called again after it was cut off at any point, and goes on from there. `found`, `join` and
    `restore` clear away what half-made data lies in their way (data with a marker they never see: the loop has it wiped
    or set aside first, except data of the very epoch they make). The marker, i.e. `data_epoch`, is written before etcd
    starts on new data. All raise StepFailed or OSError.
    """

    def data_epoch(self) -> int:
        """Return the epoch of the data that is here; 0 for none."""

    def running(self) -> bool:
        """Say whether etcd runs, or will by itself (systemd starts it again after a crash)."""

    def ended(self) -> str:
        """Return why etcd is not running, with its last lines; empty when it runs or was never started."""

    def removed(self) -> bool:
        """Say whether etcd ended because its member was removed: by itself with status 0, or refusing the data."""

    def resume(self) -> None:
        """Start etcd on the data that is here; return at once."""

    def found(self, epoch: int, token: str) -> None:
        """Start an empty cluster alone. Data of this very epoch is set aside: nothing was acknowledged on it."""

    def join(self, epoch: int, initial_cluster: str) -> None:
        """Start etcd as the member that was just added: ``NAME=URL,...`` of all members, this one too."""

    def restore(self, epoch: int, token: str, snapshot: Path) -> None:
        """Make data of a snapshot, alone, with bumped revisions, and start on it. As `found` with older data."""

    def survive(self, epoch: int) -> None:
        """Stop etcd, mark the data as this epoch's, start on it with every other member dropped, once."""

    def stop(self) -> None:
        """Stop etcd; return when it does not run. Not to run is fine."""

    def wipe(self) -> None:
        """Remove the data of an etcd that is stopped; the marker goes last."""

    def aside(self) -> None:
        """Set the data of an etcd that is stopped aside, whole; afterwards `data_epoch` is 0."""

    def discard(self) -> None:
        """Remove whatever was set aside; nothing there is fine."""

    def verify(self, snapshot: Path) -> Tuple[int, str]:
        """Return a snapshot's revision and hash, as etcdutl reads them. Raises StepFailed when it is no good."""


class Store(Protocol):
    """The cluster's bucket: `kubecfn.etcd.store.Store`. All raise ClientError, BotoCoreError or StoreError."""

    def read(self) -> Optional[Stored]:
        """Return the cluster object."""

    def create(self, new: Stored) -> Optional[Stored]:
        """Write the first one; None: somebody else did."""

    def replace(self, old: Stored, new: Stored) -> Optional[Stored]:
        """Write the next one; None: somebody else did."""

    def words(self) -> Dict[str, Dict[str, Any]]:
        """Return what everyone said."""

    def say(self, instance: str, word: Mapping[str, Any]) -> None:
        """Say one's own."""

    def snapshots(self) -> Tuple[Snapshot, ...]:
        """Return all, the newest first."""

    def fetch(self, key: str, target: Path) -> Dict[str, str]:
        """Bring one, verified."""

    def put_snapshot(
        self, path: Path, *, epoch: int, revision: int, instance: str, etcd_version: str, cluster_id: str
    ) -> str:
        """Upload one."""

    def backup_request(self) -> Optional[Found]:
        """Return what a person asked for."""

    def answer_backup(self, request: Found, *, done: str = "", error: str = "") -> bool:
        """Answer it."""


class Fleet(Protocol):
    """EC2 and the group: `kubecfn.etcd.places.Fleet`. All raise ClientError, BotoCoreError or NoGroupError."""

    def group(self) -> Group:
        """Return the group now."""

    def machines(self, instances: Mapping[str, datetime], now: datetime) -> Dict[str, Machine]:
        """Say what became of these."""


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

    def snapshot(self, target: Path, timeout: float) -> int:
        """Save; the size."""


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
# The leader's backups: called in every round with what was seen; says what it did in its own log lines.
Duty = Callable[[Look, Stored], None]
