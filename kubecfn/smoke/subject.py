"""The cluster that is looked at: its configuration, its API, its account; what several checks need is asked once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from kubecfn.care.status import EtcdStatus, etcd_status
from kubecfn.config import Config
from kubecfn.deploy.aws import Aws, doing
from kubecfn.deploy.stacks import resources
from kubecfn.kubernetes.client import Client
from kubecfn.smoke.seen import Node, Pod, node, pod

_GROUP = "AWS::AutoScaling::AutoScalingGroup"
CONTROLLERS = "Controllers"


@dataclass
class Subject:
    """One cluster.

    Attributes:
        config: its configuration.
        domain: of its zone.
        client: its API, as an administrator.
        aws: its account and region.
        kubeconfig: the administrator's file.
        now: this moment.
        storage: whether a volume is to be made for a moment.
    """

    config: Config
    domain: str
    client: Client
    aws: Aws
    kubeconfig: Path
    now: datetime
    storage: bool = False

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The cluster's nodes by name, which is an instance's id."""
        return {one.name: one for one in map(node, self.client.list("/api/v1/nodes"))}

    @cached_property
    def system_pods(self) -> tuple[Pod, ...]:
        """What runs in kube-system."""
        return tuple(map(pod, self.client.list("/api/v1/namespaces/kube-system/pods")))

    @cached_property
    def etcd(self) -> EtcdStatus:
        """How etcd is, by the function's word."""
        return etcd_status(self.aws, self.config.name, self.now)

    @cached_property
    def physical(self) -> Mapping[str, tuple[str, str]]:
        """Type and physical id of the stack's resources by logical id."""
        return {one.logical_id: (one.type, one.physical_id) for one in resources(self.aws, self.config.name)}

    @cached_property
    def in_service(self) -> Mapping[str, Mapping[str, str]]:
        """The zone of every instance in service, by its group's logical id."""
        groups = {physical: name for name, (kind, physical) in self.physical.items() if kind == _GROUP and physical}
        if not groups:
            return {}
        with doing("looking at the cluster's groups"):
            pages = self.aws.client("autoscaling").get_paginator("describe_auto_scaling_groups")
            told = [
                one for page in pages.paginate(AutoScalingGroupNames=list(groups)) for one in page["AutoScalingGroups"]
            ]
        return {groups[one["AutoScalingGroupName"]]: _zones(one) for one in told}

    def pool(self, title: str, *, each: bool) -> Mapping[str, str]:
        """Return the zone of every worker of a pool.

        Args:
            title: the pool's logical id.
            each: it has one group for each zone.
        """
        wanted = re.compile(rf"{title}\d+" if each else title)
        return {
            instance: zone
            for name, instances in self.in_service.items()
            if wanted.fullmatch(name)
            for instance, zone in instances.items()
        }


def _zones(group: Mapping[str, Any]) -> dict[str, str]:
    return {
        one["InstanceId"]: one["AvailabilityZone"] for one in group["Instances"] if one["LifecycleState"] == "InService"
    }
