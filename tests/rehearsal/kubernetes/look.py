"""What a Kubernetes cluster is like, asked of its API as an administrator; and a thread that notes when it became so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Self

from kubecfn.kubernetes.client import Client
from kubecfn.kubernetes.wire import KubernetesError

CONTROLLER = "node-role.kubernetes.io/control-plane"
_EVERY = 0.3


class Look:
    """Asks the API.

    Args:
        client: an administrator's.
    """

    def __init__(self, client: Client) -> None:
        self.client = client

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Return the Node objects by name."""
        return {one["metadata"]["name"]: one for one in self.client.list("/api/v1/nodes")}

    def ready(self) -> frozenset[str]:
        """Return the nodes that are ready."""
        return frozenset(name for name, node in self.nodes().items() if is_true(node, "Ready"))

    def pods(self) -> list[dict[str, Any]]:
        """Return every pod."""
        return list(self.client.list("/api/v1/pods"))

    def not_ready(self) -> list[str]:
        """Return what pods are not ready, each with why; those of nodes that are no more wait for their collection only."""
        nodes = {"", *self.nodes()}
        alive = (pod for pod in self.pods() if pod["spec"].get("nodeName", "") in nodes)
        return [_told(pod) for pod in alive if not is_true(pod, "Ready")]

    def where(self, label: str) -> dict[str, str]:
        """Return the nodes of the ready pods with a label, by pod."""
        pods = self.client.list("/api/v1/namespaces/default/pods", labelSelector=label)
        alive = (pod for pod in pods if is_true(pod, "Ready") and "deletionTimestamp" not in pod["metadata"])
        return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in alive}


def is_true(thing: dict[str, Any], condition: str) -> bool:
    """Say whether a condition holds."""
    conditions = thing.get("status", {}).get("conditions", [])
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def _told(pod: dict[str, Any]) -> str:
    statuses = [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]
    states = (one.get("state", {}).get("waiting", {}).get("reason", "") for one in statuses if not one["ready"])
    why = ", ".join(dict.fromkeys(filter(None, states))) or pod["status"].get("phase", "")
    return (
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']} on {pod['spec'].get('nodeName', 'no node')}: {why}"
    )


class Milestones:
    """Notes, in a thread of its own, when a new cluster answered, had all its nodes ready, and all their pods.

    Args:
        look: at the cluster.
        nodes: how many there will be.
        controllers: how many of them run the API.
    """

    def __init__(self, look: Look, nodes: int, controllers: int) -> None:
        self._look, self._nodes, self._controllers = look, nodes, controllers
        self.reached: dict[str, float] = {}
        self.missing = "nobody answers"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="milestones", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def all(self) -> bool:
        """Whether nothing is missing."""
        return "pods" in self.reached

    def _run(self) -> None:
        while not self.all and not self._over.wait(_EVERY):
            try:
                for name in self._now():
                    self.reached.setdefault(name, time.monotonic())
            except (KubernetesError, KeyError) as error:
                self.missing = str(error)

    def _now(self) -> Iterator[str]:
        if not self._look.client.ready():
            self.missing = "the API is not ready"
            return
        yield "API"
        ready = self._look.ready()
        self.missing = f"{len(ready)} of {self._nodes} nodes are ready"
        if len(ready) != self._nodes:
            return
        yield "nodes"
        unready = self._look.not_ready()
        # Every node has a kube-proxy, every controller its control plane: before these are there, nothing is whole.
        whole = self._nodes + 3 * self._controllers
        self.missing = "; ".join(unready[:4]) or "pods are missing"
        if not unready and len(self._look.pods()) > whole:
            yield "pods"
