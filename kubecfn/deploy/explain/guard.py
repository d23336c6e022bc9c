"""Why a change must not be executed: version steps that cannot work, and what the stack policy would deny anyway.

Source: CloudFormation User Guide, "Prevent updates to stack resources" (stack policy); `kubecfn.versions` for the steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from kubecfn.deploy.explain.changes import Change, Fate
from kubecfn.errors import WrongUseError
from kubecfn.versions import parse, refuse_step

VERSION_PARAMETERS = {"KubernetesVersion": "Kubernetes", "EtcdVersion": "etcd"}
_ACTIONS = {
    Fate.CHANGED: "Update:Modify",
    Fate.REPLACED: "Update:Replace",
    Fate.MAYBE_REPLACED: "Update:Replace",
    Fate.REMOVED: "Update:Delete",
}


def refused_steps(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return every reason why the version parameters cannot go from `old` to `new`; empty when they can."""
    reasons = []
    for name, program in VERSION_PARAMETERS.items():
        if old.get(name) and new.get(name) and old[name] != new[name]:
            try:
                reason = refuse_step(program, parse(old[name]), parse(new[name]))
            except WrongUseError as error:
                reason = f"{program} {old[name]} to {new[name]}: {error}"
            if reason:
                reasons.append(reason)
    return reasons


def raised_lines(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return which programs move to a later minor, in words: ``etcd 3.5.30 to 3.6.16``.

    Patches of one minor read each other's data and can be rolled back; minors cannot.
    """
    return [
        f"{program} {old[name]} to {new[name]}"
        for name, program in VERSION_PARAMETERS.items()
        if old.get(name) and new.get(name) and _line(old[name]) != _line(new[name])
    ]


def _line(version: str) -> str:
    return ".".join(version.split(".")[:2])


def denied_by_policy(policy: Mapping[str, Any] | None, changes: Iterable[Change]) -> list[str]:
    """Return what the stack policy would deny, in words; empty when it allows everything or there is none."""
    if not policy:
        return []
    return [
        f"The stack policy denies {_ACTIONS[change.fate]} of {change.logical_id}: the update would fail there and roll back."
        for change in changes
        if change.fate in _ACTIONS and change.fate is not Fate.MAYBE_REPLACED and not _allows(policy, change)
    ]


def _allows(policy: Mapping[str, Any], change: Change) -> bool:
    effects = {str(statement.get("Effect")) for statement in _fitting(policy, change)}
    return "Allow" in effects and "Deny" not in effects


def _fitting(policy: Mapping[str, Any], change: Change) -> Iterator[Mapping[str, Any]]:
    for statement in policy.get("Statement", ()):
        if _fits(statement, "Action", _ACTIONS[change.fate]) and _names(statement, change):
            yield statement


def _names(statement: Mapping[str, Any], change: Change) -> bool:
    condition = statement.get("Condition") or {}
    wanted = [
        pattern
        for operator in ("StringEquals", "StringLike")
        for pattern in _listed((condition.get(operator) or {}).get("ResourceType"))
    ]
    of_type = not wanted or any(fnmatchcase(change.type, str(pattern)) for pattern in wanted)
    return of_type and _fits(statement, "Resource", f"LogicalResourceId/{change.logical_id}")


def _fits(statement: Mapping[str, Any], element: str, value: str) -> bool:
    if f"Not{element}" in statement:
        return not any(fnmatchcase(value, str(pattern)) for pattern in _listed(statement[f"Not{element}"]))
    return any(fnmatchcase(value, str(pattern)) for pattern in _listed(statement.get(element)))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
