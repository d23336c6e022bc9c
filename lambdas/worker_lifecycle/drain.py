"""Which pods leave a node, in which order, and when it is empty enough. Nothing here reads a clock or the network.

1. Left alone: pods of DaemonSets, which come back at once; pods that the kubelet runs by itself; pods that have ended.
2. Whoever is being deleted is waited for, not asked again.
3. Critical pods (system-cluster-critical, system-node-critical) are asked when all others are gone, since others may need
   them; when little time is left they are asked all the same, or they would end with the node unasked.
4. What is left is empty when nothing is there but what is left alone.

Source: Kubernetes, "Safely Drain a Node"; kubectl's drain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Kubernetes, "Pod Priority and Preemption": users' own classes are below.
CRITICAL = 2_000_000_000
_ENDED = ("Succeeded", "Failed")
_CLAIMS = frozenset({"persistentVolumeClaim", "ephemeral"})
_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True)
class Pod:
    """A pod on the node.

    Attributes:
        namespace: its namespace.
        name: its name.
        stays: it is left alone.
        leaving: it is being deleted.
        critical: the cluster needs it more than others.
        managed: something makes it again elsewhere.
        held: the finalizers that keep it from being deleted.
        claims: how many volumes it keeps attached for as long as it stays.
    """

    namespace: str
    name: str
    stays: bool
    leaving: bool
    critical: bool
    managed: bool = True
    held: tuple[str, ...] = ()
    claims: int = 0

    def __str__(self) -> str:
        """As kubectl names it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Plan:
    """What is to be done now. `evict`: whom to ask to leave; `awaited`: who is on the way; `empty`: nothing is left."""

    evict: tuple[Pod, ...]
    awaited: tuple[Pod, ...]

    @property
    def empty(self) -> bool:
        """Whether the node may go."""
        return not self.evict and not self.awaited


def read(told: Mapping[str, Any]) -> Pod:
    """Return a pod as the API server's JSON has it."""
    about, status, spec = told["metadata"], told.get("status", {}), told.get("spec", {})
    owners = {one["kind"] for one in about.get("ownerReferences", ()) if one.get("controller")}
    mirror = _MIRROR in about.get("annotations", {})
    ended = status.get("phase") in _ENDED
    claims = 0 if ended else sum(not _CLAIMS.isdisjoint(one) for one in spec.get("volumes", ()))
    return Pod(
        namespace=about["namespace"],
        name=about["name"],
        stays=mirror or "DaemonSet" in owners or ended,
        leaving="deletionTimestamp" in about,
        critical=int(spec.get("priority") or 0) >= CRITICAL,
        managed=bool(owners),
        held=tuple(about.get("finalizers", ())),
        claims=claims,
    )


def plan(pods: Iterable[Pod], *, late: bool = False) -> Plan:
    """Return what is to be done about these pods of one node; `late`: little time is left."""
    mobile = sorted((pod for pod in pods if not pod.stays), key=lambda pod: (pod.namespace, pod.name))
    awaited = tuple(pod for pod in mobile if pod.leaving)
    ordinary = tuple(pod for pod in mobile if not pod.leaving and not pod.critical)
    if not late and (ordinary or any(not pod.critical for pod in awaited)):
        return Plan(ordinary, awaited)
    return Plan(tuple(pod for pod in mobile if not pod.leaving), awaited)
