"""What a rule is: a stable code, one sentence, the document it rests on, and the search for what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kubecfn.template.rules.view import View

Broken = Iterator[tuple[str, str]]
"""Logical id and what is wrong with it, as a clause that follows the id."""


@dataclass(frozen=True)
class Rule:
    """One fact of AWS that no emulator and no schema shows.

    Attributes:
        code: never re-used.
        says: the rule in one sentence.
        source: document and section, or the issue where it was seen.
        broken_by: what in a template breaks it.
    """

    code: str
    says: str
    source: str
    broken_by: Callable[[View], Broken]
