"""The manifests that the configuration asks for beside its add-ons: namespaces, files of objects, charts."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kubecfn.addons.manifest import Manifest
from kubecfn.charts.helm import Helm, find_helm
from kubecfn.charts.objects import read_objects, refuse_repeats
from kubecfn.charts.rendered import chart_manifests
from kubecfn.charts.scopes import defined_by, placed
from kubecfn.config import Config
from kubecfn.config.contents import Namespace
from kubecfn.errors import FileError
from kubecfn.versions import choose

_POD_SECURITY = "pod-security.kubernetes.io"
_MODES = ("enforce", "audit", "warn")


def extra_objects(config: Config, folder: Path, *, helm: Helm | None = None) -> tuple[Manifest, ...]:
    """Return everything that the configuration brings, ready to be applied; the same inputs give the same objects.

    Args:
        config: the cluster.
        folder: of the configuration file: paths in it are relative to this.
        helm: renders charts; the operator's own by default, looked for only where there are charts.

    Raises:
        WrongUseError: an object that cannot be applied, one that two bring, a chart that does not render, no helm.
        FileError: a file or a chart is not there.
        KubecfnError: a chart cannot be fetched.
    """
    files = _files(config.manifests, folder)
    own = (*_namespaces(config.namespaces), *_read(files, folder))
    defined = defined_by(one for manifest in own for one in manifest.objects)
    kubernetes = str(choose(config.kubernetes, config.etcd).kubernetes)
    charts: tuple[Manifest, ...] = ()
    if config.charts:
        charts = chart_manifests(config.charts, folder, kubernetes, helm or find_helm(), defined)
    everything = (*own, *charts)
    refuse_repeats(everything)
    return everything


def _namespaces(namespaces: Sequence[Namespace]) -> Iterator[Manifest]:
    if namespaces:
        yield Manifest("namespaces", tuple(map(_namespace, namespaces)))


def _namespace(namespace: Namespace) -> dict[str, Any]:
    """Return a namespace that enforces its Pod Security Standard, and warns whoever would break it.

    Source: Kubernetes, "Pod Security Admission", section "Pod Security Admission labels for namespaces".
    """
    levels = {f"{_POD_SECURITY}/{mode}": namespace.pod_security for mode in _MODES}
    metadata: dict[str, Any] = {"name": namespace.name, "labels": {**namespace.labels, **levels}}
    if namespace.annotations:
        metadata["annotations"] = dict(namespace.annotations)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _files(patterns: Sequence[str], folder: Path) -> tuple[Path, ...]:
    """Return the files that are meant, each once, in the order of the configuration and then of their names."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = sorted(folder / name for name in glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern
        files = [path for path in matches if path.is_file()]
        if not files:
            what = "is a folder" if matches else "is not there" if not glob.has_magic(pattern) else "matches no file"
            raise FileError(
                f"The manifest {pattern} {what} (looked for in {folder.absolute()}).",
                remedy="Mend manifests: a path or a pattern such as apps/*.yaml, relative to the configuration file.",
            )
        found.update(dict.fromkeys(files))
    return tuple(found)


def _read(files: Sequence[Path], folder: Path) -> Iterator[Manifest]:
    taken: set[str] = set()
    read = [(path, read_objects(_text(path), str(path))) for path in files]
    defined = defined_by(one for _, objects in read for one in objects)
    for path, objects in read:
        if objects:
            name = _name(path, folder, taken)
            yield Manifest(name, tuple(placed(one, "default", defined) for one in objects))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise FileError(f"The manifest {path} cannot be read: {reason}.", remedy="Make it readable text.") from error


def _name(path: Path, folder: Path, taken: set[str]) -> str:
    """Return a name of its own for a file: ``manifest-apps-web`` for apps/web.yaml."""
    below = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    slug = re.sub(r"[^a-z0-9]+", "-", str(below.with_suffix("")).lower()).strip("-") or "objects"
    name, number = f"manifest-{slug}", 2
    while name in taken:
        name, number = f"manifest-{slug}-{number}", number + 1
    taken.add(name)
    return name
