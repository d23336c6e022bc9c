"""Is there something to say against the newest backup? Nothing here reads a clock or the network.

1. A cluster that acknowledged nothing has nothing to save.
2. A backup is too old after three intervals, unless the cluster's revision has not moved since.
3. Not to know whether the revision moved is to assume that it did.
4. A cluster object that is gone beside snapshots is said: no controller will start again without it.
"""

from __future__ import annotations

from datetime import datetime

from kubecfn.etcd.store import Snapshot, Stored, moment

INTERVALS = 3


def behind(newest: Snapshot, stored: Stored | None, revision: int, at: datetime) -> float:
    """Return the age of the newest snapshot in seconds; 0 when it is known that nothing was written since.

    Args:
        newest: the newest snapshot.
        stored: the cluster object.
        revision: the newest that any member knows; 0 when none answers.
        at: now.
    """
    # Revisions of different epochs cannot be compared: a restore makes them jump.
    current = stored is not None and newest.epoch >= stored.epoch
    return 0.0 if current and revision and newest.revision >= revision else max(0.0, (at - newest.at).total_seconds())


def complaint(newest: Snapshot | None, stored: Stored | None, revision: int, at: datetime, every: float) -> str:
    """Return what is wrong, in a sentence; empty when nothing is.

    Args:
        newest: the newest snapshot.
        stored: the cluster object.
        revision: the newest that any member knows; 0 when none answers.
        at: now.
        every: seconds between backups.
    """
    if stored is None:
        gone = "there are snapshots but no cluster object: put an earlier version of etcd/cluster.json back"
        return gone if newest else ""
    if not stored.established:
        return ""
    # A new epoch, or the very first, gets its own time: its object was written when it began.
    current = newest is not None and newest.epoch >= stored.epoch
    since = newest.at if newest and current else max([moment(stored.at), *([newest.at] if newest else [])])
    age = (at - since).total_seconds()
    if age <= INTERVALS * every:
        return ""
    if newest is None:
        return f"there is no backup, {age:.0f} s after the cluster began"
    if not behind(newest, stored, revision, at):
        return ""
    what = f"the newest backup ({newest.key}) is {age:.0f} s old, more than {INTERVALS} times {every:.0f} s"
    if not current:
        what = f"epoch {stored.epoch} has no backup, {age:.0f} s after it began"
    moved = f"revision {revision} has moved on" if revision else "no etcd says whether its revision moved on"
    return f"{what}, and {moved}"
