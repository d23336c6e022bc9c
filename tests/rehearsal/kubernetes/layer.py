"""What makes an instance's image a Kubernetes node's: its programs, what an image pipeline would set, and its store of images."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubecfn.errors import KubecfnError
from kubecfn.versions import RELEASES
from tests.rehearsal import authority, programs
from tests.rehearsal.kept import digest, once

from .archive import Container, write
from .containers import ANSWER, KEEP, containers

FILES = Path(__file__).with_name("node")
# The very script that bakes machine images on AWS; there its programs are fetched, here they were built.
INSTALL = Path(__file__).parents[3] / "image/install"
_UNIT = "kernel-of-its-own.service"
_ON_NODES = (
    *("kubeadm", "kubelet", "kubectl", "containerd", "containerd-shim-runc-v2", "ctr"),
    *("aws-iam-authenticator", "ecr-credential-provider"),
)
_TRUSTED = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Node:
    """What a Kubernetes node has beside what every instance has.

    Attributes:
        layer: to be laid upon the image.
    """

    layer: Path

    @property
    def store(self) -> Path:
        """What its containerd begins with."""
        return self.layer / "var/lib/containerd"


def node(
    kept: Path, line: str, etcd: Mapping[str, Path], root: Path, report: Callable[[str], None], *, volumes: bool = False
) -> Node:
    """Return what a node of a Kubernetes minor boots from, making what is not there yet.

    Args:
        kept: the folder in which rehearsals keep what is made once.
        line: a Kubernetes minor, e.g. ``1.36``.
        etcd: the programs of a release by name.
        root: the distribution.
        report: is told what takes long.
        volumes: its store has the images of the EBS CSI driver too.

    Raises:
        KubecfnError: a program cannot be built, or the machine image's own script refuses one.
    """
    recipes = (programs.kubernetes(line), *programs.around(line), programs.pause(), programs.answer())
    recipes += programs.volumes() if volumes else ()
    built = dict(programs.build(recipes, report))
    trusted = _trusted(kept, root)
    wanted = containers(built, recipes[0].version, _names(line), root, trusted / "bundle.crt")
    plugins = {name for one in (programs.cni_plugins(), programs.flannel_plugin()) for name in one.packages}
    laid = {f"bin/{name}": built[name] for name in _ON_NODES} | {f"bin/{name}": file for name, file in etcd.items()}
    laid |= {f"cni/{name}": built[name] for name in plugins}

    def make(target: Path) -> None:
        report(f"machine image with Kubernetes {line}: {len(laid)} programs, {len(wanted)} container images")
        with tempfile.TemporaryDirectory(dir=kept) as folder:
            _gather(Path(folder), laid, wanted)
            _install(Path(folder), target, root)
        _lay_own(target, trusted)

    files = sorted(path for path in FILES.rglob("*") if path.is_file())
    recipe = "".join(f"{path.relative_to(FILES)} {path.read_text(encoding='utf-8')}" for path in files)
    recipe += "".join(f"{path} {file.stat().st_mtime_ns}" for path, file in sorted(laid.items())) + trusted.name
    recipe += "".join(one.recipe for one in wanted) + INSTALL.read_text(encoding="utf-8")
    return Node(once(kept / f"node-{'with-volumes-' if volumes else ''}{line}-{digest(recipe)}", make))


def _gather(folder: Path, laid: Mapping[str, Path], wanted: Iterable[Container]) -> None:
    """Lay everything where the script looks for it."""
    for path, file in laid.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).symlink_to(file)
    (folder / "images").mkdir()
    for number, container in enumerate(wanted):
        write(container, folder / f"images/{number:02}.tar")


def _install(folder: Path, target: Path, root: Path) -> None:
    """Run the script that bakes machine images, on a layer instead of a machine.

    Raises:
        KubecfnError: it refuses.
    """
    done = subprocess.run(
        ["sh", str(INSTALL), str(folder), str(target), str(root)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise KubecfnError(f"{INSTALL.name} refuses what the rehearsal built: {done.stderr.strip()}")


def _lay_own(target: Path, trusted: Path) -> None:
    """Lay what makes a container a machine, and the authority for AWS's names."""
    shutil.copytree(FILES, target, dirs_exist_ok=True)
    wants = target / "etc/systemd/system/sysinit.target.wants"
    wants.mkdir(parents=True)
    (wants / _UNIT).symlink_to(f"/etc/systemd/system/{_UNIT}")
    (target / _TRUSTED).parent.mkdir(parents=True)
    shutil.copyfile(trusted / "bundle.crt", target / _TRUSTED)


def trust(kept: Path, root: Path) -> authority.Authority:
    """Return the authority for AWS's names that nodes made by `node` trust."""
    return authority.kept(_trusted(kept, root))


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
    return {**release.images, "cloud-controller-manager": manager, "answer": ANSWER, "keep": KEEP}
