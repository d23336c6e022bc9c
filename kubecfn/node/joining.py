"""How a worker joins: it finds the API by name, trusts the cluster's authority, and shows who it is by its instance role.

Nothing here is secret: the credential is a request to AWS's STS that the instance signs (aws-iam-authenticator).
"""

from __future__ import annotations

import base64
from typing import Any

from kubecfn.node import facts
from kubecfn.node.facts import Cluster
from kubecfn.node.here import PROGRAMS
from kubecfn.node.registration import registration

# kubeadm's own roles for reading its configuration are bound to this group.
BOOTSTRAPPERS = "system:bootstrappers:kubeadm:default-node-token"


def join_configuration(cluster: Cluster) -> dict[str, Any]:
    """Return the JoinConfiguration; the instance adds its name, labels, taints and flags."""
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {"file": {"kubeConfigPath": facts.DISCOVERY}},
        "nodeRegistration": registration(cluster),
        "patches": {"directory": facts.PATCHES},
    }


def discovery(cluster: Cluster, authority: bytes) -> dict[str, Any]:
    """Return the kubeconfig that discovery reads.

    Args:
        cluster: whose.
        authority: certificate of the Kubernetes authority, PEM.
    """
    trusted = base64.b64encode(authority).decode("ascii")
    program = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": f"{PROGRAMS}/aws-iam-authenticator",
        "args": ["token", "-i", cluster.domain],
        "env": [
            {"name": "AWS_REGION", "value": cluster.region},
            {"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"},
            # The authenticator takes a request to STS itself only, wherever this machine is told to find AWS.
            {"name": "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "value": "true"},
        ],
        "interactiveMode": "Never",
    }
    server = f"https://{cluster.api}:{facts.API_PORT}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster.name, "cluster": {"server": server, "certificate-authority-data": trusted}}],
        "users": [{"name": "instance", "user": {"exec": program}}],
        "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": "instance"}}],
        "current-context": cluster.name,
    }
