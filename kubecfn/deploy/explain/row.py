"""The shape of one rule: what CloudFormation does to which property of which type, and what that means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kubecfn.deploy.explain.model import Severity


class How(StrEnum):
    """What CloudFormation does to the resource."""

    CHANGE = "change"
    REPLACE = "replace"
    REMOVE = "remove"


class Direction(StrEnum):
    """For which change of a number a row holds."""

    ANY = "any"
    LOWER = "lower"
    RAISE = "raise"


@dataclass(frozen=True)
class Row:
    """One rule.

    Attributes:
        type: the resource type.
        properties: the properties it is about; empty for every property.
        how: what CloudFormation does to the resource.
        text: a sentence with {id}, {property}, {before} and {after}.
        lost: what is gone afterwards; empty when nothing is.
        source: document and section.
        direction: for which change of a number it holds.
    """

    type: str
    properties: tuple[str, ...]
    how: How
    severity: Severity
    text: str
    lost: str = ""
    source: str = ""
    direction: Direction = Direction.ANY
