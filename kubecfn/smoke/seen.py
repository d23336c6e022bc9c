"""Nodes and pods as checks see them. Nothing here reads a clock, a disk or the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        trouble: why it is not Ready; empty when it is.
        version: of its kubelet, with its v.
        address: its internal one; empty when it has none.
    """

    name: str
    trouble: str
    version: str
    address: str
    labels: Mapping[str, str]
    cordoned: bool

    @property
    def controller(self) -> bool:
        """Whether it runs the control plane."""
        return CONTROL_PLANE in self.labels


@dataclass(frozen=True)
class Pod:
    """A pod. `trouble`: why it is not well; empty when it is, or has done its work. `address`: empty until it has one."""

    name: str
    node: str
    trouble: str
    address: str = ""


def node(told: Mapping[str, Any]) -> Node:
    """Return a node as the API server's JSON has it."""
    about, status = told["metadata"], told.get("status", {})
    ready = next((one for one in status.get("conditions", ()) if one["type"] == "Ready"), None)
    addresses = {one["type"]: one["address"] for one in status.get("addresses", ())}
    return Node(
        name=about["name"],
        trouble="" if ready and ready["status"] == "True" else _why(ready),
        version=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        address=addresses.get("InternalIP", ""),
        labels=about.get("labels", {}),
        cordoned=bool(told.get("spec", {}).get("unschedulable")),
    )


def _why(ready: Mapping[str, Any] | None) -> str:
    if ready is None:
        return "it never said that it is Ready"
    words = str(ready.get("message") or ready.get("reason") or ready["status"])
    return f"it is not Ready: {words.rstrip('.')}"


def pod(told: Mapping[str, Any]) -> Pod:
    """Return a pod as the API server's JSON has it."""
    about, status = told["metadata"], told.get("status", {})
    return Pod(
        about["name"], told.get("spec", {}).get("nodeName", ""), _trouble(about, status), status.get("podIP", "")
    )


def _trouble(about: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    if status.get("phase") == "Succeeded" or "deletionTimestamp" in about:
        return ""
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    if conditions.get("Ready", {}).get("status") == "True":
        return ""
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
            return f"{waiting['reason']}{_after(waiting)}"
    placed = conditions.get("PodScheduled", {})
    if placed.get("status") == "False":
        return f"it is on no node{_after(placed)}"
    return f"it is {status.get('phase', 'Unknown')} and not Ready"


def _after(told: Mapping[str, Any]) -> str:
    return f": {str(told['message']).rstrip('.')}" if told.get("message") else ""
