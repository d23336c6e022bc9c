"""What instances that are gone have left in the bucket: their words, and the mark since when they were leaving.

1. Only beside an object whose epoch is established: while one is being made, any word may count.
2. Never of an instance that the object names, and only of one that EC2 calls terminated, or has forgotten.
3. A day after its mark, for whoever wants to see what became of it; one without a mark gets it now.
4. The mark goes last: whatever is cut off is found again.

Leases are one object for each name, whoever held them, so none is left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from etcd_access.reach import Reach

from kubecfn.etcd import keys, objects
from kubecfn.etcd.journal import say
from kubecfn.etcd.store import WORDS
from kubecfn.etcd.view import Machine

MARKS = f"{keys.STATE}leaving/"
AFTER = timedelta(days=1)
_END = ".json"


def collect(reach: Reach, bucket: str, at: datetime, may_go_on: Callable[[], bool]) -> int:
    """Remove what is left over; return of how many instances.

    Raises:
        ClientError: AWS refused.
    """
    stored = reach.store.read()
    if stored is None or stored.established < stored.epoch:
        return 0
    entries = [one for prefix in (WORDS, MARKS) for one in objects.listed(reach.s3, bucket, prefix)]
    since: dict[str, datetime] = {}
    for one in entries:
        instance = _instance(one)
        if instance and instance not in stored.instances:
            since[instance] = min(one["LastModified"], since.get(instance, at))
    if not since:
        return 0
    machines = reach.fleet.machines(since, at)
    count = 0
    for instance in sorted(one for one, machine in machines.items() if machine is Machine.TERMINATED):
        if not may_go_on():
            break
        if at - reach.store.leaving(instance) >= AFTER:
            for key in (f"{WORDS}{instance}{_END}", f"{MARKS}{instance}{_END}"):
                reach.s3.delete_object(Bucket=bucket, Key=key)
            say("collected", "it has been gone for a day: its word and its mark are removed", instance=instance)
            count += 1
    return count


def _instance(entry: dict[str, Any]) -> str:
    """Return whose object this is; empty for what is none of ours."""
    name = str(entry["Key"]).rpartition("/")[2]
    return name[: -len(_END)] if name.startswith("i-") and name.endswith(_END) else ""
