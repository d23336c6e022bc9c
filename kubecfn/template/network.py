"""The network: a VPC of the stack's own, or references into an existing one."""

from __future__ import annotations

from dataclasses import dataclass

from troposphere import Ref, Template

from kubecfn.config import Config, Found, Subnet
from kubecfn.config.models import ExistingVpc
from kubecfn.template.parameters import CIDR_PATTERN, NETWORK, add_parameter
from kubecfn.template.vpc import Vpc, add_vpc


@dataclass(frozen=True)
class Network:
    """What later parts may say about the network.

    Attributes:
        vpc_id: the VPC.
        cidr: its IPv4 network; None when the API's allowed networks are given and the VPC is not ours.
        private_subnets: where nodes run, one for each zone.
        public_subnets: where an internet-facing load balancer stands; empty when there are none.
        zones: names of the private subnets' zones, in their order; empty when they are not known.
        nat_addresses: the public IPv4 addresses that nodes appear from, when the stack makes them.
        ready: logical ids of what must exist before a node boots and until it is gone (routes, endpoints).
        public_ready: the same for what has a public address.
    """

    vpc_id: Ref
    cidr: Ref | None
    private_subnets: tuple[Ref, ...]
    public_subnets: tuple[Ref, ...]
    zones: tuple[str, ...]
    nat_addresses: tuple[Ref, ...]
    ready: tuple[str, ...]
    public_ready: tuple[str, ...]


def add_network(template: Template, config: Config, found: Found) -> Network:
    """Add the VPC with everything in it, or the parameters that name an existing one."""
    existing = config.network.vpc
    if existing is not None:
        # A parameter that nothing uses would only confuse: the API's own list of networks makes this one needless.
        cidr = None if config.api.allowed_cidrs else _add_cidr(template, config, found)
        return _existing(template, existing, found, cidr)
    cidr = _add_cidr(template, config, found)
    vpc: Vpc = add_vpc(template, config, found, cidr)
    return Network(
        vpc_id=vpc.id,
        cidr=cidr,
        private_subnets=vpc.private_subnets,
        public_subnets=vpc.public_subnets,
        zones=found.zones,
        nat_addresses=vpc.nat_addresses,
        ready=vpc.ready,
        public_ready=vpc.public_ready,
    )


def _add_cidr(template: Template, config: Config, found: Found) -> Ref:
    existing = config.network.vpc is not None
    return add_parameter(
        template,
        "VpcCidr",
        group=NETWORK,
        label="VPC network",
        description=(
            "IPv4 network of the existing VPC."
            if existing
            else "IPv4 network of the VPC, cut into equal subnets. Another one replaces the whole network."
        ),
        default=found.vpc_cidr if existing else config.network.cidr,
        AllowedPattern=CIDR_PATTERN,
        ConstraintDescription="an IPv4 network such as 10.20.0.0/16.",
    )


def _existing(template: Template, existing: ExistingVpc, found: Found, cidr: Ref | None) -> Network:
    vpc_id = add_parameter(
        template,
        "VpcId",
        group=NETWORK,
        label="VPC",
        description="The existing VPC in which the cluster runs.",
        Type="AWS::EC2::VPC::Id",
        default=found.vpc_id,
    )
    private = _add_subnets(template, "Private", len(existing.private_subnets), found.private_subnets)
    public = _add_subnets(template, "Public", len(existing.public_subnets), found.public_subnets)
    return Network(
        vpc_id=vpc_id,
        cidr=cidr,
        private_subnets=private,
        public_subnets=public,
        zones=tuple(subnet.zone for subnet in found.private_subnets),
        nat_addresses=(),
        ready=(),
        public_ready=(),
    )


def _add_subnets(template: Template, kind: str, count: int, found: tuple[Subnet, ...]) -> tuple[Ref, ...]:
    use = {"Private": "Nodes run here.", "Public": "The internet-facing load balancer stands here."}[kind]
    return tuple(
        add_parameter(
            template,
            f"{kind}Subnet{position}Id",
            group=NETWORK,
            label=f"{kind} subnet {position}",
            description=f"{kind} subnet of the {position}. availability zone. {use}",
            Type="AWS::EC2::Subnet::Id",
            default=found[position - 1].id if found else None,
        )
        for position in range(1, count + 1)
    )
