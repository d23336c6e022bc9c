"""What only the instance knows, put into kubeadm's documents at boot. Plain Python 3.9: it runs on the node."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Where a bundle's documents wait for what only the instance knows.
SHARE = "/usr/local/share/kubecfn"
CREDENTIAL_PROVIDERS = "/etc/kubernetes/credential-providers.json"
PROGRAMS = "/usr/local/bin"
# By which pods choose a pool.
POOL_LABEL = "kubecfn.io/pool"
# Where a controller finds the roles that the authenticator knows: tags of its own, since no bundle could hold their ARNs.
WORKER_ROLE_TAG = "kubecfn:worker-role"
DRAIN_ROLE_TAG = "kubecfn:drain-role"
ACCESS_ROLE_TAG = "kubecfn:access-"
# Kubernetes: "Considerations for large clusters": no more pods than this on a node.
_MAX_PODS = 110
# Thousandths of each core: the first, the second, the third and fourth, every further one (GKE: "Node sizes", the
# formula that EKS and others use too).
_CPU_STEPS = ((1, 60), (1, 10), (2, 5))
_CPU_FURTHER = 2.5


@dataclass(frozen=True)
class Here:
    """An instance.

    Attributes:
        instance: its id, which is the node's name.
        address: its own IPv4 address.
        region: AWS's.
        zone: its availability zone.
        instance_type: e.g. ``m7i.large``.
        cpus: how many.
        labels: of its pool.
        taints: of its pool: key, value and effect.
    """

    instance: str
    address: str
    region: str
    zone: str
    instance_type: str
    cpus: int
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()

    @property
    def provider_id(self) -> str:
        """How the cloud controller manager finds the instance of a node."""
        return f"aws:///{self.zone}/{self.instance}"


def completed(document: Mapping[str, Any], here: Here) -> dict[str, Any]:
    """Return one of kubeadm's documents with what this instance knows; others as they are.

    Args:
        document: has a ``kind``.
        here: this instance.
    """
    made: dict[str, Any] = copy.deepcopy(dict(document))
    kind = made["kind"]
    if kind in {"InitConfiguration", "JoinConfiguration"}:
        _register(made["nodeRegistration"], here)
    if kind == "InitConfiguration":
        made["localAPIEndpoint"]["advertiseAddress"] = here.address
    return made


def kubelet_patch(here: Here) -> dict[str, Any]:
    """Return what of the KubeletConfiguration is this instance's alone.

    A patch, because kubeadm publishes the document itself for every node that joins (kubeadm: "Customizing with patches").
    """
    return {
        "providerID": here.provider_id,
        "maxPods": _MAX_PODS,
        "kubeReserved": reserved(here.cpus),
        "systemReserved": {"cpu": "100m", "memory": "100Mi", "ephemeral-storage": "1Gi"},
    }


def authenticator(document: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the authenticator's configuration with the ARNs of roles; a role that this cluster has not is left out.

    Args:
        document: each of its mapRoles names the tag that holds the ARN.
        tags: of this instance.
    """
    made: dict[str, Any] = copy.deepcopy(dict(document))
    server = made["server"]
    found = [(tags.get(one.pop("tag"), ""), one) for one in server["mapRoles"]]
    server["mapRoles"] = [{"roleARN": arn, **one} for arn, one in found if arn]
    return made


def reserved(cpus: int) -> dict[str, str]:
    """Return what the kubelet and the runtime keep for themselves.

    Memory grows with the pods there may be (EKS: 255 MiB and 11 MiB for each), CPU ever less with each core.
    """
    left, thousandths = cpus, 0.0
    for cores, each in _CPU_STEPS:
        taken = min(left, cores)
        thousandths += taken * each
        left -= taken
    thousandths += left * _CPU_FURTHER
    return {"cpu": f"{thousandths:.0f}m", "memory": f"{255 + 11 * _MAX_PODS}Mi", "ephemeral-storage": "1Gi"}


def _register(registration: dict[str, Any], here: Here) -> None:
    labels = {
        **here.labels,
        "topology.kubernetes.io/region": here.region,
        "topology.kubernetes.io/zone": here.zone,
        "node.kubernetes.io/instance-type": here.instance_type,
    }
    flags = {
        "node-ip": here.address,
        "node-labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "image-credential-provider-config": CREDENTIAL_PROVIDERS,
        "image-credential-provider-bin-dir": PROGRAMS,
    }
    registration["name"] = here.instance
    mine = [{"name": name, "value": value} for name, value in sorted(flags.items())]
    registration["kubeletExtraArgs"] = [*registration.get("kubeletExtraArgs", []), *mine]
    if here.taints:
        registration["taints"] = [*registration.get("taints", []), *(dict(taint) for taint in here.taints)]
