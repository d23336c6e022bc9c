"""metrics-server: CPU and memory in use, read from every kubelet whose certificate the cluster's authority has signed.

The API server does not check metrics-server's own certificate, which that makes anew at each start: whoever stood in its place
could tell wrong numbers, and learn nothing, since the API server sends it no credential of anybody's (Kubernetes: "Configure the
Aggregation Layer"). As its publisher ships it.

Source: kubernetes-sigs/metrics-server, manifests/base.
"""

from __future__ import annotations

from kubecfn.addons import rights
from kubecfn.addons.images import image
from kubecfn.addons.manifest import Object, service
from kubecfn.addons.workloads import ON_ANY_NODE, container, deployment, labels_of, pod, probe
from kubecfn.node.facts import Cluster

_NAME = "metrics-server"
_PORT = 10250
_CERTIFICATES = "/run/certificates"
_GROUP = "metrics.k8s.io"
_VERSION = "v1beta1"


def objects(cluster: Cluster, where: tuple[Object, ...] = ON_ANY_NODE) -> list[Object]:
    """Return metrics-server and the API that it answers.

    Args:
        cluster: whose.
        where: taints of nodes that its pods tolerate.
    """
    aggregated = {f"rbac.authorization.k8s.io/aggregate-to-{role}": "true" for role in ("view", "edit", "admin")}
    reads = [rights.rule("", "nodes/metrics", "get"), rights.rule("", "pods nodes", "get list watch")]
    subject = rights.account_subject(_NAME)
    reader = "extension-apiserver-authentication-reader"
    return [
        rights.account(_NAME),
        rights.cluster_role(
            "system:aggregated-metrics-reader", [rights.rule(_GROUP, "pods nodes", "get list watch")], aggregated
        ),
        rights.cluster_role("system:metrics-server", reads),
        rights.cluster_binding("system:metrics-server", "system:metrics-server", subject),
        rights.cluster_binding("metrics-server:system:auth-delegator", "system:auth-delegator", subject),
        rights.binding("metrics-server-auth-reader", reader, subject),
        service(_NAME, labels_of(_NAME), [{"name": "https", "port": 443, "targetPort": "https", "protocol": "TCP"}]),
        *deployment(_NAME, _pod(cluster, where)),
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{_VERSION}.{_GROUP}"},
            "spec": {
                "group": _GROUP,
                "version": _VERSION,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {"name": _NAME, "namespace": "kube-system", "port": 443},
            },
        },
    ]


def flags() -> list[str]:
    """Return its flags."""
    return [
        f"--secure-port={_PORT}",
        f"--cert-dir={_CERTIFICATES}",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-use-node-status-port",
        "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "--metric-resolution=15s",
    ]


def _pod(cluster: Cluster, where: tuple[Object, ...]) -> Object:
    made = container(
        _NAME,
        image(cluster, "metrics-server"),
        args=flags(),
        cpu="100m",
        memory="200Mi",
        ports=[{"name": "https", "containerPort": _PORT, "protocol": "TCP"}],
        livenessProbe=probe("/livez", _PORT, scheme="HTTPS"),
        readinessProbe=probe("/readyz", _PORT, scheme="HTTPS", initialDelaySeconds=5),
        volumeMounts=[{"name": "certificates", "mountPath": _CERTIFICATES}],
    )
    return pod(_NAME, [made], tolerations=list(where), volumes=[{"name": "certificates", "emptyDir": {}}])
