"""A service for the world: the real cloud controller manager makes a load balancer of the account, with a controller's rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.rehearsal.cluster import until

from .life import KubernetesLife, asked

_SERVICES = "/api/v1/namespaces/default/services"
_PATIENCE = 120.0
_ANNOTATION = "service.beta.kubernetes.io/aws-load-balancer"
# Name of the service -> what it asks for; without a word it is a classic one (Kubernetes: AWS cloud provider, "Service annotations").
NETWORK, CLASSIC = "front", "old"
_KINDS: Mapping[str, Mapping[str, str]] = {
    NETWORK: {f"{_ANNOTATION}-type": "nlb", f"{_ANNOTATION}-internal": "true"},
    CLASSIC: {f"{_ANNOTATION}-internal": "true"},
}


@dataclass(frozen=True)
class Outside:
    """Services that a cluster shows to the world."""

    life: KubernetesLife

    def open(self) -> str:
        """Ask for one load balancer of each kind, and see all workers behind both; the classic one is given up again."""
        ports = [{"port": 80, "targetPort": 8080}]
        for name, asks in _KINDS.items():
            about = {"name": name, "annotations": dict(asks)}
            spec = {"type": "LoadBalancer", "selector": {"app": "answer"}, "ports": ports}
            self.life.look.client.create(_SERVICES, {"metadata": about, "spec": spec})
        for name in _KINDS:
            until(asked(lambda name=name: self._address(name)), lambda name=name: self._why(name), _PATIENCE)  # type: ignore[misc]
        until(lambda: self._instances() == self._workers, lambda: f"{CLASSIC}: {self._instances()}", _PATIENCE)
        said = f"{self._address(NETWORK)}, {self._address(CLASSIC)}; {self.followed()}"
        self.life.look.client.delete(f"{_SERVICES}/{CLASSIC}")
        until(lambda: not self._classic(), lambda: f"{CLASSIC} is there", _PATIENCE)
        return said

    def followed(self) -> str:
        """See that those behind the network load balancer are the workers that there are now."""
        until(lambda: self._targets() == self._workers, lambda: f"{NETWORK}: {self._targets()}", _PATIENCE)
        return f"{len(self._workers)} workers are behind it"

    # how

    def _address(self, name: str) -> str:
        told = self.life.look.client.get(f"{_SERVICES}/{name}")["status"].get("loadBalancer", {}).get("ingress", [])
        return str(told[0]["hostname"]) if told else ""

    def _why(self, name: str) -> str:
        events = self.life.look.client.list(
            "/api/v1/namespaces/default/events", fieldSelector=f"involvedObject.name={name}"
        )
        return f"{name} has no address; {'; '.join(one['message'] for one in events)[-1500:]}"

    @property
    def _workers(self) -> set[str]:
        return set(self.life.instances(controllers=False))

    def _targets(self) -> set[str]:
        elbv2 = self.life.cluster.cloud.client("elbv2")
        [balancer] = [one for one in elbv2.describe_load_balancers()["LoadBalancers"] if self._is_front(one)]
        groups = elbv2.describe_target_groups(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"]
        described = (elbv2.describe_target_health(TargetGroupArn=one["TargetGroupArn"]) for one in groups)
        return {one["Target"]["Id"] for each in described for one in each["TargetHealthDescriptions"]}

    def _is_front(self, balancer: Mapping[str, Any]) -> bool:
        return bool(balancer["DNSName"] == self._address(NETWORK))

    def _classic(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.life.cluster.cloud.client("elb").describe_load_balancers()[
            "LoadBalancerDescriptions"
        ]
        return found

    def _instances(self) -> set[str]:
        return {one["InstanceId"] for each in self._classic() for one in each["Instances"]}
