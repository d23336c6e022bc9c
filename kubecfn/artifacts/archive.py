"""Archives whose bytes depend on nothing but paths, modes and contents.

zlib, zlib-ng and Apple's zlib give different bytes for one input, and a bundle that differs from one operator's machine to
the other's would roll every node. So bundles are not compressed, and functions, which load the sooner the smaller they
are, by `kubecfn.artifacts.deflate`.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from kubecfn.artifacts.deflate import deflate

# RFC 1952 "GZIP file format specification", 2.3: deflate, no flags, no time, no hints, unknown file system.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# RFC 1951 "DEFLATE", 3.2.4: the length of a stored block has 16 bits.
_BLOCK = 0xFFFF
# APPNOTE.TXT 4.4.3 version 2.0, 4.4.5 method, 4.4.2 host; time and date of the first moment a zip can name (4.4.6).
_ZIP, _DEFLATED, _UNIX = 20, 8, 3
_ZIP_EPOCH = (0, 0b0000000_0001_00001)


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
    """Return a zip of the files in order of their paths, from 1980, with Unix modes (AWS Lambda needs them readable).

    Source: APPNOTE.TXT, 4.3.7 "Local file header", 4.3.12 "Central directory structure", 4.3.16 "End of central directory".
    """
    body, directory = b"", b""
    ordered = _ordered(entries)
    for entry in ordered:
        name, packed = entry.path.encode("ascii"), deflate(entry.data)
        about = (_DEFLATED, *_ZIP_EPOCH, zlib.crc32(entry.data), len(packed), len(entry.data), len(name), 0)
        attributes = (0o100000 | entry.mode) << 16
        directory += struct.pack(
            "<4sHHHHHHIIIHHHHHII", b"PK\1\2", _UNIX << 8 | _ZIP, _ZIP, 0, *about, 0, 0, 0, attributes, len(body)
        )
        directory += name
        body += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", _ZIP, 0, *about) + name + packed
    count = len(ordered)
    return body + directory + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)


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
