"""EBS volumes for pods: the CSI driver on controllers and on every node, and the default storage class.

Both halves run in their node's network: they ask the instance's metadata, which no pod beyond it reaches.

Source: kubernetes-sigs/aws-ebs-csi-driver, deploy/kubernetes/base.
"""

from __future__ import annotations

from kubecfn.addons import ebs_csi_controller, ebs_csi_node
from kubecfn.addons.manifest import Object
from kubecfn.node.facts import Cluster

DRIVER = "ebs.csi.aws.com"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"


def objects(cluster: Cluster, *, replicas: int) -> list[Object]:
    """Return the driver and its storage class; volumes that it makes have the cluster's tag.

    Args:
        cluster: whose.
        replicas: of the half on controllers; one of them leads.
    """
    return [_driver(), _storage_class(), *ebs_csi_controller.objects(cluster, replicas), *ebs_csi_node.objects(cluster)]


def _driver() -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": DRIVER},
        "spec": {
            "attachRequired": True,
            "podInfoOnMount": False,
            "fsGroupPolicy": "File",
            # How many volumes a node takes changes with its network interfaces.
            "nodeAllocatableUpdatePeriodSeconds": 10,
        },
    }


def _storage_class() -> Object:
    """Return the class of volumes that name none: in the pod's own zone, encrypted with the account's key, able to grow."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "gp3", "annotations": {_DEFAULT: "true"}},
        "provisioner": DRIVER,
        "parameters": {"type": "gp3", "encrypted": "true", "csi.storage.k8s.io/fstype": "ext4"},
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
    }
