"""The container images that a cluster's nodes need, under the names by which its documents and manifests ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .archive import Container, closure

_REGISTRY = "registry.k8s.io"
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# kube-proxy calls these (kubernetes/build/server-image/kube-proxy).
_PROXY_CALLS = ("/usr/sbin/nft", "/usr/sbin/xtables-nft-multi", "/usr/sbin/conntrack", "/bin/kmod")
_IPTABLES = ("iptables", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-restore", "ip6tables-save")
_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
_NOBODY = "65534"
_NONROOT = "65532"


def containers(
    programs: Mapping[str, Path], kubernetes: str, names: Mapping[str, str], root: Path, trusted: Path
) -> tuple[Container, ...]:
    """Return every image.

    Args:
        programs: built ones by name.
        kubernetes: the release, e.g. ``1.36.3``.
        names: of the images around Kubernetes, with registry and tag, by what they are: ``pause``, ``coredns`` …
        root: the distribution, which gives what kube-proxy calls.
        trusted: the authorities that programs in containers trust, one PEM file.
    """
    made = [_one(f"{_REGISTRY}/{name}:v{kubernetes}", name, programs) for name in _CONTROL_PLANE]
    proxy = {f"/usr/local/bin/{one}": programs[one] for one in ("kube-proxy",)} | closure(root, _PROXY_CALLS)
    links = {f"/usr/sbin/{name}": "xtables-nft-multi" for name in _IPTABLES}
    made.append(Container(f"{_REGISTRY}/kube-proxy:v{kubernetes}", proxy, ("/usr/local/bin/kube-proxy",), links=links))
    made.append(Container(names["pause"], {"/pause": programs["pause"]}, ("/pause",), f"{_NOBODY}:{_NOBODY}"))
    for what, (folder, program, user) in _AROUND.items():
        if what in names:
            files = {f"{folder}/{program}": programs[program], _TRUSTED: trusted}
            made.append(Container(names[what], files, (f"{folder}/{program}",), user))
    return tuple(made)


# What an image is -> where its program lies, which one it is, and as whom it runs; as the projects' own images have it.
_AROUND = {
    "coredns": ("", "coredns", f"{_NONROOT}:{_NONROOT}"),
    "metrics-server": ("", "metrics-server", _NOBODY),
    "cloud-controller-manager": ("/bin", "aws-cloud-controller-manager", ""),
}


def _one(name: str, program: str, programs: Mapping[str, Path]) -> Container:
    return Container(name, {f"/usr/local/bin/{program}": programs[program]}, (f"/usr/local/bin/{program}",))
