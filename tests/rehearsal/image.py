"""What the instances boot from: Debian with systemd, Python, boto3 and etcd, kept under build/rehearsal by its recipe's hash.

Two layers: the distribution, which takes minutes to make, and the image upon it (what an image pipeline would bake in).
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kubecfn.errors import KubecfnError
from kubecfn.local import programs

from .authority import Authority
from .kept import digest, once
from .kubernetes import layer

SUITE = "bookworm"
# What the units, the agent and whoever looks inside call; and with what a disk is slowed and a clock set wrong.
PACKAGES = "systemd,systemd-sysv,dbus,python3,openssl,iproute2,ca-certificates,procps,strace,tcc"
# And what a Kubernetes node calls (kubeadm's preflight checks, the kubelet, containerd).
PACKAGES += ",runc,iptables,nftables,conntrack,ethtool,socat,kmod,mount"
PYTHON = "usr/local/lib/python3.11/dist-packages"
# boto3 and all it needs, each plain Python: copied from the environment whose versions the lock file pins.
WHEELS = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
FILES = Path(__file__).with_name("image")
CLOCK = "usr/local/lib/wrong-clock"
WANTED = ("cloud-final.service",)
# Nothing that wakes up by itself belongs into a rehearsal of seconds.
UNWANTED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer")


@dataclass(frozen=True)
class Image:
    """What an instance's root is made of.

    Attributes:
        layers: folders, the upper ones first.
        store: what containerd's store begins with; None where there are no containers.
    """

    layers: tuple[Path, ...]
    store: Path | None = None


def image(
    build: Path,
    etcd: str,
    report: Callable[[str], None] = lambda _: None,
    *,
    kubernetes: str = "",
    volumes: bool = False,
) -> Image:
    """Return the image with one etcd release, and a Kubernetes minor where one is named, making what is not there yet.

    Args:
        build: the project's build folder.
        etcd: a release that the project pins, e.g. ``3.6.16``.
        report: is told what takes long.
        kubernetes: a minor, e.g. ``1.36``; empty for instances that run etcd alone.
        volumes: with what makes EBS volumes for pods.

    Raises:
        KubecfnError: the programs cannot be built, or the distribution cannot be had.
    """
    kept = build / "rehearsal"
    root = distribution(kept)
    built = programs.etcd(etcd, report)
    layers = (_baked(kept, built, etcd), root)
    if not kubernetes:
        return Image(layers)
    etcd_programs = {name: built / name for name in programs.ETCD}
    made = layer.node(kept, kubernetes, etcd_programs, root, report, volumes=volumes)
    return Image((made.layer, *layers), made.store)


def trusted_authority(build: Path) -> Authority:
    """Return the authority for AWS's names that Kubernetes nodes' images trust."""
    kept = build / "rehearsal"
    return layer.trust(kept, distribution(kept))


def distribution(kept: Path) -> Path:
    """Return the distribution's root, made by debootstrap the first time: one to two minutes."""
    packages = " ".join(f"{name} {importlib.metadata.version(name)}" for name in WHEELS)
    recipe = f"{SUITE} minbase {PACKAGES} {packages} {UNWANTED} {(FILES / CLOCK / 'clock.c').read_text()}"
    return once(kept / f"root-{digest(recipe)}", _debootstrap)


def _baked(kept: Path, built: Path, etcd: str) -> Path:
    """Return the layer that makes the distribution this project's image."""

    def bake(target: Path) -> None:
        shutil.copytree(FILES, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        (target / "usr/local/bin").mkdir(parents=True)
        for name in programs.ETCD:
            shutil.copy2(built / name, target / "usr/local/bin" / name)
        wants = target / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True)
        for unit in WANTED:
            (wants / unit).symlink_to(f"/etc/systemd/system/{unit}")

    files = sorted(path for path in FILES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    recipe = "".join(f"{path.relative_to(FILES)} {path.read_text(encoding='utf-8')}" for path in files)
    recipe += "".join(f"{name} {(built / name).stat().st_mtime_ns}" for name in programs.ETCD)
    return once(kept / f"image-{etcd}-{digest(recipe)}", bake)


def _copy_packages(target: Path) -> None:
    for name in WHEELS:
        found = importlib.metadata.distribution(name)
        for file in found.files or ():
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found.locate_file(file), target / file)


def _debootstrap(target: Path) -> None:
    log = target.with_name("debootstrap.log")
    with log.open("wb") as out:
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(target), mirror()]
        done = subprocess.run(command, check=False, stdout=out, stderr=subprocess.STDOUT)
    if done.returncode:
        raise KubecfnError(f"debootstrap ended with {done.returncode}.", remedy=f"Its words are in {log}.")
    (target / "etc/hostname").unlink(missing_ok=True)
    # Each instance makes its own at its first boot: an empty file says so, and D-Bus's copy would be taken for it.
    (target / "etc/machine-id").write_text("")
    (target / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    _copy_packages(target / PYTHON)
    # As pip does: an instance that has to compile boto3 first boots seconds later.
    subprocess.run(["chroot", str(target), "python3", "-m", "compileall", "-q", f"/{PYTHON}"], check=True)
    (target / CLOCK).mkdir(parents=True)
    shutil.copyfile(FILES / CLOCK / "clock.c", target / CLOCK / "clock.c")
    compiled = ["tcc", "-shared", "-nostdlib", "-o", f"/{CLOCK}/clock.so", f"/{CLOCK}/clock.c"]
    subprocess.run(["chroot", str(target), *compiled], check=True)
    for unit in UNWANTED:
        (target / "etc/systemd/system" / unit).symlink_to("/dev/null")
    shutil.rmtree(target / "var/cache/apt/archives", ignore_errors=True)


def mirror() -> str:
    """Return where this machine's own apt takes the suite from.

    Raises:
        KubecfnError: its sources name no such suite.
    """
    asked = ["apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages", "Component: main"]
    found = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split("\n")
    for line in found:
        suite, _, site = line.partition(" ")
        if suite == SUITE and site:
            return site
    raise KubecfnError(
        f"apt knows no source of Debian {SUITE}.", remedy="Add one to /etc/apt/sources.list.d and run apt-get update."
    )
