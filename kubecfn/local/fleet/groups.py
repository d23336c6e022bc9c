"""The group itself in the API: create, update, resize, describe, delete.

Source: Auto Scaling API reference, one page per operation; error sentences as the service answers them. Stored and shown
but without effect here: DefaultCooldown, MaxInstanceLifetime, CapacityRebalance, DefaultInstanceWarmup,
InstanceMaintenancePolicy, AvailabilityZone policies, CapacityReservationSpecification. Launch configurations, classic load
balancers, weighted capacity and attribute-based instance types are refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from kubecfn.local.api import Answer, Call, ServiceError
from kubecfn.local.fleet.lifecycle import hook_from
from kubecfn.local.fleet.model import Book, Group, Member
from kubecfn.local.fleet.placement import POLICIES
from kubecfn.local.fleet.sources import check_target_groups, check_template, zones_of
from kubecfn.local.fleet.tagging import tag_answers, tags_from
from kubecfn.local.world import partition_of

_KEPT = frozenset(
    {
        "AvailabilityZoneDistribution",
        "AvailabilityZoneImpairmentPolicy",
        "AvailabilityZones",
        "CapacityRebalance",
        "CapacityReservationSpecification",
        "Context",
        "DefaultCooldown",
        "DefaultInstanceWarmup",
        "DeletionProtection",
        "DesiredCapacity",
        "DesiredCapacityType",
        "HealthCheckGracePeriod",
        "HealthCheckType",
        "InstanceLifecyclePolicy",
        "InstanceMaintenancePolicy",
        "LaunchTemplate",
        "MaxInstanceLifetime",
        "MaxSize",
        "MinSize",
        "MixedInstancesPolicy",
        "NewInstancesProtectedFromScaleIn",
        "PlacementGroup",
        "ServiceLinkedRoleARN",
        "TargetGroupARNs",
        "TerminationPolicies",
        "VPCZoneIdentifier",
    }
)
_ELSEWHERE = frozenset({"AutoScalingGroupName", "Tags", "LifecycleHookSpecificationList", "SkipZonalShiftValidation"})
_HIDDEN = frozenset({"Context", "AvailabilityZones"})


def create(book: Book, call: Call) -> Answer:
    """CreateAutoScalingGroup. Instances follow; the call does not wait for them."""
    params = call.params
    _refuse_unknown(params)
    name = str(params["AutoScalingGroupName"])
    settings = {key: params[key] for key in _KEPT & set(params)}
    settings.setdefault("DesiredCapacity", settings["MinSize"])
    settings.setdefault("DefaultCooldown", 300)
    settings.setdefault("HealthCheckType", "EC2")
    settings.setdefault("HealthCheckGracePeriod", 0)
    settings.setdefault("TerminationPolicies", ["Default"])
    settings.setdefault("TargetGroupARNs", [])
    check_sizes(settings)
    _check_policies(settings)
    settings.update(check_template(book.world, call.region, settings))
    zones = zones_of(book.world, call.region, settings)
    check_target_groups(book.world, call.region, settings["TargetGroupARNs"])
    hooks = [hook_from(spec) for spec in params.get("LifecycleHookSpecificationList") or []]
    partition = partition_of(call.region)
    settings.setdefault(
        "ServiceLinkedRoleARN",
        f"arn:{partition}:iam::{call.account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
    )
    arn = f"arn:{partition}:autoscaling:{call.region}:{call.account}:autoScalingGroup:{uuid.uuid4()}:autoScalingGroupName/{name}"
    group = Group(name, call.region, arn, book.world.clock.now(), settings, zones)
    group.tags = tags_from(params.get("Tags") or [])
    group.hooks = {hook.name: hook for hook in hooks}
    with book.lock:
        if (call.region, name) in book.groups:
            raise ServiceError(
                "AlreadyExists",
                f"AutoScalingGroup by this name already exists - A group with the name {name} already exists",
            )
        book.groups[call.region, name] = group
        book.changed.set()
    return {}


def update(book: Book, call: Call) -> Answer:
    """UpdateAutoScalingGroup. Instances stay as they were launched; a size outside new bounds is moved to the bound."""
    _refuse_unknown(call.params)
    with book.lock:
        group = book.group(call)
        settings = {**group.settings, **{key: call.params[key] for key in _KEPT & set(call.params)}}
    if "LaunchTemplate" in call.params:
        settings.pop("MixedInstancesPolicy", None)
    elif "MixedInstancesPolicy" in call.params:
        settings.pop("LaunchTemplate", None)
    if "DesiredCapacity" not in call.params:
        settings["DesiredCapacity"] = min(max(settings["DesiredCapacity"], settings["MinSize"]), settings["MaxSize"])
    check_sizes(settings)
    _check_policies(settings)
    settings.update(check_template(book.world, call.region, settings))
    zones = zones_of(book.world, call.region, settings)
    with book.lock:
        group = book.group(call)
        if group.deleting:
            raise ServiceError("ScalingActivityInProgress", f"AutoScalingGroup {group.name} is pending delete")
        group.settings, group.zones, group.retry_at = settings, zones, 0.0
        book.changed.set()
    return {}


def set_desired(book: Book, call: Call) -> Answer:
    """SetDesiredCapacity, within the bounds. HonorCooldown has nothing to wait for: simple scaling is not emulated."""
    with book.lock:
        group = book.group(call)
        wanted, low, high = int(call.params["DesiredCapacity"]), group.settings["MinSize"], group.settings["MaxSize"]
        if wanted > high:
            raise ServiceError(
                "ValidationError",
                f"New SetDesiredCapacity value {wanted} is above max value {high} for the AutoScalingGroup.",
            )
        if wanted < low:
            raise ServiceError(
                "ValidationError",
                f"New SetDesiredCapacity value {wanted} is below min value {low} for the AutoScalingGroup.",
            )
        group.settings["DesiredCapacity"] = wanted
        group.retry_at = 0.0
        book.changed.set()
    return {}


def delete(book: Book, call: Call) -> Answer:
    """DeleteAutoScalingGroup.

    Without ForceDelete the group must be empty. With it, instances terminate and "outstanding lifecycle actions" are
    deleted: no hook delays it (API reference, ForceDelete). With the retention trigger at ``retain`` a forced deletion is
    refused: User Guide, "Configure instance retention", and the sentence the service answers.
    """
    force = bool(call.params.get("ForceDelete"))
    with book.lock:
        group = book.group(call)
        _check_deletable(group, force=force)
        if not group.members:
            del book.groups[call.region, group.name]
            return {}
        group.deleting = True
        group.settings.update(MinSize=0, DesiredCapacity=0)
        for member in group.members.values():
            member.final = True
            member.actions.clear()
            if member.state != "Terminating:Proceed":
                member.state = "Terminating"
        book.changed.set()
    return {}


def describe(book: Book, call: Call) -> Answer:
    """DescribeAutoScalingGroups, with tag filters; all on one page."""
    names = set(call.params.get("AutoScalingGroupNames") or [])
    filters = call.params.get("Filters") or []
    with book.lock:
        groups = [
            g for (region, name), g in book.groups.items() if region == call.region and (not names or name in names)
        ]
        return {"AutoScalingGroups": [answer(g) for g in groups if all(_matches(g, f) for f in filters)]}


def answer(group: Group) -> Answer:
    """The API's AutoScalingGroup."""
    shown = {key: value for key, value in group.settings.items() if key not in _HIDDEN}
    shown.setdefault("NewInstancesProtectedFromScaleIn", False)
    # The service always reports a value (and never none): terraform-provider-aws#48973, measured against AWS.
    shown.setdefault("InstanceLifecyclePolicy", {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}})
    shown.update(
        AutoScalingGroupName=group.name,
        AutoScalingGroupARN=group.arn,
        AvailabilityZones=sorted(set(group.zones.values())),
        VPCZoneIdentifier=",".join(group.zones),
        LoadBalancerNames=[],
        Instances=[member_answer(member) for member in group.members.values()],
        CreatedTime=group.created,
        SuspendedProcesses=[{"ProcessName": p, "SuspensionReason": r} for p, r in sorted(group.suspended.items())],
        EnabledMetrics=[{"Metric": metric, "Granularity": "1Minute"} for metric in sorted(group.metrics)],
        Tags=tag_answers(group),
    )
    if group.deleting:
        shown["Status"] = "Delete in progress"
    return shown


def member_answer(member: Member) -> Answer:
    """The API's Instance."""
    return {
        "InstanceId": member.id,
        "InstanceType": member.instance_type,
        "AvailabilityZone": member.zone,
        "LifecycleState": member.state,
        "HealthStatus": member.health,
        "LaunchTemplate": member.source.answer(),
        "ProtectedFromScaleIn": member.protected,
    }


def check_sizes(settings: Mapping[str, Any]) -> None:
    """Refuse sizes that contradict each other.

    Raises:
        ServiceError: in AWS's words.
    """
    low, high, wanted = settings["MinSize"], settings["MaxSize"], settings["DesiredCapacity"]
    if low > high:
        raise ServiceError("ValidationError", f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if not low <= wanted <= high:
        raise ServiceError(
            "ValidationError",
            f"Desired capacity:{wanted} must be between the specified min size:{low} and max size:{high}",
        )


OPERATIONS = {
    "CreateAutoScalingGroup": create,
    "UpdateAutoScalingGroup": update,
    "SetDesiredCapacity": set_desired,
    "DeleteAutoScalingGroup": delete,
    "DescribeAutoScalingGroups": describe,
}


def _refuse_unknown(params: Mapping[str, Any]) -> None:
    if unknown := sorted(set(params) - _KEPT - _ELSEWHERE):
        raise ServiceError("ValidationError", f"Not emulated for auto scaling groups: {', '.join(unknown)}.")


def _check_policies(settings: Mapping[str, Any]) -> None:
    for policy in settings["TerminationPolicies"]:
        if policy not in POLICIES:
            raise ServiceError("ValidationError", f"Termination policy is not valid: {policy}")
    triggers = settings.get("InstanceLifecyclePolicy", {}).get("RetentionTriggers", {})
    if triggers.get("TerminateHookAbandon", "terminate") not in {"retain", "terminate"}:
        raise ServiceError("ValidationError", "TerminateHookAbandon must be one of retain or terminate.")


def _check_deletable(group: Group, *, force: bool) -> None:
    protection = group.settings.get("DeletionProtection", "none")
    if protection == "prevent-all-deletion" or (force and protection == "prevent-force-deletion"):
        raise ServiceError("ResourceInUse", f"You cannot delete {group.name}: its deletion protection is {protection}.")
    if force and group.retains:
        raise ServiceError(
            "ValidationError",
            "You can't force delete this Auto Scaling group because the TerminateHookAbandon retention trigger is set to"
            " retain. Change the retention trigger to terminate and try again",
        )
    if group.members and not force:
        raise ServiceError(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in"
            " the group.",
        )


def _matches(group: Group, wanted: Mapping[str, Any]) -> bool:
    """One filter of DescribeAutoScalingGroups: tag-key, tag-value or tag:<key>."""
    kind, values = str(wanted["Name"]), set(wanted.get("Values") or [])
    if kind == "tag-key":
        return bool(values & set(group.tags))
    if kind == "tag-value":
        return bool(values & {value for value, _ in group.tags.values()})
    if kind.startswith("tag:"):
        return kind[4:] in group.tags and group.tags[kind[4:]][0] in values
    raise ServiceError(
        "ValidationError", f"Filter type {kind} is not correct. Allowed Filter types are: tag-key tag-value tag:<key>"
    )
