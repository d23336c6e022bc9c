"""containerd's store with every image in it: filled once, then each instance's own for the price of its folders.

Layers are never written to again, so instances share them by hard links; the databases beside them are copied.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from kubecfn.errors import KubecfnError

from .archive import Container, write

NAMESPACE = "k8s.io"
# What is no file that is only read: opened for writing by every containerd.
_DATABASES = "*.db"
_PATIENCE = 30.0


def fill(target: Path, containers: Iterable[Container], programs: Path, report: Callable[[str], None]) -> None:
    """Fill a folder as containerd does when it pulls each image.

    Args:
        target: an empty folder, on a file system of which overlays can be made.
        containers: the images.
        programs: the folder with containerd and ctr.
        report: is told what is being done.

    Raises:
        KubecfnError: containerd does not start, or refuses an image.
    """
    aside = target.with_name(f"{target.name}.import")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    socket, log = aside / "socket", aside / "log"
    # Nothing runs in it: no plugin that would look for a network, and mounts that nobody else sees.
    command = ["unshare", "--mount", "--propagation", "private", str(programs / "containerd")]
    command += ["--root", str(target), "--state", str(aside / "state"), "--address", str(socket)]
    settings = aside / "config.toml"
    settings.write_text('version = 3\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    with log.open("wb") as out:
        daemon = subprocess.Popen([*command, "--config", str(settings)], stdout=out, stderr=subprocess.STDOUT)
    try:
        ctr = [str(programs / "ctr"), "--address", str(socket), "--namespace", NAMESPACE]
        _await(ctr, daemon, log)
        for container in containers:
            report(f"container image {container.name}")
            _import(ctr, container, aside / "image.tar")
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(aside, ignore_errors=True)


def _await(ctr: list[str], daemon: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while subprocess.run([*ctr, "version"], check=False, capture_output=True).returncode:
        if daemon.poll() is not None or time.monotonic() > end:
            last = log.read_text(errors="replace").splitlines()[-3:]
            raise KubecfnError(f"containerd did not start: {' / '.join(last)}")
        time.sleep(0.05)


def _import(ctr: list[str], container: Container, archive: Path) -> None:
    write(container, archive)
    done = subprocess.run([*ctr, "images", "import", str(archive)], check=False, capture_output=True, text=True)
    archive.unlink()
    if done.returncode:
        raise KubecfnError(f"containerd refuses the image {container.name}: {done.stderr.strip()}")


def lay(golden: Path, target: Path) -> None:
    """Give an instance a store of its own, which begins as the golden one.

    Args:
        golden: filled by `fill`.
        target: does not exist; on the same file system.
    """
    shutil.copytree(golden, target, copy_function=_link, symlinks=True)


def _link(source: str, target: str) -> None:
    if Path(source).match(_DATABASES):
        shutil.copy2(source, target)
    else:
        os.link(source, target, follow_symlinks=False)
