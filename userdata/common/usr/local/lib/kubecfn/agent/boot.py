"""What a node does when it boots, in the order in which it does it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Callable, Dict, Protocol, Tuple

from kubecfn.etcd.journal import say

from . import files
from .node import Instance, Node
from .nodelog import NodeLog
from .steps import StepFailed

# A step does one thing, returns what it found as a clause, or raises StepFailed's reason as StepFailed.
Step = Callable[[Node], str]
STEPS: Dict[str, Tuple[Tuple[str, Step], ...]] = {
    "controller": (("check-files", files.check),),
    "worker": (("check-files", files.check),),
}
# How long a controller waits for the whole cluster to be as it should be before its stack is told what is missing.
SETTLE_PATIENCE = 25 * 60


class Service(Protocol):
    """What a node is besides its files: more steps of its boot, and what it does for ever after."""

    @property
    def steps(self) -> Tuple[Tuple[str, Step], ...]:
        """The steps that come after those of the table."""

    def stay(self) -> None:
        """Go on until told to stop."""

    def close(self) -> None:
        """The agent ends."""


class Idle:
    """A node that has nothing to do but be there.

    Args:
        stop: set when the agent has to end.
    """

    steps: Tuple[Tuple[str, Step], ...] = ()

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def stay(self) -> None:
        """Wait until told to stop."""
        self._stop.wait()

    def close(self) -> None:
        """Nothing was begun."""


def service(
    node: Node, instance: Instance, stop: threading.Event, fail: Callable[[StepFailed], None], log: NodeLog
) -> Service:
    """Return what the node's role asks for.

    Args:
        node: what the bundle says.
        instance: how it speaks to AWS.
        stop: set when the agent has to end.
        fail: tells the stack that this node is not healthy, while it goes on trying.
        log: where a person reads what became of it after that.
    """
    if node.role == "worker":
        if not has_kubernetes(node.root):
            return Idle(stop)
        from worker.service import Service as Worker  # noqa: PLC0415  a controller's bundle has no such package

        return Worker(node, instance, stop, log)
    from member.service import Service as Member  # noqa: PLC0415  a worker's bundle has no such package

    return Member(node, instance, stop, fail, log, float(os.environ.get("KUBECFN_SETTLE_PATIENCE", SETTLE_PATIENCE)))


def has_kubernetes(root: Path) -> bool:
    """Say whether this machine runs Kubernetes: not where its units are processes, or where it is told to run etcd only."""
    return root == Path("/") and os.environ.get("KUBECFN_ONLY", "") != "etcd"


def boot(node: Node, more: Tuple[Tuple[str, Step], ...] = ()) -> None:
    """Do every step of the node's role, then its service's.

    Raises:
        StepFailed: naming the first step that could not be done; the later ones were not tried.
    """
    if node.role not in STEPS:
        raise StepFailed("read-facts", f"the role {node.role} is not one of {', '.join(STEPS)}")
    for name, step in (*STEPS[node.role], *more):
        try:
            say(name, step(node), role=node.role)
        except OSError as error:
            raise StepFailed(name, str(error)) from error
