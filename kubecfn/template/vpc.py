"""The stack's own VPC: a private and a public subnet in every zone, NAT gateways out, S3 without a gateway's cost."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from troposphere import Cidr, GetAtt, GetAZs, Ref, Select, Sub, Template, ec2

from kubecfn.config import Config, Found
from kubecfn.template.parameters import NETWORK, add_parameter
from kubecfn.template.tags import named, owned, role

_ANYWHERE = "0.0.0.0/0"
# Two for each of six zones at most, and a power of two.
_BLOCKS = 16
_ADDRESS_BITS = 32


@dataclass(frozen=True)
class Vpc:
    """References into the VPC.

    Attributes:
        id: the VPC.
        private_subnets: one for each zone, in the zones' order.
        public_subnets: likewise.
        nat_addresses: the NAT gateways' public IPv4 addresses.
        ready: logical ids after which a private subnet reaches the internet and S3.
        public_ready: logical ids after which a public subnet is reached from the internet.
    """

    id: Ref
    private_subnets: tuple[Ref, ...]
    public_subnets: tuple[Ref, ...]
    nat_addresses: tuple[GetAtt, ...]
    ready: tuple[str, ...]
    public_ready: tuple[str, ...]


def add_vpc(template: Template, config: Config, found: Found, cidr: Ref) -> Vpc:
    """Add the VPC, its subnets, gateways and routes."""
    vpc = Ref(
        template.add_resource(
            ec2.VPC(
                "Vpc",
                CidrBlock=cidr,
                EnableDnsHostnames=True,  # with DnsSupport: a private hosted zone answers only then
                EnableDnsSupport=True,
                Tags=named("vpc"),
                Metadata=role("The cluster's network."),
            )
        )
    )
    zones = _zones(template, config, found)
    private_blocks, public_blocks = _blocks(config.network.cidr, cidr)
    public_table = _add_way_in(template, vpc)
    public = [
        _add_subnet(template, config, vpc, Cell(f"PublicSubnet{n}", zone, block, public_table))
        for n, (zone, block) in enumerate(zip(zones, public_blocks, strict=False), 1)
    ]
    gateways = 1 if config.network.nat_gateways == "one" else len(zones)
    nat = [_add_nat_gateway(template, f"{n}", public[n - 1]) for n in range(1, gateways + 1)]
    tables = [_add_private_table(template, vpc, f"{n}", gateway) for n, gateway in enumerate(nat, 1)]
    private = [
        _add_subnet(template, config, vpc, Cell(f"PrivateSubnet{n}", zone, block, tables[min(n, gateways) - 1]))
        for n, (zone, block) in enumerate(zip(zones, private_blocks, strict=False), 1)
    ]
    _add_s3_endpoint(template, vpc, tables)
    return Vpc(
        id=vpc,
        private_subnets=tuple(private),
        public_subnets=tuple(public),
        nat_addresses=tuple(GetAtt(f"NatAddress{n}", "PublicIp") for n in range(1, gateways + 1)),
        ready=(
            *(f"PrivateRoute{n}" for n in range(1, gateways + 1)),
            *(f"PrivateSubnet{n}Routes" for n in range(1, len(zones) + 1)),
            "S3Endpoint",
        ),
        public_ready=("PublicRoute", *(f"PublicSubnet{n}Routes" for n in range(1, len(zones) + 1))),
    )


def _zones(template: Template, config: Config, found: Found) -> list[object]:
    """Name the zones when their names are known; else take the region's first ones when the stack is created."""
    count = config.network.zones if isinstance(config.network.zones, int) else len(config.network.zones)
    if not found.zones:
        return [Select(position, GetAZs("")) for position in range(count)]
    names = add_parameter(
        template,
        "Zones",
        group=NETWORK,
        label="Availability zones",
        description="Zones of the subnets, in this order. Others replace them.",
        Type="List<AWS::EC2::AvailabilityZone::Name>",
        default=",".join(found.zones[:count]),
    )
    return [Select(position, names) for position in range(count)]


def _blocks(network: str, cidr: Ref) -> tuple[list[Select], list[Select]]:
    """Cut the network into 16 equal blocks; return those for private and those for public subnets, in the zones' order.

    A subnet's block hangs on its zone's place alone: a cluster that gains or loses a zone keeps the others' addresses.
    """
    host_bits = _ADDRESS_BITS - ipaddress.IPv4Network(network).prefixlen - _BLOCKS.bit_length() + 1
    blocks = [Select(position, Cidr(cidr, _BLOCKS, host_bits)) for position in range(_BLOCKS)]
    return blocks[: _BLOCKS // 2], blocks[_BLOCKS // 2 :]


def _add_way_in(template: Template, vpc: Ref) -> Ref:
    gateway = template.add_resource(
        ec2.InternetGateway("InternetGateway", Tags=named("internet"), Metadata=role("The VPC's door to the internet."))
    )
    attachment = template.add_resource(
        ec2.VPCGatewayAttachment(
            "InternetGatewayAttachment",
            VpcId=vpc,
            InternetGatewayId=Ref(gateway),
            Metadata=role("Hangs the door into the VPC."),
        )
    )
    table = template.add_resource(
        ec2.RouteTable(
            "PublicRouteTable", VpcId=vpc, Tags=named("public"), Metadata=role("Routes of the public subnets.")
        )
    )
    template.add_resource(
        ec2.Route(
            "PublicRoute",
            RouteTableId=Ref(table),
            DestinationCidrBlock=_ANYWHERE,
            GatewayId=Ref(gateway),
            DependsOn=attachment.title,
            Metadata=role("Public subnets reach the internet directly."),
        )
    )
    return Ref(table)


@dataclass(frozen=True)
class Cell:
    """Where one subnet lies: logical id, zone, its part of the network, its route table."""

    name: str
    zone: object
    block: Select
    table: Ref


def _add_subnet(template: Template, config: Config, vpc: Ref, cell: Cell) -> Ref:
    is_public = cell.name.startswith("Public")
    # AWS load balancer controllers find their subnets by these tags (EKS user guide: "Network load balancing", "Subnets").
    use = {"kubernetes.io/role/elb" if is_public else "kubernetes.io/role/internal-elb": "1"}
    subnet = template.add_resource(
        ec2.Subnet(
            cell.name,
            VpcId=vpc,
            AvailabilityZone=cell.zone,
            CidrBlock=cell.block,
            Tags=owned(config, cell.name.replace("Subnet", "-").lower(), use),
            Metadata=role("Load balancers and NAT gateways stand here." if is_public else "Nodes run here."),
        )
    )
    template.add_resource(
        ec2.SubnetRouteTableAssociation(
            f"{cell.name}Routes", SubnetId=Ref(subnet), RouteTableId=cell.table, Metadata=role("The subnet's routes.")
        )
    )
    return Ref(subnet)


def _add_nat_gateway(template: Template, number: str, subnet: Ref) -> Ref:
    address = template.add_resource(
        ec2.EIP(
            f"NatAddress{number}",
            Domain="vpc",
            Tags=named(f"nat-{number}"),
            DependsOn="InternetGatewayAttachment",
            Metadata=role("The address that nodes appear from."),
        )
    )
    gateway = template.add_resource(
        ec2.NatGateway(
            f"NatGateway{number}",
            AllocationId=GetAtt(address, "AllocationId"),
            SubnetId=subnet,
            Tags=named(f"nat-{number}"),
            # A gateway without its own way out is created, works for nobody, and strands deletion the other way round.
            DependsOn=["PublicRoute", f"PublicSubnet{number}Routes"],
            Metadata=role("Private subnets' way out."),
        )
    )
    return Ref(gateway)


def _add_private_table(template: Template, vpc: Ref, number: str, gateway: Ref) -> Ref:
    table = template.add_resource(
        ec2.RouteTable(
            f"PrivateRouteTable{number}",
            VpcId=vpc,
            Tags=named(f"private-{number}"),
            Metadata=role("Routes of private subnets."),
        )
    )
    template.add_resource(
        ec2.Route(
            f"PrivateRoute{number}",
            RouteTableId=Ref(table),
            DestinationCidrBlock=_ANYWHERE,
            NatGatewayId=gateway,
            Metadata=role("Private subnets reach the internet through NAT."),
        )
    )
    return Ref(table)


def _add_s3_endpoint(template: Template, vpc: Ref, tables: Sequence[Ref]) -> None:
    template.add_resource(
        ec2.VPCEndpoint(
            "S3Endpoint",
            VpcId=vpc,
            ServiceName=Sub("com.amazonaws.${AWS::Region}.s3"),
            VpcEndpointType="Gateway",
            RouteTableIds=list(tables),
            Metadata=role("Bundles and backups reach S3 without passing a NAT gateway."),
        )
    )
