"""Load balancers as Elastic Load Balancing makes them, where moto makes them otherwise.

A network one's ARN says ``net``, its name is under ``elb.REGION`` and it has no target groups at first; a classic one has a
health check from its beginning.

AWS: Service Authorization Reference, "AWS Elastic Load Balancing V2", "Resource types"; Elastic Load Balancing API Reference,
DescribeTargetGroups, whose error TargetGroupNotFound is for groups that were named; User Guide for Classic Load Balancers,
"Health checks for your Classic Load Balancer", for the defaults.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

# A load balancer's type -> what its ARN says.
KINDS = {"application": "app", "network": "net", "gateway": "gwy"}
_CHECK = {"timeout": "5", "healthy_threshold": "10", "unhealthy_threshold": "2", "interval": "30"}


def as_aws_makes_them() -> None:
    """Let moto make and show them so, from now on and for every account of this process."""
    _classic()
    _network()


def _classic() -> None:
    from moto.elb import models  # noqa: PLC0415  as below

    create = models.ELBBackend.create_load_balancer
    if getattr(create, "checks", False):
        return

    def made(self: Any, name: str, zones: list[str], ports: list[dict[str, Any]], *args: Any, **about: Any) -> Any:
        balancer = create(self, name, zones, ports, *args, **about)
        balancer.health_check = models.FakeHealthCheck(target=f"TCP:{ports[0]['InstancePort']}", **_CHECK)
        return balancer

    made.checks = True  # type: ignore[attr-defined]  # so that it is put around only once
    models.ELBBackend.create_load_balancer = made


def _network() -> None:
    from moto.elbv2 import models  # noqa: PLC0415  a quarter of a second, spent when the gate is composed
    from moto.elbv2.exceptions import TargetGroupNotFoundError  # noqa: PLC0415

    back_end, arn = models.ELBv2Backend, models.make_arn_for_load_balancer
    create, describe = back_end.create_load_balancer, back_end.describe_target_groups
    if getattr(create, "says_net", False):
        return
    kind: ContextVar[str] = ContextVar("kind", default="app")

    def made_arn(*args: Any, **about: Any) -> str:
        return str(arn(*args, **about)).replace(":loadbalancer/app/", f":loadbalancer/{kind.get()}/")

    def made(self: Any, *args: Any, **about: Any) -> Any:
        token = kind.set(KINDS[about.get("loadbalancer_type") or "application"])
        try:
            balancer = create(self, *args, **about)
        finally:
            kind.reset(token)
        if ":loadbalancer/net/" in balancer.arn:
            balancer.dns_name = balancer.dns_name.replace(f".{self.region_name}.elb.", f".elb.{self.region_name}.")
        return balancer

    def described(self: Any, load_balancer_arn: str | None, *named: Any, **names: Any) -> Iterable[Any]:
        found: Iterable[Any] = ()
        try:
            found = describe(self, load_balancer_arn, *named, **names)
        except TargetGroupNotFoundError:
            if not load_balancer_arn:
                raise
        return found

    made.says_net = True  # type: ignore[attr-defined]  # so that it is put around only once
    models.make_arn_for_load_balancer = made_arn
    back_end.create_load_balancer, back_end.describe_target_groups = made, described
