"""Policy documents as values: statements with their lists made lists, and ARN patterns that match by segment.

Source: IAM User Guide, "IAM JSON policy element reference" (Action, NotAction, Resource, NotResource, Condition).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ARN_PARTS = 6


@dataclass(frozen=True)
class Statement:
    """One statement of one policy.

    Attributes:
        name: ``policy[index]``, or ``policy[Sid]`` when it has one.
        allow: Effect is Allow; otherwise Deny.
        actions: patterns such as ``s3:Get*``.
        all_but_actions: they are NotAction's.
        resources: ARN patterns.
        all_but_resources: they are NotResource's.
        conditions: operator -> key -> values, as written.
    """

    name: str
    allow: bool
    actions: tuple[str, ...]
    all_but_actions: bool
    resources: tuple[str, ...]
    all_but_resources: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]


def statements(policy: str, document: str) -> tuple[Statement, ...]:
    """Return the statements of an identity policy.

    Args:
        policy: its name, for the statements' names.
        document: its JSON text.
    """
    return _parsed(policy, document)


@functools.lru_cache(maxsize=1024)
def _parsed(policy: str, document: str) -> tuple[Statement, ...]:
    found = json.loads(document)["Statement"]
    written = found if isinstance(found, list) else [found]
    return tuple(_statement(f"{policy}[{one.get('Sid') or index}]", one) for index, one in enumerate(written))


def _statement(name: str, written: Mapping[str, Any]) -> Statement:
    conditions = tuple(
        (operator, key, _texts(values))
        for operator, keys in written.get("Condition", {}).items()
        for key, values in keys.items()
    )
    return Statement(
        name=name,
        allow=written["Effect"] == "Allow",
        actions=_texts(written.get("Action", written.get("NotAction"))),
        all_but_actions="NotAction" in written,
        resources=_texts(written.get("Resource", written.get("NotResource", ()))),
        all_but_resources="NotResource" in written,
        conditions=conditions,
    )


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in values)


@functools.lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in glob)
    return re.compile("".join(parts), re.DOTALL)


def is_like(glob: str, text: str) -> bool:
    """Return whether a text fits a pattern with ``*`` (any run) and ``?`` (one character)."""
    return _pattern(glob).fullmatch(text) is not None


def is_arn_like(glob: str, arn: str) -> bool:
    """Return whether an ARN fits a pattern, segment by segment, so that no wildcard reaches across a colon before the resource.

    An ARN pattern with fewer than six segments is completed with wildcards ("IAM JSON policy elements: Resource").
    """
    if glob == "*":
        return True
    wanted, found = glob.split(":", _ARN_PARTS - 1), arn.split(":", _ARN_PARTS - 1)
    if len(found) < _ARN_PARTS:
        return glob == arn
    wanted += ["*"] * (_ARN_PARTS - len(wanted))
    return all(is_like(pattern, part) for pattern, part in zip(wanted, found, strict=True))


def is_action_like(glob: str, action: str) -> bool:
    """Return whether ``service:Action`` fits a pattern; IAM compares actions without regard to case."""
    return is_like(glob.lower(), action.lower())
