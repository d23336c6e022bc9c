"""The member's data on the disk and the marker that says of which epoch it is; safe against a power cut anywhere.

1. The marker is written before data of its epoch can be there; a marker without data says nothing.
2. Data is there when etcd has a write-ahead log: etcd makes that by a rename, after everything else.
3. What must not be taken for data lies beside it under another name, and is cleared away.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

from agent import disk
from agent.steps import StepFailed

from . import settings

STEP = "etcd-data"
MARKER = "var/lib/etcd/epoch.json"
# etcd allocates its log in pieces of 64 MiB, two of them at once, before it has anything to write (wal.SegmentSizeBytes).
LOG_BYTES = 2 * 64 * 1024**2
_ROOM = LOG_BYTES + 64 * 1024**2


class Data:
    """What lies in /var/lib/etcd.

    Args:
        root: what stands for ``/``.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / settings.DATA
        self.store = self.folder / "member/snap/db"
        self.coming = self.folder.with_name("coming")
        self._going = self.folder.with_name("going")
        self._aside = self.folder.with_name("aside")
        self._marker = root / MARKER

    def there(self) -> bool:
        """Say whether etcd has written data here."""
        return any(self.folder.glob("member/wal/*.wal"))

    def epoch(self) -> int:
        """Return the epoch of the data, 0 for none.

        Raises:
            StepFailed: there is data, and nothing says of which epoch.
        """
        return int(self.marker()["epoch"]) if self.there() else 0

    def marker(self) -> Dict[str, Any]:
        """Return what was written last: ``epoch``, ``way``, and what `mark` was told.

        Raises:
            StepFailed: it is missing or damaged.
        """
        try:
            told = json.loads(self._marker.read_text(encoding="utf-8"))
            if isinstance(told["epoch"], int) and told["epoch"] > 0:
                return dict(told)
            what = f"its epoch is {told['epoch']!r}"
        except FileNotFoundError:
            what = "it is missing"
        except (OSError, ValueError, KeyError, TypeError) as error:
            what = f"it cannot be read ({error!r})"
        raise StepFailed(
            STEP,
            f"{self.folder} holds data, and {self._marker} does not say of which epoch: {what}. Nothing is thrown away "
            "unasked: terminate this instance if the other controllers serve, it will be replaced",
        )

    def mark(self, epoch: int, way: str, **more: Any) -> None:
        """Say of which epoch the data is or is going to be.

        Raises:
            OSError: the disk refused; the marker is what it was.
        """
        disk.write(self._marker, json.dumps({"epoch": epoch, "way": way, **more}) + "\n")

    def clear(self) -> None:
        """Clear away what is no data: remains of what was interrupted, and etcd's own from before its log was there."""
        disk.remove(self.coming)
        disk.remove(self._going)
        if not self.there():
            disk.remove(self.folder)

    def take(self) -> None:
        """Make what lies in `coming` the data, in one step."""
        disk.remove(self.folder)
        disk.move(self.coming, self.folder)

    def wipe(self) -> None:
        """Remove the data: aside in one step, then for good, the marker last."""
        disk.remove(self._going)
        if self.folder.exists():
            disk.move(self.folder, self._going)
        self.clear()
        disk.remove(self._marker)

    def aside(self) -> None:
        """Set the data aside, whole, in one step."""
        if not self.there():
            return
        self._aside.mkdir(exist_ok=True)
        disk.move(self.folder, self._aside / f"{len(list(self._aside.iterdir())):03d}-of-epoch-{self.epoch()}")
        disk.sync(self.folder.parent)

    def discard(self) -> None:
        """Remove what was set aside."""
        if self._aside.exists():
            disk.remove(self._aside)

    def need(self, more: int, what: str) -> None:
        """Make sure before anything is begun that it can be finished.

        Args:
            more: bytes beside what etcd takes for its log.
            what: is to be done, e.g. ``to restore``.

        Raises:
            StepFailed: there is too little room.
        """
        free, needed = disk.free(self.folder), _ROOM + more
        if free < needed:
            raise StepFailed(
                STEP,
                f"{what} takes {needed >> 20} MiB in {self.folder.parent}, where {free >> 20} MiB are free: "
                "make room or give controllers a larger volume",
            )
