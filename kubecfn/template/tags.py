"""The tags by which people, the cloud provider, the autoscaler and our own functions find what belongs to a cluster."""

from __future__ import annotations

from troposphere import Sub, Tags

from kubecfn.config import Config

CLUSTER_TAG = "kubecfn:cluster"
ROLE_TAG = "kubecfn:role"


def owned(config: Config, name: str, **more: object) -> Tags:
    """Return Name and the cloud provider's mark of ownership.

    Source: kubernetes/cloud-provider-aws, docs/prerequisites.md, "Tags".

    Args:
        config: the cluster.
        name: the last part of the Name tag, after the stack's name.
        more: further tags with plain keys.
    """
    return Tags(
        {"Name": Sub(f"${{AWS::StackName}}-{name}"), f"kubernetes.io/cluster/{config.name}": "owned"} | more,
    )


def role(text: str) -> dict[str, str]:
    """Return the Metadata that says in one line what a resource is for, where a reader of the template sees it."""
    return {"Role": text}
