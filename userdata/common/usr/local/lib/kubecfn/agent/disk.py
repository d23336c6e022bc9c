"""Files and folders that are there whole or not at all, also after the power was cut between any two calls."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def write(target: Path, text: str, mode: int = 0o600) -> None:
    """Write beside the target, flush to the disk, rename.

    What a power cut leaves beside it has always the same name, so the next write takes it away.

    Raises:
        OSError: the disk refused; the target is what it was, and nothing half-written is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.partial")
    remove(beside)
    try:
        with os.fdopen(os.open(str(beside), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(mode)
        move(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def move(source: Path, target: Path) -> None:
    """Rename a file or folder; when this returns, a power cut does not undo it."""
    source.replace(target)
    sync(target.parent)


def remove(path: Path) -> None:
    """Remove a file or a whole folder; what is not there is removed already."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path))
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def sync(folder: Path) -> None:
    """Flush a folder's names to the disk (fsync(2): a file's own flush does not say that its name is there)."""
    handle = os.open(str(folder), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free(folder: Path) -> int:
    """Return the bytes that can still be written where `folder` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(str(folder)).free
