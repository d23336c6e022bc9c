"""Everything this function asks of the API server, and what it changes there: one node at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubecfn.kubernetes.client import Client, KubernetesError

from .decision import Sight
from .drain import Pod, read

SINCE = "kubecfn.io/leaving-since"
_FORBIDDEN, _NOT_FOUND = 403, 404
_ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"


def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


@dataclass
class Nodes:
    """The cluster's nodes.

    Attributes:
        client: whose identity is the function's.
        budget: seconds that a node's pods have.
        clock: this moment.
        first: when a worker was first seen by this execution environment, for while the API server cannot be asked.
    """

    client: Client
    budget: float
    clock: Callable[[], datetime] = now
    first: dict[str, datetime] = field(default_factory=dict)

    def see(self, instance: str) -> Sight:
        """Look at a worker; from now on it takes no new pods. Never raises for what the API server says."""
        at = self.clock()
        began = self.first.setdefault(instance, at)
        try:
            node = self._marked(instance, began)
            if node is None:
                return self._sight(instance, began, there=False)
            began = self.first[instance] = min(began, _since(node) or began)
            found = self.client.list("/api/v1/pods", fieldSelector=f"spec.nodeName={instance}")
            pods = tuple(map(read, found))
            volumes = self._attached(instance, pods) if all(pod.stays for pod in pods) else ()
            return self._sight(instance, began, speaks=_speaks(node), pods=pods, volumes=volumes)
        except KubernetesError as error:
            return self._sight(instance, began, silence=error.message)

    def evict(self, pod: Pod) -> str:
        """Ask a pod to leave; return why it was not let go, or nothing.

        Raises:
            KubernetesError: there was no answer.
        """
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"namespace": pod.namespace, "name": pod.name},
        }
        try:
            self.client.create(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction", eviction)
        except KubernetesError as error:
            if not error.status:
                raise
            return "" if error.status == _NOT_FOUND else _why(error)
        return ""

    def forget(self, instance: str) -> None:
        """Delete a node's object; that it is gone is success.

        Raises:
            KubernetesError: the API server refused, or there was no answer.
        """
        try:
            self.client.delete(f"/api/v1/nodes/{instance}")
        except KubernetesError as error:
            if error.status != _NOT_FOUND:
                raise

    def _attached(self, instance: str, pods: Sequence[Pod]) -> tuple[str, ...]:
        """Return the volumes that are attached to a node, unless the pods that stay there may need them all."""
        try:
            told = [one["spec"] for one in self.client.list(_ATTACHMENTS)]
        except KubernetesError as error:
            # A cluster whose controllers have not brought this right yet.
            if error.status != _FORBIDDEN:
                raise
            return ()
        names = (str(one["source"].get("persistentVolumeName", "")) for one in told if one["nodeName"] == instance)
        attached = tuple(sorted(names))
        return attached if len(attached) > sum(pod.claims for pod in pods) else ()

    def _marked(self, instance: str, began: datetime) -> Mapping[str, Any] | None:
        """Return the node, cordoned and marked with the moment since when it is leaving; None when there is none."""
        path = f"/api/v1/nodes/{instance}"
        try:
            node = self.client.get(path)
            if node["spec"].get("unschedulable") and _since(node):
                return node
            mark = {SINCE: (_since(node) or began).isoformat(timespec="seconds")}
            change = {"metadata": {"annotations": mark}, "spec": {"unschedulable": True}}
            return self.client.patch(path, change)
        except KubernetesError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def _sight(self, instance: str, began: datetime, **seen: Any) -> Sight:
        return Sight(instance, (self.clock() - began).total_seconds(), self.budget, **seen)


def _since(node: Mapping[str, Any]) -> datetime | None:
    try:
        at = datetime.fromisoformat(node["metadata"]["annotations"][SINCE])
    except (KeyError, TypeError, ValueError):
        return None
    return at if at.tzinfo else None


def _speaks(node: Mapping[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in node.get("status", {}).get("conditions", ())}
    # Without any the kubelet has only just begun.
    return conditions.get("Ready", "True") != "Unknown"


def _why(error: KubernetesError) -> str:
    """Return why a pod was not let go: a disruption budget by its name, or the server's own words."""
    causes = [str(one.get("message", "")) for one in error.details.get("causes") or () if one.get("message")]
    return "; ".join(causes) if causes else error.message
