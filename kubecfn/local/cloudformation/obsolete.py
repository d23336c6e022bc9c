"""Which instances of a group do not match what the group would launch now.

AWS: Template Reference "UpdatePolicy attribute": a roll replaces instances "that don't match the current" launch template or
launch configuration. That a change of subnets or of the mixed-instances policy makes every instance obsolete is this model's
reading of the same page; AWS does not say which instances it spares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubecfn.local.providers.seam import Context

_LEAVING = ("Terminating", "Terminated", "Detach")


def obsolete_instances(context: Context, group: Mapping[str, Any], *, everything: bool) -> list[str]:
    """Return the ids of the instances that a roll must replace, in the group's order.

    Args:
        context: gives the EC2 client that knows what ``$Latest`` means.
        group: as Auto Scaling describes it, after the update.
        everything: whether every present instance counts as obsolete.
    """
    present = [instance for instance in group["Instances"] if not instance["LifecycleState"].startswith(_LEAVING)]
    current = _current(context, group)
    return [
        instance["InstanceId"] for instance in present if everything or not _matches(context, instance, group, current)
    ]


def _current(context: Context, group: Mapping[str, Any]) -> Mapping[str, Any] | None:
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    template: Mapping[str, Any] | None = group.get("LaunchTemplate") or mixed
    return None if template is None else {**template, "Version": _version(context, template)}


def _matches(
    context: Context, instance: Mapping[str, Any], group: Mapping[str, Any], current: Mapping[str, Any] | None
) -> bool:
    if current is None:
        return bool(instance.get("LaunchConfigurationName") == group.get("LaunchConfigurationName"))
    own = instance.get("LaunchTemplate")
    if own is None:
        return False
    key = "LaunchTemplateId" if "LaunchTemplateId" in own and "LaunchTemplateId" in current else "LaunchTemplateName"
    return bool(own.get(key) == current.get(key) and _version(context, own) == current["Version"])


def _version(context: Context, template: Mapping[str, Any]) -> str:
    version = str(template.get("Version", "$Default"))
    if not version.startswith("$"):
        return version
    if "LaunchTemplateId" in template:
        named = {"LaunchTemplateIds": [template["LaunchTemplateId"]]}
    else:
        named = {"LaunchTemplateNames": [template["LaunchTemplateName"]]}
    found = context.client("ec2").describe_launch_templates(**named)["LaunchTemplates"][0]
    return str(found["LatestVersionNumber" if version == "$Latest" else "DefaultVersionNumber"])
