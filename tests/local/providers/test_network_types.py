"""The network's types, each from creation over a change in place to nothing left."""

from __future__ import annotations

import json

import pytest


def one(answer, key):
    return answer[key][0]


def tags(things):
    return {tag["Key"]: tag["Value"] for tag in things["Tags"] if not tag["Key"].startswith("aws:")}


def vpc(s, i):
    ec2 = s.client("ec2")
    names = ec2.describe_vpc_attribute(VpcId=i, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"]
    support = ec2.describe_vpc_attribute(VpcId=i, Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"]
    return names, support, tags(one(ec2.describe_vpcs(VpcIds=[i]), "Vpcs"))


def ranges(s, i):
    links = one(s.client("ec2").describe_vpcs(VpcIds=[s.vpc]), "Vpcs")["CidrBlockAssociationSet"]
    return [
        item["CidrBlock"]
        for item in links
        if item["AssociationId"] == i and item["CidrBlockState"]["State"] == "associated"
    ]


def subnet(s, i):
    found = one(s.client("ec2").describe_subnets(SubnetIds=[i]), "Subnets")
    return found["MapPublicIpOnLaunch"], found["AvailabilityZone"], tags(found)


def attached(s, i):
    vpc_id = [{"Name": "attachment.vpc-id", "Values": [i.partition("|")[2]]}]
    return len(s.client("ec2").describe_internet_gateways(Filters=vpc_id)["InternetGateways"])


def table_tags(s, i):
    return tags(one(s.client("ec2").describe_route_tables(RouteTableIds=[i]), "RouteTables"))


def route(s, i):
    table, _, target = i.partition("|")
    routes = one(s.client("ec2").describe_route_tables(RouteTableIds=[table]), "RouteTables")["Routes"]
    found = [item for item in routes if item.get("DestinationCidrBlock") == target]
    return found and (found[0].get("GatewayId") or found[0]["NatGatewayId"])


def association(s, i):
    where = [{"Name": "association.route-table-association-id", "Values": [i]}]
    return [item["RouteTableId"] for item in s.client("ec2").describe_route_tables(Filters=where)["RouteTables"]]


def address_tags(s, i):
    return tags(one(s.client("ec2").describe_addresses(PublicIps=[i]), "Addresses"))


def nat(s, i):
    found = one(s.client("ec2").describe_nat_gateways(NatGatewayIds=[i]), "NatGateways")
    return found["State"], tags(found)


def endpoint(s, i):
    found = one(s.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[i]), "VpcEndpoints")
    groups = [group["GroupId"] for group in found["Groups"]]
    return found["State"] == "deleted" or (found["RouteTableIds"], routed(s, i), found["SubnetIds"], groups)


def routed(s, i):
    tables = s.client("ec2").describe_route_tables(RouteTableIds=s.tables)["RouteTables"]
    return [t["RouteTableId"] for t in tables if i in [route.get("GatewayId") for route in t["Routes"]]]


def endpoint_policy(s, i):
    found = one(s.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[i]), "VpcEndpoints")
    return found["State"] == "deleted" or len(json.loads(found["PolicyDocument"])["Statement"])


def flow_log(s, i):
    return tags(one(s.client("ec2").describe_flow_logs(FlowLogIds=[i]), "FlowLogs"))


def options_tags(s, i):
    return tags(one(s.client("ec2").describe_dhcp_options(DhcpOptionsIds=[i]), "DhcpOptions"))


def options_of(s, i):
    return one(s.client("ec2").describe_vpcs(VpcIds=[s.vpc]), "Vpcs")["DhcpOptionsId"]


def rules(direction):
    def look(s, i):
        found = one(s.client("ec2").describe_security_groups(GroupIds=[i]), "SecurityGroups")
        return sorted(
            (
                str(item.get("FromPort", "all")),
                *(r["CidrIp"] for r in item["IpRanges"]),
                *(g["GroupId"] for g in item["UserIdGroupPairs"]),
            )
            for item in found["IpPermissions" + direction]
        )

    return look


def descriptions(direction):
    def look(s, i):
        found = one(s.client("ec2").describe_security_groups(GroupIds=[s.groups[0]]), "SecurityGroups")
        return [
            peer.get("Description")
            for item in found["IpPermissions" + direction]
            for peer in (*item["IpRanges"], *item["UserIdGroupPairs"])
            if item["IpProtocol"] == "tcp"
        ]

    return look


def rule(port, **peer):
    return {"IpProtocol": "tcp", "FromPort": str(port), "ToPort": port, **peer}


TEAM = {"team": "platform"}
NAMED = [{"Key": "Name", "Value": "x"}]
BOTH = {**TEAM, "Name": "x"}
S3 = "com.amazonaws.eu-central-1.s3"
EC2 = "com.amazonaws.eu-central-1.ec2"

CASES = {
    "VPC": (
        "AWS::EC2::VPC",
        {"CidrBlock": "10.9.0.0/16", "EnableDnsHostnames": "true", "Tags": NAMED},
        {"EnableDnsHostnames": False, "EnableDnsSupport": False, "Tags": []},
        vpc, (True, True, BOTH), (False, False, TEAM),
    ),
    "VPCCidrBlock": (
        "AWS::EC2::VPCCidrBlock", lambda s: {"VpcId": s.vpc, "CidrBlock": "10.1.0.0/16"}, {},
        ranges, ["10.1.0.0/16"], ["10.1.0.0/16"],
    ),
    "Subnet": (
        "AWS::EC2::Subnet",
        lambda s: {"VpcId": s.vpc, "CidrBlock": "10.0.99.0/24", "AvailabilityZone": "eu-central-1b"},
        {"MapPublicIpOnLaunch": "true", "Tags": NAMED},
        subnet, (False, "eu-central-1b", TEAM), (True, "eu-central-1b", BOTH),
    ),
    "InternetGateway": (
        "AWS::EC2::InternetGateway", {}, {"Tags": NAMED},
        lambda s, i: tags(one(s.client("ec2").describe_internet_gateways(InternetGatewayIds=[i]), "InternetGateways")),
        TEAM, BOTH,
    ),
    "VPCGatewayAttachment": (
        "AWS::EC2::VPCGatewayAttachment",
        lambda s: {
            "VpcId": s.make("AWS::EC2::VPC", CidrBlock="10.8.0.0/16").physical_id,
            "InternetGatewayId": s.make("AWS::EC2::InternetGateway").physical_id,
        },
        lambda s: {"InternetGatewayId": s.make("AWS::EC2::InternetGateway").physical_id},
        attached, 1, 1, 0,
    ),
    "RouteTable": ("AWS::EC2::RouteTable", lambda s: {"VpcId": s.vpc}, {"Tags": NAMED}, table_tags, TEAM, BOTH),
    "Route": (
        "AWS::EC2::Route",
        lambda s: {"RouteTableId": s.tables[0], "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": s.gateway},
        lambda s: {"GatewayId": None, "NatGatewayId": s.nat},
        route, lambda s: s.gateway, lambda s: s.nat,
    ),
    "SubnetRouteTableAssociation": (
        "AWS::EC2::SubnetRouteTableAssociation", lambda s: {"SubnetId": s.subnets[2], "RouteTableId": s.tables[1]}, {},
        association, lambda s: [s.tables[1]], lambda s: [s.tables[1]], [],
    ),
    "EIP": ("AWS::EC2::EIP", {"Domain": "vpc"}, {"Tags": NAMED}, address_tags, TEAM, BOTH),
    "NatGateway": (
        "AWS::EC2::NatGateway",
        lambda s: {
            "SubnetId": s.subnets[1],
            "AllocationId": s.make("AWS::EC2::EIP", Domain="vpc").attributes["AllocationId"],
        },
        {"Tags": NAMED}, nat, ("available", TEAM), ("available", BOTH), ("deleted", BOTH),
    ),
    "VPCEndpoint for a gateway": (
        "AWS::EC2::VPCEndpoint",
        lambda s: {"VpcId": s.vpc, "ServiceName": S3, "VpcEndpointType": "Gateway", "RouteTableIds": s.tables[:1]},
        lambda s: {"RouteTableIds": s.tables[1:]},
        endpoint, lambda s: (s.tables[:1], s.tables[:1], [], []), lambda s: (s.tables[1:], s.tables[1:], [], []), True,
    ),
    "VPCEndpoint for an interface": (
        "AWS::EC2::VPCEndpoint",
        lambda s: {
            "VpcId": s.vpc, "ServiceName": EC2, "VpcEndpointType": "Interface", "SubnetIds": s.subnets[:1],
            "SecurityGroupIds": s.groups[:1], "PrivateDnsEnabled": "true",
        },
        lambda s: {"SubnetIds": s.subnets[1:2], "SecurityGroupIds": s.groups[1:]},
        endpoint, lambda s: ([], [], s.subnets[:1], s.groups[:1]), lambda s: ([], [], s.subnets[1:2], s.groups[1:]), True,
    ),
    "VPCEndpoint's policy": (
        "AWS::EC2::VPCEndpoint",
        lambda s: {"VpcId": s.vpc, "ServiceName": S3, "VpcEndpointType": "Gateway"},
        {"PolicyDocument": {"Version": "2012-10-17", "Statement": []}}, endpoint_policy, 1, 0, True,
    ),
    "FlowLog": (
        "AWS::EC2::FlowLog",
        lambda s: {
            "ResourceId": s.vpc, "ResourceType": "VPC", "TrafficType": "ALL", "LogGroupName": s.log_group,
            "DeliverLogsPermissionArn": s.role.attributes["Arn"],
        },
        {"Tags": NAMED}, flow_log, TEAM, BOTH,
    ),
    "DHCPOptions": (
        "AWS::EC2::DHCPOptions", {"DomainName": "k8s.test", "DomainNameServers": ["10.0.0.2"]}, {"Tags": NAMED},
        options_tags, TEAM, BOTH,
    ),
    "VPCDHCPOptionsAssociation": (
        "AWS::EC2::VPCDHCPOptionsAssociation", lambda s: {"VpcId": s.vpc, "DhcpOptionsId": s.options}, {},
        options_of, lambda s: s.options, lambda s: s.options, "default",
    ),
    "SecurityGroup's ingress": (
        "AWS::EC2::SecurityGroup",
        lambda s: {
            "GroupDescription": "d", "VpcId": s.vpc, "SecurityGroupIngress": [rule(6443, CidrIp="10.0.0.0/8")],
        },
        lambda s: {
            "SecurityGroupIngress": [rule(6443, CidrIp="10.1.0.0/16"), rule(22, SourceSecurityGroupId=s.groups[0])]
        },
        rules(""), [("6443", "10.0.0.0/8")], lambda s: [("22", s.groups[0]), ("6443", "10.1.0.0/16")],
    ),
    "SecurityGroup's egress": (
        "AWS::EC2::SecurityGroup", lambda s: {"GroupDescription": "d", "VpcId": s.vpc},
        {"SecurityGroupEgress": [rule(443, CidrIp="0.0.0.0/0")]},
        rules("Egress"), [("all", "0.0.0.0/0")], [("443", "0.0.0.0/0")],
    ),
    "SecurityGroupIngress": (
        "AWS::EC2::SecurityGroupIngress",
        lambda s: {"GroupId": s.groups[0], **rule(2379, SourceSecurityGroupId=s.groups[1], Description="a")},
        {"Description": "b"}, descriptions(""), ["a"], ["b"], [],
    ),
    "SecurityGroupEgress": (
        "AWS::EC2::SecurityGroupEgress",
        lambda s: {"GroupId": s.groups[0], **rule(2379, CidrIp="10.0.0.0/8", Description="a")},
        {"Description": "b"}, descriptions("Egress"), ["a"], ["b"], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_network_resource_is_made_changed_in_place_and_gone(case, life):
    """What the template says is what EC2 answers, after creation as after a change; after deletion there is none."""
    life(*case)
