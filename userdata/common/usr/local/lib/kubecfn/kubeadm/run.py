"""kubeadm itself: run once in a node's life, as often as it takes until it succeeds."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Dict, List, Sequence

from agent import disk
from agent.steps import StepFailed

from .documents import CONFIGURATION

PROGRAM = "/usr/local/bin/kubeadm"
# Where it is written that this node was made, and of which command it is.
DONE = "var/lib/kubecfn/kubeadm-done"
LOGS = "var/log/kubecfn"
# What a try that failed half-way leaves, and the next one may find: its own.
LEFT = {
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
_PHASE = "error execution phase "
_LONGEST = 1000


def is_done(root: Path) -> bool:
    """Say whether this node was made, in this boot or an earlier one."""
    return (root / DONE).exists()


def keep_done(root: Path, command: str) -> None:
    """Remember that this node was made.

    Raises:
        OSError: the disk refused.
    """
    disk.write(root / DONE, command + "\n")


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
    done = kubeadm(root, [command, f"--ignore-preflight-errors={','.join(ignored(command))}"], step)
    log = root / LOGS / f"{step}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode:
        raise StepFailed(step, why(done.stderr) or f"it ended with {done.returncode}")
    keep_done(root, command)
    return f"took {time.monotonic() - begun:.1f} s"


def kubeadm(root: Path, command: Sequence[str], step: str) -> "subprocess.CompletedProcess[str]":
    """Run kubeadm on this node's configuration, below `root` when that is not ``/``; return how it ended.

    Raises:
        StepFailed: it cannot be run.
    """
    program = str(root / PROGRAM.lstrip("/"))
    rootfs = [] if root == Path("/") else [f"--rootfs={root}"]
    arguments: List[str] = [program, *command, f"--config=/{CONFIGURATION}", *rootfs]
    try:
        # Whatever bytes it prints: words of other programs, and of the kernel, are in them.
        return subprocess.run(
            arguments,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise StepFailed(step, f"{program} cannot be run: {error.strerror}") from error


def why(said: str) -> str:
    """Return what matters of kubeadm's words, in one line: the checks before it begins that failed, or what ended it.

    Its errors are on lines of their own: ``[ERROR CHECK]: WORDS`` each, and at the end ``error: WORDS``, which may go on
    over several lines (measured with 1.34 to 1.36).
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    fatal = [line[len("[ERROR ") :] for line in lines if line.startswith("[ERROR ")]
    return "; ".join(_grouped(fatal) or [_last(lines)])[:_LONGEST]


def _grouped(fatal: Sequence[str]) -> List[str]:
    """Return failed checks by their words: one cause, e.g. a runtime that is not there, fails several."""
    found: Dict[str, List[str]] = {}
    for line in fatal:
        name, _, words = line.partition("]: ")
        names = found.setdefault(words, [])
        if name not in names:
            names.append(name)
    return [f"{', '.join(names)}: {words}" for words, names in found.items()]


def _last(lines: Sequence[str]) -> str:
    """Return what ended it; what it said at last where it does not say."""
    starts = [at for at, line in enumerate(lines) if line.startswith("error: ")]
    if not starts:
        return "; ".join(lines[-2:])
    words = [line for line in lines[starts[-1] :] if not line.startswith("To see the stack trace")]
    text = " ".join(words)[len("error: ") :]
    return f"in its phase {text[len(_PHASE) :]}" if text.startswith(_PHASE) else text


def ignored(command: str) -> List[str]:
    """Return the checks that may fail: what an earlier try left, and what this machine is told to ignore."""
    return [*LEFT[command], *filter(None, os.environ.get(IGNORED, "").split(","))]
