"""A template as text: YAML in CloudFormation's short form, sections in the usual order, the same bytes every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from troposphere import Template

_SECTIONS = (
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
)
# Resource attributes before its properties: what it is and when, then how.
_ATTRIBUTES = ("Type", "Metadata", "DependsOn", "Condition", "CreationPolicy", "UpdatePolicy")
_WIDTH = 120


# Where one line would hide what a reader looks for.
_NEVER_ONE_LINE = frozenset({"Properties", "Parameters", "Resources", "Outputs"})
_FEW = 2
# A collection without further ones inside stands on one line when it is no longer than this.
_ONE_LINE = 96


@dataclass(frozen=True)
class _Short:
    """An intrinsic function in short form: ``!Tag value``."""

    tag: str
    value: Any


@dataclass(frozen=True)
class _OneLine:
    """A list or mapping that stands on one line."""

    value: Any


class _Dumper(yaml.CSafeDumper):
    """YAML without anchors, with short forms, and with blocks for text of several lines."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's hook
        return True


def _short(dumper: _Dumper, short: _Short) -> yaml.Node:
    if isinstance(short.value, str):
        return dumper.represent_scalar(short.tag, short.value, style=_style(short.value))
    return dumper.represent_sequence(short.tag, short.value, flow_style=_width(short.value) <= _ONE_LINE)


def _one_line(dumper: _Dumper, line: _OneLine) -> yaml.Node:
    if isinstance(line.value, dict):
        return dumper.represent_mapping("tag:yaml.org,2002:map", line.value, flow_style=True)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", line.value, flow_style=True)


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    return "|" if "\n" in text else None


_Dumper.add_representer(_Short, _short)
_Dumper.add_representer(_OneLine, _one_line)
_Dumper.add_representer(str, _text)


def emit(template: Template) -> str:
    """Return the template's YAML; equal templates give equal bytes.

    Source of the forms: CloudFormation user guide, "Intrinsic function reference". A short form directly inside
    another's scalar is not YAML (``!Base64 !Sub``): there the outer one keeps its long form.
    """
    return emit_dict(template.to_dict())


def emit_dict(data: dict[str, Any]) -> str:
    """Return a plain template's YAML."""
    sections = {name: data[name] for name in _SECTIONS if data.get(name)}
    sections["Resources"] = {name: _ordered(resource) for name, resource in data["Resources"].items()}
    texts = [
        yaml.dump({name: _shortened(section)}, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
        for name, section in sections.items()
    ]
    return "\n".join(texts)


def _ordered(resource: dict[str, Any]) -> dict[str, Any]:
    first = {name: resource[name] for name in _ATTRIBUTES if name in resource}
    return first | {name: value for name, value in resource.items() if name not in first}


def _shortened(node: Any, key: str = "") -> Any:
    if isinstance(node, list | tuple):
        items = [_shortened(item) for item in node]
        return _OneLine(items) if _fits(items) or _are_names(items) else items
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        (name, value), *_ = node.items()
        if name == "Ref" or name.startswith("Fn::"):
            return _intrinsic(name, value)
    short = {name: _shortened(value, name) for name, value in node.items()}
    is_item = len(short) <= _FEW or "Key" in short
    return _OneLine(short) if is_item and key not in _NEVER_ONE_LINE and _fits(short) else short


def _intrinsic(name: str, value: Any) -> Any:
    inner = ".".join(value) if name == "Fn::GetAtt" and all(isinstance(part, str) for part in value) else value
    inner = [_shortened(item) for item in inner] if isinstance(inner, list | tuple) else _shortened(inner)
    if isinstance(inner, str | list):
        return _Short("!" + name.removeprefix("Fn::"), inner)
    return {name: inner}


def _fits(items: list[Any] | dict[str, Any]) -> bool:
    """Return whether all are single words or short forms of one, and together no longer than a line."""
    values = items.values() if isinstance(items, dict) else items
    return all(isinstance(value, int | float | str | _Short) for value in values) and 0 < _width(items) <= _ONE_LINE


def _are_names(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, str) and item.isalnum() for item in items)


def _width(node: Any) -> int:
    """Return about how many characters a node takes on one line; a block of text takes more than any line has."""
    if isinstance(node, _OneLine):
        return _width(node.value)
    if isinstance(node, _Short):
        return len(node.tag) + 1 + _width(node.value)
    if isinstance(node, dict):
        return sum(len(key) + 4 + _width(value) for key, value in node.items())
    if isinstance(node, list):
        return sum(2 + _width(item) for item in node)
    return _ONE_LINE + 1 if "\n" in str(node) else len(str(node))
