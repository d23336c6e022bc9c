"""Which node this instance is: what the metadata service says once, and what its user data said of its pool."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict

from agent import kept
from agent.node import Instance
from agent.patience import Patience
from agent.steps import StepFailed

from kubecfn.node.here import POOL_LABEL, Here

from . import metadata

STEP = "instance"
FILE = "var/lib/kubecfn/placement.json"
_PATHS = ("local-ipv4", "placement/availability-zone", "instance-type")


@dataclass(frozen=True)
class Placement:
    """What never changes in an instance's life, and so is asked once."""

    instance: str
    address: str
    zone: str
    instance_type: str


def learn(root: Path, instance: Instance, patience: Patience) -> Here:
    """Return this instance as kubeadm's documents need it.

    Raises:
        StepFailed: the metadata service does not answer for as long as patience lasts.
        StoppedError: told to stop meanwhile.
    """
    placed = kept.read(root / FILE, Placement, instance.id) or _asked(root / FILE, instance.id, patience)
    return Here(
        instance.id,
        placed.address,
        instance.region,
        placed.zone,
        placed.instance_type,
        cpus=os.cpu_count() or 1,
        labels={**({POOL_LABEL: instance.pool} if instance.pool else {}), **instance.labels},
        taints=tuple(taint(one) for one in instance.taints),
    )


def taint(text: str) -> Dict[str, str]:
    """Return a taint as kubeadm has it.

    Args:
        text: ``KEY=VALUE:EFFECT``; the value may be empty.
    """
    named, _, effect = text.rpartition(":")
    key, _, value = named.partition("=")
    return {"key": key, "value": value, "effect": effect}


def _asked(path: Path, instance: str, patience: Patience) -> Placement:
    answers = []
    try:
        patience.retry(lambda: answers.append(metadata.read(*_PATHS)), on=(OSError,), unless=lambda _error: False)
    except OSError as error:
        raise StepFailed(STEP, f"the metadata service does not answer: {error}") from error
    placed = Placement(instance, *answers[-1])
    kept.write(path, placed)
    return placed
