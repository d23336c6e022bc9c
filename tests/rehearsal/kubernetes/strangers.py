"""Who is not let into a cluster: somebody with a worker's role, or with its kubelet's key, or with a role that it does not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubecfn.kubernetes.client import Client
from kubecfn.kubernetes.wire import KubernetesError
from kubecfn.node.approval import CLIENT, SERVING
from tests.rehearsal.cluster import NAME, REGION, Cluster, DidNotHappenError, until

from .forged import REQUESTS, Door, asked, condition, verdict
from .life import KubernetesLife
from .life import asked as answered
from .words import last, written

AUTHENTICATOR = "aws-iam-authenticator.service"
STRANGERS = "strangers"
_PATIENCE = 240.0
_UNAUTHORIZED, _FORBIDDEN = 401, 403


@dataclass
class Strangers:
    """They come to a cluster that lives."""

    life: KubernetesLife

    def forge(self) -> str:
        """Ask for certificates with what a worker has: its role and its kubelet's key."""
        machines, [worker], controller = (
            self.life.cluster.machines,
            self.life.instances(controllers=False),
            self.life.controller,
        )
        own, other = map(machines.address_of, (worker, controller))
        role = self._door.by_role(machines, worker)
        kubelet = self._door.by_kubelet(machines, worker, self.life.cluster.folder)
        said = [
            self._denied(asked(role, CLIENT, worker), "nobody registers it again"),
            self._denied(asked(role, CLIENT, controller), "may not ask for"),
            self._denied(asked(kubelet, SERVING, worker, (own, other)), f"{other} is not {worker}'s"),
            # The API server itself, by its NodeRestriction.
            refused(lambda: asked(kubelet, SERVING, controller, (other,)), _FORBIDDEN),
            refused(lambda: asked(kubelet, CLIENT, controller), _FORBIDDEN),
        ]
        # Or nothing would be said by its refusing all the others.
        kind, reason = verdict(self._administrator, asked(kubelet, SERVING, worker, (own,)))
        if kind != "Approved":
            raise DidNotHappenError(f"what a kubelet may ask for was {kind}: {reason}")
        return f"{len(said)} denied: {'; '.join(said[:4])}; its own was approved"

    def other_role(self) -> str:
        """Come with a role of this account that the cluster does not know: a controller's own."""
        client = self._door.by_role(self.life.cluster.machines, self.life.controller)
        refused(lambda: client.get("/api/v1/nodes"), _UNAUTHORIZED)
        words = refused(lambda: asked(client, CLIENT, self.life.controller), _UNAUTHORIZED)
        told = written(self.life.cluster.machines, self.life.controller, AUTHENTICATOR, "access denied")
        return f"HTTP 401, {words}; the authenticator: {told[-1][-200:]}"

    def stranger(self) -> str:
        """Start an instance with all that a worker has, its role and its user data, in a group that is not the cluster's."""
        groups, pool = self.life.cluster.cloud.client("autoscaling"), pool_of(self.life.cluster)
        template = (
            pool.get("LaunchTemplate") or pool["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
        )
        before = set(self.life.cluster.machines.alive)
        groups.create_auto_scaling_group(
            AutoScalingGroupName=STRANGERS,
            LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": template["Version"]},
            MinSize=1,
            MaxSize=1,
            VPCZoneIdentifier=pool["VPCZoneIdentifier"],
        )
        try:
            until(lambda: set(self.life.cluster.machines.alive) - before, lambda: "it does not start")
            [one] = set(self.life.cluster.machines.alive) - before
            user = f"aws:{self.life.cluster.cloud.account}:instance:{one}"
            found: list[dict[str, Any]] = []

            def denied() -> bool:
                requests = self._administrator.list(REQUESTS)
                found[:] = [each for each in requests if each["spec"]["username"] == user and condition(each)]
                return bool(found)

            until(
                answered(denied), lambda: f"{one} asks for nothing; {last(self.life.cluster.machines, one)}", _PATIENCE
            )
            words = self._denied(found[0]["metadata"]["name"], "is in no group of this cluster")
            kubelet = written(self.life.cluster.machines, one, "kubelet.service", "signing request is denied", 60.0)[-1]
            if one in self.life.look.nodes():
                raise DidNotHappenError(f"{one} became a node")
        finally:
            groups.delete_auto_scaling_group(AutoScalingGroupName=STRANGERS, ForceDelete=True)
        until(lambda: one not in self.life.cluster.machines.alive, lambda: f"{one} is on")
        return f"denied: {words!r}; its kubelet: {kubelet.partition('err=')[2][:200]}"

    # how

    @property
    def _administrator(self) -> Client:
        return self.life.look.client

    @property
    def _door(self) -> Door:
        return Door(self.life.cluster.wanted["dns"]["domain"], REGION, self.life.authority)

    def _denied(self, request: str, words: str) -> str:
        kind, reason = verdict(self._administrator, request)
        if kind != "Denied" or words not in reason:
            raise DidNotHappenError(f"the request was to be denied ({words}); it was {kind}: {reason}")
        return reason


def refused(act: Callable[[], object], status: int) -> str:
    """See that the API server refuses something; return its words."""
    try:
        act()
    except KubernetesError as error:
        if error.status != status:
            raise
        return error.message
    raise DidNotHappenError(f"it was to be refused with HTTP {status}, and was done")


def pool_of(cluster: Cluster) -> dict[str, Any]:
    """Return the workers' group."""
    groups = cluster.cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    [found] = [one for one in groups if one["AutoScalingGroupName"] not in {f"{NAME}-controllers", STRANGERS}]
    return dict(found)
