"""What this node knows about itself, from the two files under /etc/kubecfn."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Tuple, TypeVar

from .steps import StepFailed

INSTANCE = "etc/kubecfn/instance.json"
FACTS = "etc/kubecfn/node.json"
Made = TypeVar("Made")


@dataclass(frozen=True)
class Instance:
    """How this instance speaks to AWS, as its user data said.

    Attributes:
        region: e.g. ``eu-central-1``.
        signal: what names this instance to ``SignalResource``: ``StackName``, ``LogicalResourceId``, ``UniqueId``.
        log: what names its log stream: ``logGroupName``, ``logStreamName``.
        pool: its pool's name; empty for controllers.
        labels: of its pool.
        taints: of its pool, as kubectl writes them: ``KEY=VALUE:EFFECT``.
    """

    region: str
    signal: Dict[str, str]
    log: Dict[str, str]
    pool: str = ""
    labels: Dict[str, str] = field(default_factory=dict)
    taints: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The instance's id."""
        return self.signal["UniqueId"]


@dataclass(frozen=True)
class Node:
    """What the bundle says, the same for every node of the role.

    Attributes:
        root: what stands for ``/``.
        role: ``controller`` or ``worker``.
        backup_every: seconds between backups of etcd.
        files: mode, as four octal digits, by absolute path of every file that the role cannot do without.
    """

    root: Path
    cluster: str
    role: str
    domain: str
    kubernetes: str
    etcd: str
    backup_every: int
    files: Dict[str, str]


def read_instance(root: Path) -> Instance:
    """Return what user data told.

    Raises:
        StepFailed: the file is missing or not what it must be.
    """
    return _made(Instance, root / INSTANCE)


def write_instance(root: Path, text: str, pool: str) -> None:
    """Keep what user data told for this boot and every later one. The file is there whole or not at all.

    Args:
        root: what stands for ``/``.
        text: how the instance speaks to AWS, as JSON.
        pool: what its pool's nodes are, as JSON.
    """
    told = {**json.loads(pool), **json.loads(text)}
    target = root / INSTANCE
    handle, beside = tempfile.mkstemp(dir=str(target.parent))
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(told) + "\n")
    Path(beside).replace(target)


def read_node(root: Path) -> Node:
    """Return what the bundle told.

    Raises:
        StepFailed: the file is missing or not what it must be.
    """
    return _made(Node, root / FACTS, root=root)


def _read(path: Path) -> Dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StepFailed("read-facts", f"{path} cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise StepFailed("read-facts", f"{path} holds no object")
    return told


def _made(kind: Callable[..., Made], path: Path, **more: Any) -> Made:
    try:
        return kind(**_read(path), **more)
    except TypeError as error:
        raise StepFailed("read-facts", f"{path} is not what this agent reads: {error}") from error
