"""One line of the table that `make bench` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured and what it should be.

    Attributes:
        subject: under which heading.
        what: measured how, against what.
        measured: as text with its unit.
        goal: as text; empty when there is none.
        met: None without a goal.
    """

    subject: str
    what: str
    measured: str
    goal: str = ""
    met: bool | None = None


def ratio(subject: str, what: str, value: float, *, ours: float, theirs: float) -> Row:
    """Return the row of a ratio that should be at most one."""
    text = f"{value:.2f} x   ({ours * 1000:,.0f} ms / {theirs * 1000:,.0f} ms)"
    return Row(subject, what, text, "at most 1 x", value <= 1)


def size(subject: str, what: str, value: int, most: int | None = None) -> Row:
    """Return the row of a number of bytes, with or without a most."""
    return Row(subject, what, f"{value:,} B", f"at most {most:,} B" if most else "", value <= most if most else None)
