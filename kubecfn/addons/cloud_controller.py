"""AWS's cloud controller manager, one on every controller: what AWS knows of nodes, load balancers, the end of dead nodes.

Its controllers act as one service account: with one each it would need the right to make tokens for others.

Source: kubernetes/cloud-provider-aws, examples/existing-cluster and docs/prerequisites.md.
"""

from __future__ import annotations

from kubecfn.addons import rights
from kubecfn.addons.images import image
from kubecfn.addons.manifest import Object
from kubecfn.addons.workloads import before_services, container, daemon_set, on_controllers, pod, probe
from kubecfn.node.facts import Cluster

_NAME = "aws-cloud-controller-manager"
_ACCOUNT = "cloud-controller-manager"
_PORT = 10258


def objects(cluster: Cluster) -> list[Object]:
    """Return the cloud controller manager."""
    rules = [
        rights.rule("", "nodes", "get list watch patch update delete"),
        rights.rule("", "nodes/status", "patch update"),
        rights.rule("", "services", "get list watch patch update"),
        rights.rule("", "services/status", "patch update"),
        rights.rule("", "events", "create patch update"),
        rights.rule("events.k8s.io", "events", "create patch update"),
    ]
    leases = [rights.rule("coordination.k8s.io", "leases", "create get list watch update")]
    subject = rights.account_subject(_ACCOUNT)
    reader = "extension-apiserver-authentication-reader"
    return [
        rights.account(_ACCOUNT),
        rights.cluster_role("system:cloud-controller-manager", rules),
        rights.cluster_binding("system:cloud-controller-manager", "system:cloud-controller-manager", subject),
        rights.role(_ACCOUNT, leases),
        rights.binding(_ACCOUNT, _ACCOUNT, subject),
        rights.binding(f"{_ACCOUNT}:apiserver-authentication-reader", reader, subject),
        daemon_set(_NAME, _pod(cluster), at_once=1),
    ]


def flags(cluster: Cluster) -> list[str]:
    """Return its flags."""
    return [
        "--cloud-provider=aws",
        f"--cluster-name={cluster.name}",
        "--configure-cloud-routes=false",
        "--allocate-node-cidrs=false",
        "--use-service-account-credentials=false",
        "--leader-elect=true",
        "--bind-address=127.0.0.1",
        f"--secure-port={_PORT}",
        "--v=2",
    ]


def _pod(cluster: Cluster) -> Object:
    made = container(
        _NAME,
        image(cluster, "cloud-controller-manager"),
        args=flags(cluster),
        cpu="100m",
        memory="64Mi",
        env=[{"name": "AWS_REGION", "value": cluster.region}],
        livenessProbe=probe("/healthz", _PORT, host="127.0.0.1", scheme="HTTPS", initialDelaySeconds=20),
    )
    return pod(_ACCOUNT, [before_services(cluster, made)], **on_controllers())
