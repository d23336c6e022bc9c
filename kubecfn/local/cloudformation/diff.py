"""What an update would change, and whether each change replaces the resource: the content of a change set.

AWS: API Reference "ResourceChange", "ResourceChangeDetail", "ResourceTargetDefinition"; User Guide "Example change sets for
CloudFormation stacks" (a parameter's change is Static by ParameterReference and, beside it, Dynamic by DirectModification).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from kubecfn.local.cloudformation import graph
from kubecfn.local.cloudformation.resolver import UNKNOWN, Live, Scope, resolve, text_of
from kubecfn.local.cloudformation.schemas import Path, Recreation, Schema, changed_paths, schema_of
from kubecfn.local.cloudformation.stacks import Resource, Tags
from kubecfn.local.cloudformation.template import Definition

Replacement = Literal["True", "False", "Conditional"]
Evaluation = Literal["Static", "Dynamic"]
ATTRIBUTES = ("CreationPolicy", "UpdatePolicy", "DeletionPolicy", "UpdateReplacePolicy", "Metadata")
_RULES: Mapping[str, Replacement] = {"Never": "False", "Conditionally": "Conditional", "Always": "True"}


@dataclass(frozen=True)
class Detail:
    """One reason for one change."""

    attribute: str
    path: Path
    recreation: Recreation
    evaluation: Evaluation
    source: str
    cause: str = ""
    before: Any = None
    after: Any = None

    def answer(self, *, values: bool) -> dict[str, Any]:
        """Return the API's form; path and values only when they were asked for."""
        target: dict[str, Any] = {"Attribute": self.attribute, "RequiresRecreation": self.recreation}
        if self.attribute == "Properties":
            target["Name"] = str(self.path[0])
        if values:
            target["Path"] = "/" + "/".join(map(str, (self._section, *self.path)))
            sides = {"BeforeValue": self.before, "AfterValue": self.after}
            target |= {name: text_of(value) for name, value in sides.items() if value is not None}
            target["AttributeChangeType"] = (
                "Add" if self.before is None else "Remove" if self.after is None else "Modify"
            )
        detail = {"Target": target, "Evaluation": self.evaluation, "ChangeSource": self.source}
        return detail | ({"CausingEntity": self.cause} if self.cause else {})

    @property
    def _section(self) -> str:
        return "Properties" if self.attribute == "Tags" else self.attribute


@dataclass(frozen=True)
class Change:
    """What happens to one resource."""

    action: Literal["Add", "Modify", "Remove"]
    logical_id: str
    type: str
    physical_id: str = ""
    replacement: Replacement | None = None
    policy_action: str = ""
    details: tuple[Detail, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def scope(self) -> list[str]:
        """Which parts of the resource change, in first-seen order."""
        return list(dict.fromkeys(detail.attribute for detail in self.details))

    @property
    def moves(self) -> bool:
        """Whether what others read of the resource may change: not for tags, metadata and policies."""
        return any(detail.attribute == "Properties" for detail in self.details)

    def answer(self, *, values: bool) -> dict[str, Any]:
        """Return the API's ``Change``."""
        body: dict[str, Any] = {
            "Action": self.action,
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.type,
            "Scope": self.scope,
            "Details": _unique(detail.answer(values=values) for detail in self.details),
        }
        optional = {
            "PolicyAction": self.policy_action,
            "PhysicalResourceId": self.physical_id,
            "Replacement": self.replacement,
            "BeforeContext": json.dumps(self.before) if values and self.before is not None else "",
            "AfterContext": json.dumps(self.after) if values and self.after is not None else "",
        }
        return {"Type": "Resource", "ResourceChange": body | {key: value for key, value in optional.items() if value}}


def _unique(details: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({json.dumps(detail, sort_keys=True): detail for detail in details}.values())


class _Unknown(dict[str, Any]):
    """The attributes of a resource that will change: any may be asked for, none is known yet."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return UNKNOWN


@dataclass(frozen=True)
class Side:
    """A stack before or after: what values mean there.

    Attributes:
        scope: resolves values; the old side's `resource` finds the live ones, the new side's is set here.
        changed: names of parameters whose value differs from the other side.
        tags: the stack's own tags.
    """

    scope: Scope
    tags: Tags
    changed: frozenset[str] = frozenset()


def changes_between(live: Mapping[str, Resource], old: Side | None, new: Side, region: str) -> list[Change]:
    """Return what it takes to come from the live resources to the new side, sorted by logical id.

    Args:
        live: resources of the stack, with the values they were last given.
        old: the stack before, None when there is none yet.
        new: the stack wanted; conditions are evaluated.
        region: whose schemas count.
    """
    template, conditions = new.scope.template, new.scope.conditions
    wanted = graph.included(template, conditions)
    made: dict[str, Change] = {}
    for name in graph.in_order(graph.needs(template, conditions)):
        comparison = _Comparison(name, wanted[name], live.get(name), old, _seen_from(made, live, new), made, region)
        if change := comparison.change():
            made[name] = change
    removed = {name: _removal(resource, old) for name, resource in live.items() if name not in wanted}
    return [change for _, change in sorted({**made, **removed}.items())]


def _seen_from(made: Mapping[str, Change], live: Mapping[str, Resource], new: Side) -> Side:
    """Let references see what is certain: untouched resources fully, changed ones by id, replaced and new ones not."""

    def resource(name: str) -> Live | None:
        change, present = made.get(name), live.get(name)
        if present is None or (change and change.replacement in ("True", "Conditional")):
            return None
        attributes = _Unknown() if change and change.moves else present.attributes
        return Live(present.physical_id, attributes, present.type)

    return replace(new, scope=replace(new.scope, resource=resource))


def _removal(resource: Resource, old: Side | None) -> Change:
    policy = str(resource.definition.get("DeletionPolicy", "Delete")).replace("RetainExceptOnCreate", "Retain")
    before = _context(resource.definition, _shown(resource, old))
    return Change(
        "Remove", resource.logical_id, resource.type, resource.physical_id, policy_action=policy, before=before
    )


def _shown(resource: Resource, old: Side | None) -> Mapping[str, Any]:
    """Return the resource's values as they may be shown: with secrets resolved to their mask."""
    if old is None or not any(parameter.secret for parameter in old.scope.parameters.values()):
        return resource.properties
    masked = replace(old.scope, masked=True)
    shown: Mapping[str, Any] = resolve(resource.definition.get("Properties", {}), masked)
    return shown


def _context(definition: Definition, properties: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: definition[name] for name in ATTRIBUTES if name in definition}
    return {"Properties": properties, **rest}


@dataclass(frozen=True)
class _Comparison:
    """One resource, looked at from both sides."""

    name: str
    definition: Definition
    live: Resource | None
    old: Side | None
    new: Side
    made: Mapping[str, Change]
    region: str

    def change(self) -> Change | None:
        """Return the change of this resource, None when nothing about it changes."""
        after = resolve(self.definition.get("Properties", {}), self.new.scope)
        kind = str(self.definition["Type"])
        if self.live is None:
            return Change("Add", self.name, kind, after=_context(self.definition, self._masked(after)))
        schema = schema_of(kind, self.region) or Schema(kind, (), (), frozenset(), "")
        details = (*self._property_details(schema, after), *self._tag_details(schema), *self._attribute_details())
        if not details:
            return None
        replacement = _worst(details)
        policy = str(self.definition.get("UpdateReplacePolicy", "Delete"))
        return Change(
            action="Modify",
            logical_id=self.name,
            type=kind,
            physical_id=self.live.physical_id,
            replacement=replacement,
            policy_action=f"ReplaceAnd{policy}" if replacement == "True" else "",
            details=details,
            before=_context(self.live.definition, _shown(self.live, self.old)),
            after=_context(self.definition, self._masked(after)),
        )

    def _masked(self, after: Mapping[str, Any]) -> Mapping[str, Any]:
        if not any(parameter.secret for parameter in self.new.scope.parameters.values()):
            return after
        shown: Mapping[str, Any] = resolve(self.definition.get("Properties", {}), replace(self.new.scope, masked=True))
        return shown

    def _property_details(self, schema: Schema, after: Mapping[str, Any]) -> Iterator[Detail]:
        assert self.live is not None
        before, shown_before, shown_after = self.live.properties, _shown(self.live, self.old), self._masked(after)
        for path in changed_paths(before, after):
            tags = bool(schema.tags) and path[0] == schema.tags
            recreation: Recreation = "Never" if tags else schema.recreation(path)
            base = Detail(
                attribute="Tags" if tags else "Properties",
                path=path,
                recreation=recreation,
                evaluation="Static",
                source="DirectModification",
                before=_at(shown_before, path),
                after=_at(shown_after, path),
            )
            yield from self._causes(base, path)

    def _causes(self, base: Detail, path: Path) -> Iterator[Detail]:
        """Name what makes the value change: the text, parameters, or other resources."""
        assert self.live is not None
        raw = _raw_at(self.definition.get("Properties", {}), path)
        edited = raw != _raw_at(self.live.definition.get("Properties", {}), path)
        found = [
            cause for ref in graph.references(raw, self.new.scope.conditions) if (cause := self._cause(base, *ref))
        ]
        if edited or not found:
            yield base
        elif any(cause.source == "ParameterReference" for cause in found):
            yield replace(base, evaluation="Dynamic")
        yield from found

    def _cause(self, base: Detail, name: str, attribute: str | None) -> Detail | None:
        if name in self.new.changed:
            return replace(base, source="ParameterReference", cause=name)
        change = self.made.get(name)
        if change is None or change.action != "Modify":
            return None
        # What a certain replacement gives is not known yet, but that it will differ is: AWS says Static there.
        certain: Evaluation = "Static" if change.replacement == "True" else "Dynamic"
        if attribute is not None and (change.moves or change.replacement != "False"):
            return replace(base, evaluation=certain, source="ResourceAttribute", cause=f"{name}.{attribute}")
        if attribute is None and change.replacement != "False":
            return replace(base, evaluation=certain, source="ResourceReference", cause=name)
        return None

    def _tag_details(self, schema: Schema) -> Iterator[Detail]:
        """Stack tags reach every resource that can be tagged (User Guide: "Resource tag")."""
        before = self.old.tags if self.old else {}
        if schema.tags and before != self.new.tags:
            for key in sorted(before.keys() | self.new.tags.keys()):
                if before.get(key) != self.new.tags.get(key):
                    yield Detail(
                        attribute="Tags",
                        path=(schema.tags, key),
                        recreation="Never",
                        evaluation="Static",
                        source="DirectModification",
                        before=before.get(key),
                        after=self.new.tags.get(key),
                    )

    def _attribute_details(self) -> Iterator[Detail]:
        assert self.live is not None
        for name in ATTRIBUTES:
            before, after = self.live.definition.get(name), self.definition.get(name)
            if before != after:
                yield Detail(name, (), "Never", "Static", "DirectModification", before=before, after=after)


def _worst(details: tuple[Detail, ...]) -> Replacement:
    """Weigh the details: Always counts as True only when it is certain (ResourceTargetDefinition: RequiresRecreation)."""
    weights = {
        "Conditional" if detail.recreation == "Always" and detail.evaluation == "Dynamic" else _RULES[detail.recreation]
        for detail in details
    }
    return "True" if "True" in weights else "Conditional" if "Conditional" in weights else "False"


def _at(value: Any, path: Path) -> Any:
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return value
    return value


def _raw_at(value: Any, path: Path) -> Any:
    """Follow a path through the template's text until a function decides what lies below."""
    for key in path:
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref")):
            return value
        value = _at(value, (key,))
    return value
