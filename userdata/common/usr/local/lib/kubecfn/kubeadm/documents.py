"""kubeadm's configuration on the disk: the bundle's documents, with what only this instance knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Sequence

from agent import disk
from agent.steps import StepFailed

from kubecfn.node.here import SHARE, Here, completed, kubelet_patch

STEP = "documents"
CONFIGURATION = "etc/kubernetes/kubeadm.yaml"
# A machine image may lay more patches beside this one: kubeadm takes them in the order of their numbers.
PATCH = "etc/kubernetes/patches/kubeletconfiguration0+merge.json"


def lay(root: Path, here: Here, names: Sequence[str]) -> str:
    """Write kubeadm's configuration and the kubelet's patch; return what was written.

    Args:
        root: what stands for ``/``.
        here: this instance.
        names: of the bundle's documents, e.g. ``init``.

    Raises:
        StepFailed: a document is missing or is none.
        OSError: the disk refused.
    """
    made = [completed(read(root / SHARE.lstrip("/") / "kubeadm" / f"{name}.json"), here) for name in names]
    disk.write(root / CONFIGURATION, "---\n".join(json.dumps(one, indent=2) + "\n" for one in made))
    disk.write(root / PATCH, json.dumps(kubelet_patch(here), indent=2) + "\n", 0o644)
    return f"{len(made)} documents for {here.instance} at {here.address} in {here.zone}"


def read(path: Path) -> Dict[str, Any]:
    """Return a document.

    Raises:
        StepFailed: it is missing or is none.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StepFailed(STEP, f"{path} cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise StepFailed(STEP, f"{path} holds no object")
    return told
