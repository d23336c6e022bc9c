"""A change set's entries in a form that rules can be asked about, with AWS's "Conditional" decided where it can be.

Source: CloudFormation API reference, ResourceChange, ResourceChangeDetail, ResourceTargetDefinition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Fate(StrEnum):
    """What happens to a resource."""

    ADDED = "added"
    CHANGED = "changed"
    REPLACED = "replaced"
    MAYBE_REPLACED = "maybe replaced"
    REMOVED = "removed"


@dataclass(frozen=True)
class Cause:
    """One reason why a resource changes.

    Attributes:
        attribute: ``Properties``, ``Tags``, ``UpdatePolicy`` …
        name: the property's own name; empty for other attributes.
        recreation: ``Never``, ``Conditionally`` or ``Always``.
        dynamic: AWS cannot tell the value before it executes.
        source: ``DirectModification``, ``ParameterReference``, ``ResourceReference`` …
        entity: the parameter, resource or attribute that causes it; empty for a direct modification.
    """

    attribute: str
    name: str
    recreation: str
    dynamic: bool
    source: str
    entity: str

    @property
    def resource(self) -> str:
        """The logical id of the resource that causes it; empty when no resource does."""
        return self.entity.split(".")[0] if self.source in {"ResourceReference", "ResourceAttribute"} else ""

    def __str__(self) -> str:
        what = self.name or self.attribute
        if self.source == "ParameterReference":
            return f"parameter {self.entity}"
        return f"{what} (through {self.entity})" if self.resource else what


@dataclass(frozen=True)
class Change:
    """What happens to one resource.

    Attributes:
        kept: what is removed or replaced stays in the account, outside of the stack.
        known_causes: False when AWS gave no details (a description without property values).
    """

    logical_id: str
    type: str
    fate: Fate
    causes: tuple[Cause, ...]
    kept: bool

    @property
    def properties(self) -> tuple[str, ...]:
        """The names of the properties that change, each once."""
        return tuple(dict.fromkeys(cause.name for cause in self.causes if cause.name))

    @property
    def attributes(self) -> frozenset[str]:
        """Which attributes change, e.g. ``Properties`` and ``UpdatePolicy``."""
        return frozenset(cause.attribute for cause in self.causes)


def read_changes(entries: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Return the changes of a change set, in its order, without those that only look like changes.

    AWS lists a resource as soon as something it refers to changes. What refers only to the identity (``Ref``, ``Arn``,
    ``GroupId`` …) of something that stays will find it unchanged. ``Conditional`` becomes REPLACED when what causes it is
    itself replaced, CHANGED when nothing that could replace it remains, and otherwise stays MAYBE_REPLACED.
    """
    changes = {change.logical_id: change for change in map(_read, entries)}
    named = {name for name, change in changes.items() if change.causes}
    undecided = True
    while undecided:
        decided = {name: _decide(change, changes) for name, change in changes.items()}
        undecided = decided != changes
        changes = decided
    return tuple(
        change
        for name, change in changes.items()
        if change.causes or name not in named or change.fate not in {Fate.CHANGED, Fate.MAYBE_REPLACED}
    )


def _read(entry: Mapping[str, Any]) -> Change:
    action, replacement = entry.get("Action"), entry.get("Replacement")
    fate = {"Add": Fate.ADDED, "Import": Fate.ADDED, "Remove": Fate.REMOVED}.get(str(action), Fate.CHANGED)
    if fate is Fate.CHANGED and replacement == "True":
        fate = Fate.REPLACED
    elif fate is Fate.CHANGED and (replacement == "Conditional" or action == "Dynamic"):
        fate = Fate.MAYBE_REPLACED
    causes = tuple(_cause(detail) for detail in entry.get("Details") or ())
    kept = str(entry.get("PolicyAction", "")) in {"Retain", "ReplaceAndRetain"}
    return Change(str(entry["LogicalResourceId"]), str(entry.get("ResourceType", "")), fate, _said_once(causes), kept)


def _cause(detail: Mapping[str, Any]) -> Cause:
    target = detail.get("Target") or {}
    path = [step for step in str(target.get("Path") or "").split("/") if step and step != "Properties"]
    name = str(target.get("Name") or (path[0] if path else ""))
    return Cause(
        attribute=str(target.get("Attribute", "Properties")),
        name=name if target.get("Attribute") == "Properties" else "",
        recreation=str(target.get("RequiresRecreation", "Never")),
        dynamic=detail.get("Evaluation") == "Dynamic",
        source=str(detail.get("ChangeSource", "DirectModification")),
        entity=str(detail.get("CausingEntity") or ""),
    )


def _said_once(causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """Drop AWS's second, dynamic mention of a property whose change has a nearer cause."""
    static = {cause.name for cause in causes if not cause.dynamic}
    nearer = {cause.name for cause in causes if cause.entity}
    return tuple(
        cause
        for cause in dict.fromkeys(causes)
        if not (cause.dynamic and cause.name in static and not cause.entity)
        and not (cause.dynamic and not cause.entity and cause.name in nearer)
    )


def _decide(change: Change, changes: Mapping[str, Change]) -> Change:
    """Drop causes that are only apparent, then decide what is conditional, as far as its causes are decided."""
    if change.fate not in {Fate.CHANGED, Fate.MAYBE_REPLACED}:
        return change
    causes = tuple(cause for cause in change.causes if not _is_apparent(cause, changes))
    forcing = [cause for cause in causes if cause.recreation == "Always"]
    fate: Fate = change.fate
    if fate is Fate.MAYBE_REPLACED and any(_fate_of(cause, changes) in _NEW for cause in forcing):
        fate = Fate.REPLACED
    elif fate is Fate.MAYBE_REPLACED and change.causes and all(cause.recreation == "Never" for cause in causes):
        fate = Fate.CHANGED
    return replace(change, causes=causes, fate=fate)


def _is_apparent(cause: Cause, changes: Mapping[str, Change]) -> bool:
    """Whether it only asks for the identity of something that stays what it is."""
    asks_identity = cause.source == "ResourceReference" or cause.entity.partition(".")[2] in _IDENTITIES
    return cause.dynamic and asks_identity and _fate_of(cause, changes) is Fate.CHANGED


def _fate_of(cause: Cause, changes: Mapping[str, Change]) -> Fate | None:
    found = changes.get(cause.resource) if cause.resource else None
    return found.fate if found else None


_NEW = frozenset({Fate.REPLACED, Fate.ADDED})
# Attributes that a resource keeps as long as it is the same resource (template reference, "Return values").
_IDENTITIES = frozenset(
    {
        "AllocationId",
        "Arn",
        "AutoScalingGroupARN",
        "CanonicalHostedZoneID",
        "DNSName",
        "DomainName",
        "GroupId",
        "Id",
        "InternetGatewayId",
        "KeyId",
        "ListenerArn",
        "LoadBalancerArn",
        "LoadBalancerFullName",
        "LoadBalancerName",
        "NameServers",
        "NatGatewayId",
        "PublicIp",
        "QueueName",
        "QueueUrl",
        "RegionalDomainName",
        "RoleId",
        "RouteTableId",
        "SubnetId",
        "TargetGroupArn",
        "TargetGroupFullName",
        "TargetGroupName",
        "TopicArn",
        "VpcId",
    }
)
