"""Making what is missing, and replacing what is there: two different commands that share how a thing is made.

`make` never takes the place of a file that exists, with one exception: the administrator's certificate and
kubeconfig in the last quarter of their life, which are put aside below `replaced/` first. `replace` puts aside and
makes what it is told to, and what hangs below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import assert_never

from kubecfn.errors import FileError
from kubecfn.pki import keys, store
from kubecfn.pki.certificates import Authority, certificate_file, new_authority, new_leaf
from kubecfn.pki.keys import PemFile
from kubecfn.pki.kubeconfig import kubeconfig_file
from kubecfn.pki.layout import BY_NAME, ITEMS, MANIFEST, RETIRED, Item, Kind, dependants, with_dependants
from kubecfn.pki.manifest import Manifest, PkiSpec
from kubecfn.pki.stock import Stock, take_stock

LOCK_WAIT_SECONDS = 10.0
RENEWED_BY_MAKE = "admin"  # with the kubeconfig that is made from it


@dataclass(frozen=True)
class Report:
    """What a command did; every entry is an item's name.

    Attributes:
        made: were missing, are there now.
        renewed: took the place of others, which are below `replaced/`.
        kept: were there and are untouched.
        due: are in the last quarter of their life, or beyond it, and want `replace`.
        notes: where the set differs from the configuration, and what in it is no longer used, as sentences.
        resumed: an earlier write that had stopped was completed first.
    """

    made: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    due: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    resumed: bool = False


@dataclass(frozen=True)
class Replacement:
    """One item that a replacement would touch.

    Attributes:
        name: the item.
        because: the authority whose replacement drags it along; "" when it was named itself.
        files: those of its files that exist, by path.
        consequence: what this means for a living cluster, as one sentence.
    """

    name: str
    because: str
    files: tuple[str, ...]
    consequence: str


def make(directory: Path, spec: PkiSpec, *, now: datetime, wait: float = LOCK_WAIT_SECONDS) -> Report:
    """Make what is missing.

    Args:
        directory: of the set; made when it is missing.
        spec: what the configuration asks for.
        now: aware; certificates begin a little before it.
        wait: seconds to wait for another kubecfn that writes here.

    Raises:
        FileError: the set there is half-written, foreign, mismatched, open to others, expired or another cluster's,
            or the disk refused. What was there before is untouched.
    """
    now = now.replace(microsecond=0)
    with store.locked(directory, wait=wait):
        resumed = store.finish(directory)
        stock = take_stock(directory)
        _refuse_other_cluster(stock, spec)
        stock.refuse(sound=tuple(BY_NAME), in_time=[item.name for item in ITEMS if item.irreplaceable], now=now)
        missing = tuple(item.name for item in ITEMS if not stock.held[item.name].there)
        ending = (RENEWED_BY_MAKE,) if stock.held[RENEWED_BY_MAKE].in_last_quarter(now) else ()
        return _write(stock, spec, dependants(missing + ending), now, resumed=resumed)


def replacement_plan(directory: Path, names: tuple[str, ...]) -> tuple[Replacement, ...]:
    """Return what `replace` would touch: the named items and whatever a named authority has signed.

    Raises:
        WrongUseError: a name is unknown.
    """
    return tuple(
        Replacement(
            item.name,
            "" if item.name in names else item.issuer or "",
            tuple(file.path for file in item.files if (directory / file.path).exists()),
            item.consequence,
        )
        for item in with_dependants(names)
    )


def replace(
    directory: Path, names: tuple[str, ...], spec: PkiSpec, *, now: datetime, wait: float = LOCK_WAIT_SECONDS
) -> Report:
    """Put the named items, and what hangs below them, aside and make them anew.

    What is replaced may be broken; what is kept must be sound. Naming everything also replaces a lost manifest.

    Args:
        directory: of the set.
        names: of items (`kubernetes-ca`, `admin` …).
        spec: what the configuration asks for.
        now: aware; names the place of the old files, ``replaced/<UTC time>/``.
        wait: seconds to wait for another kubecfn that writes here.

    Raises:
        WrongUseError: a name is unknown.
        FileError: what is to be kept is not sound, or the disk refused.
    """
    now = now.replace(microsecond=0)
    items = with_dependants(names)
    replaced = tuple(item.name for item in items)
    kept = tuple(name for name in BY_NAME if name not in replaced)
    with store.locked(directory, wait=wait):
        resumed = store.finish(directory)
        stock = take_stock(directory)
        _refuse_other_cluster(stock, spec)
        if kept:
            stock.refuse(sound=kept, in_time=[item.issuer for item in items if item.issuer in kept], now=now)
        return _write(stock, spec, items, now, resumed=resumed)


def _refuse_other_cluster(stock: Stock, spec: PkiSpec) -> None:
    if stock.manifest and stock.manifest.cluster != spec.cluster:
        raise FileError(
            f"{stock.directory} holds the keys of cluster {stock.manifest.cluster!r}, not of {spec.cluster!r}.",
            remedy="Give the directory of this cluster, or an empty one.",
        )


def _write(stock: Stock, spec: PkiSpec, items: tuple[Item, ...], now: datetime, *, resumed: bool) -> Report:
    """Make the items, put them with the manifest that lists them in their places, and say what was done."""
    moved = {path: sha for item in items for path, sha in _fingerprints(stock.directory, item).items()}
    manifest = stock.manifest or Manifest.begin(spec, now)
    if items:
        files = _made(stock, spec, items, now)
        manifest = manifest.with_files(files, api_endpoint=spec.api_endpoint if "kubeconfig" in files else None)
        listing = stock.directory / MANIFEST
        if listing.exists():
            moved[MANIFEST] = PemFile(listing.read_bytes()).sha256
        store.publish(stock.directory, files | {MANIFEST: manifest.to_file()}, moved, now)
    renewed = tuple(item.name for item in items if any(file.path in moved for file in item.files))
    kept = tuple(item.name for item in ITEMS if item not in items)
    return Report(
        made=tuple(item.name for item in items if item.name not in renewed),
        renewed=renewed,
        kept=kept,
        due=tuple(name for name in kept if stock.held[name].in_last_quarter(now)),
        notes=(*_notes(manifest, spec), *_unused(stock.directory)),
        resumed=resumed,
    )


def _fingerprints(directory: Path, item: Item) -> dict[str, str]:
    """Return the SHA-256 of those files of an item that exist, by path."""
    paths = [file.path for file in item.files if (directory / file.path).exists()]
    return {path: PemFile((directory / path).read_bytes()).sha256 for path in paths}


def _made(stock: Stock, spec: PkiSpec, items: tuple[Item, ...], now: datetime) -> dict[str, PemFile]:
    """Return the new bytes of every file of the items."""
    files: dict[str, PemFile] = {}
    authorities: dict[str, Authority] = {}
    for item in items:
        match item.kind:
            case Kind.AUTHORITY:
                assert item.profile is not None
                authority = new_authority(item.profile, spec.cluster, spec.key_type, now)
                authorities[item.name] = authority
                contents = [certificate_file(authority.certificate), keys.key_file(authority.key)]
            case Kind.CLIENT:
                assert item.profile is not None
                authority = authorities.get(item.issuer or "") or stock.held[item.issuer or ""].authority()
                leaf = new_leaf(item.profile, authority, spec.key_type, now)
                contents = [leaf.certificate, leaf.key]
            case Kind.SERVICE_ACCOUNT:
                key = keys.new_service_account_key()
                contents = [keys.key_file(key), keys.public_key_file(key)]
            case Kind.ENCRYPTION:
                contents = [keys.new_encryption_key()]
            case Kind.KUBECONFIG:
                contents = [_kubeconfig(stock, spec, files)]
            case unreachable:
                assert_never(unreachable)
        files |= zip((file.path for file in item.files), contents, strict=True)
    return files


def _kubeconfig(stock: Stock, spec: PkiSpec, made: Mapping[str, PemFile]) -> PemFile:
    """Return a kubeconfig from the certificates that were made just now, or else from those that are there."""
    files = {**stock.held["kubernetes-ca"].files, **stock.held["admin"].files, **made}
    return kubeconfig_file(spec.cluster, spec.api_endpoint, files["ca.crt"], files["admin.crt"], files["admin.key"])


def _notes(manifest: Manifest, spec: PkiSpec) -> tuple[str, ...]:
    """Say where a set differs from what the configuration asks for now."""
    notes = []
    if manifest.api_endpoint != spec.api_endpoint:
        notes.append(
            f"The kubeconfig points at {manifest.api_endpoint}, the configuration at {spec.api_endpoint}: "
            "`kubecfn keys replace kubeconfig` makes a new one."
        )
    if manifest.key_type is not spec.key_type:
        notes.append(
            f"The set was begun with {manifest.key_type} keys, the configuration asks for {spec.key_type}: "
            "what exists stays, what is made from now on follows the configuration."
        )
    return tuple(notes)


def _unused(directory: Path) -> tuple[str, ...]:
    """Say which files an earlier version made here that nothing reads any more; they are left alone."""
    found = [path for path in RETIRED if (directory / path).exists()]
    if not found:
        return ()
    return (
        f"No longer used, each controller issues its own: {', '.join(found)}. You may delete them from {directory}.",
    )
