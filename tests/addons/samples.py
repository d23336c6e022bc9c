"""Clusters and configurations whose add-ons are looked at."""

from __future__ import annotations

import json

from kubecfn.addons.manifests import manifests
from kubecfn.config import load_text
from kubecfn.node.facts import Cluster
from kubecfn.versions import RELEASES

POOL = {"name": "general"}
# As different as add-ons can be asked for; every rule holds for each.
ASKED = {
    "default": {},
    "iptables": {"kube_proxy": "iptables"},
    "one-controller": {"controllers": 1},
    "no-workers": {"pools": []},
    "zones": {
        "dns": {"domain": "pay.test", "zones": [{"zone": "b.local", "servers": ["10.30.0.10", "10.30.1.10:5353"]}]}
    },
    "vpc-cni": {"cni": "vpc-cni"},
    "cilium": {"cni": "cilium", "kube_proxy": "none"},
    "least": {
        "cni": "none",
        "cloud_controller": False,
        "ebs_csi": False,
        "metrics_server": False,
        "cluster_autoscaler": False,
    },
}


def configured(*, controllers=3, pools=(POOL,), region="eu-central-1", **addons):
    """Return a configuration with these add-ons."""
    asked = {
        "name": "payments",
        "region": region,
        "dns": {"private": True, "domain": "payments.example.com"},
        "controllers": {"count": controllers},
        "pools": list(pools),
        "addons": addons,
    }
    return load_text(json.dumps(asked))


def cluster_of(minor, region="eu-central-1", **more):
    """Return a cluster of this Kubernetes minor."""
    release = RELEASES[minor]
    return Cluster(
        "payments", "payments.example.com", region, release.kubernetes, release, "10.244.0.0/16", "10.96.0.0/16", **more
    )


def objects_of(minor, **asked):
    """Return all objects of a cluster's add-ons, in their order."""
    found = manifests(cluster_of(minor), configured(**asked))
    return [one for manifest in found for one in manifest.objects]


def named(objects, kind, name):
    """Return the one object of this kind and name."""
    (found,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found
