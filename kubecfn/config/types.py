"""The words a configuration may use: names, zones, durations, networks, each with its own clear refusal."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """One section of the configuration: closed, immutable, without silent conversions."""

    # Deferred: a section inside another is then built once, with the whole, and not a second time by itself.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def refusal(reason: str, remedy: str = "") -> PydanticCustomError:
    """Return the error that carries our own reason and remedy through pydantic unchanged."""
    return PydanticCustomError("kubecfn", "{reason}", {"reason": reason, "remedy": remedy})


def _matching(pattern: str, reason: str, remedy: str = "") -> AfterValidator:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value) is None:  # compiled when it is first needed; most never are
            raise refusal(reason, remedy)
        return value

    return AfterValidator(check)


_LONGEST_DOMAIN = 253  # RFC 1035, section 2.3.4
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_DURATION = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """Return the seconds in a duration such as ``5m``, ``48h`` or ``30d``."""
    match = _DURATION.fullmatch(duration)
    assert match is not None, "a Duration was validated when the configuration was read"
    return int(match[1]) * _SECONDS[match[2]]


def iso8601(duration: str) -> str:
    """Return CloudFormation's form of a duration: ``15m`` is ``PT15M``."""
    return f"PT{seconds(duration)}S" if seconds(duration) % 60 else f"PT{seconds(duration) // 60}M"


def _a_network(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        loose = _with_host_bits_cleared(value)
        remedy = f"Did you mean {loose}?" if loose else "Write it as 10.20.0.0/16."
        raise refusal("is not an IPv4 network in CIDR form", remedy) from error
    return str(network)


def _with_host_bits_cleared(value: str) -> str | None:
    try:
        return str(ipaddress.IPv4Network(value, strict=False)) if "/" in value else None
    except ValueError:
        return None


def _a_domain(value: str) -> str:
    name = value.lower().rstrip(".")
    if not re.fullmatch(rf"{_LABEL}(\.{_LABEL})+", name) or len(name) > _LONGEST_DOMAIN:
        raise refusal(
            "is not a domain name (labels of a-z, 0-9 and '-', at least two, 253 characters at most)",
            "Write it as k8s.example.com.",
        )
    return name


def _no_bare_words(value: object) -> object:
    """Say what YAML did to the value before pydantic says only that the type is wrong."""
    if isinstance(value, bool):
        raise refusal(f"was read by YAML as the boolean {value}", "Put it in quotes.")
    return value


# Stack, bucket and load-balancer names are derived from it; the tightest is the bucket's 63 characters, less 26 of our own.
Name = Annotated[
    str,
    _matching(
        r"[a-z]([a-z0-9]|-(?!-)){0,29}(?<!-)",
        "must be 1 to 30 of a-z, 0-9 and single '-', start with a letter and not end with '-'",
        "AWS derives the names of the stack, its buckets and its load balancer from it.",
    ),
]
PoolName = Annotated[
    str,
    _matching(
        r"[a-z]([a-z0-9]|-(?!-)){0,19}(?<!-)",
        "must be 1 to 20 of a-z, 0-9 and single '-', start with a letter and not end with '-'",
    ),
]
Region = Annotated[
    str,
    _matching(
        r"(us-gov|cn|[a-z]{2})-(north|south|east|west|central|northeast|northwest|southeast|southwest)-\d",
        "is not a region of the partitions aws, aws-us-gov or aws-cn",
        "Write it as eu-central-1.",
    ),
]
ZoneName = Annotated[
    str, _matching(r"[a-z]{2}(-gov)?-[a-z]+-\d[a-z]", "is not an availability zone", "Write it as eu-central-1a.")
]
Cidr = Annotated[str, AfterValidator(_a_network), Field(json_schema_extra={"format": "ipv4-network"})]
Domain = Annotated[str, AfterValidator(_a_domain), Field(json_schema_extra={"format": "hostname"})]
Duration = Annotated[
    str, _matching(_DURATION.pattern, "is not a duration", "Write a number and s, m, h or d: 5m, 48h, 30d.")
]
VersionText = Annotated[
    str,
    BeforeValidator(_no_bare_words),
    _matching(r"\d+\.\d+(\.\d+)?", "is not a version", "Write it as 1.36.3 or 1.36."),
]
FullVersion = Annotated[str, _matching(r"\d+\.\d+\.\d+", "is not a full version", "Write it as 3.6.16.")]
InstanceType = Annotated[
    str, _matching(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "is not an EC2 instance type", "Write it as m7i.large.")
]
TopicArn = Annotated[
    str,
    _matching(
        r"arn:aws(-us-gov|-cn)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}",
        "is not the ARN of an SNS topic (not a FIFO one: alarms cannot write to those)",
        "Write it as arn:aws:sns:eu-central-1:123456789012:operators.",
    ),
]
BucketName = Annotated[
    str,
    _matching(
        r"auto|(?!xn--|sthree-)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9-]{1,61}[a-z0-9](?<!-s3alias)",
        "is not a bucket name AWS accepts without dots (3 to 63 of a-z, 0-9 and '-')",
        "Write auto for kubecfn's own bucket.",
    ),
]
ZoneId = Annotated[str, _matching(r"Z[A-Z0-9]{1,31}", "is not a hosted zone ID", "Write it as Z0123456789ABCDEFGHIJ.")]
VpcId = Annotated[
    str, _matching(r"vpc-[0-9a-f]{8,17}", "is not a VPC ID", "Write it as vpc-0123456789abcdef0, or use name or tags.")
]
SubnetId = Annotated[
    str, _matching(r"subnet-[0-9a-f]{8,17}", "is not a subnet ID", "Write it as subnet-0123456789abcdef0, or use name.")
]
AmiId = Annotated[str, _matching(r"ami-[0-9a-f]{8,17}", "is not an AMI ID", "Write it as ami-0123456789abcdef0.")]
SsmPath = Annotated[
    str,
    _matching(r"/[A-Za-z0-9_.\-/]{1,1010}", "is not the path of an SSM parameter", "Write it as /path/of/parameter."),
]
# Kubernetes: "Labels and Selectors", section "Syntax and character set".
LabelKey = Annotated[
    str,
    _matching(
        r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?",
        "is not a Kubernetes label key",
        "Write it as team or example.com/team.",
    ),
]
LabelValue = Annotated[
    str,
    BeforeValidator(_no_bare_words),
    _matching(
        r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?",
        "is not a Kubernetes label value (63 of A-Z, a-z, 0-9, '-', '_', '.')",
    ),
]
# Kubernetes: "Object Names and IDs", RFC 1123 label names.
NamespaceName = Annotated[
    str,
    BeforeValidator(_no_bare_words),
    _matching(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "must be 1 to 63 of a-z, 0-9 and '-', and neither start nor end with '-'",
    ),
]
AccessName = Annotated[
    str,
    _matching(
        r"[a-z]([a-z0-9]|-(?!-)){0,19}(?<!-)",
        "must be 1 to 20 of a-z, 0-9 and single '-', start with a letter and not end with '-'",
    ),
]
# Kubernetes: "Object Names and IDs", path segment names.
ClusterRoleName = Annotated[
    str,
    _matching(
        r"(?!\.{1,2}$)[^/%\s\x00-\x1f]{1,253}",
        "is not the name of a ClusterRole (253 characters at most, no '/', no '%')",
        "Write cluster-admin, admin, edit, view, or the name of one of your own.",
    ),
]
# IAM: "AWS JSON policy elements: Principal"; a wildcard would be everybody of an account, or of all of them.
PrincipalArn = Annotated[
    str,
    _matching(
        r"arn:aws(-us-gov|-cn)?:(iam::\d{12}:(root|(role|user)/[\w+=,.@/-]{1,576})|sts::\d{12}:assumed-role/[\w+=,.@-]{1,64}/[\w+=,.@-]{2,64})",
        "is not the ARN of one role, user, role session or account",
        "Write it as arn:aws:iam::123456789012:role/developers.",
    ),
]
# Helm: "Charts", section "Charts and Versioning".
ChartVersion = Annotated[
    str,
    BeforeValidator(_no_bare_words),
    _matching(
        r"v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?",
        "is not one exact version of a chart (a range would render differently tomorrow)",
        "Write it as 1.2.3.",
    ),
]


def architecture_of(instance_type: str) -> str:
    """Return ``arm64`` or ``x86_64`` for an instance type.

    A ``g`` among the letters after the generation number is Graviton (EC2: "Instance type naming conventions").
    """
    family = instance_type.split(".", 1)[0]
    graviton = re.fullmatch(r"a1|(?:im|is|hpc|[a-z]+)\d+[a-z]*g[a-z]*", family.split("-", 1)[0])
    return "arm64" if graviton else "x86_64"
