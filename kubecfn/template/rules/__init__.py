"""AWS facts that no emulator and no schema shows, as rules with stable codes, checked on every emitted template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.template.rules import access, form, functions, groups, machines, network
from kubecfn.template.rules.rule import Rule
from kubecfn.template.rules.view import View

__all__ = ["RULES", "Finding", "Rule", "check"]

RULES: tuple[Rule, ...] = (
    *groups.RULES,
    *machines.RULES,
    *access.RULES,
    *functions.RULES,
    *network.RULES,
    *form.RULES,
)


@dataclass(frozen=True)
class Finding:
    """One breach of a rule.

    Attributes:
        code: the rule's, ``K101``.
        logical_id: the resource, parameter or section.
        sentence: what is wrong with it.
    """

    code: str
    logical_id: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.code} {self.sentence}"


def check(template: Mapping[str, Any], region: str) -> list[Finding]:
    """Return every breach in a template, in the order of the codes; empty when there is none.

    Args:
        template: in long form, as `Template.to_dict()` gives it.
        region: for which it was made.
    """
    view = View(template, region)
    return [
        Finding(rule.code, logical_id, f"{logical_id} {clause}.")
        for rule in RULES
        for logical_id, clause in rule.broken_by(view)
    ]
