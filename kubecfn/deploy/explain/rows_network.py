"""What changes to network, names and the API's load balancer mean: data, read by `kubecfn.deploy.explain.table`."""

from __future__ import annotations

from kubecfn.deploy.explain.model import Severity
from kubecfn.deploy.explain.row import Direction, How, Row

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

ROWS = (*_NETWORK, *_DNS, *_API)
