"""The walls of a run: namespaces that take every process, mount and network with them, and what is swept afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
    walls = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [*walls, "--propagation", "private", "--", sys.executable, "-m", module, *arguments]
    run.mkdir(parents=True)
    try:
        with subprocess.Popen(command, env={**os.environ, INSIDE: str(run)}) as process:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:  # the terminal has told it too; it is waited for
                    continue
    finally:
        shutil.rmtree(run, ignore_errors=True)
        for line in groups.remove():
            sys.stderr.write(f"left behind: {line}\n")


def inside() -> Path | None:
    """Return the run's folder behind the walls; None outside."""
    found = os.environ.get(INSIDE)
    return Path(found) if found else None


def settle_in() -> None:
    """Give the run a place for network namespaces that nobody else sees."""
    Path("/run/netns").mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)
