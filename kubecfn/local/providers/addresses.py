"""The ways out of a network: elastic addresses, NAT gateways, VPC endpoints; and its flow logs."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

from typing import Any

from kubecfn.local.providers.network import Ec2Resource, tag_ec2
from kubecfn.local.providers.resource import Aws, changed, pick, refusal
from kubecfn.local.providers.seam import Properties


class Eip(Ec2Resource):
    """An elastic address; ``Ref`` is the address itself."""

    type = "AWS::EC2::EIP"
    fixed = ("Address", "Domain", "NetworkBorderGroup")
    accepts = (*fixed, "Tags")
    gives = ("AllocationId", "PublicIp")
    makes = ("ec2", "AllocateAddress", "PublicIp")

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        tag_ec2(aws, self._allocation(aws, physical_id), old, new)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        return {"AllocationId": self._allocation(aws, physical_id), "PublicIp": physical_id}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("ec2", "ReleaseAddress", AllocationId=self._allocation(aws, physical_id))

    def _allocation(self, aws: Aws, physical_id: str) -> str:
        addresses = aws.call("ec2", "DescribeAddresses", PublicIps=[physical_id])["Addresses"]
        if not addresses:
            raise refusal("DescribeAddresses", "InvalidAddress.NotFound", f"Address '{physical_id}' not found.")
        return str(addresses[0]["AllocationId"])


class NatGateway(Ec2Resource):
    """A NAT gateway; made when it is available, deleted when it holds no address any more."""

    type = "AWS::EC2::NatGateway"
    fixed = ("AllocationId", "ConnectivityType", "PrivateIpAddress", "SubnetId")
    accepts = (*fixed, "Tags")
    gives = ("EniId", "NatGatewayId")
    makes = ("ec2", "CreateNatGateway", "NatGateway.NatGatewayId")

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        tag_ec2(aws, physical_id, old, new)
        aws.until(lambda: self._look(aws, physical_id)["State"] == "available", 600, "NAT gateway")

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        addresses = self._look(aws, physical_id).get("NatGatewayAddresses") or [{}]
        return {"NatGatewayId": physical_id, "EniId": addresses[0].get("NetworkInterfaceId", "")}

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("ec2", "DeleteNatGateway", NatGatewayId=physical_id)
        aws.until(lambda: self._look(aws, physical_id)["State"] == "deleted", 600, "NAT gateway")

    def _look(self, aws: Aws, physical_id: str) -> dict[str, Any]:
        found = aws.call("ec2", "DescribeNatGateways", NatGatewayIds=[physical_id])["NatGateways"]
        return found[0] if found else {"State": "deleted"}


class VpcEndpoint(Ec2Resource):
    """A gateway or interface endpoint; its tables, subnets, groups, policy and tags change in place."""

    type = "AWS::EC2::VPCEndpoint"
    fixed = ("PrivateDnsEnabled", "ServiceName", "VpcEndpointType", "VpcId")
    _sets = ("RouteTableIds", "SecurityGroupIds", "SubnetIds")
    accepts = (*fixed, *_sets, "PolicyDocument", "Tags")
    gives = ("CreationTimestamp", "DnsEntries", "Id", "NetworkInterfaceIds")

    def make(self, aws: Aws, properties: Properties) -> str:
        given = pick(properties, *self.fixed, *self._sets, "PolicyDocument")
        return str(aws.call("ec2", "CreateVpcEndpoint", **given)["VpcEndpoint"]["VpcEndpointId"])

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, *self._sets, "PolicyDocument"):
            steps = pick(new, "PolicyDocument") if changed(old, new, "PolicyDocument") else {}
            for name in self._sets:
                before, after = set(old.get(name, ())), set(new.get(name, ()))
                steps |= {f"Add{name}": sorted(after - before)} if after - before else {}
                steps |= {f"Remove{name}": sorted(before - after)} if before - after else {}
            if "PolicyDocument" in old and "PolicyDocument" not in new:
                steps["ResetPolicy"] = True
            aws.call("ec2", "ModifyVpcEndpoint", VpcEndpointId=physical_id, **steps)
            self._move_routes(aws, physical_id, new["ServiceName"], steps)
        tag_ec2(aws, physical_id, old, new)

    def _move_routes(self, aws: Aws, physical_id: str, service: str, steps: Properties) -> None:
        """Keep the tables' routes to a gateway endpoint in step, which the back end does at creation only."""
        named = [{"Name": "prefix-list-name", "Values": [service]}]
        for found in aws.call("ec2", "DescribeManagedPrefixLists", Filters=named)["PrefixLists"]:
            to = {"DestinationPrefixListId": found["PrefixListId"]}
            for table in steps.get("RemoveRouteTableIds", ()):
                aws.call("ec2", "DeleteRoute", RouteTableId=table, **to)
            for table in steps.get("AddRouteTableIds", ()):
                aws.call("ec2", "CreateRoute", RouteTableId=table, GatewayId=physical_id, **to)

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        endpoint = aws.call("ec2", "DescribeVpcEndpoints", VpcEndpointIds=[physical_id])["VpcEndpoints"][0]
        names = [f"{entry.get('HostedZoneId', '')}:{entry['DnsName']}" for entry in endpoint.get("DnsEntries", [])]
        created = endpoint.get("CreationTimestamp")
        return {
            "Id": physical_id,
            "DnsEntries": names,
            "NetworkInterfaceIds": endpoint.get("NetworkInterfaceIds", []),
            "CreationTimestamp": created.isoformat() if created else "",
        }

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("ec2", "DeleteVpcEndpoints", VpcEndpointIds=[physical_id])


class FlowLog(Ec2Resource):
    """A flow log of a VPC, subnet or interface."""

    type = "AWS::EC2::FlowLog"
    fixed = (
        "DeliverLogsPermissionArn", "LogDestination", "LogDestinationType", "LogFormat", "LogGroupName",
        "MaxAggregationInterval", "ResourceId", "ResourceType", "TrafficType",
    )  # fmt: skip
    accepts = (*fixed, "Tags")
    gives = ("Id",)

    def make(self, aws: Aws, properties: Properties) -> str:
        given = {**pick(properties, *self.fixed), "ResourceIds": [properties["ResourceId"]]}
        given.pop("ResourceId")
        answer = aws.call("ec2", "CreateFlowLogs", **given)
        if answer.get("Unsuccessful"):
            error = answer["Unsuccessful"][0]["Error"]
            raise refusal("CreateFlowLogs", error["Code"], error["Message"])
        return str(answer["FlowLogIds"][0])

    def remove(self, aws: Aws, physical_id: str, properties: Properties) -> None:
        aws.call("ec2", "DeleteFlowLogs", FlowLogIds=[physical_id])
