"""Condition operators and keys. A key or an operator that is not modelled is an error, never a guess.

Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context keys".
"""

from __future__ import annotations

import operator as op
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kubecfn.local.iam.policy import is_arn_like, is_like

Value = str | Sequence[str]


class UnknownConditionError(Exception):
    """A condition uses an operator or a key that the embedded AWS does not model."""


@dataclass(frozen=True)
class Context:
    """The condition keys of one request.

    Attributes:
        values: key -> value or values. Keys are compared without regard to case.
        absent: keys, and prefixes ending in ``/`` or ``:``, that this request is known not to carry unless `values` has them.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()

    def get(self, key: str) -> tuple[str, ...] | None:
        """Return the values of a key, or None when the request does not carry it.

        Raises:
            UnknownConditionError: nobody said whether it does.
        """
        lower = {name.lower(): value for name, value in self.values.items()}
        found = lower.get(key.lower())
        if found is not None:
            return (found,) if isinstance(found, str) else tuple(found)
        known = {name.lower() for name in self.absent}
        prefixes = {key.lower()[: match.end()] for match in re.finditer(r"[/:]", key)}
        if key.lower() in known or prefixes & {name for name in known if name[-1] in "/:"}:
            return None
        raise UnknownConditionError(f"the condition key {key} is not modelled for this request")

    def also(self, values: Mapping[str, Value] | None = None, absent: Sequence[str] = ()) -> Context:
        """Return this context with more said."""
        return Context({**self.values, **(values or {})}, self.absent | frozenset(absent))


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda wanted, found: compare(float(found), float(wanted))


# name -> does a value of the request fit a value of the policy?
_POSITIVE: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, found: wanted == found,
    "StringEqualsIgnoreCase": lambda wanted, found: wanted.lower() == found.lower(),
    "StringLike": is_like,
    "ArnEquals": is_arn_like,
    "ArnLike": is_arn_like,
    "Bool": lambda wanted, found: wanted.lower() == found.lower(),
    "NumericEquals": _number(op.eq),
    "NumericLessThan": _number(op.lt),
    "NumericLessThanEquals": _number(op.le),
    "NumericGreaterThan": _number(op.gt),
    "NumericGreaterThanEquals": _number(op.ge),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
}
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


def holds(operator: str, key: str, wanted: tuple[str, ...], context: Context) -> bool:
    """Return whether one line of a Condition block holds for a request.

    Args:
        operator: as written, e.g. ``ForAllValues:StringLikeIfExists``.
        key: as written, e.g. ``aws:ResourceTag/cluster``.
        wanted: the policy's values; policy variables in them are filled in.
        context: what is known about the request.

    Raises:
        UnknownConditionError: the operator or the key is not modelled.
    """
    quantifier, _, plain = operator.rpartition(":")
    name = plain.removesuffix("IfExists")
    found = context.get(key)
    if name == "Null":
        return (found is None) == (wanted[0].lower() == "true")
    compare = _POSITIVE.get(_NEGATED.get(name, name))
    if compare is None or quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        raise UnknownConditionError(f"the condition operator {operator} is not modelled")
    negated = name in _NEGATED
    if found is None:
        return plain.endswith("IfExists") or quantifier == "ForAllValues" or (negated and not quantifier)
    values = [filled for one in wanted if (filled := fill(one, context)) is not None]
    fits = [any(compare(value, one) for value in values) is not negated for one in found]
    return all(fits) if quantifier == "ForAllValues" else any(fits)


def fill(text: str, context: Context) -> str | None:
    """Return a policy's text with its variables filled in; None when the request lacks one, and nothing can match.

    Source: "IAM policy elements: Variables and tags".

    Raises:
        UnknownConditionError: a variable is not modelled.
    """
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        if match[1] in {"*", "?", "$"}:
            return match[1]
        found = context.get(match[1])
        missing = missing or found is None
        return found[0] if found else ""

    filled = _VARIABLE.sub(value, text)
    return None if missing else filled
