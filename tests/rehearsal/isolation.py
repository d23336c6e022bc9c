"""The walls of a run: namespaces that take every process, mount and network with them, and what is swept afterwards."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kubecfn.errors import KubecfnError

from . import groups

INSIDE = "KUBECFN_REHEARSAL"
TOOLS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "unshare": "util-linux",
    "mkfs.ext4": "e2fsprogs",
}

_WATCHERS, _MANY = Path("/proc/sys/fs/inotify/max_user_instances"), 1024

WALLS = (
    *("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *("--propagation", "private", "--"),
)


def install_tools() -> None:
    """Install the Debian packages whose programs are missing.

    Raises:
        KubecfnError: apt cannot.
    """
    packages = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if not packages:
        return
    install = ["install", "--yes", "--no-install-recommends", *packages]
    # A machine on which nobody ever asked for the lists of packages knows none.
    done = _apt(install)
    if done.returncode:
        _apt(["update"])
        done = _apt(install)
    if done.returncode:
        raise KubecfnError(
            f"The packages {' '.join(packages)} are missing and could not be installed: {done.stderr.strip()}",
            remedy="Install them, or make rehearse where apt-get can.",
        )


def _apt(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        ["apt-get", "--quiet", *arguments], check=False, capture_output=True, text=True, env=environment
    )


@contextmanager
def alone(runs: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Let one rehearsal run at a time: two would measure each other.

    Args:
        runs: the folder in which runs keep their disks.
        report: is told that another one is waited for.
    """
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Another rehearsal runs on this machine; this one waits for its end …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# What a container is made of, tried by itself: its walls, its layers, its control groups.
_PROBE = """
set -e
mkdir below above work root
mount -t overlay overlay -o lowerdir=below,upperdir=above,workdir=work root
umount root
ip link add kubecfn0 type bridge
"""


def must_contain(runs: Path) -> None:
    """Find out in a moment whether containers can run on this machine at all.

    Args:
        runs: the folder in which runs keep their disks.

    Raises:
        KubecfnError: they cannot, and why.
    """
    probe = runs / f"run-{os.getpid()}"
    probe.mkdir(parents=True)
    try:
        command = [*WALLS, "sh", "-c", _PROBE]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=probe)
        why = done.stderr.strip().replace("\n", "; ") if done.returncode else ""
        if not why:
            groups.make(f"{probe.name}-probe")
    except OSError as error:
        why = str(error)
    finally:
        sweep(probe)
    if why:
        raise KubecfnError(
            f"NOT REHEARSED: containers cannot run on this machine: {why}.",
            remedy="Run make rehearse as root on a machine of yours, or in one that may make namespaces, overlays and cgroups.",
        )


def run_inside(module: str, arguments: list[str], run: Path) -> int:
    """Run this program again behind walls of its own and return its exit status; nothing of it is left afterwards.

    Args:
        module: its name.
        arguments: its own.
        run: the folder that is removed at the end.
    """
    # Whoever ends this process, by whatever signal, ends everything behind the walls too.
    command = ["setpriv", "--pdeathsig", "KILL", *WALLS, sys.executable, "-m", module, *arguments]
    run.mkdir(parents=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    process = subprocess.Popen(command, env={**os.environ, INSIDE: str(run)})
    try:
        return _wait(process)
    finally:
        process.kill()
        process.wait()
        sweep(run)


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the terminal has told it too; it is waited for
            continue


@contextmanager
def roomy() -> Iterator[None]:
    """Let many kubelets watch files at once for as long as this lasts: the kernel counts those of all containers as root's.

    Source: kind, "Known issues", section "Pod errors due to too many open files".
    """
    before = _WATCHERS.read_text(encoding="ascii")
    if int(before) < _MANY:
        _WATCHERS.write_text(f"{_MANY}\n")
    try:
        yield
    finally:
        _WATCHERS.write_text(before)


def sweep(run: Path) -> None:
    """Remove what namespaces do not take with them: the folder and the control groups."""
    shutil.rmtree(run, ignore_errors=True)
    end = time.monotonic() + 10
    while (left := groups.remove(f"{run.name}-*")) and time.monotonic() < end:
        time.sleep(0.1)
    for line in left:
        sys.stderr.write(f"left behind: {line}\n")


def sweep_after_the_killed(runs: Path) -> None:
    """Remove what runs left that were killed before they could; one that goes on is left alone."""
    for run in runs.glob("run-*"):
        if not Path("/proc", run.name.removeprefix("run-")).exists():
            sweep(run)


def inside() -> Path | None:
    """Return the run's folder behind the walls; None outside."""
    found = os.environ.get(INSIDE)
    return Path(found) if found else None


def settle_in() -> None:
    """Give the run a place for network namespaces that nobody else sees."""
    Path("/run/netns").mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)


def resolve_at(resolver: str, run: Path) -> None:
    """Let this run's own processes ask the VPC's resolver: functions in a VPC do."""
    file = run / "resolv.conf"
    file.write_text(f"nameserver {resolver}\noptions timeout:1 attempts:2\n")
    subprocess.run(["mount", "--bind", str(file), "/etc/resolv.conf"], check=True)
