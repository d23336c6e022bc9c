"""A survivor's copy of the data it went on with: it lies on this disk until the bucket has what came of it.

The copy is the last way back to the epoch that ended. A snapshot of an epoch that followed has all that was in it, and was
read by etcdutl before it was uploaded (see `member.backups`): then the copy only takes up room.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Tuple

from agent import disk
from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.etcd.journal import say
from kubecfn.etcd.store import Store, Stored, StoreError

_COPY = re.compile(r"survivor-of-(\d+)\.db")
_FAILURES = (StoreError, ClientError, BotoCoreError, OSError)


class Copies:
    """The copies on this disk; `duty` is called with every look of a member that serves.

    Args:
        store: the cluster's bucket.
        folder: where copies lie.
        every: seconds between looks at the bucket; without a copy nobody looks.
        monotonic: seconds that never jump.
    """

    def __init__(self, store: Store, folder: Path, every: float, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._folder = folder
        self._every = every
        self._monotonic = monotonic
        self._next = 0.0

    def duty(self, stored: Stored) -> None:
        """Remove the copies that are not needed any more; what cannot be found out is said, and looked at later."""
        copies = self._copies()
        if not copies or self._monotonic() < self._next:
            return
        self._next = self._monotonic() + self._every
        try:
            for epoch, path in copies:
                key = self._followed_by(epoch, stored)
                if key:
                    disk.remove(path)
                    say(
                        "survivor-copy",
                        f"removed: what came of epoch {epoch} is in the bucket",
                        key=key,
                        path=str(path),
                    )
        except _FAILURES as error:
            say("survivor-copy", f"kept: {error}", paths=[str(path) for _, path in copies])

    def _copies(self) -> Tuple[Tuple[int, Path], ...]:
        found = [(_COPY.fullmatch(path.name), path) for path in sorted(self._folder.glob("survivor-of-*.db"))]
        return tuple((int(name[1]), path) for name, path in found if name)

    def _followed_by(self, epoch: int, stored: Stored) -> str:
        """Return the key of a whole snapshot of an established epoch after this one; empty when there is none."""
        for one in self._store.snapshots():
            if epoch < one.epoch <= stored.established:
                about = self._store.head(one.key)
                if about.get("sha256") and about.get("epoch") == str(one.epoch):
                    return one.key
        return ""
