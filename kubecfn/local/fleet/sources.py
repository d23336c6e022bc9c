"""What an instance is made from: launch templates, image references, subnets, all looked up through EC2's API.

Sources: Auto Scaling API reference, LaunchTemplateSpecification, MixedInstancesPolicy; EC2 API reference, RequestLaunchTemplateData.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from kubecfn.local.api import ServiceError
from kubecfn.local.fleet.model import Group, Source
from kubecfn.local.fleet.placement import wants_spot
from kubecfn.local.world import World

# Members of a launch template's data that RunInstances takes under the same name.
_SAME = frozenset(
    {
        "BlockDeviceMappings",
        "CpuOptions",
        "CreditSpecification",
        "DisableApiTermination",
        "EbsOptimized",
        "IamInstanceProfile",
        "ImageId",
        "InstanceInitiatedShutdownBehavior",
        "InstanceType",
        "KeyName",
        "MetadataOptions",
        "Monitoring",
        "NetworkInterfaces",
        "Placement",
        "PrivateDnsNameOptions",
        "SecurityGroupIds",
        "SecurityGroups",
        "MaintenanceOptions",
        "EnclaveOptions",
    }
)
_HANDLED = frozenset({"TagSpecifications", "UserData"})


@dataclass(frozen=True)
class Recipe:
    """How one instance is started.

    Attributes:
        source: launch template and real version.
        data: the launch template's data.
        instance_type: the override's type, or the template's.
        spot: whether it is bought as spot.
    """

    source: Source
    data: Mapping[str, Any]
    instance_type: str
    spot: bool


def check_template(world: World, region: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template settings with id, name and version filled in.

    Raises:
        ServiceError: no template, two ways to name one, or one that does not exist.
    """
    policy = settings.get("MixedInstancesPolicy")
    if bool(policy) == bool(settings.get("LaunchTemplate")):
        raise ServiceError(
            "ValidationError",
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        )
    if not policy:
        return {"LaunchTemplate": _named(world, region, settings["LaunchTemplate"])}
    template = dict(policy["LaunchTemplate"])
    template["LaunchTemplateSpecification"] = _named(world, region, template["LaunchTemplateSpecification"])
    overrides = []
    for override in template.get("Overrides") or []:
        if refused := set(override) - {"InstanceType", "LaunchTemplateSpecification"}:
            raise ServiceError(
                "ValidationError", f"Not emulated in a mixed instances override: {', '.join(sorted(refused))}."
            )
        own = override.get("LaunchTemplateSpecification")
        overrides.append({**override, **({"LaunchTemplateSpecification": _named(world, region, own)} if own else {})})
    template["Overrides"] = overrides
    return {"MixedInstancesPolicy": {**policy, "LaunchTemplate": template}}


def check_target_groups(world: World, region: str, arns: list[str]) -> None:
    """See that target groups exist.

    Raises:
        ServiceError: one does not.
    """
    if not arns:
        return
    try:
        world.client("elbv2", region).describe_target_groups(TargetGroupArns=arns)
    except ClientError as error:
        raise ServiceError(
            "ValidationError", "Provided Target Groups may not be valid. Please ensure they exist and try again."
        ) from error


def zones_of(world: World, region: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return subnet -> zone for VPCZoneIdentifier, or for the default VPC's subnets in AvailabilityZones.

    Raises:
        ServiceError: neither is given, or a subnet does not exist.
    """
    subnets = [name.strip() for name in str(settings.get("VPCZoneIdentifier") or "").split(",") if name.strip()]
    ec2 = world.client("ec2", region)
    try:
        if subnets:
            found = ec2.describe_subnets(SubnetIds=subnets)["Subnets"]
        elif settings.get("AvailabilityZones"):
            zones = {"Name": "availability-zone", "Values": list(settings["AvailabilityZones"])}
            found = ec2.describe_subnets(Filters=[zones, {"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
        else:
            raise ServiceError("ValidationError", "At least one Availability Zone or VPC Subnet is required.")
    except ClientError as error:
        raise ServiceError("ValidationError", _words(error)) from error
    zone = {subnet["SubnetId"]: str(subnet["AvailabilityZone"]) for subnet in found}
    return {subnet: zone[subnet] for subnet in subnets or zone}


def recipe(world: World, group: Group) -> Recipe:
    """Say how the next instance of a group is started: first override, spot as the distribution says.

    Raises:
        ClientError: the launch template or version is gone.
    """
    policy = group.settings.get("MixedInstancesPolicy")
    spec, instance_type, spot = group.settings.get("LaunchTemplate"), "", False
    if policy:
        spec = policy["LaunchTemplate"]["LaunchTemplateSpecification"]
        for override in policy["LaunchTemplate"]["Overrides"][:1]:
            spec = override.get("LaunchTemplateSpecification", spec)
            instance_type = override.get("InstanceType", "")
        spot = wants_spot(policy.get("InstancesDistribution") or {}, group.counted(), group.desired)
    assert spec is not None
    ec2 = world.client("ec2", group.region)
    found = ec2.describe_launch_template_versions(
        LaunchTemplateId=spec["LaunchTemplateId"], Versions=[str(spec.get("Version") or "$Default")]
    )["LaunchTemplateVersions"][0]
    source = Source(spec["LaunchTemplateId"], spec["LaunchTemplateName"], str(found["VersionNumber"]))
    data = found["LaunchTemplateData"]
    return Recipe(source, data, instance_type or data.get("InstanceType", "m1.small"), spot or _template_spot(data))


def run_arguments(world: World, group: Group, recipe: Recipe, subnet: str) -> dict[str, Any]:
    """Return RunInstances arguments with the launch template's data written out.

    moto drops profile and metadata options when it expands a launch template itself.

    Raises:
        ServiceError: the template uses something that is not emulated.
    """
    data = recipe.data
    if unknown := sorted(set(data) - _SAME - _HANDLED - {"InstanceMarketOptions"}):
        raise ServiceError("ValidationError", f"Not emulated in a launch template: {', '.join(unknown)}.")
    arguments: dict[str, Any] = {key: data[key] for key in _SAME & set(data)}
    arguments |= {"InstanceType": recipe.instance_type, "MinCount": 1, "MaxCount": 1}
    arguments["ImageId"] = _image(world, group.region, str(data.get("ImageId", "")))
    if data.get("UserData"):
        # boto3 encodes the user data of RunInstances itself, but not that of a launch template.
        arguments["UserData"] = base64.b64decode(data["UserData"])
    if data.get("NetworkInterfaces"):
        arguments["NetworkInterfaces"] = [{**nic, "SubnetId": subnet} for nic in data["NetworkInterfaces"]]
    else:
        arguments["SubnetId"] = subnet
    if recipe.spot:
        arguments["InstanceMarketOptions"] = {"MarketType": "spot"}
    arguments["TagSpecifications"] = _tags(group, recipe)
    return arguments


def _tags(group: Group, recipe: Recipe) -> list[dict[str, Any]]:
    """Template tags, then the group's propagated ones, then AWS's own: the later one wins."""
    by_kind: dict[str, dict[str, str]] = {"instance": {}}
    for spec in recipe.data.get("TagSpecifications") or []:
        tags = {tag["Key"]: tag.get("Value", "") for tag in spec.get("Tags") or []}
        by_kind.setdefault(spec["ResourceType"], {}).update(tags)
    by_kind["instance"].update({key: value for key, (value, propagate) in group.tags.items() if propagate})
    by_kind["instance"].update(
        {
            "aws:autoscaling:groupName": group.name,
            "aws:ec2launchtemplate:id": recipe.source.template_id,
            "aws:ec2launchtemplate:version": recipe.source.version,
        }
    )
    return [
        {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        for kind, tags in by_kind.items()
        if kind in {"instance", "volume"} and tags
    ]


def _image(world: World, region: str, image: str) -> str:
    """Resolve ``resolve:ssm:NAME`` (EC2 User Guide, "Use a Systems Manager parameter instead of an AMI ID")."""
    if not image.startswith("resolve:ssm:"):
        return image
    parameter = world.client("ssm", region).get_parameter(Name=image.removeprefix("resolve:ssm:"))
    return str(parameter["Parameter"]["Value"])


def _template_spot(data: Mapping[str, Any]) -> bool:
    return bool((data.get("InstanceMarketOptions") or {}).get("MarketType") == "spot")


def _named(world: World, region: str, spec: Mapping[str, Any]) -> dict[str, str]:
    """Fill in id and name of a LaunchTemplateSpecification and see that the version exists."""
    ec2 = world.client("ec2", region)
    which = {key: spec[key] for key in ("LaunchTemplateId", "LaunchTemplateName") if spec.get(key)}
    version = str(spec.get("Version") or "$Default")
    try:
        found = ec2.describe_launch_template_versions(**which, Versions=[version])["LaunchTemplateVersions"]
    except ClientError as error:
        raise ServiceError(
            "ValidationError", f"You must use a valid fully-formed launch template. {_words(error)}"
        ) from error
    if not found:
        raise ServiceError(
            "ValidationError", f"You must use a valid fully-formed launch template. No version {version}."
        )
    return {
        "LaunchTemplateId": found[0]["LaunchTemplateId"],
        "LaunchTemplateName": found[0]["LaunchTemplateName"],
        "Version": version,
    }


def _words(error: ClientError) -> str:
    return str(error.response["Error"]["Message"])
