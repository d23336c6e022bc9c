"""Container images without a registry: archives as ``docker save`` writes them, made from programs that are files here.

Source: Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_USERS = b"root:x:0:0:root:/root:/bin/false\nnobody:x:65534:65534::/:/bin/false\nnonroot:x:65532:65532::/:/bin/false\n"
_FOLDERS = ("/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/usr/local/bin", "/var")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Container:
    """A container image.

    Attributes:
        name: with registry and tag, as manifests write it.
        files: path in the image -> file here.
        entrypoint: what runs when the pod names no command; empty where it always names one.
        user: by number; empty for root.
        links: symbolic links: path in the image -> where it leads.
    """

    name: str
    files: Mapping[str, Path]
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def recipe(self) -> str:
        """What it is made of, as text: another text is another image."""
        made = (f"{path}:{file.stat().st_mtime_ns}" for path, file in sorted(self.files.items()))
        return f"{self.name} {self.entrypoint} {self.user} {sorted(self.links.items())} {' '.join(made)}"


def write(container: Container, target: Path) -> None:
    """Write an image as one archive of one layer."""
    layer = target.with_suffix(".layer")
    try:
        _write_layer(container, layer)
        with layer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        configuration = _configuration(container, digest)
        named = f"{hashlib.sha256(configuration).hexdigest()}.json"
        manifest = [{"Config": named, "RepoTags": [container.name], "Layers": [f"{digest}/layer.tar"]}]
        with tarfile.open(target, "w") as archive:
            _put(archive, named, configuration)
            _put_file(archive, f"{digest}/layer.tar", layer, 0o644)
            _put(archive, "manifest.json", json.dumps(manifest).encode())
    finally:
        layer.unlink(missing_ok=True)


def closure(root: Path, programs: Iterable[str]) -> dict[str, Path]:
    """Return programs of another root file system with every library that they load.

    Args:
        root: "/" of a distribution that is not running.
        programs: absolute paths in it.

    Returns:
        path in the image -> file here.
    """
    wanted = set(programs)
    for program in list(wanted):
        listed = subprocess.run(["chroot", str(root), "ldd", program], check=True, capture_output=True, text=True)
        wanted |= {word for line in listed.stdout.splitlines() for word in line.split() if word.startswith("/")}
    return {path: _real(root, path) for path in sorted(wanted)}


def _real(root: Path, path: str) -> Path:
    """Return the file behind a path whose links are meant from within `root`."""
    found = subprocess.run(["chroot", str(root), "readlink", "-f", path], check=True, capture_output=True, text=True)
    return root / found.stdout.strip().lstrip("/")


def _write_layer(container: Container, target: Path) -> None:
    with tarfile.open(target, "w") as layer:
        made: set[str] = set()
        for folder in _FOLDERS:
            _make_folder(layer, folder, made)
        _put(layer, "etc/passwd", _USERS)
        for path, file in sorted(container.files.items()):
            _make_folder(layer, str(Path(path).parent), made)
            _put_file(layer, path.lstrip("/"), file, 0o755)
        for path, leads in sorted(container.links.items()):
            _make_folder(layer, str(Path(path).parent), made)
            link = tarfile.TarInfo(path.lstrip("/"))
            link.type, link.linkname = tarfile.SYMTYPE, leads
            layer.addfile(link)


def _make_folder(layer: tarfile.TarFile, folder: str, made: set[str]) -> None:
    if folder == "/" or folder in made:
        return
    _make_folder(layer, str(Path(folder).parent), made)
    made.add(folder)
    entry = tarfile.TarInfo(f"{folder.lstrip('/')}/")
    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "/tmp" else 0o755
    layer.addfile(entry)


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    archive.addfile(entry, io.BytesIO(data))


def _put_file(archive: tarfile.TarFile, name: str, file: Path, mode: int) -> None:
    """Put a file, with nothing of whose it is and when it was written."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = file.stat().st_size, mode
    with file.open("rb") as data:
        archive.addfile(entry, data)


def _configuration(container: Container, layer: str) -> bytes:
    runs = {
        "Entrypoint": list(container.entrypoint),
        "Env": [f"PATH={PATH}"],
        "WorkingDir": "/",
        "User": container.user,
    }
    return json.dumps(
        {
            "architecture": _MACHINES[platform.machine()],
            "os": "linux",
            "created": _EPOCH,
            "config": runs,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
            "history": [{"created": _EPOCH, "created_by": "kubecfn's rehearsal"}],
        }
    ).encode()
