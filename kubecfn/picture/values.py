"""What a template's value says to a reader before any stack exists: defaults stand in for parameters."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

Template = dict[str, Any]


def text(template: Template, value: Any) -> str:
    """Return a short text for a property's value; what only AWS will know is shown by its logical id."""
    if isinstance(value, dict) and len(value) == 1:
        (function, argument), *_ = value.items()
        return _of_function(template, function, argument)
    if isinstance(value, list):
        return ", ".join(text(template, inner) for inner in value)
    return "" if value is None else str(value)


def _of_function(template: Template, function: str, argument: Any) -> str:
    if function == "Ref":
        return _of_name(template, argument)
    if function == "Fn::Sub":
        pattern, names = argument if isinstance(argument, list) else (argument, {})
        return re.sub(
            r"\$\{([^}]+)\}",
            lambda match: text(template, names[match[1]]) if match[1] in names else _of_name(template, match[1]),
            pattern,
        )
    if function == "Fn::GetAtt":
        return str(argument) if isinstance(argument, str) else ".".join(argument)
    if function == "Fn::Select" and isinstance(argument[1], dict):
        return _selected(template, int(text(template, argument[0])), argument[1])
    if function == "Fn::Join":
        return str(argument[0]).join(text(template, part) for part in argument[1])
    return function.removeprefix("Fn::")


def _of_name(template: Template, name: str) -> str:
    if name == "AWS::StackName":
        return "stack"
    if name.startswith("AWS::"):
        return name.removeprefix("AWS::").lower()
    default = template.get("Parameters", {}).get(name, {}).get("Default")
    return str(default) if default not in {None, ""} else name


def _selected(template: Template, index: int, source: dict[str, Any]) -> str:
    if "Fn::GetAZs" in source:
        return f"zone {index + 1}"
    if "Fn::Cidr" in source:
        block, count, bits = source["Fn::Cidr"]
        network = _network(text(template, _cidr_of(template, block)))
        if network is not None:
            del count
            return str(list(network.subnets(new_prefix=32 - int(text(template, bits))))[index])
    named = text(template, source).split(",")
    if index < len(named) and named != [source.get("Ref")]:
        return named[index].strip()
    return f"item {index + 1}"


def _cidr_of(template: Template, block: Any) -> Any:
    """A block taken from a VPC's attribute is that VPC's own property."""
    attribute = block.get("Fn::GetAtt") if isinstance(block, dict) else None
    if attribute:
        logical_id = attribute.split(".")[0] if isinstance(attribute, str) else attribute[0]
        return template["Resources"][logical_id]["Properties"].get("CidrBlock", block)
    return block


def _network(value: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(value)
    except ValueError:
        return None


def references(value: Any) -> set[str]:
    """Return every logical name that `value` refers to, by Ref, GetAtt or Sub."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref" and isinstance(inner, str):
                found.add(inner)
            elif key == "Fn::GetAtt":
                found.add(inner.split(".")[0] if isinstance(inner, str) else inner[0])
            elif key == "Fn::Sub":
                pattern, names = inner if isinstance(inner, list) else (inner, {})
                found |= {name.split(".")[0] for name in re.findall(r"\$\{([^!}][^}]*)\}", pattern)} - set(names)
                found |= references(names)
            else:
                found |= references(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= references(inner)
    return found
