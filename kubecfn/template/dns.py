"""The cluster's own hosted zone. CloudFormation owns the zone and the API's name, the discovery function the rest."""

from __future__ import annotations

from dataclasses import dataclass

from awacs import route53 as may
from awacs.aws import Allow, Statement
from troposphere import GetAtt, Ref, Region, Sub, Template, route53

from kubecfn.config import Config, Found
from kubecfn.config.found import domain_of
from kubecfn.template.network import Network
from kubecfn.template.parameters import DOMAIN_PATTERN, NAMES, add_parameter
from kubecfn.template.tags import role

_DELEGATION_TTL = 300


@dataclass(frozen=True)
class Zone:
    """What later parts may say about the zone.

    Attributes:
        id: the hosted zone.
        domain: its name without a trailing dot.
        edit_records: the exact right to see and change its records.
        name_servers: the zone's name servers; None for a private zone.
    """

    id: Ref
    domain: Ref
    edit_records: Statement
    name_servers: GetAtt | None


def add_dns(template: Template, config: Config, found: Found, network: Network) -> Zone:
    """Add a private zone seen from the cluster's VPC only, or a public one delegated from its parent."""
    domain = add_parameter(
        template,
        "Domain",
        group=NAMES,
        label="Cluster domain",
        description="Name of the cluster's zone. Certificates name it; change it with kubecfn.",
        default=domain_of(config, found),
        AllowedPattern=DOMAIN_PATTERN,
        ConstraintDescription="a domain name in lower case without a trailing dot.",
    )
    zone = Ref(template.add_resource(_private(domain, network) if config.dns.private else _public(domain)))
    if not config.dns.private:
        _add_delegation(template, found, domain)
    arn = Sub("arn:${AWS::Partition}:route53:::hostedzone/${Zone}")
    actions = [may.ChangeResourceRecordSets, may.ListResourceRecordSets]
    return Zone(
        id=zone,
        domain=domain,
        edit_records=Statement(Sid="EditRecords", Effect=Allow, Action=actions, Resource=[arn]),
        name_servers=None if config.dns.private else GetAtt("Zone", "NameServers"),
    )


def _private(domain: Ref, network: Network) -> route53.HostedZone:
    return route53.HostedZone(
        "Zone",
        Name=domain,
        VPCs=[route53.HostedZoneVPCs(VPCId=network.vpc_id, VPCRegion=Region)],
        Metadata=role("The cluster's names, seen from its VPC only."),
    )


def _public(domain: Ref) -> route53.HostedZone:
    return route53.HostedZone(
        "Zone",
        Name=domain,
        Metadata=role("The cluster's names."),
    )


def _add_delegation(template: Template, found: Found, domain: Ref) -> None:
    parent = add_parameter(
        template,
        "ParentZoneId",
        group=NAMES,
        label="Parent zone",
        description="The public hosted zone in which the cluster's zone is delegated.",
        Type="AWS::Route53::HostedZone::Id",
        default=found.parent_zone_id,
    )
    template.add_resource(
        route53.RecordSetType(
            "Delegation",
            HostedZoneId=parent,
            Name=domain,
            Type="NS",
            TTL=str(_DELEGATION_TTL),
            ResourceRecords=GetAtt("Zone", "NameServers"),
            Metadata=role("Tells the parent zone who answers for the cluster's domain."),
        )
    )
