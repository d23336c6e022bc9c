"""An explanation as plain lines for a terminal; colour and width are the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from kubecfn.deploy.explain.model import Consequence, Explanation, Group

_MOST_NAMES = 8
_MOST_CAUSES = 4
_MOST_QUIET = 12


def lines(explanation: Explanation) -> list[str]:
    """Return the explanation, worst first, one thought a line; headings end with a colon and are not indented."""
    if explanation.is_empty:
        return [f"{explanation.stack}: nothing changes."]
    return [
        headline(explanation),
        *_refusals(explanation),
        *_parameters(explanation),
        *_consequences(explanation),
        *_groups("Will stand:" if explanation.creates else "Added:", explanation.created),
        *_groups("Removed:", explanation.removed),
        f"Can CloudFormation take it back? {explanation.rollback.text}",
        *([f"Takes {explanation.lasts} (estimate)."] if explanation.lasts else []),
    ]


def headline(explanation: Explanation) -> str:
    """Return the one sentence that says what kind of change this is."""
    count = sum(len(group.resources) for group in explanation.created)
    if explanation.refusals:
        return f"{explanation.stack}: this change is refused."
    if explanation.creates:
        return f"{explanation.stack}: a new stack of {count} resources."
    worst = explanation.worst
    verdict = f"the worst of it: {worst.value}" if worst else "nothing is replaced, interrupted or lost"
    touched = len({name for consequence in explanation.consequences for name in consequence.resources})
    changed = "1 resource changes" if touched == 1 else f"{touched} resources change"
    added = f", {count} {'is' if count == 1 else 'are'} added" if count else ""
    return f"{explanation.stack}: {changed}{added}; {verdict}."


def _refusals(explanation: Explanation) -> Iterator[str]:
    if explanation.refusals:
        yield "Refused:"
        yield from (f"  {reason}" for reason in explanation.refusals)


def _parameters(explanation: Explanation) -> Iterator[str]:
    if explanation.parameters:
        yield "Parameters:"
        for name, (old, new) in explanation.parameters.items():
            yield f"  {name}: {_shortened(old) or 'nothing'} to {_shortened(new) or 'nothing'}"


def _consequences(explanation: Explanation) -> Iterator[str]:
    for severity, group in groupby(explanation.consequences, key=lambda consequence: consequence.severity):
        yield f"{severity.value[0].upper()}{severity.value[1:]}:"
        found = list(group)
        for consequence in found[:_MOST_QUIET]:
            yield from _one(consequence)
        if len(found) > _MOST_QUIET:
            yield f"  and {len(found) - _MOST_QUIET} more of this kind"


def _one(consequence: Consequence) -> Iterator[str]:
    yield f"  {consequence.text}"
    yield from (f"    lost: {lost}" for lost in consequence.lost)
    yield from (f"    {position}) {step}" for position, step in enumerate(consequence.steps, 1))
    if consequence.lasts:
        yield f"    takes {consequence.lasts} (estimate)"
    if consequence.because:
        yield f"    because of {some(consequence.because, _MOST_CAUSES)}"


def _groups(heading: str, groups: tuple[Group, ...]) -> Iterator[str]:
    if groups:
        yield heading
        yield from (f"  {group.part}: {len(group.resources)} ({some(group.resources)})" for group in groups)


def some(names: tuple[str, ...], most: int = _MOST_NAMES) -> str:
    """Return the first few names and how many more there are."""
    more = len(names) - most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:most])} and {more} more"


def _shortened(value: str) -> str:
    is_hash = len(value) == 64 and all(letter in "0123456789abcdef" for letter in value)  # noqa: PLR2004  a SHA-256 in hex
    return f"{value[:12]}…" if is_hash else value
