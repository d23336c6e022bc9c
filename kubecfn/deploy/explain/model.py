"""What an explanation is made of: consequences a person can weigh, worst first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a consequence matters; declared worst first."""

    LOSES = "loses data or address"
    REPLACES = "replaces"
    INTERRUPTS = "interrupts"
    ROLLS = "rolls"
    WIDENS = "widens rights"
    CHANGES = "no interruption"

    @property
    def rank(self) -> int:
        """0 is worst."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class Span:
    """Roughly how long something takes, in seconds."""

    low: int
    high: int

    def __str__(self) -> str:
        if self.high < 90:  # noqa: PLR2004  below a minute and a half seconds read better
            return f"about {self.high} s" if self.low == self.high else f"{self.low} to {self.high} s"
        low, high = max(1, round(self.low / 60)), max(1, round(self.high / 60))
        return f"about {high} min" if low == high else f"{low} to {high} min"


@dataclass(frozen=True)
class Consequence:
    """What one change means for those who use the cluster.

    Attributes:
        severity: how much it matters.
        resources: the logical ids it happens to.
        text: one sentence.
        because: what causes it: parameters, properties or other resources, in words.
        steps: the order in which it happens; empty when there is only one step.
        lost: what is gone afterwards.
        lasts: roughly how long; None when it takes no time worth naming.
        source: the AWS document and section the rule rests on.
    """

    severity: Severity
    resources: tuple[str, ...]
    text: str
    because: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    lasts: Span | None = None
    source: str = ""


@dataclass(frozen=True)
class Group:
    """Resources of one part of the stack that come into being (or go) together.

    Attributes:
        part: the name the picture gives it.
        resources: logical ids, in the change set's order.
    """

    part: str
    resources: tuple[str, ...]


@dataclass(frozen=True)
class Rollback:
    """Whether CloudFormation can take the change back when it fails.

    Attributes:
        possible: False when an older state cannot be reached again by CloudFormation alone.
        text: one sentence that says why.
    """

    possible: bool
    text: str


@dataclass(frozen=True)
class StackFacts:
    """What has to be known of the stack besides the change set.

    Attributes:
        name: the stack's name.
        exists: False before the first creation (also in REVIEW_IN_PROGRESS).
        policy: the stack policy document; None when the stack has none.
        sizes: how many instances each group has now, by logical id; a group that is missing is taken as wanted.
        boot_seconds: how long a node took from launch to signal in the last operation; None when nobody observed one.
    """

    name: str
    exists: bool
    policy: Mapping[str, Any] | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    boot_seconds: int | None = None


@dataclass(frozen=True)
class Subject:
    """Everything `explain` looks at.

    Attributes:
        changes: the ``ResourceChange`` of every entry of DescribeChangeSet (with IncludePropertyValues).
        old_template: the template in force, parsed; empty for a new stack.
        new_template: the template of the change set, parsed.
        old_parameters: values in force, by name.
        new_parameters: values of the change set, by name, defaults included or not.
        tags_changed: whether the stack's own tags change.
    """

    stack: StackFacts
    changes: tuple[Mapping[str, Any], ...]
    old_template: Mapping[str, Any]
    new_template: Mapping[str, Any]
    old_parameters: Mapping[str, str]
    new_parameters: Mapping[str, str]
    tags_changed: bool = False


@dataclass(frozen=True)
class Explanation:
    """A change set in consequences.

    Attributes:
        stack: its name.
        creates: whether the stack does not exist yet.
        refusals: why the change must not be executed; empty when it may.
        consequences: worst first.
        created: what comes into being, by part.
        removed: what goes, by part.
        parameters: name -> (old value or "", new value) of every parameter that changes.
        rollback: whether CloudFormation can take it back.
        lasts: roughly how long the whole takes; None when there is nothing to do.
    """

    stack: str
    creates: bool
    refusals: tuple[str, ...] = ()
    consequences: tuple[Consequence, ...] = ()
    created: tuple[Group, ...] = ()
    removed: tuple[Group, ...] = ()
    parameters: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    rollback: Rollback = Rollback(possible=True, text="Nothing changes, so there is nothing to take back.")
    lasts: Span | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all would change."""
        return not (self.consequences or self.created or self.removed or self.refusals)

    @property
    def worst(self) -> Severity | None:
        """The severity that matters most; None when nothing has a consequence."""
        return min((c.severity for c in self.consequences), key=lambda severity: severity.rank, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data; keys are the attributes' names."""
        data = asdict(self)
        data["parameters"] = {name: list(values) for name, values in self.parameters.items()}
        for consequence, own in zip(data["consequences"], self.consequences, strict=True):
            consequence["severity"] = own.severity.name.lower()
        data["worst"] = self.worst.name.lower() if self.worst else None
        data["is_empty"] = self.is_empty
        return data
