"""A template as CloudFormation reads it: JSON or YAML with short-form tags, known sections, limits; nothing resolved yet.

AWS: "CloudFormation template sections", "Understand CloudFormation quotas", "Intrinsic function reference" (short forms).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import yaml

from kubecfn.local.cloudformation.refusals import invalid
from kubecfn.short_forms import tagged

INLINE_LIMIT = 51_200
URL_LIMIT = 1_000_000
COUNT_LIMITS = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
NAME_LIMIT = 255
DESCRIPTION_LIMIT = 1024
SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion",
        "Conditions",
        "Description",
        "Mappings",
        "Metadata",
        "Outputs",
        "Parameters",
        "Resources",
        "Rules",
    }
)
RESOURCE_ATTRIBUTES = frozenset(
    {
        "Condition",
        "CreationPolicy",
        "DeletionPolicy",
        "DependsOn",
        "Description",
        "Metadata",
        "Properties",
        "Type",
        "UpdatePolicy",
        "UpdateReplacePolicy",
    }
)
DELETION_POLICIES = frozenset({"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"})
REPLACE_POLICIES = frozenset({"Delete", "Retain", "Snapshot"})
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")

Definition = Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """A parsed template, in long form.

    Attributes:
        body: the text as it was given, which GetTemplate gives back.
        data: the parsed sections.
    """

    body: str
    data: Mapping[str, Any]

    def _section(self, name: str) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.data.get(name) or {})

    @cached_property
    def resources(self) -> Mapping[str, Definition]:
        """Logical id -> resource definition."""
        return self._section("Resources")

    @cached_property
    def parameters(self) -> Mapping[str, Definition]:
        """Name -> parameter definition."""
        return self._section("Parameters")

    @cached_property
    def conditions(self) -> Mapping[str, Any]:
        """Name -> condition expression."""
        return self._section("Conditions")

    @cached_property
    def mappings(self) -> Mapping[str, Any]:
        """Name -> two-level table."""
        return self._section("Mappings")

    @cached_property
    def outputs(self) -> Mapping[str, Definition]:
        """Name -> output definition."""
        return self._section("Outputs")

    @property
    def description(self) -> str:
        """The template's own sentence, or nothing."""
        return str(self.data.get("Description", ""))


class _Loader(yaml.CSafeLoader):
    """YAML as CloudFormation reads it: dates stay text, duplicate keys and short-form tags are understood."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    seen: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise invalid(f"Template error: duplicate key found: {key}")
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


def _as_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_multi_constructor("!", tagged)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def parse(body: str, limit: int = INLINE_LIMIT) -> Template:
    """Return the template in `body`.

    Args:
        body: JSON or YAML text.
        limit: bytes allowed: 51,200 in a request, 1,000,000 from S3 (AWS: "Understand CloudFormation quotas").

    Raises:
        ServiceError: with CloudFormation's own words.
    """
    size = len(body.encode())
    if size > limit and limit == INLINE_LIMIT:
        raise invalid(
            f"1 validation error detected: Value '{body[:40]}...' at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {limit}"
        )
    if size > limit:
        raise invalid(f"Template may not exceed {limit} bytes in size.")
    data = _load(body)
    _check_sections(data)
    _check_counts(data)
    for name, definition in data["Resources"].items():
        _check_resource(str(name), definition)
    for name, definition in (data.get("Parameters") or {}).items():
        if not isinstance(definition, dict) or "Type" not in definition:
            raise invalid(f"Template format error: Every Parameters object must contain a Type member. [{name}]")
    for name, definition in (data.get("Outputs") or {}).items():
        if not isinstance(definition, dict) or "Value" not in definition:
            raise invalid(f"Template format error: Output {name} must contain a Value member.")
    return Template(body, data)


def _load(body: str) -> dict[str, Any]:
    as_json = body.lstrip().startswith("{")
    try:
        data = json.loads(body) if as_json else yaml.load(body, _Loader)  # noqa: S506  a SafeLoader subclass
    except json.JSONDecodeError as problem:
        raise invalid(
            f"Template format error: JSON not well-formed. (line {problem.lineno}, column {problem.colno})"
        ) from problem
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise invalid(f"Template format error: YAML not well-formed.{where}") from problem
    if not isinstance(data, dict):
        raise invalid("Template format error: unsupported structure.")
    return cast("dict[str, Any]", _joined(data))


def _joined(node: Any) -> Any:
    """Write the string form ``{"Fn::GetAtt": "A.B"}``, which YAML allows, as the list form everywhere."""
    if isinstance(node, dict):
        if len(node) == 1 and isinstance(target := node.get("Fn::GetAtt"), str):
            return {"Fn::GetAtt": target.split(".", 1)}
        return {key: _joined(value) for key, value in node.items()}
    return [_joined(item) for item in node] if isinstance(node, list) else node


def _check_sections(data: Mapping[str, Any]) -> None:
    if "Transform" in data or '"Fn::Transform"' in json.dumps(data, default=str):
        raise invalid("Template format error: transforms and macros are not emulated.")
    if unknown := sorted(set(data) - SECTIONS):
        raise invalid(f"Invalid template property or properties [{', '.join(unknown)}]")
    if data.get("AWSTemplateFormatVersion", "2010-09-09") != "2010-09-09":
        version = data["AWSTemplateFormatVersion"]
        raise invalid(f"Template format error: {version} is not a supported value for AWSTemplateFormatVersion.")
    if not isinstance(data.get("Resources"), dict) or not data["Resources"]:
        raise invalid("Template format error: At least one Resources member must be defined.")
    if len(str(data.get("Description", "")).encode()) > DESCRIPTION_LIMIT:
        raise invalid("Template format error: 'Description' length is greater than 1024.")


def _check_counts(data: Mapping[str, Any]) -> None:
    for section, limit in COUNT_LIMITS.items():
        names = data.get(section) or {}
        if len(names) > limit:
            noun = section.lower()
            raise invalid(
                f"Template format error: Number of {noun}, {len(names)}, is greater than maximum allowed, {limit}"
            )
        for name in names:
            if not _ALPHANUMERIC.fullmatch(str(name)):
                raise invalid(f"Template format error: {section[:-1]} name {name} is non alphanumeric.")
            if len(str(name)) > NAME_LIMIT:
                raise invalid(f"Template format error: {section[:-1]} name {name} exceeds {NAME_LIMIT} characters.")


def _check_resource(name: str, definition: Any) -> None:
    if not isinstance(definition, dict) or not isinstance(definition.get("Type"), str):
        raise invalid(f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member.")
    for attribute in definition:
        if attribute not in RESOURCE_ATTRIBUTES:
            raise invalid(f"Invalid template resource property '{attribute}'")
    if (policy := definition.get("DeletionPolicy", "Delete")) not in DELETION_POLICIES and isinstance(policy, str):
        raise invalid(f"Template format error: Unrecognized DeletionPolicy {policy} for resource {name}")
    policy = definition.get("UpdateReplacePolicy", "Delete")
    if policy not in REPLACE_POLICIES and isinstance(policy, str):
        raise invalid(f"Template format error: Unrecognized UpdateReplacePolicy {policy} for resource {name}")
    if not isinstance(definition.get("Properties", {}), dict):
        raise invalid(f"Template format error: Properties of resource {name} must be an object.")
