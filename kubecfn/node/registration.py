"""What every node tells kubeadm of itself, whatever its role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubecfn.node import facts
from kubecfn.node.facts import Cluster


def registration(cluster: Cluster) -> dict[str, Any]:
    """Return the NodeRegistrationOptions; the instance adds its name, labels, taints and more flags."""
    flags = {**cluster.kubelet_flags, **({"cloud-provider": "external"} if cluster.cloud else {})}
    return {
        "criSocket": facts.CRI_SOCKET,
        "imagePullPolicy": "IfNotPresent",
        "kubeletExtraArgs": arguments(flags),
    }


def arguments(flags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return flags as v1beta4 has them: a list, in which a flag may come twice."""
    return [{"name": name, "value": value} for name, value in sorted(flags.items())]
