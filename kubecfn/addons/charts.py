"""Pod networks that are their publishers' Helm charts: which chart, at which release, with which values.

They are rendered on the operator's machine as the operator's own charts are; their hundreds of objects are not copied here.
"""

from __future__ import annotations

from typing import Any

from kubecfn.config import Config
from kubecfn.config.contents import Chart
from kubecfn.node.facts import API_PORT, Cluster

# amazon-vpc-cni-k8s, charts/regions.json: who publishes its images where; everywhere else it is the first.
_PUBLISHERS = {
    "": ("602401143452", "us-west-2", "amazonaws.com"),
    "us-gov-east-1": ("151742754352", "us-gov-east-1", "amazonaws.com"),
    "us-gov-west-1": ("013241004608", "us-gov-west-1", "amazonaws.com"),
    "cn-north-1": ("918309763551", "cn-north-1", "amazonaws.com.cn"),
    "cn-northwest-1": ("961992271922", "cn-northwest-1", "amazonaws.com.cn"),
}


def with_network_chart(cluster: Cluster, config: Config) -> Config:
    """Return the configuration with the chart of its pod network before the operator's own; the same one without such a chart."""
    return config.model_copy(update={"charts": (*network_charts(cluster, config), *config.charts)})


def network_charts(cluster: Cluster, config: Config) -> tuple[Chart, ...]:
    """Return the chart of the pod network that was asked for; none where that is no chart.

    Args:
        cluster: its documents' facts.
        config: of the same cluster.
    """
    network = config.addons.cni
    pinned = cluster.release.charts.get(network)
    if pinned is None:
        return ()
    values = _cilium(cluster, config) if network == "cilium" else _vpc_cni(cluster)
    chart = Chart(
        name=network,
        chart=pinned.name,
        repo=pinned.repository,
        version=pinned.version,
        namespace="kube-system",
        values=values,
    )
    return (chart,)


def _cilium(cluster: Cluster, config: Config) -> dict[str, Any]:
    """Return Cilium's values: an overlay over the nodes' own parts of the pod network.

    Hubble stays off: its chart makes new keys at every rendering, and every update would change the cluster.

    Source: Cilium, "Helm Reference".
    """
    return {
        "cluster": {"name": cluster.name},
        "k8sServiceHost": cluster.api,
        "k8sServicePort": API_PORT,
        "kubeProxyReplacement": config.addons.kube_proxy == "none",
        "ipam": {"mode": "kubernetes"},
        "k8s": {"requireIPv4PodCIDR": True},
        "routingMode": "tunnel",
        "tunnelProtocol": "vxlan",
        "tunnelPort": 8472,
        "operator": {"replicas": min(2, config.controllers.count)},
        "hubble": {"enabled": False},
        # Its probes from node to node use ports that controllers do not open to workers.
        "healthChecking": False,
    }


def _vpc_cni(cluster: Cluster) -> dict[str, Any]:
    """Return the VPC CNI's values: addresses of the VPC in blocks of 16, enough for the pods that a kubelet takes.

    Its policy agent stays off: it waits for a controller that runs in EKS only.

    Source: amazon-vpc-cni-k8s, README.md, "CNI Configuration Variables".
    """
    account, region, domain = _PUBLISHERS.get(cluster.region, _PUBLISHERS[""])
    published = {"account": account, "region": region, "domain": domain}
    return {
        "image": published,
        "init": {"image": published},
        "nodeAgent": {"enabled": False, "image": published},
        "env": {
            "CLUSTER_NAME": cluster.name,
            "CLUSTER_ENDPOINT": f"https://{cluster.api}:{API_PORT}",
            "ENABLE_PREFIX_DELEGATION": "true",
            "WARM_PREFIX_TARGET": "1",
        },
    }
