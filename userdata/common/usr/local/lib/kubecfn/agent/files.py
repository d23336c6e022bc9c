"""Whether what this role needs is on the disk, as the bundle said it would be."""

from __future__ import annotations

import stat

from .node import Node
from .steps import StepFailed

STEP = "check-files"


def check(node: Node) -> str:
    """Look at every file the role cannot do without.

    Raises:
        StepFailed: naming the first that is missing, empty, no plain file, or has another mode.
    """
    if node.role == "controller" and not node.files:
        raise StepFailed(STEP, "the bundle names no key or certificate, and a controller cannot be without")
    for path, mode in sorted(node.files.items()):
        _check_one(node, path, mode)
    return f"{len(node.files)} files are there with their modes"


def _check_one(node: Node, path: str, mode: str) -> None:
    try:
        found = (node.root / path.lstrip("/")).lstat()
    except FileNotFoundError:
        raise StepFailed(STEP, f"{path} is missing") from None
    if not stat.S_ISREG(found.st_mode):
        raise StepFailed(STEP, f"{path} is no plain file")
    if found.st_size == 0:
        raise StepFailed(STEP, f"{path} is empty")
    if stat.S_IMODE(found.st_mode) != int(mode, 8):
        raise StepFailed(STEP, f"{path} has mode {stat.S_IMODE(found.st_mode):04o}, not {mode}")
