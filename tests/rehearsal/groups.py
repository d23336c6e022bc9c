"""The control groups of the instances: one for each, made before it boots, removed after it.

Without one of its own every container's systemd would take the same group and end the others' services. Where the machine
has version 1 hierarchies they are used side by side: systemd's own, the unified one, and the freezer.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "kubecfn-rehearsal-"


def hierarchies() -> tuple[Path, ...]:
    """Return the mounted hierarchies in which an instance gets a group."""
    if (ROOT / "cgroup.controllers").exists():
        return (ROOT,)
    return tuple(path for name in ("systemd", "unified", "freezer") if (path := ROOT / name).is_dir())


def make(name: str) -> tuple[Path, ...]:
    """Make an instance's groups; who writes its process id into their ``cgroup.procs`` is in them."""
    made = tuple(path / f"{PREFIX}{name}" for path in hierarchies())
    for path in made:
        path.mkdir(exist_ok=True)
    return made


def freeze(name: str, *, frozen: bool) -> None:
    """Stop every process of an instance where it stands, or let it go on."""
    group = f"{PREFIX}{name}"
    if (ROOT / "freezer").is_dir():
        (ROOT / "freezer" / group / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
    else:
        (ROOT / group / "cgroup.freeze").write_text("1" if frozen else "0")


def remove(name: str) -> list[str]:
    """Remove an instance's groups, or those of every instance of a run that is over (``RUN-*``); return what stays."""
    stays = []
    for hierarchy in hierarchies():
        for group in hierarchy.glob(f"{PREFIX}{name}"):
            for path in sorted(group.rglob("*"), key=lambda each: -len(each.parts)):
                if path.is_dir():
                    with contextlib.suppress(OSError):
                        path.rmdir()
            try:
                group.rmdir()
            except OSError as error:
                stays.append(f"{group}: {error.strerror}")
    return stays
