"""The cluster autoscaler: pools grow when pods find no place and shrink when nodes are not needed.

It finds the pools' groups by the tags that the template puts on them (kubecfn/template/pools.py).

Source: kubernetes/autoscaler, cluster-autoscaler/cloudprovider/aws/README.md, "Auto-Discovery Setup".
"""

from __future__ import annotations

from kubecfn.addons import rights
from kubecfn.addons.images import image
from kubecfn.addons.manifest import Object
from kubecfn.addons.workloads import before_services, container, deployment, on_controllers, pod, probe
from kubecfn.node.facts import Cluster

_NAME = "cluster-autoscaler"
_PORT = 8085
_TAG = "k8s.io/cluster-autoscaler"


def objects(cluster: Cluster, *, replicas: int) -> list[Object]:
    """Return the autoscaler.

    Args:
        cluster: whose.
        replicas: how many; one of them leads.
    """
    subject = rights.account_subject(_NAME)
    return [
        rights.account(_NAME),
        rights.cluster_role(_NAME, _everywhere()),
        rights.cluster_binding(_NAME, _NAME, subject),
        rights.role(_NAME, _at_home()),
        rights.binding(_NAME, _NAME, subject),
        *deployment(_NAME, _pod(cluster), replicas=replicas),
    ]


def _everywhere() -> list[Object]:
    """Return what it must see to tell where a pod would fit, and what it does to nodes that go."""
    seen = "get list watch"
    return [
        rights.rule("", "nodes", "get list watch update patch"),
        rights.rule("", "pods/eviction", "create"),
        rights.rule("", "pods/status", "update"),
        rights.rule("", "events", "create patch"),
        rights.rule(
            "", "namespaces pods services replicationcontrollers persistentvolumeclaims persistentvolumes", seen
        ),
        rights.rule("apps", "daemonsets replicasets statefulsets", seen),
        rights.rule("batch", "jobs cronjobs", seen),
        rights.rule("policy", "poddisruptionbudgets", seen),
        rights.rule("resource.k8s.io", "deviceclasses resourceclaims resourceslices", seen),
        rights.rule(
            "storage.k8s.io", "csidrivers csinodes csistoragecapacities storageclasses volumeattachments", seen
        ),
    ]


def _at_home() -> list[Object]:
    """Return what it may write in kube-system: who leads, and how it is."""
    own = "cluster-autoscaler-status cluster-autoscaler-priority-expander"
    return [
        rights.rule("", "configmaps", "create list watch"),
        rights.rule("", "configmaps", "get update delete", own),
        rights.rule("coordination.k8s.io", "leases", "create"),
        rights.rule("coordination.k8s.io", "leases", "get update", _NAME),
    ]


def _pod(cluster: Cluster) -> Object:
    made = container(
        _NAME,
        image(cluster, _NAME),
        command=["./cluster-autoscaler"],
        args=[
            "--cloud-provider=aws",
            f"--node-group-auto-discovery=asg:tag={_TAG}/enabled,{_TAG}/{cluster.name}",
            "--balance-similar-node-groups=true",
            "--expander=least-waste",
            # Pods of ours are two of each, with a budget: they do not hold a node.
            "--skip-nodes-with-system-pods=false",
            "--leader-elect=true",
            f"--address=127.0.0.1:{_PORT}",
            "--v=2",
        ],
        cpu="100m",
        memory="300Mi",
        env=[{"name": "AWS_REGION", "value": cluster.region}],
        livenessProbe=probe("/health-check", _PORT, host="127.0.0.1", initialDelaySeconds=30),
    )
    return pod(_NAME, [before_services(cluster, made)], **on_controllers())
