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


@dataclass(frozen=True)
class _Short:
    """An intrinsic function in short form: ``!Tag value``."""

    tag: str
    value: Any


class _Dumper(yaml.CSafeDumper):
    """YAML without anchors, with short forms, and with blocks for text of several lines."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's hook
        return True


def _short(dumper: _Dumper, short: _Short) -> yaml.Node:
    if isinstance(short.value, str):
        style = "|" if "\n" in short.value else None
        return dumper.represent_scalar(short.tag, short.value, style=style)
    flow = all(isinstance(item, str | int) or _is_small(item) for item in short.value)
    return dumper.represent_sequence(short.tag, short.value, flow_style=flow)


def _is_small(item: object) -> bool:
    return isinstance(item, _Short) and isinstance(item.value, str) and "\n" not in item.value


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(_Short, _short)
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


def _shortened(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return [_shortened(item) for item in node]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        (key, value), *_ = node.items()
        if key == "Ref" or key.startswith("Fn::"):
            return _intrinsic(key, value)
    return {key: _shortened(value) for key, value in node.items()}


def _intrinsic(name: str, value: Any) -> Any:
    inner = ".".join(value) if name == "Fn::GetAtt" and all(isinstance(part, str) for part in value) else value
    inner = _shortened(inner)
    if isinstance(inner, str | list):
        return _Short("!" + name.removeprefix("Fn::"), inner)
    return {name: inner}
