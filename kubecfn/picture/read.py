"""What there is to see in a template: zones, load balancers, groups, functions and what wakes them, and every resource by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.picture.values import Template, references, text

# Part of the stack -> the resource types it is made of; the first match wins, the order is the legend's.
PARTS: Mapping[str, tuple[str, ...]] = {
    "Network": ("AWS::EC2::LaunchTemplate!", "AWS::EC2::Instance!", "AWS::EC2::"),
    "API load balancer": ("AWS::ElasticLoadBalancingV2::",),
    "Zone": ("AWS::Route53::",),
    "Groups": ("AWS::AutoScaling::", "AWS::EC2::LaunchTemplate", "AWS::EC2::Instance"),
    "Functions": ("AWS::Lambda::",),
    "Events": ("AWS::Events::", "AWS::Scheduler::", "AWS::SQS::", "AWS::SNS::"),
    "Storage and keys": ("AWS::S3::", "AWS::KMS::"),
    "Identity": ("AWS::IAM::",),
    "Logs": ("AWS::Logs::", "AWS::CloudWatch::"),
    "Other": ("",),
}


@dataclass(frozen=True)
class Subnet:
    """One subnet: its logical id, its zone and network in words, whether it has a NAT gateway."""

    id: str
    zone: str
    cidr: str
    nat: bool


@dataclass(frozen=True)
class Group:
    """One auto scaling group: how many instances, of which types, in which of the zone columns."""

    id: str
    least: str
    most: str
    types: str
    subnets: tuple[str, ...]
    balanced: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Function:
    """One Lambda function and what wakes it."""

    id: str
    triggers: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """Everything a drawing needs, without coordinates.

    Attributes:
        parts: part -> (logical id, type) of every resource, each resource in exactly one part.
    """

    title: str
    vpc: str
    public: tuple[Subnet, ...]
    private: tuple[Subnet, ...]
    api: tuple[tuple[str, str], ...]
    zones: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]
    functions: tuple[Function, ...]
    storage: tuple[tuple[str, str], ...]
    parts: Mapping[str, tuple[tuple[str, str], ...]]


def read(template: Template) -> Picture:
    """Return what `template` would stand for."""
    public, private = _subnets(template)
    return Picture(
        title=str(template.get("Description", "A CloudFormation stack")),
        vpc=_vpc(template),
        public=public,
        private=private,
        api=tuple(
            (name, _load_balancer(template, properties))
            for name, properties in _of(template, "AWS::ElasticLoadBalancingV2::LoadBalancer")
        ),
        zones=tuple(
            (name, _zone(template, properties)) for name, properties in _of(template, "AWS::Route53::HostedZone")
        ),
        groups=tuple(
            _group(template, name, properties)
            for name, properties in _of(template, "AWS::AutoScaling::AutoScalingGroup")
        ),
        functions=tuple(_function(template, name) for name, _ in _of(template, "AWS::Lambda::Function")),
        storage=tuple(
            (name, _storage(template["Resources"][name]))
            for name, resource in template["Resources"].items()
            if resource["Type"] in {"AWS::S3::Bucket", "AWS::KMS::Key"}
        ),
        parts=_parts(template),
    )


def _of(template: Template, resource_type: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, resource.get("Properties", {}))
        for name, resource in template["Resources"].items()
        if resource["Type"] == resource_type
    ]


def part_of(resource_type: str) -> str:
    """Return the part a resource type belongs to."""
    for part, prefixes in PARTS.items():
        if resource_type + "!" in prefixes:
            continue
        if any(resource_type.startswith(prefix) for prefix in prefixes):
            return part
    return "Other"


def _parts(template: Template) -> dict[str, tuple[tuple[str, str], ...]]:
    parts: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
    for name, resource in template["Resources"].items():
        parts[part_of(resource["Type"])].append((name, resource["Type"]))
    return {part: tuple(found) for part, found in parts.items() if found}


def _vpc(template: Template) -> str:
    for name, properties in _of(template, "AWS::EC2::VPC"):
        return f"{name} {text(template, properties.get('CidrBlock'))}"
    used = {
        name for name, parameter in template.get("Parameters", {}).items() if "VPC::Id" in parameter.get("Type", "")
    }
    return f"existing {text(template, {'Ref': used.pop()})}" if used else "existing VPC"


def _subnets(template: Template) -> tuple[tuple[Subnet, ...], tuple[Subnet, ...]]:
    """Public subnets have a route to an internet gateway; nodes of groups stand in the private ones."""
    with_nat = {
        next(iter(references(properties["SubnetId"]))) for _, properties in _of(template, "AWS::EC2::NatGateway")
    }
    made = [
        Subnet(
            name,
            text(template, properties.get("AvailabilityZone")),
            text(template, properties.get("CidrBlock")),
            nat=name in with_nat,
        )
        for name, properties in _of(template, "AWS::EC2::Subnet")
    ]
    holding = {
        subnet
        for _, group in _of(template, "AWS::AutoScaling::AutoScalingGroup")
        for subnet in _group_subnets(template, group)
    }
    private = [subnet for subnet in made if subnet.id in holding]
    known = {subnet.id for subnet in made}
    private += [Subnet(name, "", "existing subnet", nat=False) for name in sorted(holding - known)]
    return tuple(subnet for subnet in made if subnet.id not in holding), tuple(private)


def _group_subnets(template: Template, properties: dict[str, Any]) -> tuple[str, ...]:
    """Return the logical ids (or literal IDs) of a group's subnets, each a column of the picture."""
    found: list[str] = []
    values = properties.get("VPCZoneIdentifier", [])
    for value in values if isinstance(values, list) else [values]:
        named = references(value)
        found += sorted(named) if named else text(template, value).split(",")
    return tuple(dict.fromkeys(name for name in found if name))


def _load_balancer(template: Template, properties: dict[str, Any]) -> str:
    ports = sorted(
        {text(template, listener.get("Port")) for _, listener in _of(template, "AWS::ElasticLoadBalancingV2::Listener")}
    )
    checks = sorted(
        {
            text(template, target["HealthCheckPath"])
            for _, target in _of(template, "AWS::ElasticLoadBalancingV2::TargetGroup")
            if "HealthCheckPath" in target
        }
    )
    words = [
        text(template, properties.get("Scheme")),
        text(template, properties.get("Type")),
        *(f"port {port}" for port in ports),
        *(f"healthy when {path}" for path in checks),
    ]
    return " · ".join(word for word in words if word)


def _zone(template: Template, properties: dict[str, Any]) -> str:
    kind = "private zone" if properties.get("VPCs") else "public zone"
    return f"{kind} {text(template, properties.get('Name')).rstrip('.')}"


def _group(template: Template, name: str, properties: dict[str, Any]) -> Group:
    resource = template["Resources"][name]
    rolling = resource.get("UpdatePolicy", {}).get("AutoScalingRollingUpdate", {})
    hooks = properties.get("LifecycleHookSpecificationList", [])
    notes = []
    if rolling:
        signals = ", waits for signals" if rolling.get("WaitOnResourceSignals") else ""
        notes.append(f"rolls {text(template, rolling.get('MaxBatchSize', 1))} at a time{signals}")
    if hooks:
        notes.append(f"{len(hooks)} lifecycle hook{'s' if len(hooks) > 1 else ''}")
    if (
        text(
            template,
            properties.get("MixedInstancesPolicy", {})
            .get("InstancesDistribution", {})
            .get("OnDemandPercentageAboveBaseCapacity"),
        )
        == "0"
    ):
        notes.append("spot")
    return Group(
        id=name,
        least=text(template, properties.get("MinSize")),
        most=text(template, properties.get("MaxSize")),
        types=_types(template, properties),
        subnets=_group_subnets(template, properties),
        balanced=bool(properties.get("TargetGroupARNs")),
        notes=tuple(notes),
    )


def _types(template: Template, properties: dict[str, Any]) -> str:
    mixed = properties.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    overrides = [text(template, override.get("InstanceType")) for override in mixed.get("Overrides", [])]
    if overrides:
        return ", ".join(overrides)
    launch = properties.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification", {})
    for name in references(launch):
        data = template["Resources"].get(name, {}).get("Properties", {}).get("LaunchTemplateData", {})
        if "InstanceType" in data:
            return text(template, data["InstanceType"])
    return ""


def _function(template: Template, name: str) -> Function:
    triggers = []
    for _, rule in _of(template, "AWS::Events::Rule"):
        if name in references(rule.get("Targets", [])):
            pattern = rule.get("EventPattern", {})
            events = pattern.get("detail-type", []) if isinstance(pattern, dict) else []
            triggers += [text(template, event) for event in events] or [text(template, rule.get("ScheduleExpression"))]
    return Function(name, tuple(dict.fromkeys(trigger for trigger in triggers if trigger)))


def _storage(resource: dict[str, Any]) -> str:
    kept = (
        "kept when the stack goes"
        if str(resource.get("DeletionPolicy", "")).startswith("Retain")
        else "goes with the stack"
    )
    return f"{'bucket' if resource['Type'] == 'AWS::S3::Bucket' else 'key'}, {kept}"
