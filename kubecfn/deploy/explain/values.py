"""A template's values as far as parameters decide them; what only AWS can know stays readable: ``${Vpc}``, ``${Zone.Id}``.

Nothing here talks to AWS. Source: CloudFormation User Guide, "Intrinsic function reference", "Condition functions".
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NO_VALUE = object()
_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")
_TRUE = frozenset({"true", "True"})


@dataclass(frozen=True)
class Values:
    """One template with one set of parameter values.

    Args:
        template: parsed, intrinsic functions in long form.
        parameters: values by name; defaults of the template fill in what is missing.
    """

    template: Mapping[str, Any]
    parameters: Mapping[str, str]

    def parameter(self, name: str) -> str | None:
        """Return the value a parameter has, its default included; None when there is no such parameter."""
        definition = (self.template.get("Parameters") or {}).get(name)
        if name in self.parameters:
            return str(self.parameters[name])
        return None if definition is None or "Default" not in definition else _text(definition["Default"])

    def properties(self, logical_id: str) -> dict[str, Any]:
        """Return a resource's properties, resolved; empty when there is no such resource."""
        return self._part(logical_id, "Properties")

    def attribute(self, logical_id: str, name: str) -> dict[str, Any]:
        """Return an attribute that holds a mapping (``UpdatePolicy``), resolved; empty when it is not set."""
        return self._part(logical_id, name)

    def attribute_text(self, logical_id: str, name: str) -> str:
        """Return an attribute that is text (``DeletionPolicy``); empty when it is not set."""
        return str(self._resource(logical_id).get(name, ""))

    def type_of(self, logical_id: str) -> str:
        """Return a resource's type; empty when there is no such resource."""
        return str(self._resource(logical_id).get("Type", ""))

    def depends_on(self, logical_id: str) -> frozenset[str]:
        """Return the logical ids a resource names, in DependsOn or in any reference."""
        resource = self._resource(logical_id)
        explicit = resource.get("DependsOn") or ()
        named = {explicit} if isinstance(explicit, str) else set(explicit)
        named |= references(resource.get("Properties") or {})
        return frozenset(named & set(self.template.get("Resources") or {}))

    def resolve(self, value: Any) -> Any:
        """Return `value` with every function that parameters decide carried out; `NO_VALUE` for AWS::NoValue."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            function = _FUNCTIONS.get(name)
            if function is not None:
                return function(self, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def holds(self, condition: Any) -> bool:
        """Return whether a condition (a name or an expression) is true with these parameters."""
        if isinstance(condition, str):
            return self.holds((self.template.get("Conditions") or {}).get(condition, {"Fn::Equals": ["", ""]}))
        name, argument = next(iter(condition.items()))
        if name == "Condition":
            return self.holds(argument)
        if name == "Fn::Not":
            return not self.holds(argument[0])
        if name in {"Fn::And", "Fn::Or"}:
            results = [self.holds(item) for item in argument]
            return all(results) if name == "Fn::And" else any(results)
        return bool(_text(self.resolve(argument[0])) == _text(self.resolve(argument[1])))

    def exists(self, logical_id: str) -> bool:
        """Return whether a resource is in the template and its condition holds."""
        resource = self._resource(logical_id)
        return bool(resource) and self.holds_for(resource)

    def holds_for(self, resource: Mapping[str, Any]) -> bool:
        """Return whether a resource exists with these parameters (its Condition holds, or it has none)."""
        return "Condition" not in resource or self.holds(resource["Condition"])

    def _resource(self, logical_id: str) -> Mapping[str, Any]:
        resource = (self.template.get("Resources") or {}).get(logical_id) or {}
        return resource if isinstance(resource, Mapping) else {}

    def _part(self, logical_id: str, name: str) -> dict[str, Any]:
        resolved = self.resolve(self._resource(logical_id).get(name) or {})
        return resolved if isinstance(resolved, dict) else {}


def references(value: Any) -> set[str]:
    """Return every name that Ref, Fn::GetAtt and Fn::Sub in `value` refer to."""
    if isinstance(value, list):
        return set().union(*map(references, value)) if value else set()
    if not isinstance(value, Mapping):
        return set()
    found: set[str] = set()
    for name, argument in value.items():
        if name == "Ref" and isinstance(argument, str):
            found.add(argument)
        elif name == "Fn::GetAtt":
            found.add(argument.split(".")[0] if isinstance(argument, str) else str(argument[0]))
        elif name == "Fn::Sub":
            text = argument if isinstance(argument, str) else argument[0]
            found |= {match.split(".")[0] for match in _VARIABLE.findall(text)}
            found |= set() if isinstance(argument, str) else references(argument[1])
        else:
            found |= references(argument)
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _ref(values: Values, name: Any) -> Any:
    if name == "AWS::NoValue":
        return NO_VALUE
    value = values.parameter(name)
    if value is None:
        return f"${{{name}}}"
    kind = str((values.template.get("Parameters") or {}).get(name, {}).get("Type", ""))
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
    return [item.strip() for item in value.split(",")] if is_list else value


def _get_att(_values: Values, argument: Any) -> Any:
    return f"${{{argument}}}" if isinstance(argument, str) else f"${{{'.'.join(map(str, argument))}}}"


def _sub(values: Values, argument: Any) -> Any:
    text, own = (argument, {}) if isinstance(argument, str) else argument
    given = {name: _text(values.resolve(value)) for name, value in own.items()}

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name in given:
            return given[name]
        value = values.parameter(name)
        return match[0] if value is None else value

    return _VARIABLE.sub(fill, text)


def _join(values: Values, argument: Any) -> Any:
    items = values.resolve(argument[1])
    return str(argument[0]).join(map(_text, items)) if isinstance(items, list) else items


def _if(values: Values, argument: Any) -> Any:
    return values.resolve(argument[1] if values.holds(argument[0]) else argument[2])


def _select(values: Values, argument: Any) -> Any:
    items, index = values.resolve(argument[1]), _text(values.resolve(argument[0]))
    if isinstance(items, list) and index.isdigit() and int(index) < len(items):
        return items[int(index)]
    return f"${{{_text(items)}[{index}]}}"


def _split(values: Values, argument: Any) -> Any:
    return _text(values.resolve(argument[1])).split(str(argument[0]))


def _base64(values: Values, argument: Any) -> Any:
    return base64.b64encode(_text(values.resolve(argument)).encode()).decode()


def _find_in_map(values: Values, argument: Any) -> Any:
    name, top, second = (_text(values.resolve(item)) for item in argument[:3])
    table = (values.template.get("Mappings") or {}).get(name) or {}
    return (table.get(top) or {}).get(second, f"${{{name}.{top}.{second}}}")


def _cidr(values: Values, argument: Any) -> Any:
    """Fn::Cidr, when the block is known: `count` networks with `bits` host bits, one after the other."""
    block, count, bits = (*(_text(values.resolve(item)) for item in argument), "")[:3]
    try:
        network = ipaddress.IPv4Network(block)
        subnets = network.subnets(new_prefix=32 - int(bits))
        return [str(subnet) for subnet, _ in zip(subnets, range(int(count)), strict=False)]
    except ValueError:
        return f"${{Fn::Cidr {block} {count} {bits}}}"


def _opaque(name: str) -> Callable[[Values, Any], Any]:
    """A function whose result only AWS knows: the same arguments read the same."""
    return lambda values, argument: f"${{{name} {_text(values.resolve(argument))}}}"


def _boolean(name: str) -> Callable[[Values, Any], Any]:
    return lambda values, argument: values.holds({name: argument})


_FUNCTIONS: Mapping[str, Callable[[Values, Any], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::If": _if,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Base64": _base64,
    "Fn::FindInMap": _find_in_map,
    "Fn::Cidr": _cidr,
    **{name: _opaque(name) for name in ("Fn::GetAZs", "Fn::ImportValue", "Fn::ToJsonString", "Fn::Length")},
    **{name: _boolean(name) for name in ("Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not")},
}


def as_bool(value: Any) -> bool:
    """Return a CloudFormation boolean, which may be text."""
    return value is True or value in _TRUE


def as_int(value: Any, default: int) -> int:
    """Return a CloudFormation number, which may be text; `default` when it is neither."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return default


def seconds(duration: Any) -> int:
    """Return the seconds in an ISO 8601 duration (``PT15M``, ``PT1H30M``); 0 for anything else."""
    match = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", str(duration))
    if match is None:
        return 0
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest
