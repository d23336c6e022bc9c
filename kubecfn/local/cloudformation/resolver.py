"""Intrinsic functions: from what a template says to values, with what is not known yet marked and what is unknown refused.

AWS: "Intrinsic function reference", "Pseudo parameters reference", "Get values stored in other services using dynamic references".
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kubecfn.local.cloudformation.parameters import MASK, Values
from kubecfn.local.cloudformation.refusals import invalid
from kubecfn.local.cloudformation.template import Template
from kubecfn.local.world import partition_of

# What a change set shows for a value that only the update itself will tell (User Guide: "View a change set").
UNKNOWN: Final = "{{changeSet:KNOWN_AFTER_APPLY}}"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DYNAMIC = re.compile(r"\{\{resolve:([a-z-]+):([^}]+)\}\}")
URL_SUFFIXES = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
PSEUDO = frozenset(
    f"AWS::{name}"
    for name in ("AccountId", "NotificationARNs", "NoValue", "Partition", "Region", "StackId", "StackName", "URLSuffix")
)


class _Nothing:
    """What ``AWS::NoValue`` stands for: the property is left out."""


NOTHING: Final = _Nothing()


@dataclass(frozen=True)
class Live:
    """What a resource that exists offers to references.

    Attributes:
        physical_id: what ``Ref`` gives.
        attributes: what ``Fn::GetAtt`` gives; a name that is absent is not known.
        type: for the error's words.
    """

    physical_id: str
    attributes: Mapping[str, Any]
    type: str = ""


def _no_exports(name: str) -> str:
    raise invalid(f"No export named {name} found.")


@dataclass(frozen=True)
class Scope:
    """Everything a value may refer to.

    Attributes:
        pseudo: values of the pseudo parameters, by full name.
        resource: the live resource of a logical id; None when it is not known yet, which gives `UNKNOWN`.
        zones: availability zones of a region.
        exports: the value of an export; raises ServiceError when there is none.
        dynamic: value of a dynamic reference (service, rest); None leaves it as text, as change sets do.
        masked: secrets resolve to their mask, for showing.
    """

    template: Template
    parameters: Values
    pseudo: Mapping[str, Any]
    resource: Callable[[str], Live | None] = lambda _name: None
    zones: Callable[[str], list[str]] = lambda _region: []
    exports: Callable[[str], str] = _no_exports
    dynamic: Callable[[str, str], str] | None = None
    masked: bool = False
    conditions: Mapping[str, bool] = field(default_factory=dict)


def pseudo_parameters(
    *, account: str, region: str, stack_id: str, stack_name: str, topics: list[str] | None = None
) -> dict[str, Any]:
    """Return the pseudo parameters of a stack; partition and URL suffix follow the region."""
    partition = partition_of(region)
    return {
        "AWS::AccountId": account,
        "AWS::NotificationARNs": topics or [],
        "AWS::NoValue": NOTHING,
        "AWS::Partition": partition,
        "AWS::Region": region,
        "AWS::StackId": stack_id,
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": URL_SUFFIXES[partition],
    }


def resolve(node: Any, scope: Scope) -> Any:
    """Return `node` with every function replaced by its value; `NOTHING` members are left out.

    Raises:
        ServiceError: for an unknown function or a reference that leads nowhere.
    """
    if isinstance(node, dict):
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name == "Ref":
                return _ref(argument, scope)
            if name.startswith("Fn::"):
                return _function(name, argument, scope)
        values = ((key, resolve(value, scope)) for key, value in node.items())
        return {key: value for key, value in values if value is not NOTHING}
    if isinstance(node, list):
        return [value for value in (resolve(item, scope) for item in node) if value is not NOTHING]
    if isinstance(node, str) and scope.dynamic and "{{resolve:" in node:
        fetch = scope.dynamic
        return _DYNAMIC.sub(lambda match: fetch(match[1], match[2]), node)
    return node


def evaluate_conditions(scope: Scope) -> dict[str, bool]:
    """Return every condition of the template as true or false; they may use parameters and mappings only."""
    done: dict[str, bool] = {}

    def value_of(name: str, above: tuple[str, ...]) -> bool:
        if name not in scope.template.conditions:
            raise invalid(f"Template format error: Unresolved condition dependency {name} in the Conditions block")
        if name in above:
            raise invalid(f"Template error: Circular dependencies in conditions: [{', '.join(above)}]")
        if name not in done:
            done[name] = judge(scope.template.conditions[name], (*above, name))
        return done[name]

    def judge(node: Any, above: tuple[str, ...]) -> bool:
        single: Mapping[str, Any] = node if isinstance(node, dict) and len(node) == 1 else {"": None}
        function, argument = next(iter(single.items()))
        if function == "Condition":
            return value_of(str(argument), above)
        if function == "Fn::Equals":
            left, right = (resolve(side, scope) for side in argument)
            return text_of(left) == text_of(right)
        if function == "Fn::Not":
            return not judge(argument[0], above)
        if function in {"Fn::And", "Fn::Or"}:
            answers = [judge(part, above) for part in argument]
            return all(answers) if function == "Fn::And" else any(answers)
        raise invalid(
            f"Template format error: Conditions can only be boolean operations on parameters and other conditions [{above[0]}]"
        )

    return {name: value_of(name, ()) for name in scope.template.conditions}


def text_of(value: Any) -> str:
    """Return a scalar as CloudFormation writes it into text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)


def variables(text: str) -> Iterator[str]:
    """Yield the names in ``${...}`` of an Fn::Sub text; ``${!literal}`` is none."""
    for name in _VARIABLE.findall(text):
        if not name.startswith("!"):
            yield name.strip()


def _ref(name: Any, scope: Scope) -> Any:
    if name in scope.parameters:
        parameter = scope.parameters[name]
        return MASK if scope.masked and parameter.secret else parameter.value
    if name in scope.pseudo:
        return scope.pseudo[name]
    if name in scope.template.resources:
        live = scope.resource(name)
        return UNKNOWN if live is None else live.physical_id
    raise invalid(
        f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template"
    )


def _get_att(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 2:  # noqa: PLR2004  logical id and attribute
        raise invalid(
            "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"
        )
    name, attribute = str(argument[0]), text_of(resolve(argument[1], scope))
    if name not in scope.template.resources:
        raise invalid(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
    live = scope.resource(name)
    if live is None:
        return UNKNOWN
    if attribute not in live.attributes:
        raise invalid(f"Requested attribute {attribute} does not exist in schema for {live.type}")
    return live.attributes[attribute]


def _sub(argument: Any, scope: Scope) -> str:
    text, own = argument if isinstance(argument, list) else (argument, {})
    values = {key: resolve(value, scope) for key, value in own.items()}

    def value_of(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name.startswith("!"):
            return "${" + name[1:] + "}"
        if name in values:
            return text_of(values[name])
        if "." in name:
            return text_of(_get_att(name.split(".", 1), scope))
        return text_of(_ref(name, scope))

    return str(resolve(_VARIABLE.sub(value_of, str(text)), scope))


def _if(argument: Any, scope: Scope) -> Any:
    if not isinstance(argument, list) or len(argument) != 3:  # noqa: PLR2004  condition, then, else
        raise invalid("Template error: Fn::If requires a list argument with the first element being a condition")
    if argument[0] not in scope.conditions:
        raise invalid(f"Template error: unresolved condition dependency {argument[0]} in Fn::If")
    return resolve(argument[1] if scope.conditions[argument[0]] else argument[2], scope)


def _find_in_map(argument: Any, scope: Scope) -> Any:
    names = [text_of(resolve(part, scope)) for part in argument[:3]]
    table = scope.template.mappings.get(names[0])
    if table is None:
        raise invalid(
            f"Template error: Mapping named '{names[0]}' is not present in the 'Mappings' section of template."
        )
    try:
        return table[names[1]][names[2]]
    except KeyError as missing:
        if len(argument) > 3 and "DefaultValue" in argument[3]:  # noqa: PLR2004  the fourth is the default
            return resolve(argument[3]["DefaultValue"], scope)
        raise invalid(f"Template error: Unable to get mapping for {'::'.join(names)}") from missing


def _join(argument: Any, scope: Scope) -> str:
    items = resolve(argument[1], scope)
    if items == UNKNOWN:
        return UNKNOWN
    if not isinstance(items, list):
        raise invalid(
            "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined"
        )
    return str(argument[0]).join(text_of(item) for item in items)


def _select(argument: Any, scope: Scope) -> Any:
    index, items = int(text_of(resolve(argument[0], scope))), resolve(argument[1], scope)
    if items == UNKNOWN or (isinstance(items, list) and items == [UNKNOWN]):
        return UNKNOWN
    if not isinstance(items, list) or not 0 <= index < len(items):
        raise invalid(f"Template error: Fn::Select cannot select nonexistent value at index {index}")
    return items[index]


def _split(argument: Any, scope: Scope) -> Any:
    text = text_of(resolve(argument[1], scope))
    return UNKNOWN if text == UNKNOWN else text.split(str(argument[0]))


def _cidr(argument: Any, scope: Scope) -> Any:
    block, count, *bits = (text_of(resolve(part, scope)) for part in argument)
    if UNKNOWN in block:
        return UNKNOWN
    network = ipaddress.ip_network(block)
    prefix = network.max_prefixlen - int(bits[0] if bits else 8)
    blocks = network.subnets(new_prefix=prefix)
    try:
        return [str(next(blocks)) for _ in range(int(count))]
    except (StopIteration, RuntimeError, ValueError) as problem:
        raise invalid(f"Template error: Fn::Cidr cannot make {count} blocks of /{prefix} in {block}") from problem


def _base64(argument: Any, scope: Scope) -> str:
    text = text_of(resolve(argument, scope))
    return text if text == UNKNOWN else base64.b64encode(text.encode()).decode()


def _zones(argument: Any, scope: Scope) -> Any:
    return scope.zones(text_of(resolve(argument, scope)) or str(scope.pseudo["AWS::Region"]))


def _import_value(argument: Any, scope: Scope) -> str:
    return scope.exports(text_of(resolve(argument, scope)))


_FUNCTIONS: Mapping[str, Callable[[Any, Scope], Any]] = {
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _zones,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
}


def _function(name: str, argument: Any, scope: Scope) -> Any:
    if name not in _FUNCTIONS:
        # Fn::Length, Fn::ToJsonString and Fn::ForEach need the AWS::LanguageExtensions transform, which is refused.
        raise invalid(f"Template error: {name} is not a function this template may use.")
    try:
        return _FUNCTIONS[name](argument, scope)
    except (TypeError, IndexError, ValueError) as problem:
        raise invalid(
            f"Template error: every {name} object requires well-formed parameters, not {json.dumps(argument, default=str)[:120]}"
        ) from problem
