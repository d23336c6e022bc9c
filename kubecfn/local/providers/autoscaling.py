"""Auto scaling groups, their lifecycle hooks and scheduled actions.

Creation policies and rolling updates are the engine's: they are attributes of a resource, not of the type.
"""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any, ClassVar

from kubecfn.local.providers.resource import Aws, Resource, changed, pick
from kubecfn.local.providers.seam import Properties

_SERVICE = "autoscaling"
_SIZES = ("MinSize", "MaxSize", "DesiredCapacity")


class AutoScalingGroup(Resource):
    """A group; everything but its name changes in place, and instances are left to the engine's update policy.

    An update sends every size that `new` holds: CloudFormation sets them back to the template's values unless
    IgnoreUnmodifiedGroupSizeProperties says otherwise ("UpdatePolicy attribute"); then the engine leaves them out.

    Deletion sets all sizes to 0, waits until the last instance is gone, lifecycle hooks included, and deletes the
    empty group; for at most 240 minutes, as the type's own delete handler says.
    """

    type = "AWS::AutoScaling::AutoScalingGroup"
    fixed = ("AutoScalingGroupName",)
    _settings = (
        "AvailabilityZoneDistribution", "AvailabilityZoneImpairmentPolicy", "AvailabilityZones", "CapacityRebalance",
        "CapacityReservationSpecification", "Context", "Cooldown", "DefaultInstanceWarmup", "DesiredCapacityType",
        "HealthCheckGracePeriod", "HealthCheckType", "InstanceLifecyclePolicy", "InstanceMaintenancePolicy",
        "LaunchTemplate", "MaxInstanceLifetime", "MixedInstancesPolicy", "NewInstancesProtectedFromScaleIn",
        "PlacementGroup", "ServiceLinkedRoleARN", "TerminationPolicies", "VPCZoneIdentifier",
    )  # fmt: skip
    # What a property that is taken out of the template goes back to (API reference, CreateAutoScalingGroup).
    _defaults: ClassVar[Properties] = {
        "CapacityRebalance": False, "Cooldown": 300, "DefaultInstanceWarmup": -1, "HealthCheckGracePeriod": 0,
        "HealthCheckType": "EC2", "InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}},
        "InstanceMaintenancePolicy": {"MinHealthyPercentage": -1, "MaxHealthyPercentage": -1},
        "MaxInstanceLifetime": 0, "NewInstancesProtectedFromScaleIn": False, "TerminationPolicies": ["Default"],
    }  # fmt: skip
    accepts = (
        *fixed, *_SIZES, *_settings, "LifecycleHookSpecificationList", "MetricsCollection", "Tags", "TargetGroupARNs",
    )  # fmt: skip
    gives = ("AutoScalingGroupARN",)

    def make(self, aws: Aws, properties: Properties) -> str:
        name = str(properties.get("AutoScalingGroupName") or aws.name())
        given = pick(properties, *_SIZES, *self._settings, "LifecycleHookSpecificationList", "TargetGroupARNs")
        tags = self._tags(aws, name, properties)
        aws.call(_SERVICE, "CreateAutoScalingGroup", AutoScalingGroupName=name, Tags=tags, **self._api(given))
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        group = {"AutoScalingGroupName": physical_id}
        if old:
            # Hooks and target groups first: instances that the new sizes start must meet them.
            self._settle_hooks(aws, group, old, new)
            self._settle_target_groups(aws, group, old, new)
            self._settle_tags(aws, physical_id, old, new)
            names = [name for name in self._settings if changed(old, new, name)]
            given = {name: new.get(name, self._defaults.get(name)) for name in names} | pick(new, *_SIZES)
            aws.call(_SERVICE, "UpdateAutoScalingGroup", **group, **self._api(given))
        self._settle_metrics(aws, group, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return {"AutoScalingGroupARN": self._look(aws, physical_id)[0]["AutoScalingGroupARN"]}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        group = {"AutoScalingGroupName": physical_id}
        aws.call(_SERVICE, "UpdateAutoScalingGroup", **group, MinSize=0, MaxSize=0, DesiredCapacity=0)
        aws.until(lambda: not self._has_instances(aws, physical_id), 240 * 60, f"Group {physical_id}")
        aws.call(_SERVICE, "DeleteAutoScalingGroup", **group)
        aws.until(lambda: not self._look(aws, physical_id), 240 * 60, f"Group {physical_id}")

    def _look(self, aws: Aws, name: str) -> list[dict[str, Any]]:
        found = aws.call(_SERVICE, "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])
        return list(found["AutoScalingGroups"])

    def _has_instances(self, aws: Aws, name: str) -> bool:
        return any(group["Instances"] for group in self._look(aws, name))

    def _api(self, given: Properties) -> Properties:
        """The properties as the API names and writes them."""
        made = dict(given)
        if "Cooldown" in made:
            made["DefaultCooldown"] = made.pop("Cooldown")
        if made.get("VPCZoneIdentifier"):
            made["VPCZoneIdentifier"] = ",".join(made["VPCZoneIdentifier"])
        return made

    def _tags(self, aws: Aws, name: str, properties: Properties) -> list[dict[str, Any]]:
        """The stack's tags go on to the instances too ("Resource tags"); the group's own ones say so themselves."""
        mine: dict[str, dict[str, Any]] = {tag["Key"]: {**tag, "PropagateAtLaunch": True} for tag in aws.tags()} | {
            tag["Key"]: tag for tag in properties.get("Tags", ())
        }
        return [{"ResourceId": name, "ResourceType": "auto-scaling-group", **tag} for tag in mine.values()]

    def _settle_tags(self, aws: Aws, name: str, old: Properties, new: Properties) -> None:
        dropped = set(aws.dropped_tags(old, new))
        if gone := [tag for tag in self._tags(aws, name, old) if tag["Key"] in dropped]:
            aws.call(_SERVICE, "DeleteTags", Tags=gone)
        if tags := self._tags(aws, name, new):
            aws.call(_SERVICE, "CreateOrUpdateTags", Tags=tags)

    def _settle_hooks(self, aws: Aws, group: dict[str, str], old: Properties, new: Properties) -> None:
        before, after = (
            {hook["LifecycleHookName"]: hook for hook in properties.get("LifecycleHookSpecificationList", ())}
            for properties in (old, new)
        )
        for name in sorted(set(before) - set(after)):
            aws.call(_SERVICE, "DeleteLifecycleHook", **group, LifecycleHookName=name)
        for name, hook in after.items():
            if changed(before, after, name):
                aws.call(_SERVICE, "PutLifecycleHook", **group, **hook)

    def _settle_target_groups(self, aws: Aws, group: dict[str, str], old: Properties, new: Properties) -> None:
        before, after = set(old.get("TargetGroupARNs", ())), set(new.get("TargetGroupARNs", ()))
        for verb, arns in (("Attach", after - before), ("Detach", before - after)):
            if arns:
                aws.call(_SERVICE, f"{verb}LoadBalancerTargetGroups", **group, TargetGroupARNs=sorted(arns))

    def _settle_metrics(self, aws: Aws, group: dict[str, str], old: Properties, new: Properties) -> None:
        if changed(old, new, "MetricsCollection"):
            if old.get("MetricsCollection"):
                aws.call(_SERVICE, "DisableMetricsCollection", **group)
            for item in new.get("MetricsCollection", ()):
                aws.call(_SERVICE, "EnableMetricsCollection", **group, **item)


class LifecycleHook(Resource):
    """A hook of a group that exists: instances started before it do not meet it."""

    type = "AWS::AutoScaling::LifecycleHook"
    fixed = ("AutoScalingGroupName", "LifecycleHookName")
    _settings = (
        "DefaultResult", "HeartbeatTimeout", "LifecycleTransition", "NotificationMetadata", "NotificationTargetARN",
        "RoleARN",
    )  # fmt: skip
    accepts = (*fixed, *_settings)

    def make(self, aws: Aws, properties: Properties) -> str:
        name = str(properties.get("LifecycleHookName") or aws.name())
        aws.call(_SERVICE, "PutLifecycleHook", **{**properties, "LifecycleHookName": name})
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self._settings):
            aws.call(_SERVICE, "PutLifecycleHook", **{**new, "LifecycleHookName": physical_id})

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        group = pick(properties, "AutoScalingGroupName")
        aws.call(_SERVICE, "DeleteLifecycleHook", **group, LifecycleHookName=physical_id)


class ScheduledAction(Resource):
    """A change of sizes at a time."""

    type = "AWS::AutoScaling::ScheduledAction"
    fixed = ("AutoScalingGroupName",)
    accepts = (*fixed, *_SIZES, "EndTime", "Recurrence", "StartTime", "TimeZone")
    gives = ("ScheduledActionName",)

    def make(self, aws: Aws, properties: Properties) -> str:
        name = aws.name()
        aws.call(_SERVICE, "PutScheduledUpdateGroupAction", ScheduledActionName=name, **properties)
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self.accepts):
            aws.call(_SERVICE, "PutScheduledUpdateGroupAction", ScheduledActionName=physical_id, **new)

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        group = pick(properties, "AutoScalingGroupName")
        aws.call(_SERVICE, "DeleteScheduledAction", **group, ScheduledActionName=physical_id)
