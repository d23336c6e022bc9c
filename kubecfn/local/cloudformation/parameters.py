"""Parameter values of a stack: types, defaults, constraints, previous values, values read from SSM.

AWS: "CloudFormation template Parameters syntax", "Specify existing resources at runtime with CloudFormation-supplied parameter
types" and "Get plaintext value from Parameter Store" (resolved once, when the change set or the stack operation is made).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.local.cloudformation.refusals import invalid
from kubecfn.local.cloudformation.template import Definition, Template

MASK = "****"
_SSM = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_LIST = re.compile(r"List<(.+)>")
_AWS_TYPES = frozenset(
    {
        "AWS::EC2::AvailabilityZone::Name",
        "AWS::EC2::Image::Id",
        "AWS::EC2::Instance::Id",
        "AWS::EC2::KeyPair::KeyName",
        "AWS::EC2::SecurityGroup::GroupName",
        "AWS::EC2::SecurityGroup::Id",
        "AWS::EC2::Subnet::Id",
        "AWS::EC2::VPC::Id",
        "AWS::EC2::Volume::Id",
        "AWS::Route53::HostedZone::Id",
        "AWS::SSM::Parameter::Name",
    }
)
_SHAPES = {
    "AWS::EC2::Image::Id": re.compile(r"ami-[0-9a-f]+"),
    "AWS::EC2::Instance::Id": re.compile(r"i-[0-9a-f]+"),
    "AWS::EC2::SecurityGroup::Id": re.compile(r"sg-[0-9a-f]+"),
    "AWS::EC2::Subnet::Id": re.compile(r"subnet-[0-9a-f]+"),
    "AWS::EC2::VPC::Id": re.compile(r"vpc-[0-9a-f]+"),
    "AWS::EC2::Volume::Id": re.compile(r"vol-[0-9a-f]+"),
    "AWS::Route53::HostedZone::Id": re.compile(r"Z[A-Z0-9]+"),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter with its value.

    Attributes:
        text: the value as given or defaulted; of an SSM type, the parameter's name in Parameter Store.
        value: what ``Ref`` gives: text, or a list of texts.
        resolved: what Parameter Store held, for SSM types only.
        secret: NoEcho, so never shown.
    """

    text: str
    value: str | list[str]
    resolved: str | None = None
    secret: bool = False

    @property
    def shown(self) -> str | list[str]:
        """The value as descriptions show it."""
        return MASK if self.secret else self.value


Values = Mapping[str, Parameter]
FetchSsm = Callable[[str], str]


def settle(
    template: Template, given: Iterable[Mapping[str, Any]], previous: Values | None, fetch_ssm: FetchSsm
) -> dict[str, Parameter]:
    """Return the value of every parameter of the template.

    Args:
        template: what declares them.
        given: ``[{ParameterKey, ParameterValue | UsePreviousValue}]`` of the request.
        previous: the stack's present values, None when there is no stack yet.
        fetch_ssm: gives the value of a name in Parameter Store; raises ServiceError when there is none.

    Raises:
        ServiceError: with CloudFormation's own words; all missing and all unknown names at once.
    """
    texts = _given(given, previous)
    if unknown := sorted(set(texts) - set(template.parameters)):
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, spec in template.parameters.items() if name not in texts and "Default" not in spec]
    if missing:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    return {
        name: _settled(name, spec, texts.get(name, plain(spec.get("Default"))), fetch_ssm)
        for name, spec in template.parameters.items()
    }


def _given(given: Iterable[Mapping[str, Any]], previous: Values | None) -> dict[str, str]:
    texts: dict[str, str] = {}
    for item in given:
        name = str(item.get("ParameterKey", ""))
        if str(item.get("UsePreviousValue", "false")).lower() == "true":
            if "ParameterValue" in item:
                raise invalid(
                    f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true and a value."
                )
            if previous is None or name not in previous:
                raise invalid(
                    f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter "
                    "key not in the previous template"
                )
            texts[name] = previous[name].text
        elif "ParameterValue" in item:
            texts[name] = str(item["ParameterValue"])
    return texts


def plain(value: Any) -> str:
    """Return a default as the text it stands for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(plain(part) for part in value) if isinstance(value, list) else str(value)


def _settled(name: str, spec: Definition, text: str, fetch_ssm: FetchSsm) -> Parameter:
    kind = str(spec["Type"])
    secret = str(spec.get("NoEcho", "false")).lower() == "true"
    _check_constraints(name, spec, kind, text)
    if match := _SSM.fullmatch(kind):
        held = fetch_ssm(text)
        return Parameter(text, _typed(name, match[1], held), held, secret)
    return Parameter(text, _typed(name, kind, text), None, secret)


def _typed(name: str, kind: str, text: str) -> str | list[str]:
    if kind == "CommaDelimitedList" or (match := _LIST.fullmatch(kind)):
        items = [item.strip() for item in text.split(",")] if text else []
        if kind != "CommaDelimitedList" and match:
            for item in items:
                _check_kind(name, match[1], item)
        return items
    _check_kind(name, kind, text)
    return text


def _check_kind(name: str, kind: str, text: str) -> None:
    if kind == "Number":
        if not _is_number(text):
            raise invalid(f"Parameter '{name}' must be a number.")
    elif kind in _SHAPES:
        if not _SHAPES[kind].fullmatch(text):
            raise invalid(
                f"Parameter validation failed: parameter value {text} for parameter name {name} does not exist"
            )
    elif kind != "String" and kind not in _AWS_TYPES:
        raise invalid(f"Template format error: Unrecognized parameter type: {kind}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_constraints(name: str, spec: Definition, kind: str, text: str) -> None:
    """Judge the value as given; of an SSM type the constraints apply to the name, not to what is stored under it."""
    items = text.split(",") if kind == "CommaDelimitedList" or kind.startswith("List<") else [text]
    for item in (part.strip() if len(items) > 1 else part for part in items):
        if broken := _broken_constraint(spec, kind, item):
            described = spec.get("ConstraintDescription")
            reason = f"failed to satisfy constraint: {described}" if described else broken
            raise invalid(f"Parameter '{name}' {reason}")


def _broken_constraint(spec: Definition, kind: str, text: str) -> str:
    allowed = [plain(value) for value in spec.get("AllowedValues", [])]
    number = float(text) if kind in {"Number", "List<Number>"} and _is_number(text) else None
    rules: dict[str, tuple[Callable[[Any], bool], str]] = {
        "AllowedValues": (lambda _: text in allowed, f"must be one of AllowedValues: [{', '.join(allowed)}]"),
        "AllowedPattern": (lambda pattern: bool(re.fullmatch(str(pattern), text)), "must match pattern {}"),
        "MinLength": (lambda least: len(text) >= int(least), "must contain at least {} characters"),
        "MaxLength": (lambda most: len(text) <= int(most), "must contain at most {} characters"),
        "MinValue": (lambda least: number is None or number >= float(least), "must be a number not less than {}"),
        "MaxValue": (lambda most: number is None or number <= float(most), "must be a number not greater than {}"),
    }
    for name, (holds, words) in rules.items():
        if name in spec and not holds(spec[name]):
            return words.replace("{}", str(spec[name]))
    return ""


def described(values: Values) -> list[dict[str, str]]:
    """Return the values as DescribeStacks and DescribeChangeSet show them, secrets masked."""
    shown = []
    for name, parameter in values.items():
        row = {"ParameterKey": name, "ParameterValue": MASK if parameter.secret else parameter.text}
        if parameter.resolved is not None:
            row["ResolvedValue"] = MASK if parameter.secret else parameter.resolved
        shown.append(row)
    return shown
