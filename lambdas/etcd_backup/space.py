"""May the NOSPACE alarm be put out? Nothing here reads a clock or the network.

1. Only with a quorum that was proven, and never beside CORRUPT.
2. Every member that has started says how full it is: one that does not answer may be the full one.
3. What is in use has to be well below the quota; only deleting and compacting brings it down.
4. So has the file, which is what etcd compares with the quota (etcd's quota.Available): only defragmenting shrinks it. A
   member that passes it again raises the alarm again at its next write.
"""

from __future__ import annotations

from kubecfn.etcd.client import QUOTA_BYTES, Status
from kubecfn.etcd.look import Look

NOSPACE = "NOSPACE"
PERCENT = 90


def unproven(found: Look) -> str:
    """Return why nothing may be changed at all, as a clause; empty when something may."""
    if not found.cluster.linearizable:
        return "no linearizable read succeeded, so there may be no quorum"
    if "CORRUPT" in found.cluster.alarms:
        return "etcd raised CORRUPT, too, and a person has to say first which copy is right"
    return ""


def why_not(found: Look) -> str:
    """Return why the alarm has to stay, as a clause; empty when it may be put out."""
    why = unproven(found)
    if why:
        return why
    told: list[tuple[str, Status]] = []
    for member in sorted((one for one in found.cluster.members if one.name), key=lambda one: one.name):
        status = found.statuses.get(member.instance or member.id)
        if status is None:
            return f"{member.name} does not say how full it is; it comes back or is replaced first"
        told.append((member.name, status))
    for name, status in told:
        if status.db_in_use >= _most(status):
            return (
                f"{name} uses {_mib(status.db_in_use)} of its quota of {_mib(_quota(status))}, {PERCENT} % or more: delete "
                "what fills it, and let kubecfn defrag compact it, which the API server cannot while etcd is full"
            )
    for name, status in told:
        if status.db_size >= _most(status):
            return (
                f"the file of {name} has {_mib(status.db_size)} of its quota of {_mib(_quota(status))}, {PERCENT} % or "
                "more, though it does not use them: defragment the members first"
            )
    return ""


def _quota(status: Status) -> int:
    return status.db_quota or QUOTA_BYTES


def _most(status: Status) -> int:
    return _quota(status) * PERCENT // 100


def _mib(count: int) -> str:
    return f"{count / 1024**2:.0f} MiB"
