"""What a change to one property of one resource type means for those who use the cluster: data, not code.

Each row rests on the "Update requires" line of the property in the CloudFormation template reference and on the
service's own guide, named in `source`. Nothing here is looked up while a plan runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from kubecfn.deploy.explain.model import Severity


class How(StrEnum):
    """What CloudFormation does to the resource."""

    CHANGE = "change"
    REPLACE = "replace"
    REMOVE = "remove"


class Direction(StrEnum):
    """For which change of a number a row holds."""

    ANY = "any"
    LOWER = "lower"
    RAISE = "raise"


@dataclass(frozen=True)
class Row:
    """One rule.

    Attributes:
        type: the resource type.
        properties: the properties it is about; empty for every property.
        how: what CloudFormation does to the resource.
        text: a sentence with {id}, {property}, {before} and {after}.
        lost: what is gone afterwards; empty when nothing is.
        source: document and section.
        direction: for which change of a number it holds.
    """

    type: str
    properties: tuple[str, ...]
    how: How
    severity: Severity
    text: str
    lost: str = ""
    source: str = ""
    direction: Direction = Direction.ANY


_CHANGE, _REPLACE, _REMOVE = How.CHANGE, How.REPLACE, How.REMOVE
_LOSES, _REPLACES, _INTERRUPTS, _ROLLS, _CHANGES = (
    Severity.LOSES,
    Severity.REPLACES,
    Severity.INTERRUPTS,
    Severity.ROLLS,
    Severity.CHANGES,
)
_LOWER, _RAISE = Direction.LOWER, Direction.RAISE
_REFERENCE = "CloudFormation template reference"

_GROUP = "AWS::AutoScaling::AutoScalingGroup"
_GROUP_GUIDE = "CloudFormation template reference, UpdatePolicy attribute, AutoScalingRollingUpdate"
_NETWORK = (
    Row(
        "AWS::EC2::VPC",
        (),
        _REPLACE,
        _LOSES,
        "The network {id} is replaced: every subnet, instance and address in it is made anew.",
        "every private address, and every peering, route or rule elsewhere that names them",
        f"{_REFERENCE}, AWS::EC2::VPC, CidrBlock",
    ),
    Row("AWS::EC2::VPC", (), _REMOVE, _LOSES, "The network {id} is deleted.", "the network and its addresses"),
    Row(
        "AWS::EC2::VPC",
        ("EnableDnsHostnames", "EnableDnsSupport"),
        _CHANGE,
        _INTERRUPTS,
        "Name resolution inside {id} changes: {property} goes from {before} to {after}.",
        source="VPC User Guide, DNS attributes for your VPC",
    ),
    Row(
        "AWS::EC2::Subnet",
        (),
        _REPLACE,
        _REPLACES,
        "The subnet {id} is replaced; what stands in it moves to the new one.",
        "the private addresses of everything in it",
        f"{_REFERENCE}, AWS::EC2::Subnet",
    ),
    Row("AWS::EC2::Subnet", (), _REMOVE, _REPLACES, "The subnet {id} is deleted; its zone is no longer used."),
    Row(
        "AWS::EC2::EIP",
        (),
        _REPLACE,
        _LOSES,
        "The public address {id} is given back and another one is taken.",
        "the public address: allow-lists elsewhere that name it no longer fit",
        f"{_REFERENCE}, AWS::EC2::EIP",
    ),
    Row(
        "AWS::EC2::EIP",
        (),
        _REMOVE,
        _LOSES,
        "The public address {id} is given back.",
        "the public address: allow-lists elsewhere that name it no longer fit",
    ),
    Row(
        "AWS::EC2::NatGateway",
        (),
        _REPLACE,
        _INTERRUPTS,
        "The NAT gateway {id} is replaced: open connections from nodes to the internet break.",
        source="VPC User Guide, NAT gateways",
    ),
    Row(
        "AWS::EC2::NatGateway",
        (),
        _REMOVE,
        _INTERRUPTS,
        "The NAT gateway {id} is deleted: nodes behind it reach the internet only by another route.",
        source="VPC User Guide, NAT gateways",
    ),
    Row("AWS::EC2::Route", (), _CHANGE, _INTERRUPTS, "The route {id} changes: open connections over it break."),
    Row("AWS::EC2::Route", (), _REPLACE, _INTERRUPTS, "The route {id} is replaced: it is missing for a moment."),
    Row("AWS::EC2::Route", (), _REMOVE, _INTERRUPTS, "The route {id} is deleted: what used it is cut off."),
    Row(
        "AWS::EC2::VPCEndpoint",
        (),
        _REPLACE,
        _INTERRUPTS,
        "The endpoint {id} is replaced: calls to its service fail for a moment.",
        source=f"{_REFERENCE}, AWS::EC2::VPCEndpoint",
    ),
    Row("AWS::EC2::VPCEndpoint", (), _REMOVE, _INTERRUPTS, "The endpoint {id} is deleted: calls take another way."),
    Row(
        "AWS::EC2::SecurityGroup",
        (),
        _REPLACE,
        _REPLACES,
        "The security group {id} is replaced: rules elsewhere that name the old one no longer match.",
        source=f"{_REFERENCE}, AWS::EC2::SecurityGroup, GroupDescription",
    ),
    *(
        Row(
            f"AWS::EC2::SecurityGroup{direction}",
            (),
            how,
            _INTERRUPTS,
            f"The rule {{id}} is {verb}: what only it let through is refused{tail}.",
            source="VPC User Guide, Security group rules",
        )
        for direction in ("Ingress", "Egress")
        for how, verb, tail in ((_REPLACE, "replaced", ", unless the new one allows it too"), (_REMOVE, "deleted", ""))
    ),
    *(
        Row(
            kind,
            (),
            how,
            _INTERRUPTS,
            f"{{id}} is {verb}: open connections over these routes break.",
            source="VPC User Guide, Configure route tables",
        )
        for kind in (
            "AWS::EC2::RouteTable",
            "AWS::EC2::SubnetRouteTableAssociation",
            "AWS::EC2::VPCGatewayAttachment",
        )
        for how, verb in ((_REPLACE, "replaced"), (_REMOVE, "deleted"))
    ),
)
_DNS = (
    Row(
        "AWS::Route53::HostedZone",
        (),
        _REPLACE,
        _LOSES,
        "The hosted zone {id} is replaced: the new one has other name servers and none of the old records.",
        "every record in the zone that CloudFormation did not make, and the delegation until the parent's answer expires",
        f"{_REFERENCE}, AWS::Route53::HostedZone, Name",
    ),
    Row(
        "AWS::Route53::HostedZone",
        (),
        _REMOVE,
        _LOSES,
        "The hosted zone {id} is deleted: names in it stop resolving.",
        "every record in the zone",
    ),
    Row(
        "AWS::Route53::RecordSet",
        (),
        _REPLACE,
        _INTERRUPTS,
        "The record {id} moves to another name or zone: the old name stops resolving.",
        source=f"{_REFERENCE}, AWS::Route53::RecordSet, Name",
    ),
    Row(
        "AWS::Route53::RecordSet",
        (),
        _CHANGE,
        _INTERRUPTS,
        "The record {id} answers differently; clients see it when their cached answer expires.",
        source="Route 53 Developer Guide, Values that are common for all routing policies, TTL",
    ),
    Row("AWS::Route53::RecordSet", (), _REMOVE, _INTERRUPTS, "The record {id} is deleted: the name stops resolving."),
)
_BALANCER = "AWS::ElasticLoadBalancingV2::"
_API = (
    Row(
        f"{_BALANCER}LoadBalancer",
        (),
        _REPLACE,
        _LOSES,
        "The load balancer {id} is replaced: the API's name points to a new one, and open connections break.",
        "the load balancer's own name and addresses: firewalls that name them no longer fit",
        f"{_REFERENCE}, AWS::ElasticLoadBalancingV2::LoadBalancer, Scheme",
    ),
    Row(
        f"{_BALANCER}LoadBalancer",
        (),
        _REMOVE,
        _LOSES,
        "The load balancer {id} is deleted: the API's name leads nowhere.",
        "the load balancer's own name and addresses",
    ),
    Row(
        f"{_BALANCER}LoadBalancer",
        ("Subnets", "SubnetMappings"),
        _CHANGE,
        _INTERRUPTS,
        "The load balancer {id} stands in other zones: a zone that is taken away stops answering.",
        source="User Guide for Network Load Balancers, Availability Zones",
    ),
    Row(
        f"{_BALANCER}TargetGroup",
        (),
        _REPLACE,
        _INTERRUPTS,
        "The target group {id} is replaced: controllers register again and the API answers when they are healthy.",
        source=f"{_REFERENCE}, AWS::ElasticLoadBalancingV2::TargetGroup",
    ),
    Row(
        f"{_BALANCER}Listener",
        ("Port", "Protocol"),
        _CHANGE,
        _INTERRUPTS,
        "The listener {id} changes its {property} from {before} to {after}: clients of the old one are cut off.",
        source=f"{_REFERENCE}, AWS::ElasticLoadBalancingV2::Listener",
    ),
    Row(
        f"{_BALANCER}Listener", (), _REPLACE, _INTERRUPTS, "The listener {id} is replaced: the API is cut off briefly."
    ),
    Row(f"{_BALANCER}Listener", (), _REMOVE, _INTERRUPTS, "The listener {id} is deleted: its port stops answering."),
)
_STORAGE = (
    Row(
        "AWS::S3::Bucket",
        (),
        _REPLACE,
        _LOSES,
        "The bucket {id} is replaced by an empty one under another name.",
        "what is in the old bucket, unless it is retained: nothing is copied",
        f"{_REFERENCE}, AWS::S3::Bucket, BucketName",
    ),
    Row("AWS::S3::Bucket", (), _REMOVE, _LOSES, "The bucket {id} is deleted from the stack.", "what is in it"),
    Row(
        "AWS::S3::Bucket",
        ("LifecycleConfiguration",),
        _CHANGE,
        _LOSES,
        "What expires in the bucket {id} changes; objects past the new age are deleted within days.",
        "objects older than a shortened age",
        "S3 User Guide, Managing your storage lifecycle",
    ),
    Row(
        "AWS::KMS::Key",
        (),
        _REPLACE,
        _LOSES,
        "The key {id} is replaced: what the old one encrypted stays readable only while the old one exists.",
        "everything encrypted with the old key, once its waiting period ends",
        f"{_REFERENCE}, AWS::KMS::Key",
    ),
    Row(
        "AWS::KMS::Key",
        (),
        _REMOVE,
        _LOSES,
        "The key {id} leaves the stack and, unless it is retained, is scheduled for deletion.",
        "everything encrypted with it, once its waiting period ends",
        "KMS Developer Guide, Deleting AWS KMS keys",
    ),
    Row(
        "AWS::KMS::Key",
        ("Enabled",),
        _CHANGE,
        _INTERRUPTS,
        "The key {id} goes from enabled {before} to {after}: while it is disabled nothing it encrypted can be read.",
        source="KMS Developer Guide, Enabling and disabling keys",
    ),
    Row(
        "AWS::Logs::LogGroup",
        (),
        _REPLACE,
        _LOSES,
        "The log group {id} is replaced by an empty one.",
        "the log lines in the old one, unless it is retained",
        f"{_REFERENCE}, AWS::Logs::LogGroup, LogGroupName",
    ),
    Row("AWS::Logs::LogGroup", (), _REMOVE, _LOSES, "The log group {id} is deleted.", "the log lines in it"),
    Row(
        "AWS::Logs::LogGroup",
        ("RetentionInDays",),
        _CHANGE,
        _LOSES,
        "The log group {id} keeps lines {after} days instead of {before}.",
        "log lines older than {after} days",
        "CloudWatch Logs User Guide, Change log data retention",
        _LOWER,
    ),
)
_NODES = (
    Row(
        _GROUP,
        (
            "LaunchTemplate",
            "MixedInstancesPolicy",
            "LaunchConfigurationName",
            "VPCZoneIdentifier",
            "AvailabilityZones",
            "PlacementGroup",
        ),
        _CHANGE,
        _ROLLS,
        "The instances of {id} are replaced.",
        source=_GROUP_GUIDE,
    ),
    Row(
        _GROUP,
        ("MaxSize", "DesiredCapacity"),
        _CHANGE,
        _INTERRUPTS,
        "{property} of {id} goes from {before} to {after}: instances above it are drained and terminated.",
        source="EC2 Auto Scaling User Guide, Set scaling limits for your Auto Scaling group",
        direction=_LOWER,
    ),
    Row(
        _GROUP,
        ("MinSize",),
        _CHANGE,
        _CHANGES,
        "{id} may shrink to {after} (until now {before}); nothing is terminated now.",
        source="EC2 Auto Scaling User Guide, Set scaling limits for your Auto Scaling group",
        direction=_LOWER,
    ),
    Row(
        _GROUP,
        ("MinSize", "DesiredCapacity"),
        _CHANGE,
        _CHANGES,
        "{property} of {id} goes from {before} to {after}: instances are added, none is replaced.",
        source="EC2 Auto Scaling User Guide, Set scaling limits for your Auto Scaling group",
        direction=_RAISE,
    ),
    Row(
        _GROUP,
        (),
        _REPLACE,
        _REPLACES,
        "The group {id} is replaced as a whole: a new group fills, then the old one and its instances go.",
        "what the old instances hold on their disks",
        f"{_REFERENCE}, AWS::AutoScaling::AutoScalingGroup",
    ),
    Row(
        _GROUP,
        (),
        _REMOVE,
        _INTERRUPTS,
        "The group {id} and all its instances are removed; their pods have to find room elsewhere.",
        "what the instances hold on their disks",
        f"{_REFERENCE}, AWS::AutoScaling::AutoScalingGroup",
    ),
    Row(
        "AWS::EC2::LaunchTemplate",
        (),
        _CHANGE,
        _CHANGES,
        "The launch template {id} gets a new version; running instances keep the old one until they are replaced.",
        source="EC2 Auto Scaling User Guide, Launch templates",
    ),
    Row("AWS::EC2::LaunchTemplate", (), _REPLACE, _REPLACES, "The launch template {id} is replaced."),
    Row("AWS::EC2::LaunchTemplate", (), _REMOVE, _CHANGES, "The launch template {id} is deleted."),
)
_RIGHTS = (
    Row(
        "AWS::IAM::Role",
        (),
        _REPLACE,
        _REPLACES,
        "The role {id} is replaced: its ARN changes, and policies elsewhere that name the old one no longer match.",
        source=f"{_REFERENCE}, AWS::IAM::Role, RoleName",
    ),
    Row("AWS::IAM::InstanceProfile", (), _REPLACE, _REPLACES, "The instance profile {id} is replaced."),
)
_FUNCTIONS = (
    Row(
        "AWS::Lambda::Function",
        (),
        _CHANGE,
        _CHANGES,
        "The function {id} is updated in place; calls that are running finish with the old code.",
        source="Lambda Developer Guide, Lambda function states",
    ),
    Row("AWS::Lambda::Function", (), _REPLACE, _REPLACES, "The function {id} is replaced; events reach the new one."),
    Row("AWS::Lambda::Function", (), _REMOVE, _INTERRUPTS, "The function {id} is deleted: nothing does its work."),
    Row(
        "AWS::Events::Rule",
        ("State",),
        _CHANGE,
        _INTERRUPTS,
        "The rule {id} goes from {before} to {after}: a disabled rule starts nothing.",
        source=f"{_REFERENCE}, AWS::Events::Rule, State",
    ),
    Row(
        "AWS::Scheduler::Schedule",
        ("State",),
        _CHANGE,
        _INTERRUPTS,
        "The schedule {id} goes from {before} to {after}: a disabled schedule starts nothing.",
        source=f"{_REFERENCE}, AWS::Scheduler::Schedule, State",
    ),
    Row("AWS::Events::Rule", (), _REMOVE, _INTERRUPTS, "The rule {id} is deleted: its events start nothing."),
    Row("AWS::Scheduler::Schedule", (), _REMOVE, _INTERRUPTS, "The schedule {id} is deleted: it starts nothing."),
    Row("AWS::Lambda::Permission", (), _REMOVE, _INTERRUPTS, "The permission {id} is deleted: its caller is refused."),
)

ROWS: tuple[Row, ...] = (*_NETWORK, *_DNS, *_API, *_STORAGE, *_NODES, *_RIGHTS, *_FUNCTIONS)


def _by_type(rows: Iterable[Row]) -> Mapping[str, tuple[Row, ...]]:
    types = dict.fromkeys(row.type for row in rows)
    return MappingProxyType({name: tuple(row for row in rows if row.type == name) for name in types})


_BY_TYPE = _by_type(ROWS)


def row_for(resource_type: str, how: How, property_name: str, before: str = "", after: str = "") -> Row | None:
    """Return the most particular row for a change, or None when the table does not know it.

    Args:
        resource_type: e.g. ``AWS::EC2::VPC``.
        how: what CloudFormation does to the resource.
        property_name: the first step of the property's path; empty when the resource goes as a whole.
        before: the value it had, as text.
        after: the value it gets, as text.
    """
    fitting = [
        row
        for row in _BY_TYPE.get(resource_type, ())
        if row.how is how and (not row.properties or property_name in row.properties) and _goes(row, before, after)
    ]
    return max(fitting, key=lambda row: bool(row.properties), default=None)


def _goes(row: Row, before: str, after: str) -> bool:
    if row.direction is Direction.ANY:
        return True
    try:
        old, new = float(before), float(after)
    except ValueError:
        return False
    return new < old if row.direction is _LOWER else new > old
