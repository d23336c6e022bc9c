"""The half of the EBS CSI driver that speaks to EC2: volumes made, attached, made larger, deleted."""

from __future__ import annotations

from typing import Any

from kubecfn.addons import rights
from kubecfn.addons.images import image
from kubecfn.addons.manifest import Object
from kubecfn.addons.workloads import before_services, container, deployment, on_controllers, pod, probe
from kubecfn.node.facts import Cluster

_NAME = "ebs-csi-controller"
_FOLDER = "/var/lib/csi/sockets/pluginproxy"
_SOCKET = f"{_FOLDER}/csi.sock"
_HEALTH = 9808
# Program beside the driver -> its flags; each waits for objects of one kind and calls the driver.
_BESIDE = {
    "csi-provisioner": (
        "--timeout=60s",
        "--feature-gates=Topology=true",
        "--extra-create-metadata",
        "--default-fstype=ext4",
        "--retry-interval-max=30m",
    ),
    "csi-attacher": ("--timeout=6m", "--retry-interval-max=5m", "--feature-gates=MutableCSINodeAllocatableCount=true"),
    "csi-resizer": ("--timeout=60s", "--handle-volume-inuse-error=false", "--retry-interval-max=30m"),
}


def objects(cluster: Cluster, replicas: int) -> list[Object]:
    """Return the half on controllers."""
    subject = rights.account_subject(_NAME)
    return [
        rights.account(_NAME),
        rights.cluster_role(_NAME, _everywhere()),
        rights.cluster_binding(_NAME, _NAME, subject),
        rights.role(_NAME, [rights.rule("coordination.k8s.io", "leases", "create get list watch update patch delete")]),
        rights.binding(_NAME, _NAME, subject),
        *deployment(_NAME, _pod(cluster), replicas=replicas),
    ]


def _everywhere() -> list[Object]:
    """Return what provisioner, attacher and resizer need, by their own manifests."""
    return [
        rights.rule("", "persistentvolumes", "get list watch create patch delete"),
        rights.rule("", "persistentvolumeclaims", "get list watch update"),
        rights.rule("", "persistentvolumeclaims/status", "patch"),
        rights.rule("", "nodes pods", "get list watch"),
        rights.rule("", "events", "list watch create update patch"),
        rights.rule("storage.k8s.io", "csinodes storageclasses volumeattributesclasses", "get list watch"),
        rights.rule("storage.k8s.io", "volumeattachments", "get list watch patch"),
        rights.rule("storage.k8s.io", "volumeattachments/status", "patch"),
    ]


def _pod(cluster: Cluster) -> Object:
    health = probe("/healthz", _HEALTH, host="127.0.0.1", initialDelaySeconds=10, timeoutSeconds=60, failureThreshold=5)
    driver = _container(
        cluster,
        "ebs-plugin",
        "ebs-csi",
        "controller",
        f"--endpoint=unix://{_SOCKET}",
        f"--k8s-tag-cluster-id={cluster.name}",
        "--batching=true",
        env=[
            {"name": "AWS_REGION", "value": cluster.region},
            {"name": "CSI_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        livenessProbe=health,
        readinessProbe=health,
    )
    beside = [
        _container(cluster, name, name, f"--csi-address={_SOCKET}", "--leader-election=true", *flags)
        for name, flags in _BESIDE.items()
    ]
    alive = _container(
        cluster,
        "liveness-probe",
        "livenessprobe",
        f"--csi-address={_SOCKET}",
        f"--http-endpoint=127.0.0.1:{_HEALTH}",
        "--probe-timeout=60s",
    )
    sockets = [{"name": "sockets", "emptyDir": {}}]
    return pod(_NAME, [driver, *beside, alive], volumes=sockets, **on_controllers())


def _container(cluster: Cluster, name: str, image_name: str, *args: str, **more: Any) -> Object:
    mounts = [{"name": "sockets", "mountPath": _FOLDER}]
    made = container(
        name, image(cluster, image_name), args=[*args, "--v=2"], cpu="10m", memory="40Mi", volumeMounts=mounts, **more
    )
    return before_services(cluster, made)
