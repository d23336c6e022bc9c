"""The programs of Kubernetes and around it that rehearsals run, each built from its own module at a pinned release.

Each folder beside this file is one build: its go.mod pins the release, its go.sum the bytes of everything compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from kubecfn.local.programs import cache
from kubecfn.local.programs.recipe import Recipe, Report, built

_HERE = Path(__file__).parent
_KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubeadm",
    "kubelet",
    "kubectl",
)
_CONTAINERD = "github.com/containerd/containerd/v2"
_PLUGINS = "github.com/containernetworking/plugins/plugins"
_AUTHENTICATOR = "sigs.k8s.io/aws-iam-authenticator"
_CLOUD_PROVIDER = "k8s.io/cloud-provider-aws"
_METRICS = "sigs.k8s.io/metrics-server"
_CLIENT_VERSION = "k8s.io/component-base/version"
# Program -> where its plugin lies in containernetworking/plugins.
_CNI = {
    "bridge": "main/bridge",
    "loopback": "main/loopback",
    "ptp": "main/ptp",
    "host-local": "ipam/host-local",
    "portmap": "meta/portmap",
    "bandwidth": "meta/bandwidth",
    "firewall": "meta/firewall",
}


def lines() -> tuple[str, ...]:
    """Return the Kubernetes minors that can be built, the oldest first."""
    return tuple(sorted(folder.name.removeprefix("kubernetes-") for folder in _HERE.glob("kubernetes-*")))


def kubernetes(line: str, programs: Iterable[str] = _KUBERNETES) -> Recipe:
    """Return the recipe of a minor's programs.

    Args:
        line: a Kubernetes minor, e.g. ``1.36``.
        programs: those that are wanted; all by default.
    """
    source = _HERE / f"kubernetes-{line}"
    version = pinned(source, "k8s.io/kubernetes")
    major, minor, _ = version.split(".")
    return Recipe(
        "kubernetes" if tuple(programs) == _KUBERNETES else f"kubernetes-{'-'.join(programs)}",
        version,
        source,
        {one: f"k8s.io/kubernetes/cmd/{one}" for one in programs},
        (("kubeadm", "version", "-o", "short"), f"v{version}\n"),
        stamps={
            f"{_CLIENT_VERSION}.gitVersion": f"v{version}",
            f"{_CLIENT_VERSION}.gitMajor": major,
            f"{_CLIENT_VERSION}.gitMinor": minor,
            f"{_CLIENT_VERSION}.gitTreeState": "clean",
            "k8s.io/client-go/pkg/version.gitVersion": f"v{version}",
        },
    )


def around(kubernetes_line: str) -> tuple[Recipe, ...]:
    """Return the recipes of what a node of this Kubernetes minor runs beside Kubernetes' own programs."""
    return (containerd(), cni_plugins(), coredns(), metrics_server(), authenticator(), cloud_provider(kubernetes_line))


def containerd() -> Recipe:
    """Return the recipe of the container runtime, its shim and its client."""
    source = _HERE / "containerd-2.3"
    version = pinned(source, _CONTAINERD)
    return Recipe(
        "containerd",
        version,
        source,
        {one: f"{_CONTAINERD}/cmd/{one}" for one in ("containerd", "containerd-shim-runc-v2", "ctr")},
        (("containerd", "--version"), f"v{version}"),
        stamps={f"{_CONTAINERD}/version.Version": f"v{version}"},
        tags=("no_btrfs", "no_zfs", "no_devmapper", "static_build", "netgo", "osusergo"),
    )


def cni_plugins() -> Recipe:
    """Return the recipe of the CNI plugins."""
    source = _HERE / "cni-plugins"
    version = pinned(source, "github.com/containernetworking/plugins")
    packages = {name: f"{_PLUGINS}/{where}" for name, where in _CNI.items()}
    stamp = "github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion"
    return Recipe(
        "cni-plugins",
        version,
        source,
        packages,
        (("bridge", "--version"), f"v{version}"),
        stamps={stamp: f"v{version}"},
    )


def coredns() -> Recipe:
    """Return the recipe of the cluster's DNS server."""
    source = _HERE / "coredns"
    version = pinned(source, "github.com/coredns/coredns")
    return Recipe(
        "coredns", version, source, {"coredns": "github.com/coredns/coredns"}, (("coredns", "-version"), version)
    )


def metrics_server() -> Recipe:
    """Return the recipe of metrics-server."""
    source = _HERE / "metrics-server"
    version = pinned(source, _METRICS)
    return Recipe(
        "metrics-server",
        version,
        source,
        {"metrics-server": f"{_METRICS}/cmd/metrics-server"},
        (("metrics-server", "--version"), f"v{version}"),
        stamps={f"{_CLIENT_VERSION}.gitVersion": f"v{version}"},
    )


def authenticator() -> Recipe:
    """Return the recipe of aws-iam-authenticator."""
    source = _HERE / "aws-iam-authenticator"
    version = pinned(source, _AUTHENTICATOR)
    return Recipe(
        "aws-iam-authenticator",
        version,
        source,
        {"aws-iam-authenticator": f"{_AUTHENTICATOR}/cmd/aws-iam-authenticator"},
        (("aws-iam-authenticator", "version"), version),
        stamps={f"{_AUTHENTICATOR}/pkg.Version": f"v{version}"},
    )


def cloud_provider(kubernetes_line: str) -> Recipe:
    """Return the recipe of a Kubernetes minor's cloud controller manager, and of what pulls from ECR for kubelets."""
    source = _HERE / f"cloud-provider-aws-{kubernetes_line}"
    version = pinned(source, _CLOUD_PROVIDER)
    program, pulls = "aws-cloud-controller-manager", "ecr-credential-provider"
    return Recipe(
        "cloud-provider-aws",
        version,
        source,
        {one: f"{_CLOUD_PROVIDER}/cmd/{one}" for one in (program, pulls)},
        ((program, "--version"), f"v{version}"),
        stamps={f"{_CLIENT_VERSION}.gitVersion": f"v{version}"},
    )


def pinned(source: Path, module: str) -> str:
    """Return the release of a module that a folder's go.mod pins, without its v.

    Raises:
        LookupError: it pins none.
    """
    text = (source / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^(?:require )?\s*{re.escape(module)} v(\S+)", text, re.MULTILINE)
    if not found:
        raise LookupError(f"{source / 'go.mod'} pins no {module}")
    return found[1]


def build(recipes: Iterable[Recipe], report: Report) -> Mapping[str, Path]:
    """Build what is not there yet; return each program's path by its name."""
    found: dict[str, Path] = {}
    for recipe in recipes:
        folder = built(recipe, cache(), report)
        found.update({program: folder / program for program in recipe.packages})
    return found
