"""Archives whose bytes depend on nothing but paths, modes and contents.

Nothing is compressed: zlib, zlib-ng and Apple's zlib give different bytes for one input, and a bundle that differs
from one operator's machine to the other's would roll every node. Archives stay far below the size where it matters.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

# RFC 1952 "GZIP file format specification", 2.3: deflate, no flags, no time, no hints, unknown file system.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# RFC 1951 "DEFLATE", 3.2.4: the length of a stored block has 16 bits.
_BLOCK = 0xFFFF
# The first moment that a zip can name (APPNOTE.TXT 4.4.6).
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


@dataclass(frozen=True)
class Entry:
    """One file of an archive.

    Attributes:
        path: relative, with ``/`` between its parts.
        mode: permission bits, e.g. ``0o644``.
        data: its bytes.
    """

    path: str
    mode: int
    data: bytes


def tar_gz(entries: Iterable[Entry]) -> bytes:
    """Return a gzipped ustar archive of the files in order of their paths, owned by root, from 1970."""
    import tarfile  # noqa: PLC0415  emitting a template reads this package's names only

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for entry in _ordered(entries):
            member = tarfile.TarInfo(entry.path)
            member.mode, member.size = entry.mode, len(entry.data)
            tar.addfile(member, io.BytesIO(entry.data))
    return _gzip(buffer.getvalue())


def zipped(entries: Iterable[Entry]) -> bytes:
    """Return a zip of the files in order of their paths, from 1980, with Unix modes (AWS Lambda needs them readable)."""
    import zipfile  # noqa: PLC0415  emitting a template reads this package's names only

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for entry in _ordered(entries):
            member = zipfile.ZipInfo(entry.path, _ZIP_EPOCH)
            # ZipInfo takes this from the machine it runs on.
            member.create_system = _UNIX
            member.external_attr = (0o100000 | entry.mode) << 16
            archive.writestr(member, entry.data)
    return buffer.getvalue()


def _ordered(entries: Iterable[Entry]) -> list[Entry]:
    ordered = sorted(entries, key=lambda entry: entry.path)
    for one, other in itertools.pairwise(ordered):
        if one.path == other.path:
            raise ValueError(f"{one.path} is in the archive twice")
    return ordered


def _gzip(data: bytes) -> bytes:
    chunks = [data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK)] or [b""]
    blocks = [
        struct.pack("<BHH", last, len(chunk), len(chunk) ^ _BLOCK) + chunk
        for chunk, last in zip(chunks, [0] * (len(chunks) - 1) + [1], strict=True)
    ]
    return _GZIP_HEADER + b"".join(blocks) + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
