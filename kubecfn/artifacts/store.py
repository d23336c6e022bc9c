"""Artifacts in a folder: written whole or not at all, never twice, and looked at before they are trusted."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from kubecfn.artifacts.build import Artifact
from kubecfn.artifacts.sources import read
from kubecfn.errors import FileError

_SECRET = 0o600
_PUBLIC = 0o644


def write(directory: Path, artifacts: Iterable[Artifact]) -> tuple[Path, ...]:
    """Write what is missing; return every artifact's path, in the order given.

    A file with keys is made with mode 0600. Files of other hashes stay: they are what a roll-back goes to.

    Raises:
        FileError: the folder cannot be written, or a file there is not what its name says or can be read by others.
    """
    return tuple(_write(directory, artifact) for artifact in artifacts)


def _write(directory: Path, artifact: Artifact) -> Path:
    path = directory / artifact.file_name
    if path.exists():
        _verify(path, artifact)
        return path
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _put(path, artifact.data, _SECRET if artifact.secret else _PUBLIC)
    except OSError as error:
        raise FileError(
            f"{path} cannot be written: {error.strerror}.",
            remedy="Free space or make the folder writable, then run the command again; nothing half-written is left.",
        ) from error
    return path


def _verify(path: Path, artifact: Artifact) -> None:
    if hashlib.sha256(read(path)).hexdigest() != artifact.sha256:
        raise FileError(
            f"{path} was changed: its bytes are not those its name stands for.",
            remedy="Delete the file and run the command again.",
        )
    if artifact.secret and path.stat().st_mode & 0o077:
        raise FileError(
            f"{path} holds keys and has mode {path.stat().st_mode & 0o777:04o}, so others can read it.",
            remedy=f"Run: chmod 600 {path}",
        )


def _put(path: Path, data: bytes, mode: int) -> None:
    """Write beside the target, flush to the disk, then rename."""
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).chmod(mode)
        Path(beside).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(beside).unlink()
        raise
