"""The leader's duty to back up: a verified snapshot in the bucket whenever time has passed and something was written.

1. Only the leader does it, every `every` seconds, if the revision moved since the newest snapshot of this epoch; and at
   once in a new epoch, or when somebody asked for one.
2. A snapshot is uploaded only after etcdutl has read it, and never when one of this revision or a higher one is there.
3. It is named after the epoch of the data, not after one that was only just begun.
4. What fails is said with its reason, and tried again after a while that grows up to a minute.
5. It runs in a thread of its own: a slow disk or bucket never holds the member's loop up.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Protocol, Tuple

from agent import disk
from agent.steps import StepFailed
from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.etcd.client import Client, EtcdError
from kubecfn.etcd.journal import say
from kubecfn.etcd.look import Look
from kubecfn.etcd.objects import Found
from kubecfn.etcd.store import Snapshot, Store, Stored, StoreError

from .seams import Clock
from .settings import Me

STEP = "backup"
FILE = "backup.db"
# For what lies beside: the journal, the agent's own files.
_SPARE = 256 * 1024**2
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0
_FAILURES = (EtcdError, StepFailed, StoreError, ClientError, BotoCoreError, OSError)


class Verifies(Protocol):
    """Reads a snapshot: `member.hands.EtcdHands`."""

    def verify(self, snapshot: Path) -> Tuple[int, int]:
        """Return its revision and hash, or raise StepFailed."""


@dataclass(frozen=True)
class _Seen:
    """What the last look said of this node: it leads, with data of this epoch, at this revision."""

    epoch: int
    cluster: str
    revision: int
    size: int


class Backups:
    """One member's backups; `duty` is called with every look.

    Args:
        me: which member this node is.
        store: the cluster's bucket.
        ask: makes a client of the member at an address.
        hands: verifies.
        folder: where a snapshot lies until it is uploaded.
        every: seconds between backups.
        clock: the time of day, and seconds that never jump.
        timeout: seconds that etcd may take to hand out its store.
    """

    def __init__(
        self,
        me: Me,
        store: Store,
        ask: Callable[[str], Client],
        hands: Verifies,
        *,
        folder: Path,
        every: float,
        clock: Clock,
        timeout: float = 600.0,
    ) -> None:
        self._me = me
        self._store = store
        self._ask = ask
        self._hands = hands
        self._folder = folder
        self._every = every
        self._clock = clock
        self._timeout = timeout
        self._lock = threading.Lock()
        self._thread: Optional[threading.Thread] = None
        self._epoch = 0
        self._next = 0.0
        self._not_before = 0.0
        self._pause = _FIRST_PAUSE

    def duty(self, look: Look, stored: Stored) -> None:
        """Start what is due, and return at once; nothing when this node does not lead, or is at it already."""
        leader = look.cluster.member(look.cluster.leader)
        status = look.statuses.get(self._me.name)
        if leader is None or leader.instance != self._me.name or status is None:
            return
        seen = _Seen(stored.established, status.cluster, status.revision, status.db_size)
        with self._lock:
            if self._thread and self._thread.is_alive():
                return
            self._thread = threading.Thread(target=self._work, args=(seen,), daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for what is under way; say whether nothing is any more."""
        with self._lock:
            thread = self._thread
        if thread:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def keep(self, snapshot: Path, epoch: int, revision: int) -> str:
        """Upload what a survivor saved, when that is possible; return the key, or nothing and say why."""
        try:
            known = self._store.read()
            cluster = known.cluster_id if known and known.established == epoch else ""
            return self._put(snapshot, epoch, revision, cluster)
        except _FAILURES as error:
            say("no-backup", f"the survivor's data is on this disk only: {error}", path=str(snapshot))
            return ""

    def _work(self, seen: _Seen) -> None:
        if self._clock.monotonic() < self._not_before:
            return
        if seen.epoch != self._epoch:
            self._epoch, self._next = seen.epoch, 0.0
        request = None
        try:
            request = self._request()
            if request or self._clock.monotonic() >= self._next:
                self._answer(request, done=self._back_up(seen, asked=request is not None))
                self._pause = _FIRST_PAUSE
        except _FAILURES as error:
            self._failed(request, f"{error}")
        except Exception as error:  # noqa: BLE001  a thread that ends unseen would end all backups unseen
            self._failed(request, f"{error!r}")

    def _request(self) -> Optional[Found]:
        """Return what somebody asked for and nobody answered."""
        found = self._store.backup_request()
        answered = found is None or "done" in found.fields or "error" in found.fields
        return None if answered else found

    def _back_up(self, seen: _Seen, *, asked: bool) -> str:
        """Make a snapshot unless there is no need; return the key of the newest."""
        begun = self._clock.monotonic()
        newest = self._newest(seen.epoch)
        old = (self._clock.now() - newest.at).total_seconds() if newest else self._every
        if newest and not asked and old < self._every:
            self._next = begun + self._every - max(old, 0.0)
            return newest.key
        revision = self._revision() if asked else seen.revision
        key = newest.key if newest and newest.revision >= revision else self._make(seen)
        self._next = begun + self._every
        return key

    def _revision(self) -> int:
        """Return a revision that holds whatever was acknowledged before this was asked."""
        client = self._ask(self._me.address)
        client.linearizable()
        return client.status().revision

    def _make(self, seen: _Seen) -> str:
        target = self._folder / FILE
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            disk.remove(target)
            free = disk.free(self._folder)
            if free < seen.size + _SPARE:
                reason = f"{self._folder} has {free >> 20} MiB free, and the store is {seen.size >> 20} MiB large"
                raise StepFailed(STEP, f"{reason}: make room or give controllers a larger volume")
            size = self._ask(self._me.address).snapshot(target, self._timeout)
            revision, _ = self._hands.verify(target)
            # Looked up anew: another leader may have come meanwhile and gone further.
            newest = self._newest(seen.epoch)
            if newest and newest.revision >= revision:
                say(STEP, "one of this revision or a higher one is there", key=newest.key, revision=revision)
                return newest.key
            key = self._put(target, seen.epoch, revision, seen.cluster)
            say(STEP, "etcd's store is in the bucket, verified", key=key, revision=revision, size=size)
            return key
        finally:
            disk.remove(target)

    def _put(self, path: Path, epoch: int, revision: int, cluster: str) -> str:
        me = self._me
        return self._store.put_snapshot(
            path, epoch=epoch, revision=revision, instance=me.name, etcd_version=me.version, cluster_id=cluster
        )

    def _newest(self, epoch: int) -> Optional[Snapshot]:
        return next((one for one in self._store.snapshots() if one.epoch == epoch), None)

    def _answer(self, request: Optional[Found], *, done: str = "", error: str = "") -> None:
        if request:
            self._store.answer_backup(request, done=done, error=error)

    def _failed(self, request: Optional[Found], reason: str) -> None:
        self._not_before = self._clock.monotonic() + self._pause
        say("no-backup", f"{reason}; tried again in {self._pause:.0f} s")
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        try:
            self._answer(request, error=reason)
        except _FAILURES as error:
            say("no-answer", f"who asked for a backup could not be told: {error}")
