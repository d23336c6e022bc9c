"""What a container needs to run containers of its own, as a virtual machine would without being asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import MappingProxyType

from tests.rehearsal import groups

from . import store

# /proc/sys stays read-only but for what belongs to the instance's own network.
NSPAWN_ENVIRONMENT = MappingProxyType({"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"})
# Not on the overlay that is the instance's root: containerd makes overlays of its own, and the kubelet measures its disk.
_DISKS = {"containerd": "/var/lib/containerd", "kubelet": "/var/lib/kubelet"}
_PATCH = "kubernetes/patches/kubeletconfiguration9+merge.json"
# Instances share this machine's disk: how full that is says nothing of theirs, and what is pruned cannot be pulled again.
_DISK_IS_SHARED = {
    "evictionHard": {
        "memory.available": "50Mi",
        "nodefs.available": "1%",
        "nodefs.inodesFree": "1%",
        "imagefs.available": "1%",
    },
    "imageGCHighThresholdPercent": 100,
}


# CAP_SYS_RESOURCE, capabilities(7).
_RESOURCE = 24
_RUNTIME = """\
version = 3
imports = ['/etc/containerd/config.toml']

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
"""


def lay(folder: Path, golden: Path) -> None:
    """Give an instance its disks for containers.

    Args:
        folder: its own.
        golden: what containerd's store begins with.
    """
    store.lay(golden, folder / "containerd")
    (folder / "kubelet").mkdir()


def scrap(folder: Path) -> None:
    """Throw them away."""
    for name in _DISKS:
        shutil.rmtree(folder / name, ignore_errors=True)


def nspawn(folder: Path) -> tuple[str, ...]:
    """Return what systemd-nspawn is told besides."""
    return (
        "--capability=all",
        "--system-call-filter=add_key keyctl bpf perf_event_open",
        # The kubelet reads there who ran out of memory.
        "--bind=/dev/kmsg",
        *(f"--bind={folder / name}:{path}" for name, path in _DISKS.items()),
    )


def configure(etc: Path) -> dict[str, str]:
    """Write what this machine asks of a kubelet; return environment variables for every process."""
    kubelet, environment = dict(_DISK_IS_SHARED), {}
    if len(groups.hierarchies()) > 1:  # version 1, which kubelets from 1.35 on and kubeadm's checks refuse
        kubelet["failCgroupV1"] = False
        environment["KUBECFN_KUBEADM_IGNORE"] = "SystemVerification"
    _write(etc / _PATCH, json.dumps(kubelet))
    if not has_resource():
        _write(etc / "containerd/machine.toml", _RUNTIME)
        start = "/usr/local/bin/containerd --config /etc/containerd/machine.toml"
        _write(
            etc / "systemd/system/containerd.service.d/50-machine.conf", f"[Service]\nExecStart=\nExecStart={start}\n"
        )
    return environment


def has_resource() -> bool:
    """Whether root here may protect a process from being killed for its memory, and grow a file system that is mounted."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _RESOURCE & 1)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
