"""Everything that a cluster's add-ons are, in the order in which it is applied."""

from __future__ import annotations

from collections.abc import Iterator

from kubecfn.addons import (
    autoscaler,
    cloud_controller,
    coredns,
    ebs_csi,
    flannel,
    joining,
    kube_proxy,
    metrics_server,
)
from kubecfn.addons.manifest import Manifest, Object
from kubecfn.addons.workloads import ON_ANY_NODE, ON_WORKERS
from kubecfn.config import Config
from kubecfn.node.facts import Cluster


def manifests(cluster: Cluster, config: Config) -> tuple[Manifest, ...]:
    """Return what is applied to a cluster: what lets workers join first, then what pods need, then what people want.

    Pod networks that are charts are not among them (`kubecfn.addons.charts`).

    Args:
        cluster: its documents' facts.
        config: of the same cluster.
    """
    return tuple(Manifest(name, tuple(objects)) for name, objects in _wanted(cluster, config))


def _wanted(cluster: Cluster, config: Config) -> Iterator[tuple[str, list[Object]]]:
    addons = config.addons
    # In the controllers' own network two of a kind would want the same ports.
    replicas = min(2, config.controllers.count)
    where = ON_WORKERS if addons.cni == "vpc-cni" and config.pools else ON_ANY_NODE
    yield "joining", joining.objects()
    if addons.kube_proxy != "none":
        yield "kube-proxy", kube_proxy.objects(cluster, addons.kube_proxy, own_pods=addons.cni != "vpc-cni")
    if addons.cni == "flannel":
        yield "flannel", flannel.objects(cluster, nftables=addons.kube_proxy == "nftables")
    if addons.cloud_controller:
        yield "cloud-controller", cloud_controller.objects(cluster)
    yield "coredns", coredns.objects(cluster, addons.dns, where)
    if addons.ebs_csi:
        yield "ebs-csi", ebs_csi.objects(cluster, replicas=replicas)
    if addons.cluster_autoscaler and config.pools:
        yield "cluster-autoscaler", autoscaler.objects(cluster, replicas=replicas)
    if addons.metrics_server:
        yield "metrics-server", metrics_server.objects(cluster, where)
