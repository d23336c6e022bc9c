"""From a change set to what it means: which instances roll in which order, what is lost, interrupted or newly allowed.

Nothing here reads a clock, a disk or the network. The steps: read the changes, decide AWS's "Conditional", look every
change up in the consequence table, fold launch templates into the groups that roll with them, compare rights, put
rolls in order, refuse what cannot work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kubecfn.deploy.explain import conflicts, creation, guard, rolls
from kubecfn.deploy.explain.changes import Change, Fate, read_changes
from kubecfn.deploy.explain.meaning import meaning
from kubecfn.deploy.explain.model import Consequence, Explanation, Rollback, Severity, Span, Subject
from kubecfn.deploy.explain.parts import grouped
from kubecfn.deploy.explain.plain import some
from kubecfn.deploy.explain.rights import rights_in_words, wider_rights
from kubecfn.deploy.explain.values import Values

_LAUNCH_TEMPLATE = "AWS::EC2::LaunchTemplate"
# What CloudFormation itself needs around a change that rolls nothing (estimate).
_QUICK = Span(20, 120)


@dataclass(frozen=True)
class _Known:
    subject: Subject
    changes: tuple[Change, ...]
    old: Values
    new: Values


def explain(subject: Subject) -> Explanation:
    """Return what executing a change set would mean.

    Args:
        subject: the change set, both templates with their parameter values, and what is known of the stack.
    """
    known = _Known(
        subject,
        read_changes(subject.changes),
        Values(subject.old_template, subject.old_parameters),
        Values(subject.new_template, subject.new_parameters),
    )
    creates = not subject.stack.exists
    consequences = [] if creates else _consequences(known)
    return Explanation(
        stack=subject.stack.name,
        creates=creates,
        refusals=() if creates else _refusals(known),
        consequences=tuple(sorted(consequences, key=lambda consequence: consequence.severity.rank)),
        created=grouped(_named(known.changes, Fate.ADDED)),
        removed=grouped(_named(known.changes, Fate.REMOVED)),
        parameters=_changed_parameters(known),
        rollback=creation.rollback(subject.new_template) if creates else _rollback(known),
        lasts=_lasts(known, consequences),
    )


def _consequences(known: _Known) -> list[Consequence]:
    rolled = _rolled_groups(known)
    folded = {name for group in rolled for name in known.new.depends_on(group)}
    found: list[Consequence] = []
    for change in known.changes:
        is_folded = change.type == _LAUNCH_TEMPLATE and change.fate is Fate.CHANGED and change.logical_id in folded
        if not is_folded:
            found.extend(meaning(change, known.old, known.new, skip_roll=change.logical_id in rolled))
        found.extend(_rights(change, known))
    rolls_found = [
        rolls.consequence_of(
            rolls.roll_of(group, known.new, known.subject.stack.sizes.get(group)),
            group,
            because,
            known.subject.stack.boot_seconds,
        )
        for group, because in rolled.items()
    ]
    if known.subject.tags_changed and not known.changes:
        found.append(Consequence(Severity.CHANGES, (), "Only the stack's own tags change."))
    return [*_merged(found), *rolls.in_order(rolls_found, known.new)]


def _rolled_groups(known: _Known) -> dict[str, tuple[str, ...]]:
    """Return the groups whose instances are replaced, with the causes a person would name."""
    by_id = {change.logical_id: change for change in known.changes}
    rolled = {}
    for change in known.changes:
        moves = change.fate in {Fate.CHANGED, Fate.MAYBE_REPLACED}
        if change.type == rolls.GROUP and moves and set(change.properties) & _ROLLING:
            nearer = [by_id[name] for name in known.new.depends_on(change.logical_id) if name in by_id]
            templates = [other for other in nearer if other.type == _LAUNCH_TEMPLATE]
            causes = [str(cause) for source in (*templates, change) for cause in source.causes]
            own = [cause for cause in causes if "(through " not in cause or not templates]
            rolled[change.logical_id] = tuple(dict.fromkeys(own or causes))
    return rolled


# CloudFormation template reference, UpdatePolicy attribute: what makes a group perform a rolling update.
_ROLLING = frozenset(
    {"LaunchTemplate", "MixedInstancesPolicy", "LaunchConfigurationName", "VPCZoneIdentifier", "AvailabilityZones"}
)


def _rights(change: Change, known: _Known) -> Iterator[Consequence]:
    old, new = known.old.properties(change.logical_id), known.new.properties(change.logical_id)
    wider = wider_rights(change.type, old, new) if change.fate is not Fate.REMOVED else []
    if wider:
        who = f"The new {change.logical_id} allows" if not old else f"{change.logical_id} newly allows"
        text = f"{who}: {rights_in_words(wider)}."
        yield Consequence(Severity.WIDENS, (change.logical_id,), text, lost=(), source="IAM and VPC User Guides")


def _merged(consequences: Iterable[Consequence]) -> list[Consequence]:
    """Say once what happens alike to several resources."""
    alike: dict[tuple[Severity, str, tuple[str, ...]], list[Consequence]] = {}
    for consequence in consequences:
        first = consequence.resources[0] if consequence.resources else ""
        pattern = consequence.text.replace(first, "{id}") if first else consequence.text
        alike.setdefault((consequence.severity, pattern, consequence.lost), []).append(consequence)
    return [_as_one(group) for group in alike.values()]


def _as_one(alike: list[Consequence]) -> Consequence:
    if len(alike) == 1:
        return alike[0]
    first = alike[0]
    names = tuple(name for consequence in alike for name in consequence.resources)
    because = tuple(dict.fromkeys(cause for consequence in alike for cause in consequence.because))
    text = f"{first.text} Likewise {some(names[1:])}."
    return Consequence(first.severity, names, text, because, first.steps, first.lost, first.lasts, first.source)


def _refusals(known: _Known) -> tuple[str, ...]:
    old, new = (_versions(values) for values in (known.old, known.new))
    policy = known.subject.stack.policy
    return (
        *guard.refused_steps(old, new),
        *guard.denied_by_policy(policy, known.changes),
        *conflicts.taken_names(known.changes, known.old, known.new),
        *conflicts.taken_networks(known.changes, known.old, known.new),
        *conflicts.moved_balancers(known.changes),
    )


def _versions(values: Values) -> dict[str, str]:
    return {name: values.parameter(name) or "" for name in guard.VERSION_PARAMETERS}


def _rollback(known: _Known) -> Rollback:
    raised = guard.raised_lines(*(_versions(values) for values in (known.old, known.new)))
    if raised:
        text = (
            f"No: {' and '.join(raised)}. Once a new controller has joined, older ones may not read what it wrote. "
            "If the update fails, go forward, or restore the last backup."
        )
        return Rollback(possible=False, text=text)
    if any(change.fate in {Fate.REPLACED, Fate.REMOVED} for change in known.changes):
        text = "Yes: what is replaced or removed is deleted only in the clean-up after everything else has succeeded."
        return Rollback(possible=True, text=text)
    return Rollback(
        possible=True, text="Yes: on failure CloudFormation puts the old values back and rolls instances back."
    )


def _changed_parameters(known: _Known) -> Mapping[str, tuple[str, str]]:
    names = dict.fromkeys((known.subject.new_template.get("Parameters") or {}).keys())
    values = {name: (known.old.parameter(name) or "", known.new.parameter(name) or "") for name in names}
    return {name: pair for name, pair in values.items() if pair[0] != pair[1] and known.subject.stack.exists}


def _lasts(known: _Known, consequences: list[Consequence]) -> Span | None:
    if not known.changes:
        return None
    boot = known.subject.stack.boot_seconds
    added = [(change.logical_id, change.type) for change in known.changes if change.fate in {Fate.ADDED, Fate.REPLACED}]
    made = creation.lasts(added, known.new, boot)
    rolled = rolls.total(
        {consequence.resources[0]: consequence.lasts for consequence in consequences if consequence.lasts}, known.new
    )
    spans = [span for span in (made, rolled) if span is not None] or [_QUICK]
    return Span(sum(span.low for span in spans), sum(span.high for span in spans))


def _named(changes: Iterable[Change], fate: Fate) -> list[tuple[str, str]]:
    return [(change.logical_id, change.type) for change in changes if change.fate is fate]
