"""Turns a template's values into what an API parameter wants: numbers and booleans from text, documents into JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kubecfn.local.providers.seam import UnsupportedError


def fit(shape: Any, value: Any, path: str) -> Any:
    """Return `value` as the botocore shape wants it.

    CloudFormation takes ``"80"`` for a number and ``"true"`` for a boolean ("Template anatomy: parameters" and every
    type's own page), and policy documents as objects where the APIs take text.

    Args:
        shape: a botocore shape of the operation's input.
        value: the template's value, intrinsic functions resolved.
        path: where the value stands, for the error.

    Raises:
        UnsupportedError: the API knows no such member.
    """
    match shape.type_name:
        case "structure" if isinstance(value, dict):
            return dict(_member(shape, key, item, path) for key, item in value.items())
        case "list" if isinstance(value, list):
            return [fit(shape.member, item, f"{path}[{index}]") for index, item in enumerate(value)]
        case "map" if isinstance(value, dict):
            return {key: fit(shape.value, item, f"{path}.{key}") for key, item in value.items()}
    return _scalar(shape.type_name, value)


def _scalar(kind: str, value: Any) -> Any:
    """The value as text, boolean or number; what does not fit is left for the API to refuse."""
    match kind:
        case "string" if not isinstance(value, str):
            return json.dumps(value, separators=(",", ":"))
        case "boolean" if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        case "integer" | "long" if _is_number(value):
            return int(float(value))
        case "float" | "double" if _is_number(value):
            return float(value)
    return value


def refuse_others(given: Iterable[str], known: Iterable[str], path: str) -> None:
    """Refuse property names that are not known.

    Raises:
        UnsupportedError: naming where they stand and what they are.
    """
    if others := sorted(set(given) - set(known)):
        raise UnsupportedError(f"{path}: property {', '.join(others)} is not emulated")


def _member(shape: Any, key: str, value: Any, path: str) -> tuple[str, Any]:
    """One member of a structure under the API's spelling: some services write the first letter small."""
    for name in (key, key[:1].lower() + key[1:]):
        if name in shape.members:
            return name, fit(shape.members[name], value, f"{path}.{key}")
    raise UnsupportedError(f"{path}: property {key} is not emulated")


def _is_number(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True
