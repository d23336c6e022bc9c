"""The network's resource types: VPC, subnets, gateways, routes, addresses."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any, ClassVar

from kubecfn.local.providers.resource import Aws, Resource, changed, pick
from kubecfn.local.providers.seam import Properties


def tag_ec2(aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
    """Bring an EC2 resource's tags from those of `old` to those of `new`."""
    if dropped := aws.dropped_tags(old, new):
        aws.call("ec2", "DeleteTags", Resources=[physical_id], Tags=[{"Key": key} for key in dropped])
    if tags := aws.tags(new.get("Tags")):
        aws.call("ec2", "CreateTags", Resources=[physical_id], Tags=tags)


class Ec2Resource(Resource):
    """A resource of EC2 that carries tags."""

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        tag_ec2(aws, physical_id, old, new)


class Vpc(Ec2Resource):
    """A VPC; DNS flags and tags change in place."""

    type = "AWS::EC2::VPC"
    accepts = ("CidrBlock", "EnableDnsHostnames", "EnableDnsSupport", "InstanceTenancy", "Tags")
    fixed = ("CidrBlock", "InstanceTenancy")
    gives = (
        "CidrBlock", "CidrBlockAssociations", "DefaultNetworkAcl", "DefaultSecurityGroup", "Ipv6CidrBlocks", "VpcId",
    )  # fmt: skip
    makes = ("ec2", "CreateVpc", "Vpc.VpcId")
    deletes = ("ec2", "DeleteVpc", "VpcId")

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        for flag, default in (("EnableDnsSupport", True), ("EnableDnsHostnames", False)):
            before, after = old.get(flag, default), new.get(flag, default)
            if changed({flag: before}, {flag: after}, flag):
                aws.call("ec2", "ModifyVpcAttribute", VpcId=physical_id, **{flag: {"Value": after}})
        tag_ec2(aws, physical_id, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        vpc = aws.call("ec2", "DescribeVpcs", VpcIds=[physical_id])["Vpcs"][0]
        mine = [{"Name": "vpc-id", "Values": [physical_id]}]
        groups = aws.call("ec2", "DescribeSecurityGroups", Filters=mine)["SecurityGroups"]
        acls = aws.call("ec2", "DescribeNetworkAcls", Filters=mine)["NetworkAcls"]
        return {
            "VpcId": physical_id,
            "CidrBlock": vpc["CidrBlock"],
            "CidrBlockAssociations": [item["AssociationId"] for item in vpc.get("CidrBlockAssociationSet", [])],
            "Ipv6CidrBlocks": [item["Ipv6CidrBlock"] for item in vpc.get("Ipv6CidrBlockAssociationSet", [])],
            "DefaultSecurityGroup": next((g["GroupId"] for g in groups if g["GroupName"] == "default"), ""),
            "DefaultNetworkAcl": next((acl["NetworkAclId"] for acl in acls if acl["IsDefault"]), ""),
        }


class VpcCidrBlock(Resource):
    """A second address range of a VPC."""

    type = "AWS::EC2::VPCCidrBlock"
    accepts = fixed = ("AmazonProvidedIpv6CidrBlock", "CidrBlock", "VpcId")
    gives = ("Id",)
    deletes = ("ec2", "DisassociateVpcCidrBlock", "AssociationId")

    def make(self, aws: Aws, properties: Properties) -> str:
        answer = aws.call("ec2", "AssociateVpcCidrBlock", **properties)
        association = answer.get("CidrBlockAssociation") or answer["Ipv6CidrBlockAssociation"]
        return str(association["AssociationId"])


class Subnet(Ec2Resource):
    """A subnet; public addresses on launch, IPv6 and DNS options and tags change in place."""

    type = "AWS::EC2::Subnet"
    accepts = (
        "AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "Ipv6CidrBlock", "VpcId",
        "AssignIpv6AddressOnCreation", "MapPublicIpOnLaunch", "Tags",
    )  # fmt: skip
    fixed = ("AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "Ipv6CidrBlock", "VpcId")
    gives = ("AvailabilityZone", "CidrBlock", "Ipv6CidrBlocks", "NetworkAclAssociationId", "SubnetId", "VpcId")
    makes = ("ec2", "CreateSubnet", "Subnet.SubnetId")
    deletes = ("ec2", "DeleteSubnet", "SubnetId")

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        for flag in ("AssignIpv6AddressOnCreation", "MapPublicIpOnLaunch"):
            if changed(old, new, flag):
                aws.call(
                    "ec2", "ModifySubnetAttribute", SubnetId=physical_id, **{flag: {"Value": new.get(flag, False)}}
                )
        tag_ec2(aws, physical_id, old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        subnet = aws.call("ec2", "DescribeSubnets", SubnetIds=[physical_id])["Subnets"][0]
        acls = aws.call(
            "ec2", "DescribeNetworkAcls", Filters=[{"Name": "association.subnet-id", "Values": [physical_id]}]
        )["NetworkAcls"]
        links = [link for acl in acls for link in acl["Associations"] if link["SubnetId"] == physical_id]
        return {
            **pick(subnet, "AvailabilityZone", "CidrBlock", "SubnetId", "VpcId"),
            "Ipv6CidrBlocks": [item["Ipv6CidrBlock"] for item in subnet.get("Ipv6CidrBlockAssociationSet", [])],
            "NetworkAclAssociationId": links[0]["NetworkAclAssociationId"] if links else "",
        }


class InternetGateway(Ec2Resource):
    """An internet gateway, not yet attached."""

    type = "AWS::EC2::InternetGateway"
    accepts = ("Tags",)
    gives = ("InternetGatewayId",)
    makes = ("ec2", "CreateInternetGateway", "InternetGateway.InternetGatewayId")
    deletes = ("ec2", "DeleteInternetGateway", "InternetGatewayId")


class VpcGatewayAttachment(Resource):
    """The attachment of an internet gateway to a VPC; the gateway can be exchanged in place."""

    type = "AWS::EC2::VPCGatewayAttachment"
    accepts = ("InternetGatewayId", "VpcId")
    fixed = ("VpcId",)
    gives = ("AttachmentType",)

    def make(self, aws: Aws, properties: Properties) -> str:
        aws.call("ec2", "AttachInternetGateway", **properties)
        return f"IGW|{properties['VpcId']}"

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, "InternetGatewayId"):
            self.remove(aws, physical_id, old)
            self.make(aws, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return {"AttachmentType": "IGW"}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("ec2", "DetachInternetGateway", **properties)


class RouteTable(Ec2Resource):
    """A route table with nothing but the VPC's local route."""

    type = "AWS::EC2::RouteTable"
    accepts = ("Tags", "VpcId")
    fixed = ("VpcId",)
    gives = ("RouteTableId",)
    makes = ("ec2", "CreateRouteTable", "RouteTable.RouteTableId")
    deletes = ("ec2", "DeleteRouteTable", "RouteTableId")


class Route(Resource):
    """One route; its target can be exchanged in place."""

    type = "AWS::EC2::Route"
    fixed = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId", "RouteTableId")
    accepts = (
        *fixed, "EgressOnlyInternetGatewayId", "GatewayId", "InstanceId", "NatGatewayId", "NetworkInterfaceId",
        "TransitGatewayId", "VpcPeeringConnectionId",
    )  # fmt: skip
    gives = ("CidrBlock",)

    def make(self, aws: Aws, properties: Properties) -> str:
        aws.call("ec2", "CreateRoute", **properties)
        return f"{properties['RouteTableId']}|{self._destination(properties)}"

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self.accepts):
            aws.call("ec2", "ReplaceRoute", **new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return {"CidrBlock": self._destination(properties)}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("ec2", "DeleteRoute", **pick(properties, *self.fixed))

    def _destination(self, properties: Properties) -> str:
        return str(next(iter(pick(properties, *self.fixed[:3]).values())))


class SubnetRouteTableAssociation(Resource):
    """Which route table a subnet uses."""

    type = "AWS::EC2::SubnetRouteTableAssociation"
    accepts = fixed = ("RouteTableId", "SubnetId")
    gives = ("Id",)
    makes = ("ec2", "AssociateRouteTable", "AssociationId")
    deletes = ("ec2", "DisassociateRouteTable", "AssociationId")


class DhcpOptions(Ec2Resource):
    """A set of DHCP options."""

    type = "AWS::EC2::DHCPOptions"
    fixed = ("DomainName", "DomainNameServers", "NetbiosNameServers", "NetbiosNodeType", "NtpServers")
    accepts = (*fixed, "Tags")
    gives = ("DhcpOptionsId",)
    _keys: ClassVar[dict[str, str]] = {
        "DomainName": "domain-name",
        "DomainNameServers": "domain-name-servers",
        "NetbiosNameServers": "netbios-name-servers",
        "NetbiosNodeType": "netbios-node-type",
        "NtpServers": "ntp-servers",
    }
    deletes = ("ec2", "DeleteDhcpOptions", "DhcpOptionsId")

    def make(self, aws: Aws, properties: Properties) -> str:
        given = pick(properties, *self.fixed)
        options = [
            {"Key": self._keys[name], "Values": value if isinstance(value, list) else [value]}
            for name, value in given.items()
        ]
        answer = aws.call("ec2", "CreateDhcpOptions", DhcpConfigurations=options)
        return str(answer["DhcpOptions"]["DhcpOptionsId"])


class VpcDhcpOptionsAssociation(Resource):
    """Which DHCP options a VPC uses; deletion leaves them, as AWS does."""

    type = "AWS::EC2::VPCDHCPOptionsAssociation"
    accepts = fixed = ("DhcpOptionsId", "VpcId")

    def make(self, aws: Aws, properties: Properties) -> str:
        aws.call("ec2", "AssociateDhcpOptions", **properties)
        return f"{properties['DhcpOptionsId']}|{properties['VpcId']}"

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("ec2", "AssociateDhcpOptions", DhcpOptionsId="default", VpcId=properties["VpcId"])
