"""The container images that a cluster's nodes need, under the names by which its documents and manifests ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .archive import Container, closure

# What a rehearsal itself deploys.
ANSWER = "rehearsal.example.com/answer:1"
KEEP = "rehearsal.example.com/keep:1"
_REGISTRY = "registry.k8s.io"
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# What writes a node's rules (kubernetes/build/server-image/kube-proxy; flannel's own image).
_RULES = ("/usr/sbin/nft", "/usr/sbin/xtables-nft-multi", "/usr/sbin/conntrack")
_IPTABLES = ("iptables", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-restore", "ip6tables-save")
_LINKS = {f"/usr/sbin/{name}": "xtables-nft-multi" for name in _IPTABLES}
# What formats, checks, mounts and grows a volume (the base of the driver's own image; k8s.io/mount-utils calls them).
_FILE_SYSTEMS = (
    *(f"/usr/bin/{name}" for name in ("lsblk", "mount", "umount")),
    *(f"/usr/sbin/{name}" for name in ("blkid", "blockdev", "dumpe2fs", "fsck", "fsck.ext4", "mkfs.ext4", "resize2fs")),
)
_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
_NOBODY, _NONROOT = "65534", "65532"


@dataclass(frozen=True)
class _Own:
    """An image around Kubernetes, as its project has it: path in it -> program, the first one its entrypoint.

    Attributes:
        user: as whom it runs, by number.
        calls: programs of the distribution that it calls.
        links: symbolic links.
    """

    programs: Mapping[str, str]
    user: str = ""
    calls: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)


# By the names of the version table.
_AROUND = {
    "pause": _Own({"/pause": "pause"}, f"{_NOBODY}:{_NOBODY}"),
    "answer": _Own({"/answer": "answer"}, _NOBODY),
    "coredns": _Own({"/coredns": "coredns"}, f"{_NONROOT}:{_NONROOT}"),
    "metrics-server": _Own({"/metrics-server": "metrics-server"}, _NOBODY),
    "cloud-controller-manager": _Own({"/bin/aws-cloud-controller-manager": "aws-cloud-controller-manager"}),
    "flannel": _Own(
        {"/opt/bin/flanneld": "flanneld", "/opt/bin/install-conf": "install-conf"}, calls=_RULES, links=_LINKS
    ),
    "keep": _Own({"/keep": "keep"}, _NOBODY),
    "ebs-csi": _Own({"/bin/aws-ebs-csi-driver": "aws-ebs-csi-driver"}, calls=_FILE_SYSTEMS),
    **{name: _Own({f"/bin/{name}": name}, _NONROOT) for name in ("csi-provisioner", "csi-attacher", "csi-resizer")},
    # One program stands for both and is what it is called.
    **{name: _Own({f"/bin/{name}": "csi-beside"}, _NONROOT) for name in ("csi-node-driver-registrar", "livenessprobe")},
}


def containers(
    programs: Mapping[str, Path], kubernetes: str, names: Mapping[str, str], root: Path, trusted: Path
) -> tuple[Container, ...]:
    """Return every image whose programs are there.

    Args:
        programs: built ones by name.
        kubernetes: the release, e.g. ``1.36.3``.
        names: of the images around Kubernetes, with registry and tag, by what they are: ``pause``, ``coredns`` …
        root: the distribution, which gives what kube-proxy and flannel call.
        trusted: the authorities that programs in containers trust, one PEM file.
    """
    made = [
        Container(f"{_REGISTRY}/{name}:v{kubernetes}", {f"/usr/local/bin/{name}": programs[name]})
        for name in _CONTROL_PLANE
    ]
    proxy = {"/usr/local/bin/kube-proxy": programs["kube-proxy"]} | closure(root, _RULES)
    made.append(Container(f"{_REGISTRY}/kube-proxy:v{kubernetes}", proxy, links=_LINKS))
    for what, own in _AROUND.items():
        if what in names and all(program in programs for program in own.programs.values()):
            files = {path: programs[program] for path, program in own.programs.items()}
            files |= {_TRUSTED: trusted} | (closure(root, own.calls) if own.calls else {})
            entry = (next(iter(own.programs)),)
            made.append(Container(names[what], files, entry, own.user, own.links))
    return tuple(made)
