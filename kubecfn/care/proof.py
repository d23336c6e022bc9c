"""What a snapshot's bytes say of themselves, and what is wrong with them. Nothing here reads a clock, a disk or the network.

1. A snapshot that the cluster's own agent put carries, as S3 metadata, the cluster's name, its revision and its SHA-256.
2. etcd ends every snapshot that it streams with the SHA-256 of all bytes before (etcd's `clientv3/snapshot`: a file that
   was whole has a length of 32 more than a multiple of 512).
3. Only bytes that agree with all of these are restored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TRAILER = 32
_SECTOR = 512


@dataclass
class Sums:
    """The checksums of bytes that come piece by piece; 32 bytes are held back, whatever the length."""

    length: int = 0
    _whole: Any = field(default_factory=hashlib.sha256, repr=False)
    _body: Any = field(default_factory=hashlib.sha256, repr=False)
    _tail: bytes = b""

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self.length += len(piece)
        self._whole.update(piece)
        held = self._tail + piece
        self._body.update(held[:-TRAILER])
        self._tail = held[-TRAILER:]

    @property
    def sha256(self) -> str:
        """Of everything, in hexadecimal."""
        return str(self._whole.hexdigest())

    @property
    def has_trailer(self) -> bool:
        """Whether the length is that of a snapshot with etcd's own hash at its end."""
        return self.length > TRAILER and self.length % _SECTOR == TRAILER

    @property
    def trailer_agrees(self) -> bool:
        """Whether the last 32 bytes are the SHA-256 of those before."""
        return bool(self._body.digest() == self._tail)


@dataclass(frozen=True)
class Claims:
    """What is said about a snapshot: by its place, and by its metadata.

    Attributes:
        key: where it lies.
        size: bytes, as S3 answers.
        epoch, revision: by its key.
        metadata: S3's, as the agent wrote it.
    """

    key: str
    size: int
    epoch: int
    revision: int
    metadata: Mapping[str, str]


def foreign(claims: Claims, cluster: str) -> str:
    """Return why this is not a snapshot of this cluster, as a sentence; empty when it is one."""
    owner = claims.metadata.get("cluster", "")
    if owner and owner != cluster:
        return f"{claims.key} is a snapshot of the cluster {owner}, not of {cluster}."
    return ""


def unproven(claims: Claims) -> str:
    """Return why nobody can say what this was when it was taken, as a sentence; empty when it can be checked."""
    missing = [name for name in ("cluster", "sha256", "revision") if not claims.metadata.get(name)]
    if missing:
        return (
            f"{claims.key} does not say its {' and '.join(missing)}: it was not put there by the cluster's own agent."
        )
    told = claims.metadata["revision"]
    if told != str(claims.revision):
        return f"{claims.key} was renamed or overwritten: its metadata says revision {told}, its key {claims.revision}."
    epoch = claims.metadata.get("epoch", str(claims.epoch))
    if epoch != str(claims.epoch):
        return f"{claims.key} was renamed or overwritten: its metadata says epoch {epoch}, its key {claims.epoch}."
    return ""


def damage(claims: Claims, sums: Sums) -> str:
    """Return what is wrong with the bytes, as a sentence; empty when nothing is."""
    told = claims.metadata["sha256"]
    if sums.length != claims.size:
        return f"{claims.key} has {claims.size:,} bytes, of which {sums.length:,} came."
    if sums.sha256 != told:
        return (
            f"{claims.key} was changed after it was taken: its SHA-256 is {sums.sha256[:12]}…, "
            f"but {told[:12]}… was noted with it."
        )
    if not sums.has_trailer:
        return f"{claims.key} was cut off, or is no snapshot: {sums.length:,} bytes do not end in etcd's own hash."
    if not sums.trailer_agrees:
        return f"{claims.key} was damaged before it was uploaded: etcd's own hash at its end is not that of the bytes before it."
    return ""
