"""The half of the EBS CSI driver on every node: attached volumes formatted and mounted for pods."""

from __future__ import annotations

from typing import Any

from kubecfn.addons import rights
from kubecfn.addons.images import image
from kubecfn.addons.manifest import Object
from kubecfn.addons.workloads import (
    ON_EVERY_NODE,
    before_services,
    container,
    daemon_set,
    of_host,
    pod,
    privileged,
    probe,
)
from kubecfn.node.facts import Cluster

_NAME = "ebs-csi-node"
_KUBELET = "/var/lib/kubelet"
_PLUGIN = f"{_KUBELET}/plugins/ebs.csi.aws.com"
_SOCKET = "/csi/csi.sock"
# The half on controllers has 9808 of the same network.
_HEALTH, _REGISTRAR_HEALTH = 9810, 9811


def objects(cluster: Cluster) -> list[Object]:
    """Return the half on every node."""
    rules = [
        rights.rule("", "nodes", "get list watch patch"),
        rights.rule("storage.k8s.io", "csinodes", "get"),
        rights.rule("storage.k8s.io", "volumeattachments", "get list watch"),
    ]
    return [
        rights.account(_NAME),
        rights.cluster_role(_NAME, rules),
        rights.cluster_binding(_NAME, _NAME, rights.account_subject(_NAME)),
        daemon_set(_NAME, _pod(cluster)),
    ]


def _pod(cluster: Cluster) -> Object:
    folders = {
        "kubelet": (_KUBELET, "Directory"),
        "plugin": (_PLUGIN, "DirectoryOrCreate"),
        "registration": (f"{_KUBELET}/plugins_registry", "Directory"),
        "devices": ("/dev", "Directory"),
    }
    volumes: list[Object] = [
        {"name": name, "hostPath": {"path": path, "type": kind}} for name, (path, kind) in folders.items()
    ]
    alive = _container(
        cluster, "liveness-probe", "livenessprobe", f"--csi-address={_SOCKET}", f"--http-endpoint=127.0.0.1:{_HEALTH}"
    )
    return pod(
        _NAME,
        [_driver(cluster), _registrar(cluster), alive],
        # Whatever user its images name: what it mounts and registers is root's.
        securityContext={"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}},
        tolerations=list(ON_EVERY_NODE),
        # What is mounted has to be unmounted before the node goes.
        terminationGracePeriodSeconds=30,
        volumes=[*volumes, {"name": "probe", "emptyDir": {}}],
        **of_host(),
    )


def _driver(cluster: Cluster) -> Object:
    health = probe("/healthz", _HEALTH, host="127.0.0.1", initialDelaySeconds=10, timeoutSeconds=3, failureThreshold=5)
    return privileged(
        _container(
            cluster,
            "ebs-plugin",
            "ebs-csi",
            "node",
            f"--endpoint=unix:{_SOCKET}",
            f"--csi-mount-point-prefix={_KUBELET}/plugins/kubernetes.io/csi/ebs.csi.aws.com/",
            also=[
                {"name": "kubelet", "mountPath": _KUBELET, "mountPropagation": "Bidirectional"},
                {"name": "devices", "mountPath": "/dev"},
            ],
            env=[{"name": "CSI_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            livenessProbe=health,
            readinessProbe=health,
            lifecycle={"preStop": {"exec": {"command": ["/bin/aws-ebs-csi-driver", "pre-stop-hook"]}}},
        )
    )


def _registrar(cluster: Cluster) -> Object:
    return _container(
        cluster,
        "node-driver-registrar",
        "csi-node-driver-registrar",
        f"--csi-address={_SOCKET}",
        f"--kubelet-registration-path={_PLUGIN}/csi.sock",
        f"--http-endpoint=127.0.0.1:{_REGISTRAR_HEALTH}",
        also=[{"name": "registration", "mountPath": "/registration"}, {"name": "probe", "mountPath": _PLUGIN}],
        livenessProbe=probe(
            "/healthz", _REGISTRAR_HEALTH, host="127.0.0.1", initialDelaySeconds=30, periodSeconds=90, timeoutSeconds=15
        ),
    )


def _container(
    cluster: Cluster, name: str, image_name: str, *args: str, also: list[Object] | None = None, **more: Any
) -> Object:
    mounts = [{"name": "plugin", "mountPath": "/csi"}, *(also or [])]
    made = container(
        name, image(cluster, image_name), args=[*args, "--v=2"], cpu="10m", memory="40Mi", volumeMounts=mounts, **more
    )
    return before_services(cluster, made)
