"""The lock file: for every file and container image of an image the publisher's own SHA-256, and where it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubecfn.deploy.progress import Kind, Progress, Reporter, silent
from kubecfn.deploy.workspace import write_file
from kubecfn.errors import FileError, KubecfnError
from kubecfn.image.programs import ARCHITECTURES, BESIDE, Download, Publishers, container_images, downloads, registry_of
from kubecfn.image.publishers import NotPublishedError, Web, sum_of, wheel_of
from kubecfn.versions import RELEASES, Versions, choose

LOCK = Path("image-lock.json")
MAKE = "make image-lock"
_FORMAT = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Locked:
    """One file.

    Attributes:
        url: of the file.
        sha256: in hex.
        sums: URL at which the publisher says so.
    """

    url: str
    sha256: str
    sums: str


@dataclass(frozen=True)
class Lock:
    """What may be put into an image.

    Attributes:
        files: by `Download.key`.
        images: name with tag -> digest.
        beside: versions of what every image holds.
        registry: where the images are; ``{host}`` is the first part of their names.
    """

    files: Mapping[str, Locked]
    images: Mapping[str, str]
    beside: Mapping[str, str]
    registry: str

    def file(self, wanted: Download) -> Locked:
        """Return what is locked of one file.

        Raises:
            KubecfnError: nothing.
        """
        if wanted.key not in self.files:
            raise _missing(f"{wanted.name} {wanted.version} ({wanted.architecture})")
        return self.files[wanted.key]

    def image(self, name: str) -> str:
        """Return the digest of a container image.

        Raises:
            KubecfnError: there is none.
        """
        if name not in self.images:
            raise _missing(f"the container image {name}")
        return self.images[name]

    def text(self) -> str:
        """Return the file: sorted, so that a new release is the only difference."""
        files = {key: one.__dict__ for key, one in sorted(self.files.items())}
        data = {
            "format": _FORMAT,
            "registry": self.registry,
            "versions": dict(sorted(self.beside.items())),
            "files": files,
            "images": dict(sorted(self.images.items())),
        }
        return json.dumps(data, indent=2) + "\n"


def every_release() -> tuple[Versions, ...]:
    """Return what the version table names: each minor with all that goes with it."""
    return tuple(choose(line) for line in RELEASES)


def make_lock(
    releases: Iterable[Versions],
    web: Web,
    publishers: Publishers,
    *,
    beside: Mapping[str, str] = BESIDE,
    report: Reporter = silent,
) -> Lock:
    """Ask every publisher for its sums.

    Args:
        releases: what images are to hold.
        web: how publishers are asked.
        publishers: where they are.
        beside: versions of what every image holds.
        report: is told of each.

    Raises:
        KubecfnError: a publisher cannot be reached or has no sum; nothing is kept then.
    """
    wanted = list(releases)
    every = [
        one for versions in wanted for arch in ARCHITECTURES for one in downloads(versions, arch, publishers, beside)
    ]
    files = {one.key: one for one in every}
    images = sorted({image for versions in wanted for image in container_images(versions)})
    total = len(files) + len(images)
    locked: dict[str, Locked] = {}
    texts: dict[str, str] = {}
    for done, (key, one) in enumerate(sorted(files.items()), 1):
        locked[key] = _locked(one, web, texts)
        report(Progress(Kind.DOWNLOAD, f"{key}: {locked[key].sha256[:12]}…", done, total, detail={"key": "the lock"}))
    digests: dict[str, str] = {}
    for done, image in enumerate(images, len(files) + 1):
        digests[image] = web.digest(registry_of(image, publishers.registry), image)
        report(Progress(Kind.DOWNLOAD, f"{image}: {digests[image][7:19]}…", done, total, detail={"key": "the lock"}))
    return Lock(locked, digests, dict(beside), publishers.registry)


def write_lock(lock: Lock, path: Path) -> None:
    """Write the file whole or not at all."""
    write_file(path, lock.text())


def read_lock(path: Path) -> Lock:
    """Return what is locked.

    Raises:
        FileError: there is no such file, or it is not one of ours.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileError(
            f"There is no {path}: nothing is baked whose publisher has not vouched for it.",
            remedy=f"Run {MAKE}, look at the file, and keep it with your configuration.",
        ) from error
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read: {error}.", remedy=f"Make it anew: {MAKE}.") from error
    return _parsed(data, path)


def _parsed(data: Any, path: Path) -> Lock:
    try:
        if data["format"] != _FORMAT:
            raise FileError(f"{path} has the format {data['format']}, not {_FORMAT}.", remedy=f"Make it anew: {MAKE}.")
        files = {str(key): Locked(**one) for key, one in data["files"].items()}
        images = {str(name): str(digest) for name, digest in data["images"].items()}
        registry = str(data["registry"])
        beside = {str(name): str(version) for name, version in data["versions"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(
            f"{path} is not a lock file of kubecfn's ({error}).", remedy=f"Make it anew: {MAKE}."
        ) from error
    for key, one in files.items():
        if not _SHA256.fullmatch(one.sha256):
            raise FileError(f"{path}: {key} has {one.sha256!r}, which is no SHA-256.", remedy=f"Make it anew: {MAKE}.")
    for name, digest in images.items():
        if not _DIGEST.fullmatch(digest):
            raise FileError(f"{path}: {name} has {digest!r}, which is no digest.", remedy=f"Make it anew: {MAKE}.")
    if lacking := sorted(BESIDE.keys() - beside.keys()):
        raise FileError(f"{path} says no version of {', '.join(lacking)}.", remedy=f"Make it anew: {MAKE}.")
    return Lock(files, images, beside, registry)


def _locked(wanted: Download, web: Web, texts: dict[str, str]) -> Locked:
    """Return what a publisher says of a file; sums that were read are kept in `texts`."""
    try:
        if wanted.sums not in texts:
            texts[wanted.sums] = web.text(wanted.sums)
    except NotPublishedError:
        if wanted.otherwise is None:
            raise
        url, sums = wanted.otherwise
        return _locked(replace(wanted, url=url, sums=sums, otherwise=None), web, texts)
    if not wanted.url:
        url, sha256 = wheel_of(texts[wanted.sums], wanted.sums)
        return Locked(url, sha256, wanted.sums)
    file = wanted.url.rpartition("/")[2]
    return Locked(wanted.url, sum_of(texts[wanted.sums], file, wanted.sums), wanted.sums)


def _missing(what: str) -> KubecfnError:
    return KubecfnError(
        f"The lock file says nothing of {what}.",
        remedy=f"Make it anew with what the configuration asks for: kubecfn image-lock --config FILE (or {MAKE} NAME=…).",
    )
