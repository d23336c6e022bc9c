"""Where images come from: the version table's, Kubernetes' own through the cluster's repository."""

from __future__ import annotations

from kubecfn.node.facts import REGISTRY, Cluster


def image(cluster: Cluster, name: str) -> str:
    """Return an image by its name in the version table; ``kube-proxy`` and ``cloud-controller-manager`` have their release's.

    Raises:
        KeyError: the table has none of this name.
    """
    releases = {
        "kube-proxy": f"{REGISTRY}/kube-proxy:v{cluster.kubernetes}",
        "cloud-controller-manager": f"{REGISTRY}/provider-aws/cloud-controller-manager:v{cluster.release.cloud_provider}",
    }
    found = releases.get(name) or cluster.release.images[name]
    own = found.removeprefix(f"{REGISTRY}/")
    return found if own == found else f"{cluster.repository}/{own}"
