"""Which snapshot a person means. Nothing here reads a clock, a disk or the network.

1. Of two, the newer one is that of the higher epoch, then of the higher revision: clocks do not decide.
2. ``newest``, or nothing, is the newest. A key is that key. An instant is the newest one that lay there by then.
3. A daily copy stands for its original; where both are there, the original is meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kubecfn.care.words import instant, since, size
from kubecfn.errors import WrongUseError
from kubecfn.etcd import keys
from kubecfn.etcd.snapshots import Snapshot

COLUMNS = ("age", "taken", "epoch", "revision", "size", "kind", "key")
NEWEST = "newest"


@dataclass(frozen=True)
class Choice:
    """One snapshot that could be restored.

    Attributes:
        epoch, revision, instance: by its key.
        size: bytes.
        at: when it was put there.
    """

    key: str
    epoch: int
    revision: int
    size: int
    at: datetime
    instance: str = ""

    @property
    def daily(self) -> bool:
        """Whether it is a daily copy, which outlives the others."""
        return self.key.startswith(keys.DAILY)

    @property
    def snapshot(self) -> Snapshot:
        """It as the node's agent knows snapshots."""
        return Snapshot(self.key, self.epoch, self.revision, self.instance, self.size, self.at)

    def cells(self, now: datetime) -> tuple[str, ...]:
        """Its row below `COLUMNS`."""
        kind = "daily" if self.daily else "regular"
        told = (str(self.epoch), str(self.revision), size(self.size), kind, self.key)
        return (since(self.at, now), instant(self.at), *told)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "key": self.key,
            "epoch": self.epoch,
            "revision": self.revision,
            "size": self.size,
            "at": self.at.isoformat(),
            "daily": self.daily,
        }


def in_order(found: Iterable[Choice]) -> tuple[Choice, ...]:
    """Return snapshots newest first; an original before its daily copies."""
    return tuple(sorted(found, key=lambda one: (-one.epoch, -one.revision, one.daily, one.at, one.key)))


def chosen(listed: Iterable[Choice], wanted: str) -> Choice:
    """Return the snapshot that is meant.

    Args:
        listed: all there are.
        wanted: ``newest``, a key, or an instant with its zone as ISO 8601 writes it.

    Raises:
        WrongUseError: there is none, or nobody can say which is meant.
    """
    ordered = in_order(listed)
    if not ordered:
        raise WrongUseError(
            "There is no snapshot: nothing was ever backed up, or everything has run out.",
            remedy="If the cluster lives, take one with: kubecfn backup now",
        )
    if wanted == NEWEST:
        return ordered[0]
    if named := next((one for one in ordered if one.key == wanted), None):
        return named
    if "/" in wanted:
        raise WrongUseError(f"There is no snapshot {wanted}.", remedy="See which there are with: kubecfn backup list")
    return _by_then(ordered, _instant(wanted))


def _by_then(ordered: tuple[Choice, ...], then: datetime) -> Choice:
    if found := next((one for one in ordered if one.at <= then), None):
        return found
    oldest = min(ordered, key=lambda one: one.at)
    raise WrongUseError(
        f"No snapshot is as old as {instant(then)}: the oldest is of {instant(oldest.at)}.",
        remedy="See which there are with: kubecfn backup list",
    )


def _instant(text: str) -> datetime:
    expected = f"a snapshot's key, {NEWEST}, or an instant with its zone like 2026-11-21T10:00Z"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise WrongUseError(f"{text} is not {expected}.", remedy="See the keys with: kubecfn backup list") from None
    if found.tzinfo is None:
        raise WrongUseError(f"{text} says no time zone; it must be {expected}.", remedy=f"For UTC write {text}Z.")
    return found.astimezone(UTC)
