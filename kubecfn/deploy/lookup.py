"""Outside resources by name: looked up once, seen to exist and to fit, and everything that does not said at once.

Each problem names the configuration's path. Source: the services' API references, named where a rule is not plain.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kubecfn.config import Config, Found, Subnet
from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.deploy.bucket import owns_bucket
from kubecfn.errors import AwsError, ConfigError, Problem


@dataclass
class _Search:
    """One look-up: what was found and what is wrong so far."""

    config: Config
    aws: Aws
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, path: str, value: str, reason: str, remedy: str = "") -> None:
        """Note a problem; the search goes on."""
        self.problems.append(Problem(path, value, reason, remedy))


def look_up(config: Config, aws: Aws, found: Found, source: str = "configuration") -> Found:
    """Return `found` with every ID filled in, having seen that each resource exists and fits.

    Args:
        config: what is asked for.
        aws: account and region.
        found: what the configuration gives by ID itself.
        source: the configuration's file, for the error.

    Raises:
        ConfigError: everything that is missing, ambiguous or does not fit.
        AwsError: AWS could not be asked, which is not the same as "there is none".
    """
    search = _Search(config, aws)
    result = _zones(search, found)
    result = _vpc(search, result)
    result = _parent_zone(search, result)
    result = _images(search, result)
    _instance_types(search, result)
    _bucket(search)
    if search.problems:
        raise ConfigError(source, search.problems)
    return result


def _zones(search: _Search, found: Found) -> Found:
    wanted = search.config.network.zones
    with doing(f"listing the zones of {search.aws.region}"):
        answer = search.aws.client("ec2").describe_availability_zones(
            Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}]
        )
    present = sorted(zone["ZoneName"] for zone in answer["AvailabilityZones"] if zone.get("State") == "available")
    listed = ", ".join(present)
    if isinstance(wanted, tuple):
        for zone in wanted:
            if zone not in present:
                search.wrong(
                    "network.zones",
                    zone,
                    f"is not a zone this account can use in {search.aws.region}",
                    f"There are: {listed}.",
                )
    elif search.config.network.vpc is None and len(present) < wanted:
        search.wrong(
            "network.zones",
            str(wanted),
            f"is more than {search.aws.region} has ({len(present)}: {listed})",
            f"Write {len(present)} or fewer, or choose another region.",
        )
    for position, pool in enumerate(search.config.pools):
        for zone in pool.zones if isinstance(pool.zones, tuple) else ():
            if zone not in present:
                search.wrong(
                    f"pools[{position}].zones", zone, f"is not a zone of {search.aws.region}", f"There are: {listed}."
                )
    if isinstance(wanted, tuple) or search.config.network.vpc is not None:
        return found
    return replace(found, zones=tuple(present[:wanted]))


def _vpc(search: _Search, found: Found) -> Found:
    vpc = search.config.network.vpc
    if vpc is None:
        return found
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in vpc.tags.items()]
    if vpc.name:
        filters.append({"Name": "tag:Name", "Values": [vpc.name]})
    if vpc.id:
        filters = [{"Name": "vpc-id", "Values": [vpc.id]}]
    wanted = vpc.id or vpc.name or ", ".join(f"{key}={value}" for key, value in vpc.tags.items())
    with doing(f"looking for the VPC {wanted}"):
        vpcs = search.aws.client("ec2").describe_vpcs(Filters=filters)["Vpcs"]
    if len(vpcs) != 1:
        _none_or_several(search, "network.vpc", wanted, [one["VpcId"] for one in vpcs], "VPC")
        return found
    cidr = str(vpcs[0]["CidrBlock"])
    if vpc.cidr and vpc.cidr != cidr:
        search.wrong(
            "network.vpc.cidr", vpc.cidr, f"is not the network of {vpcs[0]['VpcId']}", f"Write {cidr}, or leave it out."
        )
    associated = [
        str(block["CidrBlock"])
        for block in vpcs[0].get("CidrBlockAssociationSet", ())
        if block.get("CidrBlockState", {}).get("State", "associated") == "associated"
    ]
    _overlaps(search, {cidr, *associated})
    by_id = replace(found, vpc_id=str(vpcs[0]["VpcId"]), vpc_cidr=cidr)
    return replace(
        by_id,
        private_subnets=_subnets(search, by_id, "private_subnets"),
        public_subnets=_subnets(search, by_id, "public_subnets"),
    )


def _subnets(search: _Search, found: Found, kind: str) -> tuple[Subnet, ...]:
    vpc = search.config.network.vpc
    assert vpc is not None, "asked for an existing VPC only"
    subnets = []
    for position, wanted in enumerate(getattr(vpc, kind)):
        path, name = f"network.vpc.{kind}[{position}]", wanted.id or wanted.name
        key = ("subnet-id", wanted.id) if wanted.id else ("tag:Name", wanted.name)
        with doing(f"looking for the subnet {name}"):
            answer = search.aws.client("ec2").describe_subnets(Filters=[{"Name": key[0], "Values": [key[1]]}])
        here = [one for one in answer["Subnets"] if one["VpcId"] == found.vpc_id]
        if answer["Subnets"] and not here:
            other = answer["Subnets"][0]["VpcId"]
            search.wrong(path, name, f"is in {other}, not in {found.vpc_id}", "Name a subnet of the VPC.")
        elif len(here) != 1:
            _none_or_several(search, path, name, [one["SubnetId"] for one in here], "subnet")
        else:
            zone = str(here[0]["AvailabilityZone"])
            if wanted.zone and wanted.zone != zone:
                search.wrong(
                    f"{path}.zone", wanted.zone, f"is not its zone, which is {zone}", f"Write {zone}, or leave it out."
                )
            subnets.append(Subnet(str(here[0]["SubnetId"]), zone))
    zones = [subnet.zone for subnet in subnets]
    for zone in sorted({zone for zone in zones if zones.count(zone) > 1}):
        search.wrong(
            f"network.vpc.{kind}", zone, "is the zone of several of the subnets", "Name one subnet for each zone."
        )
    return tuple(subnets)


def _overlaps(search: _Search, blocks: set[str]) -> None:
    network = search.config.network
    for path, cidr in (("network.pod_cidr", network.pod_cidr), ("network.service_cidr", network.service_cidr)):
        for block in sorted(blocks):
            if ipaddress.ip_network(cidr).overlaps(ipaddress.ip_network(block)):
                search.wrong(
                    path, cidr, f"overlaps the VPC's network {block}", "Choose networks that share no address."
                )


def _parent_zone(search: _Search, found: Found) -> Found:
    dns = search.config.dns
    if dns.private:
        return found
    if dns.parent_zone_id:
        return _parent_by_id(search, found, dns.parent_zone_id)
    name = f"{dns.parent_zone}."
    with doing(f"looking for the hosted zone {dns.parent_zone}"):
        pages = search.aws.client("route53").get_paginator("list_hosted_zones").paginate()
        zones = [one for page in pages for one in page["HostedZones"] if one["Name"] == name]
    public = [one for one in zones if not one.get("Config", {}).get("PrivateZone")]
    ids = [_bare(one["Id"]) for one in public]
    if len(ids) > 1:
        search.wrong(
            "dns.parent_zone",
            str(dns.parent_zone),
            f"is the name of {len(ids)} public zones: {', '.join(ids)}",
            "Write parent_zone_id with the ID of the one the domain is delegated to.",
        )
    elif not ids:
        private = " (only private ones, which the internet does not see)" if zones else ""
        search.wrong(
            "dns.parent_zone",
            str(dns.parent_zone),
            f"is not a public hosted zone of this account{private}",
            "Make the zone, correct the name, or write private: true and a domain.",
        )
    else:
        return replace(found, parent_zone_id=ids[0], parent_zone=dns.parent_zone)
    return found


def _parent_by_id(search: _Search, found: Found, zone_id: str) -> Found:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    dns = search.config.dns
    with doing(f"looking for the hosted zone {zone_id}"):
        try:
            zone = search.aws.client("route53").get_hosted_zone(Id=zone_id)["HostedZone"]
        except ClientError as error:
            if code_of(error) not in {"NoSuchHostedZone", "InvalidInput"}:
                raise
            search.wrong("dns.parent_zone_id", zone_id, "is not a hosted zone of this account", "Correct the ID.")
            return found
    name = str(zone["Name"]).rstrip(".")
    if zone.get("Config", {}).get("PrivateZone"):
        search.wrong(
            "dns.parent_zone_id", zone_id, f"is a private zone ({name})", "Name a public zone, or write private: true."
        )
    if dns.parent_zone and dns.parent_zone != name:
        search.wrong(
            "dns.parent_zone", dns.parent_zone, f"is not the name of {zone_id}, which is {name}", f"Write {name}."
        )
    if dns.domain and not dns.domain.endswith(f".{name}"):
        search.wrong(
            "dns.domain", dns.domain, f"must lie below the parent zone {name}", f"Write {search.config.name}.{name}."
        )
    return replace(found, parent_zone_id=zone_id, parent_zone=name)


def _images(search: _Search, found: Found) -> Found:
    image = search.config.image
    given = {str(arch): ami for arch, ami in image.ami.items()} | dict(found.images)
    parameters = {str(arch): path for arch, path in image.ssm.items()}
    wanted = {arch: given.get(arch) for arch in search.config.architectures}
    paths = {arch: f"image.ami.{arch}" for arch in wanted}
    for arch, ami in wanted.items():
        if ami is None and arch in parameters:
            wanted[arch], paths[arch] = _from_ssm(search, parameters[arch], arch), f"image.ssm.{arch}"
        elif ami is None:
            search.wrong(
                f"image.ami.{arch}",
                "",
                f"is required for {arch} nodes",
                "Write the AMI's ID, or image.ssm with its parameter.",
            )
    for arch, ami in wanted.items():
        if ami:
            _image(search, paths[arch], arch, ami)
    return replace(found, images={arch: ami for arch, ami in wanted.items() if ami})


def _from_ssm(search: _Search, path: str, arch: str) -> str | None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"reading the parameter {path}"):
        try:
            return str(search.aws.client("ssm").get_parameter(Name=path)["Parameter"]["Value"])
        except ClientError as error:
            if code_of(error) not in {"ParameterNotFound", "ParameterVersionNotFound"}:
                raise
    search.wrong(
        f"image.ssm.{arch}", path, f"is not a parameter in {search.aws.region}", "Correct the path, or write image.ami."
    )
    return None


def _image(search: _Search, path: str, arch: str, ami: str) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"looking for the image {ami}"):
        try:
            images = search.aws.client("ec2").describe_images(ImageIds=[ami])["Images"]
        except ClientError as error:
            if not code_of(error).startswith("InvalidAMIID"):
                raise
            images = []
    if not images:
        search.wrong(
            path,
            ami,
            f"is not an image this account can use in {search.aws.region}",
            "Images are regional: copy it, or correct the ID.",
        )
    elif images[0].get("Architecture", arch) != arch:
        search.wrong(
            path, ami, f"is an image for {images[0]['Architecture']}, not {arch}", f"Name an image for {arch}."
        )


def _instance_types(search: _Search, found: Found) -> None:
    config = search.config
    wanted = {config.controllers.instance_type: "controllers.instance_type"}
    for position, pool in enumerate(config.pools):
        wanted |= {kind: f"pools[{position}].instance_types" for kind in pool.instance_types if kind not in wanted}
    zones = found.zones or tuple(subnet.zone for subnet in found.private_subnets)
    if not zones:
        return
    offered = _offered(search, sorted(wanted))
    for kind, path in wanted.items():
        missing = [zone for zone in zones if zone not in offered.get(kind, set())]
        if missing:
            search.wrong(path, kind, f"is not offered in {', '.join(missing)}", "Choose another type, or other zones.")


def _offered(search: _Search, kinds: list[str]) -> dict[str, set[str]]:
    offered: dict[str, set[str]] = {}
    with doing("asking which instance types the zones offer"):
        pages = (
            search.aws.client("ec2")
            .get_paginator("describe_instance_type_offerings")
            .paginate(LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": kinds}])
        )
        rows: Iterator[Mapping[str, Any]] = (row for page in pages for row in page["InstanceTypeOfferings"])
        for row in rows:
            offered.setdefault(row["InstanceType"], set()).add(row["Location"])
    return offered


def _bucket(search: _Search) -> None:
    name = search.config.artifacts.bucket
    if name == "auto":
        return
    try:
        if not owns_bucket(search.aws, name):
            search.wrong("artifacts.bucket", name, "does not exist", "Make it, or write auto.")
    except AwsError as error:
        if error.code not in {"403", "WrongRegion"}:
            raise
        search.wrong("artifacts.bucket", name, error.message.rstrip("."), error.remedy)


def _bare(zone_id: str) -> str:
    """``/hostedzone/Z1`` is ``Z1``."""
    return zone_id.rsplit("/", 1)[-1]


def _none_or_several(search: _Search, path: str, wanted: str, ids: list[str], what: str) -> None:
    if ids:
        search.wrong(
            path, wanted, f"fits {len(ids)} {what}s: {', '.join(sorted(ids))}", "Write the ID of the one that is meant."
        )
    else:
        search.wrong(path, wanted, f"is not a {what} in {search.aws.region}", "Correct it, or the region.")
