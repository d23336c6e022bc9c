"""What happens to one resource, said by the consequence table, or honestly by AWS's own "Replacement" where it is silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from kubecfn.deploy.explain.changes import Change, Fate
from kubecfn.deploy.explain.model import Consequence, Severity
from kubecfn.deploy.explain.row import How, Row
from kubecfn.deploy.explain.table import row_for
from kubecfn.deploy.explain.values import Values

_REFERENCE = "CloudFormation API reference, ResourceChange, Replacement"
_LONGEST_VALUE = 60
_KEEPING = frozenset({"Retain", "Snapshot", "RetainExceptOnCreate"})
_ROLLS = Severity.ROLLS


def meaning(change: Change, old: Values, new: Values, *, skip_roll: bool) -> Iterator[Consequence]:
    """Yield what happens to one resource.

    Args:
        change: read and decided.
        old: values in force.
        new: values to come.
        skip_roll: the caller explains the replacement of the group's instances itself.
    """
    if change.fate in {Fate.REPLACED, Fate.REMOVED}:
        yield _goes(change, old)
    elif change.fate is Fate.MAYBE_REPLACED and not _is_known_in_place(change, old, new):
        yield _may_go(change, old, new)
    elif change.fate in {Fate.CHANGED, Fate.MAYBE_REPLACED}:
        yield from _in_place(change, old, new, skip_roll=skip_roll)
    if change.fate is not Fate.REMOVED:
        yield from _no_longer_kept(change, old, new)


def _goes(change: Change, old: Values) -> Consequence:
    how = How.REPLACE if change.fate is Fate.REPLACED else How.REMOVE
    row = row_for(change.type, how, change.properties[0] if change.properties else "")
    because = tuple(str(cause) for cause in change.causes if cause.recreation != "Never") or _because(change)
    kept = change.kept or old.attribute_text(change.logical_id, _policy_for(how)) in _KEEPING
    if row is None:
        verb = "is replaced by a new one" if how is How.REPLACE else "is deleted"
        text = f"{change.logical_id} ({change.type}) {verb}."
        row = Row(change.type, (), how, Severity.REPLACES, text, source=_REFERENCE)
    text = _filled(row.text, change, "", "")
    if not kept:
        return Consequence(
            row.severity, (change.logical_id,), text, because, lost=_lost(row, change, ""), source=row.source
        )
    text += " The old one stays in the account, outside of the stack: nothing in it is lost."
    severity = Severity.REPLACES if how is How.REPLACE else Severity.CHANGES
    return Consequence(severity, (change.logical_id,), text, because, source=row.source)


def _may_go(change: Change, old: Values, new: Values) -> Consequence:
    row = row_for(change.type, How.REPLACE, change.properties[0] if change.properties else "")
    text = f"{change.logical_id} ({change.type}) may be replaced: AWS knows only while it executes."
    severity = row.severity if row else Severity.REPLACES
    lost = (
        () if row is None or new.attribute_text(change.logical_id, "UpdateReplacePolicy") in _KEEPING else (row.lost,)
    )
    source = row.source if row else _REFERENCE
    because = _because(change)
    del old
    return Consequence(severity, (change.logical_id,), text, because, lost=tuple(filter(None, lost)), source=source)


def _in_place(change: Change, old: Values, new: Values, *, skip_roll: bool) -> Iterator[Consequence]:
    before, after = old.properties(change.logical_id), new.properties(change.logical_id)
    silent: list[str] = []
    told: list[Row] = []
    for name in change.properties:
        was, becomes = _text(before.get(name)), _text(after.get(name))
        row = row_for(change.type, How.CHANGE, name, was, becomes)
        if row is None:
            silent.append(name)
        elif not (row.severity is _ROLLS and skip_roll) and row not in told:
            told.append(row)
            yield Consequence(
                row.severity,
                (change.logical_id,),
                _filled(row.text, change, was, becomes, name),
                _because(change, name),
                lost=_lost(row, change, becomes),
                source=row.source,
            )
    others = sorted(change.attributes - {"Properties"})
    if not told and {*silent, *others} == {"Tags"}:
        yield Consequence(Severity.CHANGES, (change.logical_id,), f"{change.logical_id}: only its tags change.")
    elif silent or others or not change.causes:
        what = ", ".join([*silent, *others]) or "something AWS does not name"
        text = f"{change.logical_id} ({change.type}) is changed in place: {what}."
        yield Consequence(Severity.CHANGES, (change.logical_id,), text, _because(change), source=_REFERENCE)


def _no_longer_kept(change: Change, old: Values, new: Values) -> Iterator[Consequence]:
    was, becomes = (values.attribute_text(change.logical_id, "DeletionPolicy") for values in (old, new))
    if was in _KEEPING and becomes not in _KEEPING:
        text = f"{change.logical_id} is no longer kept when the stack is deleted (DeletionPolicy {was} to {becomes or 'Delete'})."
        lost = (f"the protection of {change.logical_id}",)
        yield Consequence(Severity.LOSES, (change.logical_id,), text, lost=lost)


def _is_known_in_place(change: Change, old: Values, new: Values) -> bool:
    """AWS says Conditional, the table knows the property as an in-place change, and nothing demands a new resource."""
    before, after = old.properties(change.logical_id), new.properties(change.logical_id)
    demanding = [cause for cause in change.causes if cause.recreation != "Never"]
    return bool(demanding) and all(
        cause.recreation == "Conditionally"
        and row_for(change.type, How.CHANGE, cause.name, _text(before.get(cause.name)), _text(after.get(cause.name)))
        for cause in demanding
    )


def _policy_for(how: How) -> str:
    return "UpdateReplacePolicy" if how is How.REPLACE else "DeletionPolicy"


def _because(change: Change, name: str = "") -> tuple[str, ...]:
    causes = [cause for cause in change.causes if not name or cause.name == name]
    return tuple(dict.fromkeys(map(str, causes)))


def _lost(row: Row, change: Change, after: str) -> tuple[str, ...]:
    return (_filled(row.lost, change, "", after),) if row.lost else ()


def _filled(text: str, change: Change, before: str, after: str, name: str = "") -> str:
    return text.format(
        id=change.logical_id, property=name, before=_short(before) or "nothing", after=_short(after) or "nothing"
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
