"""Which resource needs which: references and DependsOn, their checks, and the order of creation and deletion.

AWS: "DependsOn attribute", "Understand CloudFormation stack creation events", "Fn::GetAtt", "Condition functions".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubecfn.local.cloudformation.refusals import invalid
from kubecfn.local.cloudformation.resolver import PSEUDO, variables
from kubecfn.local.cloudformation.template import Definition, Template

Reference = tuple[str, str | None]
Needs = dict[str, frozenset[str]]


def references(node: Any, conditions: Mapping[str, bool] | None = None) -> Iterator[Reference]:
    """Yield ``(name, attribute or None)`` of everything a value refers to.

    Args:
        node: any part of a template.
        conditions: when given, only the branch of an Fn::If that is taken counts.
    """
    if isinstance(node, list):
        for item in node:
            yield from references(item, conditions)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "Ref":
            yield str(value), None
        elif key == "Fn::GetAtt" and isinstance(value, list) and value:
            yield str(value[0]), ".".join(str(part) for part in value[1:])
        elif key == "Fn::Sub":
            yield from _sub_references(value, conditions)
        elif key == "Fn::If" and conditions is not None and isinstance(value, list) and value[0] in conditions:
            yield from references(value[1 if conditions[value[0]] else 2], conditions)
        else:
            yield from references(value, conditions)


def _sub_references(value: Any, conditions: Mapping[str, bool] | None) -> Iterator[Reference]:
    text, own = value if isinstance(value, list) else (value, {})
    yield from references(own, conditions)
    for name in variables(str(text)):
        if name not in own:
            target, _, attribute = name.partition(".")
            yield target, attribute or None


def depends_on(definition: Definition) -> list[str]:
    """Return the explicit dependencies of a resource."""
    value = definition.get("DependsOn", [])
    return [str(value)] if isinstance(value, str) else [str(name) for name in value]


def check_references(template: Template) -> None:
    """Refuse references, conditions and dependencies that lead nowhere, all of one kind at once.

    Raises:
        ServiceError: with CloudFormation's own words.
    """
    known = set(template.parameters) | set(template.resources) | PSEUDO
    for name, definition in template.resources.items():
        for target in depends_on(definition):
            if target not in template.resources:
                raise invalid(
                    f"Template format error: Unresolved resource dependencies [{target}] in the Resources block of the template"
                )
        if (condition := definition.get("Condition")) is not None and condition not in template.conditions:
            raise invalid(
                f"Template format error: Unresolved condition dependency {condition} in the Resources block of the template [{name}]"
            )
    _refuse_unknown(template.resources, known, "Resources", template)
    _refuse_unknown(template.outputs, known, "Outputs", template)
    for target, _ in references(template.conditions):
        if target not in set(template.parameters) | PSEUDO:
            raise invalid(
                f"Template format error: Unresolved dependencies [{target}]. Cannot reference resources in the Conditions block of the template"
            )


def _refuse_unknown(block: Mapping[str, Any], known: set[str], title: str, template: Template) -> None:
    missing: list[str] = []
    for definition in block.values():
        for target, attribute in references({key: value for key, value in definition.items() if key != "Metadata"}):
            if attribute is not None and target not in template.resources:
                raise invalid(f"Template error: instance of Fn::GetAtt references undefined resource {target}")
            if target not in known and target not in missing:
                missing.append(target)
    if missing:
        raise invalid(
            f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] in the {title} block of the template"
        )


def included(template: Template, conditions: Mapping[str, bool]) -> dict[str, Definition]:
    """Return the resources whose condition holds, in the template's order."""
    return {
        name: definition
        for name, definition in template.resources.items()
        if "Condition" not in definition or conditions[definition["Condition"]]
    }


def needs(template: Template, conditions: Mapping[str, bool]) -> Needs:
    """Return, for every included resource, the resources that must exist before it.

    Raises:
        ServiceError: for a cycle, or for a reference to a resource whose condition is false.
    """
    resources = included(template, conditions)
    graph: Needs = {}
    for name, definition in resources.items():
        used = {target for target, _ in references(definition.get("Properties"), conditions)} & set(template.resources)
        if excluded := sorted(used - set(resources)):
            raise invalid(
                f"Template format error: Unresolved resource dependencies [{', '.join(excluded)}] in the Resources block of the template"
            )
        explicit = set(depends_on(definition)) & set(resources)
        graph[name] = frozenset(used | explicit)
    in_order(graph)
    return graph


def in_order(graph: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the names so that each comes after what it needs; the template's order decides between equals.

    Raises:
        ServiceError: naming the resources of a cycle.
    """
    done: dict[str, None] = {}
    left = dict(graph)
    while left:
        ready = [name for name, wanted in left.items() if all(other in done or other not in graph for other in wanted)]
        if not ready:
            raise invalid(f"Circular dependency between resources: [{', '.join(sorted(_cycle_members(left)))}]")
        for name in ready:
            done[name] = None
            del left[name]
    return list(done)


def _cycle_members(left: Mapping[str, frozenset[str]]) -> set[str]:
    """Leave out what merely waits for the cycle: members are needed by another one that is left."""
    members = set(left)
    while True:
        needed = {other for name in members for other in left[name]} & members
        if needed == members:
            return members
        members = needed
