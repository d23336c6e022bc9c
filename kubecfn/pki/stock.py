"""What is in a directory, and whether it is sound: every item is read once and judged; nothing is changed.

An item is judged in this order, and the first fault is the one that is told: all its files or none; regular files
that nobody else can read; listed in the manifest; a certificate, key or pair of the right kind, signed by the
authority beside it; the very bytes that were written.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509

from kubecfn.errors import FileError
from kubecfn.pki.certificates import Authority
from kubecfn.pki.keys import PemFile, PrivateKey
from kubecfn.pki.layout import ITEMS, MANIFEST, Item, Kind
from kubecfn.pki.manifest import Manifest
from kubecfn.pki.soundness import Sound, UnsoundError, parse
from kubecfn.pki.store import read_private, refuse_open_directory, told_as_file_error, unfinished


@dataclass(frozen=True)
class Held:
    """One item as it was found.

    Attributes:
        item: what it is.
        there: the paths of its files that exist, readable or not.
        files: its bytes, by path; empty unless all of them could be read.
        problem: why it cannot be used; None = sound, or not there.
        culprit: the path of the file the problem names.
        certificate: says when it ends, when it is sound: its own, or the one it is made from.
        key: its private key, when that is sound and it is no bare encryption key.
    """

    item: Item
    there: frozenset[str]
    files: Mapping[str, PemFile]
    problem: FileError | None
    culprit: str
    certificate: x509.Certificate | None
    key: PrivateKey | None = field(repr=False)

    def authority(self) -> Authority:
        """Return what signs others; only for a sound authority."""
        assert self.certificate is not None
        assert self.key is not None
        return Authority(self.certificate, self.key)

    def in_last_quarter(self, now: datetime) -> bool:
        """Say whether at most a quarter of its life is left."""
        if self.certificate is None:
            return False
        begins, ends = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return now >= ends - (ends - begins) / 4

    def expired(self, now: datetime) -> bool:
        """Say whether its life has ended."""
        return self.certificate is not None and now > self.certificate.not_valid_after_utc


@dataclass(frozen=True)
class Stock:
    """Everything in a directory.

    Attributes:
        directory: of the set.
        manifest: None when there is none that can be read.
        problem: what is wrong with the directory or the manifest itself.
        held: every item of the layout by name, in the layout's order.
    """

    directory: Path
    manifest: Manifest | None
    problem: FileError | None
    held: Mapping[str, Held]

    def refuse(self, *, sound: Collection[str], in_time: Collection[str], now: datetime) -> None:
        """Refuse a set that cannot be used for something.

        Args:
            sound: items that must not be broken, if they are there at all.
            in_time: items that must also be in the time between their beginning and their end.
            now: aware.

        Raises:
            FileError: the first thing that is wrong, the directory and the manifest before the items.
        """
        for problem in (self.problem, *(self.held[name].problem for name in sound)):
            if problem:
                raise problem
        for name in in_time:
            _refuse_out_of_time(self.directory, self.held[name], now)


def take_stock(directory: Path) -> Stock:
    """Read and judge a set.

    Raises:
        FileError: the directory itself cannot be read.
    """
    with told_as_file_error("Reading", directory):
        directory.stat()
    manifest, problem = _manifest(directory)
    held: dict[str, Held] = {}
    for item in ITEMS:
        held[item.name] = _examine(directory, item, manifest, held)
    if manifest is None and problem is None and any(entry.there for entry in held.values()):
        problem = FileError(
            f"{directory / MANIFEST} is missing, so the keys in {directory} cannot be told from foreign ones.",
            remedy="Restore it from a backup, or move the directory away and run `kubecfn keys make`.",
        )
    return Stock(directory, manifest, problem, held)


def _manifest(directory: Path) -> tuple[Manifest | None, FileError | None]:
    path = directory / MANIFEST
    if unfinished(directory):
        remedy = "Run `kubecfn keys make`: it completes it."
        return None, FileError(f"A write below {directory} was begun and not completed.", remedy=remedy)
    try:
        refuse_open_directory(directory)
        if not os.path.lexists(path):
            return None, None
        return Manifest.parse(read_private(path, secret=True).data, str(path)), None
    except FileError as error:
        return None, error


def _examine(directory: Path, item: Item, manifest: Manifest | None, others: Mapping[str, Held]) -> Held:
    """Judge one item; what it is made from was judged before."""
    there = frozenset(file.path for file in item.files if os.path.lexists(directory / file.path))
    files: dict[str, PemFile] = {}
    certificate = key = problem = None
    culprit = ""
    try:
        _check_presence(directory, item, there, manifest)
        if there:
            files = _read(directory, item, manifest)
            certificate, key = _parse(directory, item, files, manifest, others)
    except _FaultError as fault:
        problem, culprit = fault.error, fault.path
    return Held(item, there, files, problem, culprit, certificate, key)


class _FaultError(Exception):
    """The first fault of an item: the file it is about, and what a person is told."""

    def __init__(self, path: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.path = path
        self.error = FileError(message, remedy=remedy)


def _restore(item: Item) -> str:
    return f"Restore it from a backup, or replace it on purpose: `kubecfn keys replace {item.name}`."


def _check_presence(directory: Path, item: Item, there: frozenset[str], manifest: Manifest | None) -> None:
    """Accept all of an item's files, or none of one that may be made again."""
    gone = [file.path for file in item.files if file.path not in there]
    listed = manifest is not None and any(path in manifest.files for path in gone)
    if gone and (there or (listed and item.irreplaceable)):
        beside = f"{min(there)} is there" if there else f"{MANIFEST} lists it"
        raise _FaultError(gone[0], f"{directory / gone[0]} is missing although {beside}.", _restore(item))


def _read(directory: Path, item: Item, manifest: Manifest | None) -> dict[str, PemFile]:
    """Read an item's files, each private where it must be and known to the manifest."""
    files: dict[str, PemFile] = {}
    for file in item.files:
        path = directory / file.path
        try:
            files[file.path] = read_private(path, secret=file.secret)
        except FileError as error:
            raise _FaultError(file.path, error.message, error.remedy) from None
        if manifest and file.path not in manifest.files:
            remedy = "Move it away, or put back the set it belongs to."
            raise _FaultError(file.path, f"{path} is foreign: {MANIFEST} does not list it.", remedy)
    return files


def _parse(
    directory: Path,
    item: Item,
    files: Mapping[str, PemFile],
    manifest: Manifest | None,
    others: Mapping[str, Held],
) -> Sound:
    """Read an item's bytes, which must be right by themselves and the ones that were written."""
    changed = [path for path, file in files.items() if manifest and manifest.files[path] != file.sha256]
    issuer = others[item.issuer].certificate if item.issuer else None
    path, reason = "", ""
    try:
        sound = parse(item, files, issuer)
    except UnsoundError as unsound:
        path, reason = unsound.path, unsound.reason
    else:
        if not changed or item.kind is Kind.KUBECONFIG:  # kubectl itself writes to a kubeconfig
            return sound
        path, reason = changed[0], f"its SHA-256 differs from the one in {MANIFEST}"
    raise _FaultError(path, f"{directory / path} is not the file that was written here: {reason}.", _restore(item))


def _refuse_out_of_time(directory: Path, held: Held, now: datetime) -> None:
    """Refuse an item that cannot be used at this moment."""
    if held.certificate is None:
        return
    begins, ends = held.certificate.not_valid_before_utc, held.certificate.not_valid_after_utc
    path = directory / held.item.files[0].path
    if held.expired(now):
        remedy = f"Replace it: `kubecfn keys replace {held.item.name}`."
        raise FileError(f"{path} ended on {ends:%Y-%m-%d %H:%M} UTC.", remedy=remedy)
    if now < begins:
        found = f"{path} begins on {begins:%Y-%m-%d %H:%M} UTC, but the clock says {now:%Y-%m-%d %H:%M} UTC."
        raise FileError(found, remedy="Set this machine's clock.")
