"""Network load balancers as Elastic Load Balancing makes them: their ARNs say ``net``, and one without targets has no target groups.

AWS: Service Authorization Reference, "AWS Elastic Load Balancing V2", "Resource types"; Elastic Load Balancing API Reference,
DescribeTargetGroups, whose error TargetGroupNotFound is for groups that were named.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

_KINDS = {"network": "net", "gateway": "gwy"}


def as_aws_makes_them() -> None:
    """Let moto make and show them so, from now on and for every account of this process."""
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
        token = kind.set(_KINDS.get(about.get("loadbalancer_type") or "", "app"))
        try:
            return create(self, *args, **about)
        finally:
            kind.reset(token)

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
