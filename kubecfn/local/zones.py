"""Hosted zone ids as Route 53 makes them: they begin with Z, and CloudFormation's own parameter type insists on it.

AWS: Route 53 API Reference, HostedZone, Id; "AWS::Route53::HostedZone::Id" is checked when a stack is created.
"""

from __future__ import annotations

from typing import Any


def begin_with_z() -> None:
    """Let moto make such ids, from now on and for every account of this process."""
    from moto.route53 import models  # noqa: PLC0415  a quarter of a second, spent when the gate is composed

    made = models.create_route53_zone_id
    if getattr(made, "begins_with_z", False):
        return

    def zone_id(**about: Any) -> str:
        return f"Z{made(**about)[1:]}"

    zone_id.begins_with_z = True  # type: ignore[attr-defined]  # so that it is put around only once
    models.create_route53_zone_id = zone_id
