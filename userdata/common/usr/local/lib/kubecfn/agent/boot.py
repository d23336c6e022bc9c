"""What a node does when it boots, in the order in which it does it."""

from __future__ import annotations

from typing import Callable, Dict, Tuple

from kubecfn.etcd.journal import say

from . import files
from .node import Node
from .steps import StepFailed

# A step does one thing, returns what it found as a clause, or raises StepFailed's reason as StepFailed.
Step = Callable[[Node], str]
STEPS: Dict[str, Tuple[Tuple[str, Step], ...]] = {
    "controller": (("check-files", files.check),),
    "worker": (("check-files", files.check),),
}


def boot(node: Node) -> None:
    """Do every step of the node's role.

    Raises:
        StepFailed: naming the first step that could not be done; the later ones were not tried.
    """
    if node.role not in STEPS:
        raise StepFailed("read-facts", f"the role {node.role} is not one of {', '.join(STEPS)}")
    for name, step in STEPS[node.role]:
        try:
            say(name, step(node), role=node.role)
        except OSError as error:
            raise StepFailed(name, str(error)) from error
