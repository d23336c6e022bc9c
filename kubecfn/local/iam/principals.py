"""Roles and users as moto keeps them: their policies, tags and trust. The one place that reads moto's IAM."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.iam.models import iam_backends

from kubecfn.local.iam.policy import Statement, statements


@dataclass(frozen=True)
class Principal:
    """A role or a user.

    Attributes:
        statements: every statement of its inline and attached policies, named ``role/policy[index]``.
        tags: its own tags.
        trust: a role's trust policy; empty for a user.
        boundary: ARN of a permissions boundary; empty when there is none.
    """

    statements: tuple[Statement, ...]
    tags: Mapping[str, str]
    trust: Mapping[str, Any]
    boundary: str


def principal(arn: str) -> Principal | None:
    """Return a role or user by ARN, or None when it does not exist."""
    parts = arn.split(":", 5)
    if len(parts) < 6:  # noqa: PLR2004  an ARN has six parts
        return None
    _, partition, _, _, account, resource = parts
    backend = iam_backends[account][partition]
    kind, _, name = resource.partition("/")
    name = name.rsplit("/", 1)[-1]
    held = backend.users if kind == "user" else {role.name: role for role in list(backend.roles.values())}
    found = held.get(name)
    return _read(found, name, is_role=kind == "role") if found else None


def _read(found: Any, name: str, *, is_role: bool) -> Principal:
    written = dict(found.policies)
    for policy in list(found.managed_policies.values()):
        written[policy.name] = next(version.document for version in policy.versions if version.is_default)
    return Principal(
        statements=tuple(one for policy, text in written.items() for one in statements(f"{name}/{policy}", text)),
        tags=_tags(getattr(found, "tags", None) or {}),
        trust=json.loads(found.assume_role_policy_document) if is_role else {},
        boundary=getattr(found, "permissions_boundary_arn", None) or "",
    )


def _tags(kept: Any) -> dict[str, str]:
    """Moto keeps tags as a list, or as a dict by lower-case name, depending on the call that set them."""
    return {tag["Key"]: tag["Value"] for tag in (kept.values() if isinstance(kept, dict) else kept)}
