"""What a template uses of AWS's limits, before anything is sent; over a limit is one error that says what to change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from kubecfn.errors import KubecfnError
from kubecfn.template.rules.view import View, as_list, texts

INLINE_BYTES = 51_200
S3_BYTES = 1_000_000
# The longest value each variable of user data can take: region, stack name (128), and what the parameters accept.
_LONGEST = {"AWS::Region": 14, "AWS::StackName": 128, "ArtifactBucket": 63}
_SHA256 = 64
_LOG_GROUP = len("/kubecfn//nodes") + 30
_ANY_OTHER = 128


@dataclass(frozen=True)
class Budget:
    """One limit.

    Attributes:
        what: with its unit.
        used: by the worst thing it applies to.
        allowed: by AWS.
        where: the worst thing, when it is one of many.
        remedy: what to change when it is too much.
    """

    what: str
    used: int
    allowed: int
    where: str = ""
    remedy: str = field(default="", repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the row for machines."""
        return {key: value for key, value in asdict(self).items() if key != "remedy"}


def budgets(template: Mapping[str, Any], text: str, stack_tags: int = 0) -> list[Budget]:
    """Return every limit with what is used of it.

    Args:
        template: in long form.
        text: as it would be sent.
        stack_tags: how many tags the stack is given; CloudFormation puts them on every group.

    Sources: CloudFormation "Understand CloudFormation quotas"; EC2 "Run commands when you launch an EC2 instance with
    user data input"; IAM "IAM and AWS STS quotas"; Auto Scaling "Tag Auto Scaling groups and instances"; VPC "Amazon VPC
    quotas"; Lambda "Lambda quotas"; Route 53 "DNS domain name format".
    """
    view = View(template, "")
    fewer = "Make fewer pools, or write zones: all instead of each, or split the cluster."
    return [
        _template(text),
        Budget("resources", len(view.resources), 500, remedy=fewer),
        Budget("parameters", len(view.parameters), 200, remedy="Make fewer pools or allow fewer networks."),
        Budget("outputs", len(template.get("Outputs", {})), 200, remedy=fewer),
        _worst("user data bytes", 16_384, _user_data(view), "Report this: user data is kubecfn's own."),
        _worst(
            "logical id characters", 255, ((name, len(name)) for name in view.resources), "Shorten the pool's name."
        ),
        _worst("tags of a group", 50, _tags(view, stack_tags), "Give the pool fewer labels and taints."),
        _worst("tag key characters", 128, _tag_lengths(view, "Key"), "Shorten the label's or taint's key."),
        _worst("tag value characters", 256, _tag_lengths(view, "Value"), "Shorten the label's or taint's value."),
        _worst("rules of a security group", 60, _inbound(view), "Allow fewer, wider networks in api.allowed_cidrs."),
        _worst("characters of a role's policies", 10_240, _policies(view), "Report this: rights are kubecfn's own."),
        _worst("function environment bytes", 4_096, _environments(view), "Shorten the domain."),
        _worst("parameter value bytes", 4_096, _defaults(view), "Shorten the value."),
        _worst("record name characters", 255, _record_names(view), "Shorten the domain."),
    ]


def refuse_over_budget(name: str, rows: Iterable[Budget]) -> None:
    """Raise when a limit is passed.

    Raises:
        KubecfnError: names every limit passed, what is used and allowed; the remedy is the first one's.
    """
    over = [row for row in rows if row.used > row.allowed]
    if over:
        listed = "; ".join(
            f"{row.used:,} {row.what}{f' ({row.where})' if row.where else ''}, AWS allows {row.allowed:,}"
            for row in over
        )
        raise KubecfnError(f"The template of {name} is more than AWS takes: {listed}.", remedy=over[0].remedy)


@contextmanager
def within_limits(name: str) -> Iterator[None]:
    """Say as one of our errors that troposphere stopped at a limit of CloudFormation's.

    Raises:
        KubecfnError: more resources, parameters or outputs than a template may have.
    """
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("Maximum"):
            raise
        raise KubecfnError(
            f"The template of {name} is more than AWS takes: {str(error)[0].lower()}{str(error)[1:]}.",
            remedy="Make fewer pools, write zones: all instead of each, or allow fewer networks.",
        ) from error


def _template(text: str) -> Budget:
    size = len(text.encode())
    inline = size <= INLINE_BYTES
    return Budget(
        "template bytes, sent inline" if inline else "template bytes, sent through S3",
        size,
        INLINE_BYTES if inline else S3_BYTES,
        remedy="Make fewer pools, or write zones: all instead of each, or give pools fewer labels.",
    )


def _worst(what: str, allowed: int, used: Iterable[tuple[str, int]], remedy: str) -> Budget:
    where, most = max(used, key=lambda pair: pair[1], default=("", 0))
    return Budget(what, most, allowed, where, remedy)


def _user_data(view: View) -> Iterator[tuple[str, int]]:
    for name, properties in view.of_type("EC2::LaunchTemplate"):
        data = properties["LaunchTemplateData"].get("UserData", {})
        text = as_list(data.get("Fn::Base64", {}).get("Fn::Sub", ""))[0]
        yield name, sum(len(piece.encode()) for piece in _substituted(text))


def _substituted(text: str) -> Iterator[str]:
    """Yield the pieces of a Sub text with every variable as long as it can be."""
    first, *rest = text.split("${")
    yield first
    for piece in rest:
        variable, _, after = piece.partition("}")
        length = _SHA256 if variable.endswith("Sha256") else _LONGEST.get(variable, _ANY_OTHER)
        yield "x" * (_LOG_GROUP if variable == "NodeLogGroup" else length)
        yield after


def _tagged(view: View) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    for name, properties in view.of_type("AutoScaling::AutoScalingGroup"):
        yield name, as_list(properties.get("Tags"))


def _tags(view: View, stack_tags: int) -> Iterator[tuple[str, int]]:
    yield from ((name, len(tags) + stack_tags) for name, tags in _tagged(view))


def _tag_lengths(view: View, part: str) -> Iterator[tuple[str, int]]:
    for name, tags in _tagged(view):
        yield from ((name, len(str(tag[part]))) for tag in tags if isinstance(tag[part], str))


def _inbound(view: View) -> Iterator[tuple[str, int]]:
    for name, _ in view.of_type("EC2::SecurityGroup"):
        rules = view.of_type("EC2::SecurityGroupIngress")
        yield name, sum(name in (part for _, part in texts(properties["GroupId"])) for _, properties in rules)


def _policies(view: View) -> Iterator[tuple[str, int]]:
    for name, properties in view.of_type("IAM::Role"):
        documents = (json.dumps(policy["PolicyDocument"]) for policy in as_list(properties.get("Policies")))
        # White space does not count (IAM and AWS STS quotas, "IAM and STS character limits").
        yield name, sum(len("".join(document.split())) for document in documents)


def _environments(view: View) -> Iterator[tuple[str, int]]:
    for name, properties in view.of_type("Lambda::Function"):
        variables = properties.get("Environment", {}).get("Variables", {})
        yield name, sum(len(key) + _longest(view, value) for key, value in variables.items())


def _longest(view: View, value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    parameter = view.parameters.get(value.get("Ref", ""), {})
    return len(str(parameter.get("Default", ""))) or _ANY_OTHER * 2


def _defaults(view: View) -> Iterator[tuple[str, int]]:
    yield from ((name, len(str(parameter.get("Default", "")))) for name, parameter in view.parameters.items())


def _record_names(view: View) -> Iterator[tuple[str, int]]:
    for name in ("Domain",):
        if name in view.parameters:
            yield name, len("_etcd-server-ssl._tcp.") + len(str(view.parameters[name].get("Default", "")))
