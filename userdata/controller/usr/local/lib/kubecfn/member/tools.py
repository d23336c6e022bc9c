"""What etcdutl is asked: whether a snapshot is good, and to make data of one."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import List, Tuple

from agent import disk
from agent.steps import StepFailed

from .settings import Me

PROGRAM = "usr/local/bin/etcdutl"
# Kubernetes' watch caches hold revisions that the restored cluster must never give out again (etcd documentation,
# "Disaster recovery", "Restoring with revision bump").
BUMP = 1_000_000_000
_TRAILER = hashlib.sha256().digest_size
_CHUNK = 1 << 20


def verify(root: Path, snapshot: Path) -> Tuple[int, int]:
    """Return a snapshot's revision and etcd's hash of it.

    Raises:
        StepFailed: it is cut, changed, or no snapshot.
    """
    _check_trailer(snapshot)
    text = _run(root, "verify-snapshot", ["snapshot", "status", str(snapshot), "--write-out=json"])
    try:
        told = json.loads(text)
        return int(told["revision"]), int(told["hash"])
    except (ValueError, KeyError, TypeError) as error:
        raise StepFailed("verify-snapshot", f"etcdutl says of {snapshot}: {text[:80]!r}") from error


def as_snapshot(store: Path, target: Path) -> None:
    """Write the store of an etcd that does not run as a snapshot: the bytes, and behind them their SHA-256.

    Without a quorum etcd serves nobody after a start, not even with a snapshot (measured, 3.5 and 3.6).

    Raises:
        OSError: the disk refused; then `target` is not there.
    """
    digest, beside = hashlib.sha256(), target.with_name(f".{target.name}.partial")
    disk.remove(beside)
    try:
        with (
            os.fdopen(os.open(str(beside), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file,
            store.open("rb") as db,
        ):
            for chunk in iter(lambda: db.read(_CHUNK), b""):
                digest.update(chunk)
                file.write(chunk)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        disk.move(beside, target)
    finally:
        disk.remove(beside)


def restore(root: Path, me: Me, snapshot: Path, target: Path, token: str) -> None:
    """Make the data of a cluster of one from a snapshot.

    Raises:
        StepFailed: the snapshot is damaged, or the disk is full.
    """
    options = {
        "--data-dir": str(target),
        "--name": me.name,
        "--initial-cluster": me.alone,
        "--initial-advertise-peer-urls": me.peer_url,
        "--initial-cluster-token": token,
        "--bump-revision": str(BUMP),
        "--mark-compacted": "true",
        "--skip-hash-check": "false",
    }
    arguments = [f"{name}={value}" for name, value in options.items()]
    _run(root, "restore", ["snapshot", "restore", str(snapshot), *arguments])


def _check_trailer(snapshot: Path) -> None:
    """Look at the checksum that etcd appends, which `snapshot status` does not: a flipped bit in a value is seen here."""
    digest, tail, size = hashlib.sha256(), b"", 0
    with snapshot.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            size += len(chunk)
            seen = tail + chunk
            digest.update(seen[:-_TRAILER])
            tail = seen[-_TRAILER:]
    if digest.digest() != tail:
        raise StepFailed("verify-snapshot", f"{snapshot} ({size} bytes) is damaged: its own checksum does not fit")


def _run(root: Path, step: str, arguments: List[str]) -> str:
    program = root / PROGRAM
    try:
        done = subprocess.run([str(program), *arguments], check=False, capture_output=True, text=True)
    except OSError as error:
        raise StepFailed(step, f"{program} cannot be run: {error.strerror}") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or [f"status {done.returncode}"]
        why = next((line for line in reversed(said) if line.startswith("Error: ")), said[-1])
        raise StepFailed(step, f"etcdutl {' '.join(arguments[:3])} failed: {why.replace('Error: ', '', 1)}")
    return done.stdout
