"""A set brought back from what its controllers and functions were given, for the operator whose machine never had it.

What nobody in AWS holds (the administrator's certificate, the kubeconfig) is not here: `make` issues it anew from the
authorities that are. So it does with the functions' client where it was not given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from kubecfn.errors import FileError
from kubecfn.pki import store
from kubecfn.pki.export import BUNDLE_READERS
from kubecfn.pki.keys import PemFile, key_type_of
from kubecfn.pki.layout import ITEMS, MANIFEST, NODE_DIRECTORY, RETIRED, Item, Kind
from kubecfn.pki.making import LOCK_WAIT_SECONDS, Report
from kubecfn.pki.manifest import Manifest, PkiSpec
from kubecfn.pki.soundness import Sound, UnsoundError, parse

_READER = BUNDLE_READERS["controller"]
_NEEDED = tuple(item for item in ITEMS if all(_READER in file.readers for file in item.files))
_WELCOME = tuple(item for item in ITEMS if all(file.readers for file in item.files))


def restore(
    directory: Path,
    files: Mapping[str, PemFile],
    spec: PkiSpec,
    *,
    now: datetime,
    wait: float = LOCK_WAIT_SECONDS,
) -> Report:
    """Write the keys of a controller's bundle into an empty directory; the inverse of `bundle_files`.

    Args:
        directory: of the set; made when it is missing.
        files: by absolute path on the node without the leading slash.
        spec: whose keys they must be.
        now: aware; the set's beginning on this machine.
        wait: seconds to wait for another kubecfn that writes here.

    Raises:
        FileError: the directory holds something; the files are not a whole and sound set of this cluster; or the disk
            refused. Then nothing was written, or the next command completes it.
    """
    now = now.replace(microsecond=0)
    ours = _by_path(files)
    sound = _sound(ours)
    _refuse_other_cluster(sound, spec)
    with store.locked(directory, wait=wait):
        resumed = store.finish(directory)
        if any(directory.iterdir()):
            _refuse_unless_same(directory, ours, resumed=resumed)
        else:
            listing = _manifest(sound, spec, now).with_files(ours).to_file()
            store.publish(directory, ours | {MANIFEST: listing}, {}, now)
    return Report(made=tuple(sound), resumed=resumed)


def _items(paths: Collection[str]) -> tuple[Item, ...]:
    """Return what is brought back: all that controllers have, and of the functions' what was given."""
    return tuple(item for item in _WELCOME if item in _NEEDED or any(file.path in paths for file in item.files))


def _by_path(files: Mapping[str, PemFile]) -> dict[str, PemFile]:
    """Return a bundle's files by their path below a set, in the layout's order."""
    given = {path.removeprefix(f"{NODE_DIRECTORY}/"): PemFile(file.data) for path, file in files.items()}
    wanted = [file.path for item in _items(given) for file in item.files]
    missing = [path for path in wanted if path not in given]
    unknown = sorted(given.keys() - {*wanted, *RETIRED})
    if missing:
        raise FileError(
            f"The controllers' bundle lacks {', '.join(missing)}, so it is not a whole set of keys.",
            remedy="Copy the folder of keys from the machine that made them, or from a backup.",
        )
    if unknown:
        raise FileError(
            f"The controllers' bundle has keys that this kubecfn does not know: {', '.join(unknown)}.",
            remedy="Use the kubecfn that made it, or a newer one.",
        )
    return {path: given[path] for path in wanted}


def _sound(files: Mapping[str, PemFile]) -> dict[str, Sound]:
    """Return every item's certificate and key by its name, each judged with what it is made from."""
    found: dict[str, Sound] = {}
    for item in _items(files):
        issuer = found[item.issuer][0] if item.issuer else None
        try:
            found[item.name] = parse(item, {file.path: files[file.path] for file in item.files}, issuer)
        except UnsoundError as unsound:
            raise FileError(
                f"{unsound.path} in the controllers' bundle cannot be used: {unsound.reason}.",
                remedy="Copy the folder of keys from the machine that made them, or from a backup.",
            ) from None
    return found


def _refuse_other_cluster(sound: Mapping[str, Sound], spec: PkiSpec) -> None:
    """Refuse authorities that name another cluster than the one they were asked for."""
    for item in _NEEDED:
        owner = _owner(item, sound[item.name][0])
        if owner not in {None, spec.cluster}:
            raise FileError(
                f"{item.files[0].path} in the controllers' bundle is of cluster {owner!r}, not of {spec.cluster!r}.",
                remedy="Check the name and the region in the configuration.",
            )


def _owner(item: Item, certificate: x509.Certificate | None) -> str | None:
    """Return the cluster that an authority names as its O; None for everything else."""
    if item.kind is not Kind.AUTHORITY or certificate is None:
        return None
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(names[0].value) if names else None


def _manifest(sound: Mapping[str, Sound], spec: PkiSpec, now: datetime) -> Manifest:
    """Begin a manifest that says what the authorities really are made of, whatever the configuration asks for now."""
    key = sound[_NEEDED[0].name][1]
    assert key is not None, "the first item of every set is an authority"
    return Manifest.begin(PkiSpec(spec.cluster, spec.api_endpoint, key_type_of(key)), now)


def _refuse_unless_same(directory: Path, files: Mapping[str, PemFile], *, resumed: bool) -> None:
    """Accept only the very files, from a restore that had stopped and was completed a moment ago."""
    if resumed and all(
        (directory / path).is_file() and (directory / path).read_bytes() == file.data for path, file in files.items()
    ):
        return
    raise FileError(
        f"{directory} is not empty: nothing there was touched.",
        remedy="Keep working with what is there (`kubecfn keys show` says what it is), or move the directory away and pull again.",
    )
