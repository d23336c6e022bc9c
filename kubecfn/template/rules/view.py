"""A template as a graph: what depends on what, and the questions that rules ask of it. It reads, it never changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Resource = Mapping[str, Any]
_IN_SUB = re.compile(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z0-9.]+)?\}")


@dataclass(frozen=True)
class View:
    """A plain template (long form, as `Template.to_dict()` gives it) and the region it is for."""

    data: Mapping[str, Any]
    region: str

    @property
    def resources(self) -> Mapping[str, Resource]:
        """Logical id -> resource."""
        resources: Mapping[str, Resource] = self.data["Resources"]
        return resources

    @property
    def parameters(self) -> Mapping[str, Resource]:
        """Name -> parameter."""
        parameters: Mapping[str, Resource] = self.data.get("Parameters", {})
        return parameters

    def of_type(self, *types: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield logical id and properties of every resource of these types (without ``AWS::``)."""
        wanted = {f"AWS::{name}" for name in types}
        for logical_id, resource in self.resources.items():
            if resource["Type"] in wanted:
                yield logical_id, resource.get("Properties", {})

    @cached_property
    def edges(self) -> Mapping[str, frozenset[str]]:
        """Logical id -> logical ids it names itself: DependsOn, Ref, GetAtt, Sub."""
        return {
            logical_id: frozenset(_named(resource)) & frozenset(self.resources) - {logical_id}
            for logical_id, resource in self.resources.items()
        }

    def needed_by(self, logical_id: str) -> frozenset[str]:
        """Return everything that exists before a resource is made and until it is gone."""
        seen: set[str] = set()
        waiting = list(self.edges[logical_id])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(self.edges[name])
        return frozenset(seen)

    def functions_inside(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield logical id and properties of every function in a VPC."""
        yield from ((name, found) for name, found in self.of_type("Lambda::Function") if "VpcConfig" in found)

    def least(self, value: object) -> int | None:
        """Return the smallest number a property can be: itself, or its parameter's MinValue; None when unknown."""
        parameter = self._parameter(value)
        if parameter is not None:
            value = parameter.get("MinValue", parameter.get("Default"))
        return int(value) if isinstance(value, int | str) and re.fullmatch(r"-?\d+", str(value)) else None

    def usual(self, value: object) -> int | None:
        """Return a number, or the default of the parameter that stands there; None when unknown."""
        parameter = self._parameter(value)
        if parameter is not None:
            value = parameter.get("Default")
        return int(value) if isinstance(value, int | str) and re.fullmatch(r"-?\d+", str(value)) else None

    def _parameter(self, value: object) -> Resource | None:
        name = value.get("Ref") if isinstance(value, Mapping) else None
        return self.parameters.get(name) if isinstance(name, str) else None


def target(value: object) -> str | None:
    """Return the logical id that a Ref or GetAtt points to."""
    if not isinstance(value, Mapping):
        return None
    if "Ref" in value:
        return str(value["Ref"])
    attribute = value.get("Fn::GetAtt")
    if isinstance(attribute, str):
        return attribute.split(".", 1)[0]
    return str(attribute[0]) if attribute else None


def texts(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text below a node with its path."""
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from texts(value, f"{path}/{key}")
    elif isinstance(node, list | tuple):
        for position, value in enumerate(node):
            yield from texts(value, f"{path}/{position}")


def as_list(value: Any) -> list[Any]:
    """Return a list as it is, nothing as an empty one and anything else as a list of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        yield from as_list(node.get("DependsOn"))
        name = target(node)
        if name is not None:
            yield name
        substituted = node.get("Fn::Sub")
        if substituted is not None:
            yield from _IN_SUB.findall(as_list(substituted)[0])
        for value in node.values():
            yield from _named(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _named(value)
