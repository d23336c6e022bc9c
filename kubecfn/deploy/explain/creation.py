"""What will stand when a new stack is done, how long that takes, and what stays when it fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kubecfn.deploy.explain import rolls
from kubecfn.deploy.explain.model import Rollback, Span
from kubecfn.deploy.explain.values import Values

# Estimates, seconds from request to CREATE_COMPLETE, of the types that are waited for longest.
_SLOW: Mapping[str, Span] = {
    "AWS::EC2::NatGateway": Span(90, 180),
    "AWS::EC2::VPCEndpoint": Span(30, 120),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Span(120, 240),
    "AWS::IAM::InstanceProfile": Span(120, 130),
    "AWS::Lambda::Function": Span(15, 60),
    "AWS::Route53::HostedZone": Span(30, 60),
    "AWS::Route53::RecordSet": Span(30, 60),
}
_USUAL = Span(10, 30)


def lasts(added: Iterable[tuple[str, str]], values: Values, boot_seconds: int | None) -> Span | None:
    """Return roughly how long it takes to make resources: the slowest of them, then the groups one level after the other.

    Args:
        added: (logical id, type) pairs.
        values: the new template's.
        boot_seconds: observed from launch to signal; None takes the usual one.
    """
    pairs = list(added)
    if not pairs:
        return None
    slowest = [_SLOW.get(kind, _USUAL) for _, kind in pairs]
    base = Span(max(span.low for span in slowest), max(span.high for span in slowest))
    boot = boot_seconds or rolls.USUAL_BOOT_SECONDS
    groups = {name: Span(boot, boot * rolls.SLOWER_THAN_USUAL) for name, kind in pairs if kind == rolls.GROUP}
    booting = rolls.total(groups, values) or Span(0, 0)
    return Span(base.low + booting.low, base.high + booting.high)


def rollback(template: Mapping[str, Any]) -> Rollback:
    """Return what happens when the creation fails.

    Source: CloudFormation User Guide, "Choose how to handle failures when provisioning resources"; "DeletionPolicy attribute".
    """
    resources: Mapping[str, Any] = template.get("Resources") or {}
    stays = [name for name, resource in resources.items() if resource.get("DeletionPolicy") in {"Retain", "Snapshot"}]
    kept = f", except {' and '.join(stays)}, which would stay" if stays else ""
    text = f"Yes: on failure everything that was made is deleted again{kept}; the next apply begins anew."
    return Rollback(possible=True, text=text)
