"""The walls of a run: namespaces that take every process, mount and network with them, and what is swept afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from kubecfn.errors import KubecfnError

from . import groups

INSIDE = "KUBECFN_REHEARSAL"
TOOLS = {"systemd-nspawn": "systemd-container", "debootstrap": "debootstrap", "ip": "iproute2", "unshare": "util-linux"}


def install_tools() -> None:
    """Install the Debian packages whose programs are missing.

    Raises:
        KubecfnError: apt cannot.
    """
    packages = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if not packages:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise KubecfnError(
            f"The packages {' '.join(packages)} are missing and could not be installed: {done.stderr.strip()}",
            remedy="Run apt-get update, or install them yourself.",
        )


def run_inside(module: str, arguments: list[str], run: Path) -> int:
    """Run this program again behind walls of its own and return its exit status; nothing of it is left afterwards.

    Args:
        module: its name.
        arguments: its own.
        run: the folder that is removed at the end.
    """
    # Whoever ends this process, by whatever signal, ends everything behind the walls too.
    walls = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork"]
    walls += ["--kill-child", "--mount-proc", "--propagation", "private", "--"]
    command = [*walls, sys.executable, "-m", module, *arguments]
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
