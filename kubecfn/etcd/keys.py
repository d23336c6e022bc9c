"""Where things lie in a cluster's bucket. Nothing here reads a clock, a disk or the network.

etcd/…                                            what decides: the cluster object, words, leases, requests
snapshots/EPOCH/REVISION-INSTANCE.db              every snapshot: keys sort as epochs and revisions do
daily/YYYY-MM-DD/EPOCH-REVISION-INSTANCE.db       a copy of one of each day's, which outlives the others
"""

from __future__ import annotations

import re

STATE = "etcd/"
SNAPSHOTS = "snapshots/"
DAILY = "daily/"
_SNAPSHOT = re.compile(rf"(?:{SNAPSHOTS}|{DAILY}[\d-]+/)(\d{{6}})[/-](\d{{19}})-(i-[0-9a-z]+)\.db")


def snapshot(epoch: int, revision: int, instance: str) -> str:
    """Return a snapshot's key."""
    return f"{SNAPSHOTS}{epoch:06d}/{revision:019d}-{instance}.db"


def day(date: str) -> str:
    """Return the folder of a day's copy, e.g. for ``2026-11-21``."""
    return f"{DAILY}{date}/"


def copy(original: str, date: str) -> str:
    """Return the key of a snapshot's daily copy."""
    return day(date) + original[len(SNAPSHOTS) :].replace("/", "-")


def named(key: str) -> tuple[int, int, str] | None:
    """Return epoch, revision and instance of a snapshot or of a daily copy; None for everything else."""
    found = _SNAPSHOT.fullmatch(key)
    return (int(found[1]), int(found[2]), found[3]) if found else None
