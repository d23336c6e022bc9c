"""The control groups of the instances: one for each, made before it boots, removed after it.

Without one of its own every container's systemd would take the same group and end the others' services. Where the machine
has version 1 hierarchies they are used side by side: systemd's own, the unified one, and the freezer.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "kubecfn-rehearsal-"
_PLAIN = ("systemd", "unified", "freezer")
_LIMITS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "blkio", "pids")
_CPUS = ("cpuset.cpus", "cpuset.mems")


def hierarchies(*, limits: bool = False) -> tuple[Path, ...]:
    """Return the folders in which an instance gets a group, one of each mounted hierarchy that is used.

    Args:
        limits: those too by which a kubelet limits its pods.
    """
    if (ROOT / "cgroup.controllers").exists():
        return (ROOT,)
    plain = tuple(path for name in _PLAIN if (path := ROOT / name).is_dir())
    return plain + (_limits() if limits else ())


def _limits() -> tuple[Path, ...]:
    """Return where this process is in each hierarchy that counts or limits: whoever limits it limits its instances too."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, names, path = line.split(":", 2)
        own.update(dict.fromkeys(names.split(","), path))
    # Two names may be one hierarchy: "cpu" then leads to "cpu,cpuacct".
    found = (path / own.get(path.name, "/").lstrip("/") for name in _LIMITS if (path := ROOT / name).is_dir())
    return tuple(dict.fromkeys(path.resolve() for path in found))


def make(name: str, *, limits: bool = False) -> tuple[Path, ...]:
    """Make an instance's groups; who writes its process id into their ``cgroup.procs`` is in them.

    Args:
        name: of the instance in its run.
        limits: it will limit what runs in it.
    """
    above = hierarchies(limits=limits)
    if limits and above == (ROOT,):
        _hand_down(ROOT)
    made = tuple(path / f"{PREFIX}{name}" for path in above)
    for path in made:
        path.mkdir(exist_ok=True)
        for given in _CPUS:
            # An empty set takes no process, and a new group's is empty.
            if (path / given).exists() and not (path / given).read_text(encoding="ascii").strip():
                (path / given).write_text((path.parent / given).read_text(encoding="ascii"))
    return made


def _hand_down(group: Path) -> None:
    """Let the groups below a version 2 group limit too: its own controllers are theirs only when it says so."""
    for one in (group / "cgroup.controllers").read_text(encoding="ascii").split():
        with contextlib.suppress(OSError):
            (group / "cgroup.subtree_control").write_text(f"+{one}")


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
    for hierarchy in hierarchies(limits=True):
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


def memory(name: str) -> int:
    """Return how many bytes of memory an instance's processes hold that are no cache; it was made with limits."""
    for hierarchy in hierarchies(limits=True):
        counted = hierarchy / f"{PREFIX}{name}" / "memory.stat"
        if counted.exists():
            numbers = dict(line.split() for line in counted.read_text(encoding="ascii").splitlines())
            return int(numbers.get("total_rss") or numbers.get("anon") or 0)
    return 0
