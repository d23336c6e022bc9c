"""In which order instances are replaced, how many at a time, what that interrupts and roughly how long it takes.

Source: CloudFormation template reference, "UpdatePolicy attribute", AutoScalingRollingUpdate; "CreationPolicy attribute".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kubecfn.deploy.explain.model import Consequence, Severity, Span
from kubecfn.deploy.explain.values import Values, as_bool, as_int, seconds

GROUP = "AWS::AutoScaling::AutoScalingGroup"
SOURCE = "CloudFormation template reference, UpdatePolicy attribute, AutoScalingRollingUpdate"
# From launch to signal; a pre-baked image boots in a minute and joins in another (estimate until one was observed).
USUAL_BOOT_SECONDS = 180
SLOWER_THAN_USUAL = 3
# CloudFormation's default when PauseTime is not given and signals are waited for.
LONGEST_PAUSE_SECONDS = 3600


@dataclass(frozen=True)
class Roll:
    """How one group's instances are replaced.

    Attributes:
        size: how many instances there are.
        batch: how many at a time.
        in_service: how many stay in service meanwhile.
        pause: seconds CloudFormation waits for a batch, or simply waits.
        waits_for_signals: whether a batch ends with its signals.
    """

    group: str
    size: int
    batch: int
    in_service: int
    pause: int
    waits_for_signals: bool

    @property
    def batches(self) -> int:
        """How many batches it takes."""
        return math.ceil(self.size / self.batch)

    @property
    def adds_first(self) -> bool:
        """Whether new instances come before old ones leave."""
        return self.in_service >= self.size

    @property
    def is_controllers(self) -> bool:
        """Whether this is the control plane."""
        return self.group == "Controllers"

    @property
    def keeps_quorum(self) -> bool:
        """Whether a majority of the instances is in service all the time."""
        return self.in_service > self.size // 2

    def lasts(self, boot_seconds: int | None) -> Span:
        """Return roughly how long it takes.

        With signals a batch takes from one boot to three, at most its pause; without them it takes its pause.

        Args:
            boot_seconds: observed from launch to signal; None takes `USUAL_BOOT_SECONDS`.
        """
        if not self.waits_for_signals:
            return Span(self.batches * self.pause, self.batches * self.pause)
        boot = boot_seconds or USUAL_BOOT_SECONDS
        low, high = min(boot, self.pause), min(boot * SLOWER_THAN_USUAL, self.pause)
        return Span(self.batches * low, self.batches * high)


def roll_of(group: str, values: Values, running: int | None) -> Roll | None:
    """Return how `group` would roll, or None when it has no rolling update policy.

    Args:
        group: logical id.
        values: the new template's.
        running: how many instances there are now; None takes the size the template asks for.
    """
    policy = values.attribute(group, "UpdatePolicy").get("AutoScalingRollingUpdate")
    if not isinstance(policy, Mapping):
        return None
    waits = as_bool(policy.get("WaitOnResourceSignals"))
    pause = seconds(policy.get("PauseTime")) or (300 if waits else 0)
    return Roll(
        group=group,
        size=wanted_size(group, values) if running is None else running,
        batch=max(1, as_int(policy.get("MaxBatchSize"), 1)),
        in_service=as_int(policy.get("MinInstancesInService"), 0),
        pause=pause,
        waits_for_signals=waits,
    )


def wanted_size(group: str, values: Values) -> int:
    """Return how many instances the template asks for."""
    properties = values.properties(group)
    return as_int(properties.get("DesiredCapacity"), as_int(properties.get("MinSize"), 0))


def consequence_of(roll: Roll | None, group: str, because: tuple[str, ...], boot_seconds: int | None) -> Consequence:
    """Return what replacing the instances of `group` means; `roll` is None when CloudFormation will not replace them."""
    if roll is None:
        text = f"{group} has no rolling update: running instances stay as they are, only new ones differ."
        return Consequence(Severity.CHANGES, (group,), text, because, source=SOURCE)
    if roll.size == 0:
        text = f"{noun(group, 2).capitalize()}: there are none; the next ones are made the new way."
        return Consequence(Severity.CHANGES, (group,), text, because, source=SOURCE)
    severity = Severity.ROLLS
    if roll.is_controllers and not roll.keeps_quorum:
        severity = Severity.INTERRUPTS
    return Consequence(
        severity, (group,), _sentence(roll), because, steps(roll), lasts=roll.lasts(boot_seconds), source=SOURCE
    )


def noun(group: str, count: int) -> str:
    """Return what a group's instances are called: ``controllers``, ``workers of pool General``."""
    ending = "" if count == 1 else "s"
    if group == "Controllers":
        return f"controller{ending}"
    if group.startswith("Pool"):
        return f"worker{ending} of pool {group.removeprefix('Pool')}"
    return f"instance{ending} of {group}"


def steps(roll: Roll) -> tuple[str, ...]:
    """Return what happens in one batch, in order."""
    waits = (
        f"CloudFormation waits for {_count(roll.batch, 'success signal')}, {_minutes(roll.pause)} at most"
        if roll.waits_for_signals
        else f"CloudFormation waits {_minutes(roll.pause)} and asks nobody"
    )
    if roll.batch == 1:
        arrive, leave = "a new one boots and joins", "an old one leaves"
    else:
        arrive, leave = f"{_how_many(roll.batch)} new ones boot and join", f"{_how_many(roll.batch)} old ones leave"
    batch = (arrive, waits, leave) if roll.adds_first else (leave, arrive, waits)
    again = f"again, until all {roll.size} are new" if roll.batches > 1 else ""
    return (*batch, again) if again else batch


def in_order(consequences: Iterable[Consequence], values: Values) -> list[Consequence]:
    """Return rolls in the order CloudFormation takes them, each numbered when it waits for another."""
    rolls = {consequence.resources[0]: consequence for consequence in consequences}
    level = levels(rolls, values)
    numbered = max(level.values(), default=0) > 0
    ordered = sorted(rolls.values(), key=lambda consequence: level[consequence.resources[0]])
    if not numbered:
        return ordered
    return [_after(consequence, level, values) for consequence in ordered]


def levels(groups: Iterable[str], values: Values) -> dict[str, int]:
    """Return how many of the other groups each group has to wait for, along its longest chain of dependencies."""
    names = list(groups)
    waits_for = {name: _reachable(name, values) & set(names) for name in names}

    def level(name: str) -> int:
        return max((level(other) + 1 for other in waits_for[name]), default=0)

    return {name: level(name) for name in names}


def total(spans: Mapping[str, Span], values: Values) -> Span | None:
    """Return how long several rolls take together: one level after the other, within a level side by side."""
    if not spans:
        return None
    level = levels(spans, values)
    low = high = 0
    for rung in range(max(level.values()) + 1):
        here = [span for name, span in spans.items() if level[name] == rung]
        low, high = low + max(span.low for span in here), high + max(span.high for span in here)
    return Span(low, high)


def _after(consequence: Consequence, level: Mapping[str, int], values: Values) -> Consequence:
    name = consequence.resources[0]
    before = sorted(_reachable(name, values) & set(level))
    note = f"{level[name] + 1}. "
    waits = f" It begins when {' and '.join(before)} is done." if before else ""
    return replace(consequence, text=f"{note}{consequence.text}{waits}")


def _reachable(name: str, values: Values) -> frozenset[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for other in values.depends_on(waiting.pop()) - seen:
            seen.add(other)
            waiting.append(other)
    return frozenset(seen - {name})


def _sentence(roll: Roll) -> str:
    what = f"{roll.size} {noun(roll.group, roll.size)}"
    verb = "is replaced" if roll.size == 1 else "are replaced"
    pace = "" if roll.size == 1 else f" {_how_many(min(roll.batch, roll.size))} at a time"
    ending = "; the API stays reachable." if roll.is_controllers else "."
    if roll.adds_first:
        return f"{what} {verb}{pace}: a new one joins before an old one leaves{ending}"
    if roll.is_controllers and not roll.keeps_quorum:
        ending = "; etcd has no majority meanwhile, so the API refuses writes or does not answer."
    left = roll.in_service or "none"
    return f"{what} {verb}{pace}: an old one leaves first, and as few as {left} serve meanwhile{ending}"


def _how_many(count: int) -> str:
    words = ("none", "one", "two", "three", "four", "five")
    return words[count] if count < len(words) else str(count)


def _count(count: int, what: str) -> str:
    return f"{_how_many(count)} {what}{'' if count == 1 else 's'}"


def _minutes(length: int) -> str:
    return f"{length // 60} min" if length >= 60 and length % 60 == 0 else f"{length} s"  # noqa: PLR2004  seconds in a minute
