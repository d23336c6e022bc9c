"""Which Kubernetes, etcd, containerd and add-on versions go together, which flags each accepts, and which steps are possible.

Nothing here reads a clock, a disk or the network. The rules:

1. A Kubernetes minor is known or refused (`RELEASES`).
2. The control plane moves up one minor at a time and never down
   (Kubernetes: "Version Skew Policy", section "Supported component upgrade order").
3. etcd moves up one minor at a time and never down (etcd: "Upgrading", "Downgrading etcd"), and 3.5 reaches 3.6
   only from 3.5.26 or later: below it, members replaced through learners can come back as zombies
   (etcd: "Upgrade etcd from 3.5 to 3.6", section "Known issue").
4. A pair of Kubernetes and etcd minors is in the table or refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from kubecfn.errors import WrongUseError


class Version(NamedTuple):
    """A released version; compares as people order versions."""

    major: int
    minor: int
    patch: int

    @property
    def line(self) -> str:
        """The minor as people name it: ``1.36``."""
        return f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class Release:
    """One Kubernetes minor and what goes with it.

    Attributes:
        kubernetes: the patch that a bare minor means.
        etcd: default etcd release for this minor.
        etcd_lines: etcd minors this Kubernetes minor may run on.
        containerd: default containerd release.
        containerd_majors: containerd majors this kubelet still talks to.
        cni_plugins: containernetworking/plugins release.
        cloud_provider: cloud-provider-aws (cloud controller manager) release.
        images: what is pulled beside the images of Kubernetes' own and the cloud provider's release: name -> image.
        charts: pod networks that their publishers ship as Helm charts: name -> chart.
        flannel_plugin: flannel-io/cni-plugin release, a program that nodes have beside the CNI plugins.
        removed_flags: component -> flags that end the program when they are given.
    """

    kubernetes: Version
    etcd: Version
    etcd_lines: tuple[str, ...]
    containerd: Version
    containerd_majors: tuple[int, ...]
    cni_plugins: Version
    cloud_provider: Version
    images: Mapping[str, str]
    charts: Mapping[str, PinnedChart]
    flannel_plugin: str
    removed_flags: Mapping[str, tuple[str, ...]]

    @property
    def pause(self) -> str:
        """Version of the image that holds a pod's namespaces."""
        return self.images["pause"].rpartition(":")[2]


@dataclass(frozen=True)
class PinnedChart:
    """A publisher's Helm chart at one release.

    Attributes:
        repository: where the publisher serves it.
        name: of the chart in there.
        version: its own.
    """

    repository: str
    name: str
    version: str


@dataclass(frozen=True)
class Versions:
    """The versions one cluster runs."""

    kubernetes: Version
    etcd: Version
    containerd: Version
    cni_plugins: Version
    cloud_provider: Version


# kubernetes/kubernetes#130162: fatal on kube-apiserver from 1.33.
_FROM_1_33 = {"kube-apiserver": ("--cloud-provider", "--cloud-config")}
# kubernetes/kubernetes#133774 and its follow-ups: fatal on the kubelet from 1.35.
_FROM_1_35 = {**_FROM_1_33, "kubelet": ("--pod-infra-container-image",)}

_ETCD_3_6 = Version(3, 6, 16)
# One runtime for all minors: the one that each of them was rehearsed with.
_CONTAINERD = Version(2, 3, 7)
_CNI = Version(1, 9, 1)
# flannel-io/flannel v0.28.10, Documentation/kube-flannel.yml, names this plugin.
_FLANNEL_PLUGIN = "1.9.1-flannel3"
_CSI = "public.ecr.aws/csi-components"
# The same for every minor: none of these publishes by Kubernetes' minors.
# metrics-server: README.md, "Compatibility Matrix": 0.9 from 1.34.
# aws-ebs-csi-driver v1.63.0, charts/aws-ebs-csi-driver/values.yaml: what lies beside it. A later driver is not taken before
# it can be rehearsed: 1.63.0 is the last one whose module can be had, and it is the real one that a rehearsal runs.
_IMAGES = {
    "flannel": "ghcr.io/flannel-io/flannel:v0.28.10",
    "metrics-server": "registry.k8s.io/metrics-server/metrics-server:v0.9.0",
    "ebs-csi": "public.ecr.aws/ebs-csi-driver/aws-ebs-csi-driver:v1.63.0",
    "csi-provisioner": f"{_CSI}/csi-provisioner:v6.3.0-eksbuild.2",
    "csi-attacher": f"{_CSI}/csi-attacher:v4.12.0-eksbuild.3",
    "csi-resizer": f"{_CSI}/csi-resizer:v2.2.1-eksbuild.1",
    "csi-node-driver-registrar": f"{_CSI}/csi-node-driver-registrar:v2.17.0-eksbuild.3",
    "livenessprobe": f"{_CSI}/livenessprobe:v2.19.0-eksbuild.3",
}
# cilium v1.20.2: Documentation/network/kubernetes/compatibility.rst: 1.33 to 1.36. amazon-vpc-cni-k8s v1.23.2: charts/aws-vpc-cni.
_CHARTS = MappingProxyType(
    {
        "cilium": PinnedChart("https://helm.cilium.io", "cilium", "1.20.2"),
        "vpc-cni": PinnedChart("https://aws.github.io/eks-charts", "aws-vpc-cni", "1.23.2"),
    }
)


def _images(*, pause: str, coredns: str, autoscaler: str) -> Mapping[str, str]:
    """Return a minor's images: pause and CoreDNS as its ``kubeadm config images list`` names them.

    The autoscaler is released for each minor (kubernetes/autoscaler: "Releases": cluster-autoscaler-1.36.1).
    """
    own = {
        "pause": f"registry.k8s.io/pause:{pause}",
        "coredns": f"registry.k8s.io/coredns/coredns:v{coredns}",
        "cluster-autoscaler": f"registry.k8s.io/autoscaling/cluster-autoscaler:v{autoscaler}",
    }
    return MappingProxyType(own | _IMAGES)


RELEASES: Mapping[str, Release] = MappingProxyType(
    {
        "1.34": Release(
            kubernetes=Version(1, 34, 4),
            etcd=_ETCD_3_6,
            etcd_lines=("3.5", "3.6"),
            containerd=_CONTAINERD,
            containerd_majors=(1, 2),
            cni_plugins=_CNI,
            cloud_provider=Version(1, 34, 3),
            images=_images(pause="3.10.1", coredns="1.12.1", autoscaler="1.34.4"),
            charts=_CHARTS,
            flannel_plugin=_FLANNEL_PLUGIN,
            removed_flags=MappingProxyType(_FROM_1_33),
        ),
        "1.35": Release(
            kubernetes=Version(1, 35, 4),
            etcd=_ETCD_3_6,
            etcd_lines=("3.5", "3.6"),
            containerd=_CONTAINERD,
            containerd_majors=(1, 2),
            cni_plugins=_CNI,
            cloud_provider=Version(1, 35, 0),
            images=_images(pause="3.10.1", coredns="1.13.1", autoscaler="1.35.1"),
            charts=_CHARTS,
            flannel_plugin=_FLANNEL_PLUGIN,
            removed_flags=MappingProxyType(_FROM_1_35),
        ),
        "1.36": Release(
            kubernetes=Version(1, 36, 3),
            etcd=_ETCD_3_6,
            etcd_lines=("3.6",),
            containerd=_CONTAINERD,
            containerd_majors=(2,),
            cni_plugins=_CNI,
            cloud_provider=Version(1, 36, 1),
            images=_images(pause="3.10.2", coredns="1.14.2", autoscaler="1.36.1"),
            charts=_CHARTS,
            flannel_plugin=_FLANNEL_PLUGIN,
            removed_flags=MappingProxyType(_FROM_1_35),
        ),
    }
)

DEFAULT_KUBERNETES = "1.36"
# The last 3.5 release before this one can leave zombie members behind when 3.6 takes over (etcd#20793).
ETCD_3_5_READY_FOR_3_6 = Version(3, 5, 26)

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


def parse(text: str) -> Version:
    """Return the version that ``1.36.3`` or ``v1.36.3`` names.

    Raises:
        WrongUseError: the text is no full version.
    """
    match = _VERSION.fullmatch(text)
    if match is None or match[3] is None:
        raise WrongUseError(f"{text!r} is not a version.", remedy="Write it as MAJOR.MINOR.PATCH, e.g. 1.36.3.")
    return Version(int(match[1]), int(match[2]), int(match[3]))


def release_of(kubernetes: str) -> Release:
    """Return the release table's row for a minor (``1.36``) or a full version (``1.36.3``).

    Raises:
        WrongUseError: this kubecfn does not know the minor.
    """
    match = _VERSION.fullmatch(kubernetes)
    line = f"{match[1]}.{match[2]}" if match else kubernetes
    if line not in RELEASES:
        known = ", ".join(RELEASES)
        raise WrongUseError(
            f"Kubernetes {kubernetes} is not in this kubecfn's version table (known minors: {known}).",
            remedy=f"Choose one of {known}, or a kubecfn that knows {line}.",
        )
    return RELEASES[line]


def choose(kubernetes: str = DEFAULT_KUBERNETES, etcd: str | None = None, containerd: str | None = None) -> Versions:
    """Return the versions a cluster runs; what is not named comes from the table.

    Raises:
        WrongUseError: an unknown minor or a pair that cannot work, with the reason.
    """
    release = release_of(kubernetes)
    match = _VERSION.fullmatch(kubernetes)
    patch_named = match is not None and match[3] is not None
    chosen_etcd = parse(etcd) if etcd else release.etcd
    chosen_containerd = parse(containerd) if containerd else release.containerd
    if chosen_etcd.line not in release.etcd_lines:
        raise WrongUseError(
            f"etcd {chosen_etcd} does not go with Kubernetes {kubernetes} (it runs on etcd {' or '.join(release.etcd_lines)}).",
            remedy=f"Leave etcd out, or choose {release.etcd}.",
        )
    if chosen_containerd.major not in release.containerd_majors:
        allowed = " or ".join(f"{major}.x" for major in release.containerd_majors)
        raise WrongUseError(
            f"containerd {chosen_containerd} does not go with Kubernetes {kubernetes} (its kubelet talks to containerd {allowed}).",
            remedy=f"Leave containerd out, or choose {release.containerd}.",
        )
    return Versions(
        kubernetes=parse(kubernetes) if patch_named else release.kubernetes,
        etcd=chosen_etcd,
        containerd=chosen_containerd,
        cni_plugins=release.cni_plugins,
        cloud_provider=release.cloud_provider,
    )


def refuse_step(program: str, old: Version, new: Version) -> str | None:
    """Return why `program` (``Kubernetes`` or ``etcd``) cannot go from `old` to `new`, or None when it can."""
    if new < old:
        return f"{program} {old} cannot go back to {new}: its stored data may already be in the newer form. Restore a backup instead."
    if new.major != old.major or new.minor > old.minor + 1:
        between = f"{old.major}.{old.minor + 1}"
        return f"{program} {old} cannot jump to {new}: minors are taken one at a time. Go to {between} first."
    leaves_3_5 = program == "etcd" and old.line == "3.5" and new.line == "3.6"
    if leaves_3_5 and old < ETCD_3_5_READY_FOR_3_6:
        return f"etcd {old} cannot go to {new}: go to {ETCD_3_5_READY_FOR_3_6} or a later 3.5 first, or replaced members can come back."
    return None


def refuse_steps(old: Versions, new: Versions) -> list[str]:
    """Return every reason why a cluster on `old` cannot be updated to `new`; empty when it can."""
    steps = (("Kubernetes", old.kubernetes, new.kubernetes), ("etcd", old.etcd, new.etcd))
    reasons = [refuse_step(program, before, after) for program, before, after in steps]
    return [reason for reason in reasons if reason]


def refuse_flags(kubernetes: str, component: str, flags: list[str]) -> list[str]:
    """Return why `component` of this Kubernetes minor would not start with `flags`; empty when it would."""
    removed = release_of(kubernetes).removed_flags.get(component, ())
    named = [flag.split("=", 1)[0] for flag in flags]
    return [f"{component} of Kubernetes {kubernetes} no longer accepts {flag}." for flag in named if flag in removed]
