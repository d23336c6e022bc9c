"""What fields cannot say alone: how sections must fit each other and what AWS would refuse only when it is too late."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from kubecfn.config.addons import addon_problems
from kubecfn.config.contents_rules import contents_problems
from kubecfn.config.flags import Component, refusals
from kubecfn.config.found import domain_of, found_from
from kubecfn.config.models import Config, ExistingVpc, Image, Network, Pool, SubnetRef, Volume
from kubecfn.config.types import architecture_of, seconds
from kubecfn.errors import Problem, WrongUseError
from kubecfn.versions import choose

# VPC: "VPC CIDR blocks"; subnets of a zone need room for load balancers, nodes and their pods' addresses.
_LARGEST_VPC, _SMALLEST_VPC = 16, 22
_SMALLEST_POD_NETWORK, _SMALLEST_SERVICE_NETWORK = 20, 24
# Auto Scaling: a signal timeout beyond an hour outlives the role credentials of some signers (CloudFormation: UpdatePolicy, PauseTime, PT1H).
_LONGEST_SIGNAL_TIMEOUT = 3600
_MINUTE, _DAY = 60, 86400


def problems_in(config: Config) -> list[Problem]:
    """Return everything in `config` that does not fit together; empty when all does."""
    return [
        *_versions(config),
        *_dns(config),
        *_network(config),
        *_api(config),
        *_controllers(config),
        *_pools(config),
        *_flags(config),
        *addon_problems(config.addons, config.name, domain_of(config, found_from(config))),
        *contents_problems(config),
        *_image(config.image, config),
        *_backup(config),
        *_artifacts(config),
        *_notifications(config),
        *_tags(config),
    ]


def _versions(config: Config) -> Iterator[Problem]:
    try:
        choose(config.kubernetes, config.etcd)
    except WrongUseError as error:
        yield Problem("kubernetes", config.kubernetes, error.message.rstrip("."), error.remedy)


def _flags(config: Config) -> Iterator[Problem]:
    given: tuple[tuple[str, Component, dict[str, str]], ...] = (
        ("controllers.api_server_flags", "kube-apiserver", config.controllers.api_server_flags),
        ("kubelet_flags", "kubelet", config.kubelet_flags),
    )
    if next(_versions(config), None):
        return  # which flags there are hangs on the version
    for path, component, flags in given:
        for flag, reason, remedy in refusals(config.kubernetes, component, flags):
            yield Problem(f"{path}.{flag}", flags[flag], reason, remedy)


def _dns(config: Config) -> Iterator[Problem]:
    dns = config.dns
    has_parent = bool(dns.parent_zone or dns.parent_zone_id)
    if dns.private and has_parent:
        yield Problem(
            "dns", "", "a private zone has no parent zone", "Remove parent_zone and parent_zone_id, or private."
        )
    if dns.private and not dns.domain:
        yield Problem(
            "dns.domain",
            "",
            "is required with private: true",
            "Write the private domain, e.g. payments.internal.example.com.",
        )
    if not dns.private and not has_parent:
        yield Problem(
            "dns",
            "",
            "needs parent_zone, parent_zone_id, or private: true with a domain",
            "Name the public zone to delegate from.",
        )
    if not dns.private and config.partition == "aws-us-gov":
        yield Problem("dns", config.region, "GovCloud has no public hosted zones", "Write private: true and a domain.")
    if dns.domain and dns.parent_zone and not dns.domain.endswith("." + dns.parent_zone):
        yield Problem(
            "dns.domain",
            dns.domain,
            f"must lie below the parent zone {dns.parent_zone}",
            f"Write {config.name}.{dns.parent_zone}.",
        )


def _network(config: Config) -> Iterator[Problem]:
    network = config.network
    if config.egress == "isolated":
        yield Problem("network.egress", "isolated", "is not built yet", "Write nat, or existing with an existing VPC.")
    yield from _existing_vpc(network.vpc, network) if network.vpc else _new_vpc(network)
    if isinstance(network.zones, tuple):
        yield from _zones("network.zones", network.zones, config.region)
        yield from _twice("network.zones", network.zones)
    yield from _overlaps(config)
    for path, cidr, smallest in (
        ("network.pod_cidr", network.pod_cidr, _SMALLEST_POD_NETWORK),
        ("network.service_cidr", network.service_cidr, _SMALLEST_SERVICE_NETWORK),
    ):
        if ipaddress.IPv4Network(cidr).prefixlen > smallest:
            yield Problem(path, cidr, f"is smaller than /{smallest}", f"Choose /{smallest} or larger.")


def _new_vpc(network: Network) -> Iterator[Problem]:
    prefix = ipaddress.IPv4Network(network.cidr).prefixlen
    if not _LARGEST_VPC <= prefix <= _SMALLEST_VPC:
        yield Problem(
            "network.cidr",
            network.cidr,
            f"must be /{_LARGEST_VPC} to /{_SMALLEST_VPC}",
            "A VPC may be at most /16; below /22 the zones' subnets are too small.",
        )
    if network.egress == "existing":
        yield Problem("network.egress", "existing", "needs an existing VPC", "Write nat, or give network.vpc.")


def _existing_vpc(vpc: ExistingVpc, network: Network) -> Iterator[Problem]:
    if not (vpc.id or vpc.name or vpc.tags):
        yield Problem("network.vpc", "", "needs id, name or tags", "Say which VPC is meant.")
    if network.egress == "nat":
        yield Problem(
            "network.egress",
            "nat",
            "needs a new VPC; an existing VPC keeps its own routes",
            "Write existing, or leave egress out.",
        )
    for kind, subnets in (("private_subnets", vpc.private_subnets), ("public_subnets", vpc.public_subnets)):
        for position, subnet in enumerate(subnets):
            if not (subnet.id or subnet.name):
                yield Problem(f"network.vpc.{kind}[{position}]", "", "needs id or name", "Say which subnet is meant.")
        yield from _twice(f"network.vpc.{kind}", tuple(subnet.id or subnet.name or "" for subnet in subnets))
        yield from _one_subnet_for_each_zone(kind, subnets)
    if "cidr" in network.model_fields_set:
        yield Problem("network.cidr", network.cidr, "is the network of a new VPC", "Remove it, or remove network.vpc.")


def _one_subnet_for_each_zone(kind: str, subnets: tuple[SubnetRef, ...]) -> Iterator[Problem]:
    """A load balancer takes one subnet for each zone (ELB: CreateLoadBalancer, Subnets)."""
    yield from _twice(f"network.vpc.{kind} zones", tuple(subnet.zone for subnet in subnets if subnet.zone))


def _overlaps(config: Config) -> Iterator[Problem]:
    network = config.network
    vpc_cidr = (network.vpc.cidr if network.vpc else network.cidr) or None
    named = [("network.pod_cidr", network.pod_cidr), ("network.service_cidr", network.service_cidr)]
    if vpc_cidr:
        named.insert(0, ("network.vpc.cidr" if network.vpc else "network.cidr", vpc_cidr))
    for (first, a), (second, b) in combinations(named, 2):
        if ipaddress.IPv4Network(a).overlaps(ipaddress.IPv4Network(b)):
            yield Problem(second, b, f"overlaps {first} = {a}", "Choose networks that share no address.")


def _api(config: Config) -> Iterator[Problem]:
    api = config.api
    if api.exposure == "internet-facing" and api.allowed_cidrs is None:
        yield Problem(
            "api.allowed_cidrs",
            "",
            "is required with an internet-facing API",
            "Name who may reach it; 0.0.0.0/0 has to be written out.",
        )
    vpc = config.network.vpc
    if api.exposure == "internet-facing" and vpc and not vpc.public_subnets:
        yield Problem(
            "network.vpc.public_subnets",
            "",
            "are required for an internet-facing API",
            "Name one public subnet for each zone.",
        )
    yield from _twice("api.allowed_cidrs", api.allowed_cidrs or ())
    yield from _twice("api.extra_sans", api.extra_sans)


def _controllers(config: Config) -> Iterator[Problem]:
    controllers = config.controllers
    yield from _volume("controllers.volume", controllers.volume)
    yield from _signal_timeout("controllers.signal_timeout", controllers.signal_timeout)
    yield from _rentable("controllers.instance_type", controllers.instance_type)
    if controllers.tenancy == "dedicated" and controllers.instance_type.startswith("t"):
        yield Problem(
            "controllers.instance_type",
            controllers.instance_type,
            "burstable types other than t3 have no dedicated tenancy",
            "Choose an m, c or r type.",
        )


def _pools(config: Config) -> Iterator[Problem]:
    yield from _twice("pools[].name", tuple(pool.name for pool in config.pools))
    spoken = Counter("".join(word.capitalize() for word in pool.name.split("-")) for pool in config.pools)
    for pool in config.pools:
        if "-" in pool.name and spoken["".join(word.capitalize() for word in pool.name.split("-"))] > 1:
            yield Problem(
                "pools[].name",
                pool.name,
                "differs from another pool's name by '-' alone",
                "Resources of a stack have no '-' in their names: rename one.",
            )
    for position, pool in enumerate(config.pools):
        yield from _pool(f"pools[{position}]", pool, config)


def _pool(path: str, pool: Pool, config: Config) -> Iterator[Problem]:
    if pool.min > pool.max:
        yield Problem(f"{path}.min", str(pool.min), f"is above max = {pool.max}", "Raise max or lower min.")
    if pool.max == 0:
        yield Problem(f"{path}.max", "0", "a pool that can hold no worker is no pool", "Raise max, or remove the pool.")
    if pool.on_demand_base and not pool.spot:
        yield Problem(
            f"{path}.on_demand_base",
            str(pool.on_demand_base),
            "has a meaning only with spot: true",
            "Remove it, or write spot: true.",
        )
    if pool.spot and pool.tenancy == "dedicated":
        yield Problem(
            f"{path}.tenancy", "dedicated", "spot instances have no dedicated tenancy here", "Remove spot or tenancy."
        )
    architectures = sorted({architecture_of(instance_type) for instance_type in pool.instance_types})
    if len(architectures) > 1:
        yield Problem(
            f"{path}.instance_types",
            ", ".join(pool.instance_types),
            "mixes arm64 and x86_64",
            "Make one pool for each architecture.",
        )
    for instance_type in pool.instance_types:
        yield from _rentable(f"{path}.instance_types", instance_type)
    if isinstance(pool.zones, tuple):
        yield from _zones(f"{path}.zones", pool.zones, config.region)
        yield from _twice(f"{path}.zones", pool.zones)
        yield from _among_chosen(f"{path}.zones", pool.zones, config.network)
    yield from _twice(f"{path}.instance_types", pool.instance_types)
    yield from _volume(f"{path}.volume", pool.volume)
    yield from _signal_timeout(f"{path}.signal_timeout", pool.signal_timeout)
    for key in pool.labels:
        if key.split("/", 1)[0].endswith(("kubernetes.io", "k8s.io")) and "/" in key:
            yield Problem(
                f"{path}.labels",
                key,
                "is reserved: a kubelet may not set it (NodeRestriction)",
                "Use a prefix of your own.",
            )


def _among_chosen(path: str, zones: tuple[str, ...], network: Network) -> Iterator[Problem]:
    chosen = network.zones
    if network.vpc:
        chosen = tuple(subnet.zone for subnet in network.vpc.private_subnets if subnet.zone)
        if len(chosen) < len(network.vpc.private_subnets):
            return  # the look-up will tell
    if isinstance(chosen, int):
        reason = f"names zones, but network.zones = {chosen} does not say which are used"
        yield Problem(path, ", ".join(zones), reason, "Name them in network.zones too.")
        return
    for zone in sorted(set(zones) - set(chosen)):
        yield Problem(path, zone, "is not among the cluster's zones", f"Choose from {', '.join(chosen)}.")


def _rentable(path: str, instance_type: str) -> Iterator[Problem]:
    if instance_type.startswith("mac"):
        yield Problem(
            path,
            instance_type,
            "Mac instances need dedicated hosts and cannot be nodes",
            "Choose a Linux type, e.g. m7i.large.",
        )


def _volume(path: str, volume: Volume) -> Iterator[Problem]:
    if volume.throughput is not None and volume.type != "gp3":
        yield Problem(
            f"{path}.throughput", str(volume.throughput), "can be set for gp3 only", "Remove it, or write type: gp3."
        )
    if volume.iops is not None and volume.type == "gp2":
        yield Problem(
            f"{path}.iops", str(volume.iops), "cannot be set for gp2", "Remove it, or choose gp3, io1 or io2."
        )
    if volume.iops is None and volume.type in {"io1", "io2"}:
        yield Problem(f"{path}.iops", "", f"is required for {volume.type}", "Write the provisioned IOPS, e.g. 3000.")


def _signal_timeout(path: str, timeout: str) -> Iterator[Problem]:
    if not _MINUTE <= seconds(timeout) <= _LONGEST_SIGNAL_TIMEOUT:
        yield Problem(
            path, timeout, "must be 1m to 1h (CloudFormation's PauseTime ends at PT1H)", "15m suits most images."
        )


def _image(image: Image, config: Config) -> Iterator[Problem]:
    for architecture in set(image.ami) & set(image.ssm):
        yield Problem("image", architecture, "is given both as ami and as ssm", "Keep one.")
    given = set(image.ami) | set(image.ssm)
    missing = sorted(set(config.architectures) - given)
    if missing and given:
        yield Problem(
            "image", ", ".join(missing), "has nodes but no image", f"Add image.ami or image.ssm for {missing[0]}."
        )


def _backup(config: Config) -> Iterator[Problem]:
    backup = config.backup
    if seconds(backup.every) < _MINUTE:
        yield Problem("backup.every", backup.every, "must be 1m or longer", "5m loses at most five minutes.")
    if seconds(backup.keep) < _DAY or seconds(backup.keep) % _DAY:
        yield Problem(
            "backup.keep", backup.keep, "must be whole days (S3 lifecycle rules count days)", "Write 24h, 48h or 7d."
        )
    if seconds(backup.daily) % _DAY or seconds(backup.daily) <= seconds(backup.keep):
        yield Problem(
            "backup.daily", backup.daily, f"must be whole days and longer than keep = {backup.keep}", "Write 30d."
        )


def _artifacts(config: Config) -> Iterator[Problem]:
    artifacts = config.artifacts
    if artifacts.bucket != "auto" and not artifacts.kms_key:
        yield Problem(
            "artifacts.kms_key",
            "",
            "is required with an existing bucket: bundles with keys are KMS-encrypted",
            "Write the key's ARN, or bucket: auto.",
        )
    if artifacts.bucket == "auto" and artifacts.kms_key:
        yield Problem(
            "artifacts.kms_key",
            artifacts.kms_key,
            "belongs to an existing bucket; kubecfn's own bucket has its own key",
            "Remove it, or name the bucket.",
        )


def _notifications(config: Config) -> Iterator[Problem]:
    topic = config.notifications.topic
    if topic and topic.split(":")[1:4:2] != [config.partition, config.region]:
        yield Problem(
            "notifications.topic",
            topic,
            f"is not in {config.region}: an alarm tells topics of its own region alone",
            "Name a topic of that region; it may have a subscriber in another.",
        )


def _tags(config: Config) -> Iterator[Problem]:
    for key, value in config.tags.items():
        if key.lower().startswith("aws:") or not 1 <= len(key) <= 128 or len(value) > 256:  # noqa: PLR2004  AWS: "Tag restrictions"
            yield Problem(
                f"tags.{key}", value, "AWS refuses it (1 to 128 characters, value at most 256, not aws:…)", "Rename it."
            )


def _zones(path: str, zones: tuple[str, ...], region: str) -> Iterator[Problem]:
    for zone in zones:
        if not zone.startswith(region) or len(zone) != len(region) + 1:
            yield Problem(path, zone, f"is not a zone of {region}", f"Write {region}a, {region}b …")


def _twice(path: str, values: tuple[str, ...]) -> Iterator[Problem]:
    for value, count in Counter(values).items():
        if count > 1:
            yield Problem(path, value, f"stands there {count} times", "Keep one.")
