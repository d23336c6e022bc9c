"""What is made once and kept under build/rehearsal: each folder is named by the hash of what it is made of."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def once(target: Path, make: Callable[[Path], None]) -> Path:
    """Make a folder whole or not at all; one that is there is taken as it is, and older ones of its name go.

    Args:
        target: its name ends with ``-`` and a hash.
        make: fills the folder that it is given.
    """
    if target.exists():
        return target
    half = target.with_name(f"{target.name}.half-{os.getpid()}")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        make(half)
        half.chmod(0o755)
        half.rename(target)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    for older in target.parent.glob(f"{target.name.rsplit('-', 1)[0]}-*"):
        if older != target and ".half-" not in older.name:
            shutil.rmtree(older, ignore_errors=True)
    return target


def digest(text: str) -> str:
    """Return what stands for a recipe in a folder's name."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
