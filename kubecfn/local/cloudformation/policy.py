"""Stack policies: which resources an update may modify, replace or delete.

AWS: User Guide "Prevent updates to stack resources" (a policy protects everything it does not allow; a Deny wins).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from kubecfn.local.cloudformation.refusals import invalid

Action = Literal["Update:Modify", "Update:Replace", "Update:Delete"]


def parse(body: str) -> list[Mapping[str, Any]]:
    """Return the statements of a policy text.

    Raises:
        ServiceError: when it is not a stack policy.
    """
    try:
        statements = json.loads(body)["Statement"]
        statements = [statements] if isinstance(statements, dict) else list(statements)
        well_formed = all(statement["Effect"] in {"Allow", "Deny"} for statement in statements)
    except (ValueError, KeyError, TypeError) as problem:
        raise invalid("Error validating stack policy: Invalid stack policy") from problem
    if not well_formed:
        raise invalid("Error validating stack policy: Invalid stack policy")
    return statements


def denial(body: str, action: Action, logical_id: str, resource_type: str) -> str:
    """Return why the policy forbids the action, empty when it is allowed; no policy allows everything."""
    if not body:
        return ""
    allowed = False
    for number, statement in enumerate(parse(body), start=1):
        if not _applies(statement, action, logical_id, resource_type):
            continue
        if statement["Effect"] == "Deny":
            actions = ", ".join(_listed(statement.get("Action", statement.get("NotAction", []))))
            resources = ", ".join(_listed(statement.get("Resource", statement.get("NotResource", ["*"]))))
            return f"Action denied by stack policy: Statement [#{number}] does not allow [{actions}] for resource [{resources}]"
        allowed = True
    return (
        "" if allowed else f"Action denied by stack policy: No statement allows [{action}] for resource [{logical_id}]"
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(fnmatchcase(text.lower(), pattern.lower()) for pattern in patterns)


def _applies(statement: Mapping[str, Any], action: Action, logical_id: str, resource_type: str) -> bool:
    resource = f"LogicalResourceId/{logical_id}"
    if "NotAction" in statement:
        acts = not _any(_listed(statement["NotAction"]), action)
    else:
        acts = _any(_listed(statement.get("Action", [])), action)
    if "NotResource" in statement:
        hits = not _any(_listed(statement["NotResource"]), resource)
    else:
        hits = _any(_listed(statement.get("Resource", ["*"])), resource)
    return acts and hits and _condition_holds(statement.get("Condition", {}), resource_type)


def _condition_holds(condition: Mapping[str, Any], resource_type: str) -> bool:
    for operator, tests in condition.items():
        for key, patterns in tests.items():
            if key != "ResourceType" or operator not in {"StringEquals", "StringLike"}:
                raise invalid(f"Error validating stack policy: Invalid condition {operator} on {key}")
            exact = operator == "StringEquals"
            if not (resource_type in _listed(patterns) if exact else _any(_listed(patterns), resource_type)):
                return False
    return True
