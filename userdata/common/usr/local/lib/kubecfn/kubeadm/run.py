"""kubeadm itself: run once in a node's life, as often as it takes until it succeeds."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import List, Sequence

from agent import disk
from agent.steps import StepFailed

from .documents import CONFIGURATION

PROGRAM = "/usr/local/bin/kubeadm"
# Where it is written that this node was made, and of which command it is.
DONE = "var/lib/kubecfn/kubeadm-done"
# What a try that failed half-way leaves, and the next one may find: its own.
_LEFT = {
    "init": (
        "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml",
        "FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml",
        "FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml",
        "Port-6443",
        "Port-10250",
        "Port-10257",
        "Port-10259",
    ),
    "join": (
        "FileAvailable--etc-kubernetes-pki-ca.crt",
        "FileAvailable--etc-kubernetes-bootstrap-kubelet.conf",
        "FileAvailable--etc-kubernetes-kubelet.conf",
        "Port-10250",
    ),
}
# More checks that this machine cannot pass and knows why, e.g. one whose kernel is not the distribution's.
IGNORED = "KUBECFN_KUBEADM_IGNORE"


def is_done(root: Path) -> bool:
    """Say whether this node was made, in this boot or an earlier one."""
    return (root / DONE).exists()


def ensure(root: Path, command: str) -> str:
    """Run ``kubeadm init`` or ``kubeadm join`` unless it has succeeded before; return how that went.

    Raises:
        StepFailed: it ended with an error; its own words, the last of them.
        OSError: the disk refused to keep that it is done.
    """
    if is_done(root):
        return "was done before"
    begun = time.monotonic()
    step = f"kubeadm-{command}"
    done = _run(
        [PROGRAM, command, f"--config=/{CONFIGURATION}", f"--ignore-preflight-errors={_ignored(command)}"], step
    )
    (root / "var/log/kubecfn").mkdir(parents=True, exist_ok=True)
    (root / f"var/log/kubecfn/{step}.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        raise StepFailed(step, why(done.stderr) or f"it ended with {done.returncode}")
    disk.write(root / DONE, command + "\n")
    return f"took {time.monotonic() - begun:.1f} s"


def why(said: str) -> str:
    """Return what matters of kubeadm's words: its errors, in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    fatal = [line[len("[ERROR ") :] for line in lines if line.startswith("[ERROR ")]
    last = [line for line in lines if line.startswith(("error", "Error"))]
    return "; ".join(fatal or last or lines[-2:])[:1000]


def _ignored(command: str) -> str:
    return ",".join((*_LEFT[command], *filter(None, os.environ.get(IGNORED, "").split(","))))


def _run(command: Sequence[str], step: str) -> "subprocess.CompletedProcess[str]":
    arguments: List[str] = list(command)
    try:
        return subprocess.run(arguments, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise StepFailed(step, f"{arguments[0]} cannot be run: {error.strerror}") from error
