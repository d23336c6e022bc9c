"""The tags by which people, the cloud provider, the autoscaler and our own functions find what belongs to a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from troposphere import Sub, Tags

from kubecfn.config import Config

CLUSTER_TAG = "kubecfn:cluster"
ROLE_TAG = "kubecfn:role"
BACKUP_BUCKET_TAG = "kubecfn:backup-bucket"


def named(name: str) -> Tags:
    """Return the Name tag: the stack's name and `name`."""
    return Tags({"Name": Sub(f"${{AWS::StackName}}-{name}")})


def owned(config: Config, name: str, more: Mapping[str, object] = MappingProxyType({})) -> Tags:
    """Return Name and the mark by which the cloud provider knows its subnets, security groups and instances.

    Source: kubernetes/cloud-provider-aws, docs/prerequisites.md, "Tags".

    Args:
        config: the cluster.
        name: the last part of the Name tag, after the stack's name.
        more: further tags.
    """
    return Tags(
        {"Name": Sub(f"${{AWS::StackName}}-{name}"), f"kubernetes.io/cluster/{config.name}": "owned"} | dict(more),
    )


def role(text: str) -> dict[str, str]:
    """Return the Metadata that says in one line what a resource is for, where a reader of the template sees it."""
    return {"Role": text}
