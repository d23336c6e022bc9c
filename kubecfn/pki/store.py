"""The disk below a set: one writer at a time, and a write that happens as a whole or can be finished later.

How a write goes:
1. Every new file, the new manifest and a journal are written into `.staging/`, in the same file system.
2. One rename makes it `.publish/`. Before this moment nothing has happened; after it, the write will happen.
3. Each file moves to its place: what is there and was named in the journal is put aside below `replaced/`, what is
   there and was not named stops everything; nothing is ever overwritten. The manifest moves last.
4. `.publish/` goes. Whoever finds it, after a crash, Ctrl-C or a full disk, goes on at step 3.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from kubecfn.errors import FileError
from kubecfn.pki.keys import PemFile
from kubecfn.pki.layout import REPLACED

STAGING = ".staging"
PUBLISH = ".publish"
JOURNAL = "journal.json"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
LOCK_POLL_SECONDS = 0.05

REMEDIES = {
    errno.ENOSPC: "Free some space and run the command again: it goes on where it stopped.",
    errno.EDQUOT: "Free some of the quota and run the command again: it goes on where it stopped.",
    errno.EROFS: "The file system is read-only: give another directory, or remount it for writing.",
    errno.EACCES: "Run it as the owner of the directory, or give another one.",
    errno.EPERM: "Give a directory whose file system knows permissions and hard links (not FAT or exFAT).",
    errno.ENOTDIR: "Move that file away, or give another directory.",
    errno.ENOENT: "Run `kubecfn keys make` first.",
    errno.EEXIST: "Move that file away, or give another directory.",
}


@contextmanager
def told_as_file_error(doing: str, path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence and a remedy."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        where = f" ({error.filename})" if error.filename and Path(os.fsdecode(error.filename)) != path else ""
        remedy = REMEDIES.get(error.errno or 0, "See what the operating system says about it, and run it again.")
        raise FileError(f"{doing} {path} failed: {reason}{where}.", remedy=remedy) from error


@contextmanager
def locked(directory: Path, *, wait: float) -> Iterator[None]:
    """Make the directory if it is missing, and be its only writer meanwhile.

    Args:
        directory: of the set; made 0700, its parents as usual.
        wait: seconds to wait for another writer.

    Raises:
        FileError: it cannot be made, others may look into it, or another writer stays.
    """
    with told_as_file_error("Making", directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with told_as_file_error("Locking", directory):
            _take(descriptor, directory, time.monotonic() + wait)
        refuse_open_directory(directory)
        with told_as_file_error("Writing below", directory):
            yield
    finally:
        os.close(descriptor)  # the lock goes with it


def _take(descriptor: int, directory: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise FileError(
                    f"Another kubecfn is writing below {directory}.", remedy="Wait for it to end and run this again."
                ) from None
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return


def refuse_open_directory(directory: Path) -> None:
    """Refuse a directory in which others could put, or list, keys."""
    mode = stat.S_IMODE(directory.stat().st_mode)
    if mode & OTHERS:
        raise FileError(
            f"{directory} is open to others than its owner (mode {mode:04o}).", remedy=f"Run: chmod 700 {directory}"
        )


def read_private(path: Path, *, secret: bool) -> PemFile:
    """Read a regular file and, if it is secret, only when nobody else can.

    Raises:
        FileError: it is a link or a device, cannot be read, or others can read it.
    """
    with told_as_file_error("Reading", path):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise FileError(f"{path} is not a regular file.", remedy="Move it away and restore the file itself.")
        if secret and found.st_mode & OTHERS:
            raise FileError(
                f"{path} is a secret that others than its owner may read or write (mode {found.st_mode & 0o777:04o}).",
                remedy=f"Run: chmod 600 {path}",
            )
        return PemFile(path.read_bytes())


def unfinished(directory: Path) -> bool:
    """Say whether a write was decided but not completed."""
    return (directory / PUBLISH).exists()


def publish(directory: Path, files: Mapping[str, PemFile], moved: Mapping[str, str], now: datetime) -> None:
    """Write files as a whole; call it inside `locked`.

    Args:
        directory: of the set.
        files: by path below it, in the order in which they appear; the manifest last.
        moved: SHA-256 of each existing file that makes room, by path.
        now: names the place below `replaced/`.

    Raises:
        OSError: the disk refused; either nothing has changed, or `finish` will complete it.
    """
    staging = directory / STAGING
    discard(staging)
    try:
        staging.mkdir(mode=0o700)
        for path, file in files.items():
            _make_room(staging, path)
            file.write_new(staging / path)
        journal = {"aside": _free_aside(directory, now), "files": {path: moved.get(path) for path in files}}
        PemFile(json.dumps(journal).encode()).write_new(staging / JOURNAL)
        _sync(staging, files)
        staging.rename(directory / PUBLISH)
        _sync(directory, ())
    except BaseException:
        discard(staging)
        raise
    finish(directory)


def finish(directory: Path) -> bool:
    """Complete a write that was decided and stopped, forget one that was not; call it inside `locked`.

    Returns:
        Whether there was one to complete.

    Raises:
        FileError: a file has appeared in the place of one that is to be written; nothing more was done.
        OSError: the disk refused again.
    """
    discard(directory / STAGING)
    publishing = directory / PUBLISH
    if not publishing.exists():
        return False
    journal = publishing / JOURNAL
    if journal.exists():  # it goes when all files are in their places: without it only folders are left
        content = _journal(journal)
        for path, old in content["files"].items():
            _place(directory, path, old, f"{content['aside']}/{path}")
        _sync(directory, content["files"])
    discard(publishing)
    return True


def _journal(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise FileError(
            f"{path} cannot be read, so the write that it describes cannot be completed.",
            remedy=f"Restore the keys from a backup, or move {path.parent} and the files that lack their other half away.",
        ) from error
    return content


def _place(directory: Path, path: str, old: str | None, aside: str) -> None:
    """Move one file to its place, unless an earlier try already did."""
    new, target = directory / PUBLISH / path, directory / path
    if not new.exists():
        return
    if os.path.lexists(target) and not target.samefile(new):
        found = hashlib.sha256(target.read_bytes()).hexdigest()
        if found != old:
            raise FileError(
                f"{target} appeared or changed while it was about to be written, and is not ours.",
                remedy="Move it away and run the command again: it goes on where it stopped.",
            )
        _make_room(directory, aside)
        target.rename(directory / aside)
        (directory / aside).chmod(0o600)  # loose permissions may be why it is replaced
    _make_room(directory, path)
    if not os.path.lexists(target):
        os.link(new, target)  # unlike a rename it fails if something is there
    new.unlink()


def _make_room(directory: Path, path: str) -> None:
    """Make the folders of a path below a directory, each as private as the directory."""
    for folder in reversed(Path(path).parents):
        (directory / folder).mkdir(mode=0o700, exist_ok=True)


def discard(directory: Path) -> None:
    """Remove one of our own working directories."""
    for folder, folders, files in os.walk(directory, topdown=False):
        for name in files:
            Path(folder, name).unlink()
        for name in folders:
            Path(folder, name).rmdir()
    if directory.exists():
        directory.rmdir()


def _free_aside(directory: Path, now: datetime) -> str:
    """Name a directory below `replaced/` that does not exist yet."""
    first = f"{REPLACED}/{now:%Y%m%dT%H%M%SZ}"
    candidate, count = first, 1
    while (directory / candidate).exists():
        count += 1
        candidate = f"{first}-{count}"
    return candidate


def _sync(directory: Path, paths: Iterable[str]) -> None:
    """Put the entries of a directory, and of those that hold the paths below it, on the disk."""
    for folder in {directory, *((directory / path).parent for path in paths)}:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
