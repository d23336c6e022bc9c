"""The programs of Kubernetes and around it that rehearsals run, each built from its own module at a pinned release.

Each folder beside this file is one build: its go.mod pins the release, its go.sum the bytes of everything compiled.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
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
_PLUGINS = "github.com/containernetworking/plugins"
_COREDNS = "github.com/coredns/coredns"
_AUTHENTICATOR = "sigs.k8s.io/aws-iam-authenticator"
_CLOUD_PROVIDER = "k8s.io/cloud-provider-aws"
_METRICS = "sigs.k8s.io/metrics-server"
_FLANNEL = "github.com/flannel-io/flannel"
_HELM = "helm.sh/helm/v4"
_EBS_CSI = "github.com/kubernetes-sigs/aws-ebs-csi-driver"
# Program beside a CSI driver -> its module.
_CSI = {
    "csi-provisioner": "github.com/kubernetes-csi/external-provisioner/v6",
    "csi-attacher": "github.com/kubernetes-csi/external-attacher/v4",
    "csi-resizer": "github.com/kubernetes-csi/external-resizer/v2",
}
_VERSION = "k8s.io/component-base/version"
_GIT_VERSION = f"{_VERSION}.gitVersion"
_CLIENT_GO = "k8s.io/client-go/pkg/version.gitVersion"
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
            _GIT_VERSION: f"v{version}",
            f"{_VERSION}.gitMajor": major,
            f"{_VERSION}.gitMinor": minor,
            f"{_VERSION}.gitTreeState": "clean",
            _CLIENT_GO: f"v{version}",
        },
    )


def around(kubernetes_line: str) -> tuple[Recipe, ...]:
    """Return the recipes of what a node of this Kubernetes minor runs beside Kubernetes' own programs."""
    return (
        containerd(),
        cni_plugins(),
        flannel(),
        flannel_plugin(),
        coredns(),
        metrics_server(),
        authenticator(),
        cloud_provider(kubernetes_line),
    )


def containerd() -> Recipe:
    """Return the recipe of the container runtime, its shim and its client."""
    programs = ("containerd", "containerd-shim-runc-v2", "ctr")
    return _recipe(
        "containerd",
        _CONTAINERD,
        {one: f"{_CONTAINERD}/cmd/{one}" for one in programs},
        ("containerd", "--version"),
        folder="containerd-2.3",
        stamp=f"{_CONTAINERD}/version.Version",
        tags=("no_btrfs", "no_zfs", "no_devmapper", "static_build", "netgo", "osusergo"),
    )


def cni_plugins() -> Recipe:
    """Return the recipe of the CNI plugins."""
    packages = {name: f"{_PLUGINS}/plugins/{where}" for name, where in _CNI.items()}
    stamp = f"{_PLUGINS}/pkg/utils/buildversion.BuildVersion"
    return _recipe("cni-plugins", _PLUGINS, packages, ("bridge", "--version"), stamp=stamp)


def flannel() -> Recipe:
    """Return the recipe of flannel's daemon, and of what lays its CNI configuration on a node.

    For amd64 its UDP back end, which is not used here, is written in C (pkg/backend/udp); for 386 it is left out.
    """
    packages = {"flanneld": _FLANNEL, "install-conf": f"{_FLANNEL}/cmd/install_conf"}
    made = _recipe("flannel", _FLANNEL, packages, ("flanneld", "--version"), stamp=f"{_FLANNEL}/pkg/version.Version")
    return replace(made, environment={"GOARCH": "386"}) if platform.machine() == "x86_64" else made


def flannel_plugin() -> Recipe:
    """Return the recipe of flannel's CNI plugin, from the last release in which the other plugins' project had it.

    Not every module proxy has the project in which it is now (flannel-io/cni-plugin).
    """
    packages = {"flannel": f"{_PLUGINS}/plugins/meta/flannel"}
    stamp = f"{_PLUGINS}/pkg/utils/buildversion.BuildVersion"
    return _recipe("flannel-plugin", _PLUGINS, packages, ("flannel", "--version"), stamp=stamp)


def coredns() -> Recipe:
    """Return the recipe of the cluster's DNS server."""
    return _recipe("coredns", _COREDNS, {"coredns": _COREDNS}, ("coredns", "-version"))


def metrics_server() -> Recipe:
    """Return the recipe of metrics-server."""
    packages = {"metrics-server": f"{_METRICS}/cmd/metrics-server"}
    return _recipe("metrics-server", _METRICS, packages, ("metrics-server", "--version"), stamp=_CLIENT_GO)


def authenticator() -> Recipe:
    """Return the recipe of aws-iam-authenticator."""
    name = "aws-iam-authenticator"
    packages = {name: f"{_AUTHENTICATOR}/cmd/{name}"}
    return _recipe(name, _AUTHENTICATOR, packages, (name, "version"), stamp=f"{_AUTHENTICATOR}/pkg.Version")


def cloud_provider(kubernetes_line: str) -> Recipe:
    """Return the recipe of a Kubernetes minor's cloud controller manager, and of what pulls from ECR for kubelets."""
    manager, pulls = "aws-cloud-controller-manager", "ecr-credential-provider"
    return _recipe(
        "cloud-provider-aws",
        _CLOUD_PROVIDER,
        {one: f"{_CLOUD_PROVIDER}/cmd/{one}" for one in (manager, pulls)},
        (manager, "--version"),
        folder=f"cloud-provider-aws-{kubernetes_line}",
        stamp=_GIT_VERSION,
    )


def pause() -> Recipe:
    """Return the recipe of what holds a pod's namespaces; its source lies here."""
    return _own("pause")


def answer() -> Recipe:
    """Return the recipe of what a rehearsal deploys to be answered by; its source lies here."""
    return _own("answer")


def keep() -> Recipe:
    """Return the recipe of what a rehearsal deploys to write on a volume; its source lies here."""
    return _own("keep")


def _own(name: str) -> Recipe:
    return Recipe(name, "1", _HERE / name, {name: f"kubecfn/{name}"}, ((name, "-v"), f"{name} 1\n"))


def volumes() -> tuple[Recipe, ...]:
    """Return the recipes of the EBS CSI driver, of what lies beside it, and of a pod's that writes on a volume."""
    return (ebs_csi(), *(csi(name) for name in _CSI), csi_beside(), keep())


def ebs_csi() -> Recipe:
    """Return the recipe of the EBS CSI driver."""
    name, stamp = "aws-ebs-csi-driver", f"{_EBS_CSI}/pkg/driver.driverVersion"
    return _recipe(name, _EBS_CSI, {name: f"{_EBS_CSI}/cmd"}, (name, "--version"), stamp=stamp)


def csi(name: str) -> Recipe:
    """Return the recipe of a program beside a CSI driver: ``csi-provisioner``, ``csi-attacher`` or ``csi-resizer``."""
    module = _CSI[name]
    return _recipe(name, module, {name: f"{module}/cmd/{name}"}, (name, "--version"), stamp="main.version")


def csi_beside() -> Recipe:
    """Return the recipe of what stands for two programs that not every module proxy has; its source lies here.

    These are kubernetes-csi/node-driver-registrar and kubernetes-csi/livenessprobe.
    """
    name = "csi-beside"
    return Recipe(name, "1", _HERE / name, {name: f"kubecfn/{name}"}, ((name, "--version"), f"{name} 1,"))


def helm() -> Recipe:
    """Return the recipe of Helm, which renders charts on the operator's machine."""
    stamp = f"{_HELM}/internal/version.version"
    return _recipe("helm", _HELM, {"helm": f"{_HELM}/cmd/helm"}, ("helm", "version"), stamp=stamp)


def _recipe(
    name: str,
    module: str,
    packages: Mapping[str, str],
    asked: tuple[str, ...],
    *,
    folder: str = "",
    stamp: str = "",
    tags: tuple[str, ...] = (),
) -> Recipe:
    """Return the recipe of what one module's release has.

    Args:
        name: of the programs together.
        module: whose release is pinned.
        packages: by program.
        asked: a program and its arguments; it has to say which release it is.
        folder: with the go.mod; called like the programs by default.
        stamp: the variable that holds the release with its v; where there is none, the program says it without.
        tags: of the build.
    """
    source = _HERE / (folder or name)
    version = pinned(source, module)
    stamps = {stamp: f"v{version}"} if stamp else {}
    return Recipe(name, version, source, packages, (asked, stamps.get(stamp, version)), stamps=stamps, tags=tags)


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
