"""The IDs of outside resources: those the configuration gives itself, and those that were looked up once.

Nothing here talks to AWS: `kubecfn.deploy.lookup` fills in what `still_to_find` names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubecfn.config.models import Config


@dataclass(frozen=True)
class Subnet:
    """An existing subnet.

    Attributes:
        id: ``subnet-…``.
        zone: its availability zone, ``eu-central-1a``.
    """

    id: str
    zone: str


@dataclass(frozen=True)
class Found:
    """Outside resources by ID; empty or None where nothing outside is used or nothing was found yet.

    Attributes:
        vpc_id: the existing VPC; None when the stack makes one.
        vpc_cidr: its IPv4 network.
        private_subnets: where nodes run, in the configuration's order.
        public_subnets: where an internet-facing load balancer stands.
        parent_zone_id: hosted zone in which the cluster's zone is delegated; None for a private zone.
        parent_zone: its name without a trailing dot.
        images: architecture -> AMI ID.
        zones: the region's zones to use, when the configuration names them or they were looked up.
    """

    vpc_id: str | None = None
    vpc_cidr: str | None = None
    private_subnets: tuple[Subnet, ...] = ()
    public_subnets: tuple[Subnet, ...] = ()
    parent_zone_id: str | None = None
    parent_zone: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    zones: tuple[str, ...] = ()


def found_from(config: Config) -> Found:
    """Return what the configuration says by ID itself; names, tags and SSM paths are left to be looked up."""
    vpc = config.network.vpc
    zones = config.network.zones
    return Found(
        vpc_id=vpc.id if vpc else None,
        vpc_cidr=vpc.cidr if vpc else None,
        private_subnets=_given(vpc.private_subnets) if vpc else (),
        public_subnets=_given(vpc.public_subnets) if vpc else (),
        parent_zone_id=config.dns.parent_zone_id,
        parent_zone=config.dns.parent_zone,
        images={
            architecture: ami for architecture, ami in config.image.ami.items() if architecture in config.architectures
        },
        zones=zones if isinstance(zones, tuple) else (),
    )


def _given(references: tuple) -> tuple[Subnet, ...]:  # type: ignore[type-arg]
    whole = [Subnet(reference.id, reference.zone) for reference in references if reference.id and reference.zone]
    return tuple(whole) if len(whole) == len(references) else ()


def still_to_find(config: Config, found: Found) -> tuple[str, ...]:
    """Return what has to be looked up before the template is complete, in words; empty when nothing is."""
    vpc = config.network.vpc
    missing = [
        (vpc is not None and found.vpc_id is None, "the VPC's ID"),
        (vpc is not None and found.vpc_cidr is None, "the VPC's network"),
        (vpc is not None and not found.private_subnets, "the private subnets"),
        (vpc is not None and bool(vpc.public_subnets) and not found.public_subnets, "the public subnets"),
        (not config.dns.private and found.parent_zone_id is None, "the parent zone's ID"),
        (not config.dns.private and found.parent_zone is None and config.dns.domain is None, "the parent zone's name"),
        *((architecture not in found.images, f"the {architecture} image") for architecture in config.architectures),
    ]
    return tuple(what for is_missing, what in missing if is_missing)


def domain_of(config: Config, found: Found) -> str | None:
    """Return the cluster's domain, or None while the parent zone's name is not known."""
    if config.dns.domain:
        return config.dns.domain
    parent = config.dns.parent_zone or found.parent_zone
    return f"{config.name}.{parent}" if parent else None
