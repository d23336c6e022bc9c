"""What makes an instance's image a Kubernetes node's: its programs, what an image pipeline would set, and its store of images."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubecfn.versions import RELEASES
from tests.rehearsal import authority, programs
from tests.rehearsal.kept import digest, once

from . import store
from .containers import ANSWER, containers

FILES = Path(__file__).with_name("node")
_UNIT = "kernel-of-its-own.service"
_BIN = "usr/local/bin"
_ON_NODES = ("kubeadm", "kubelet", "kubectl", "containerd", "containerd-shim-runc-v2", "ctr")
_FOR_AWS = ("aws-iam-authenticator", "ecr-credential-provider")
_TRUSTED = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Node:
    """What a Kubernetes node has beside what every instance has.

    Attributes:
        layer: to be laid upon the image.
        store: what its containerd begins with.
    """

    layer: Path
    store: Path


def node(kept: Path, line: str, root: Path, report: Callable[[str], None]) -> Node:
    """Return what a node of a Kubernetes minor boots from, making what is not there yet.

    Args:
        kept: the folder in which rehearsals keep what is made once.
        line: a Kubernetes minor, e.g. ``1.36``.
        root: the distribution.
        report: is told what takes long.

    Raises:
        KubecfnError: a program cannot be built, or containerd refuses an image.
    """
    recipes = (programs.kubernetes(line), *programs.around(line), programs.pause(), programs.answer())
    built = dict(programs.build(recipes, report))
    trusted = _trusted(kept, root)
    release = recipes[0].version
    wanted = containers(built, release, _names(line), root, trusted / "bundle.crt")
    recipe = "".join(one.recipe for one in wanted) + programs.containerd().version
    filled = once(
        kept / f"store-{line}-{digest(recipe)}",
        lambda target: store.fill(target, wanted, built["containerd"].parent, report),
    )
    return Node(_layer(kept, line, built, trusted), filled)


def trust(kept: Path, root: Path) -> authority.Authority:
    """Return the authority for AWS's names that nodes made by `node` trust."""
    return authority.kept(_trusted(kept, root))


def _layer(kept: Path, line: str, built: Mapping[str, Path], trusted: Path) -> Path:
    """Return the layer with the programs; the one place that knows where each of them lies."""
    own = {f"{_BIN}/{name}": built[name] for name in (*_ON_NODES, *_FOR_AWS)}
    for plugins in (programs.cni_plugins(), programs.flannel_plugin()):
        own |= {f"opt/cni/bin/{name}": built[name] for name in plugins.packages}

    def lay(target: Path) -> None:
        shutil.copytree(FILES, target, dirs_exist_ok=True)
        for path, file in own.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target / path)
        wants = target / "etc/systemd/system/sysinit.target.wants"
        wants.mkdir(parents=True)
        (wants / _UNIT).symlink_to(f"/etc/systemd/system/{_UNIT}")
        (target / _TRUSTED).parent.mkdir(parents=True)
        shutil.copyfile(trusted / "bundle.crt", target / _TRUSTED)

    files = sorted(path for path in FILES.rglob("*") if path.is_file())
    recipe = "".join(f"{path.relative_to(FILES)} {path.read_text(encoding='utf-8')}" for path in files)
    recipe += "".join(f"{path} {file.stat().st_mtime_ns}" for path, file in sorted(own.items())) + trusted.name
    return once(kept / f"node-{line}-{digest(recipe)}", lay)


def _trusted(kept: Path, root: Path) -> Path:
    """Return a folder with the rehearsal's authority and a bundle: it, and all that the distribution trusts."""

    def make(target: Path) -> None:
        made = authority.new()
        authority.keep(made, target)
        (target / "bundle.crt").write_bytes((root / _TRUSTED).read_bytes() + made.pem)

    return once(kept / f"authority-{digest(root.name)}", make)


def _names(line: str) -> dict[str, str]:
    """Return the names of the images around Kubernetes, as a cluster's documents and manifests have them."""
    release = RELEASES[line]
    manager = f"registry.k8s.io/provider-aws/cloud-controller-manager:v{release.cloud_provider}"
    return {**release.images, "cloud-controller-manager": manager, "answer": ANSWER}
