"""Programs the rehearsals run for real, built once on this machine from pinned source and kept in a cache.

Each folder beside this file is one line of releases: its go.mod pins the release, its go.sum the bytes of everything
that is compiled.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from kubecfn.errors import KubecfnError
from kubecfn.local.programs.recipe import Recipe, Report, built

ETCD = ("etcd", "etcdctl", "etcdutl")
_ETCD_PACKAGES = {"etcd": "go.etcd.io/etcd/server/v3", **{one: f"go.etcd.io/etcd/{one}/v3" for one in ETCD[1:]}}
_HERE = Path(__file__).parent
_PINNED = re.compile(r"go\.etcd\.io/etcd/server/v3 v(\d+\.\d+\.\d+)")


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
    says = (("etcd", "--version"), f"etcd Version: {version}\n")
    return built(Recipe("etcd", version, releases()[version], _ETCD_PACKAGES, says), cache(), report)


def releases() -> dict[str, Path]:
    """Return what can be built: the folder with go.mod by release, the newest first."""
    found = {}
    for folder in sorted(_HERE.glob("etcd-*"), reverse=True):
        pinned = _PINNED.search((folder / "go.mod").read_text(encoding="utf-8"))
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
