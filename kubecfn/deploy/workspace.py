"""The folder build/NAME: what one run leaves for the next, written whole or not at all, by one run at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubecfn.errors import FileError

_LOCK = ".lock"


@dataclass(frozen=True)
class Workspace:
    """One cluster's folder.

    Attributes:
        root: ``build/NAME``; made when something is written.
    """

    root: Path

    def path(self, name: str) -> Path:
        """Return where a file of that name stands; `name` may have folders."""
        return self.root / name

    def write(self, name: str, data: str | bytes, *, mode: int = 0o644) -> Path:
        """Write a file whole or not at all and return its path; what stood there before is replaced at once.

        Raises:
            FileError: the disk is full, the folder is read-only, or a part of the path is a file.
        """
        target = self.path(name)
        write_file(target, data, mode)
        return target

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None when there is none.

        Raises:
            FileError: it is there and cannot be read.
        """
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot("read", self.path(name), error) from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder against a second run on this machine.

        Raises:
            FileError: another run holds it, or the folder cannot be written.
        """
        path = self.path(_LOCK)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _cannot("written", path, error) from error
        try:
            self._take(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            who = f" (process {holder})" if holder else ""
            raise FileError(
                f"Another kubecfn works on {self.root} right now{who}.", remedy="Wait until it is done, then repeat."
            ) from error
        with contextlib.suppress(OSError):  # the number is only told to people; a full disk must not stop the lock
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def write_file(path: Path, data: str | bytes, mode: int = 0o644) -> None:
    """Write one file whole or not at all; folders on the way are made.

    Raises:
        FileError: the disk is full, the folder is read-only, or a part of the path is a file.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    content = data.encode() if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_new(temporary, content, mode)
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _cannot("written", path, error) from error
        raise


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _cannot(verb: str, path: Path, error: OSError) -> FileError:
    reason = error.strerror or str(error)
    return FileError(
        f"{path} cannot be {verb}: {reason}.",
        remedy="Free space or make the folder writable, then repeat; what stood there before is unchanged.",
    )
