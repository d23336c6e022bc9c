"""The set as a table: each file, what it is for, who can read it, when it ends, and how it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from kubecfn.pki.layout import ITEMS, MANIFEST, File
from kubecfn.pki.stock import Held, Stock, take_stock

NOBODY = "nobody in AWS"
LISTING = File(MANIFEST, "lists what belongs to the set", (), secret=True)


class State(StrEnum):
    """How a file is."""

    OK = "ok"
    DUE = "due"
    EXPIRED = "expired"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True)
class Row:
    """One file.

    Attributes:
        file: its path below the set's directory.
        purpose: what it is for, as a phrase.
        readers: who gets it beside the operator's machine, as text.
        ends: when it ceases to be of use; None = it has no end of its own.
        state: `DUE` in the last quarter of its life.
        detail: why it is broken and what to do; empty otherwise.
    """

    file: str
    purpose: str
    readers: str
    ends: datetime | None
    state: State
    detail: str = ""


def show(directory: Path, *, now: datetime) -> list[Row]:
    """Return a row per file, whatever state the set is in.

    Args:
        directory: of the set.
        now: aware.

    Raises:
        FileError: the directory is not there or cannot be read.
    """
    stock = take_stock(directory)
    rows = [_row(stock.held[item.name], file, now) for item in ITEMS for file in item.files]
    return [*rows, _manifest_row(stock)]


def _row(held: Held, file: File, now: datetime) -> Row:
    readers = ", ".join(file.readers) or NOBODY
    ends = held.certificate.not_valid_after_utc if held.certificate else None
    detail = str(held.problem) if held.culprit == file.path else ""
    return Row(file.path, file.purpose, readers, ends, _state(held, file, now), detail)


def _state(held: Held, file: File, now: datetime) -> State:
    if file.path not in held.there:
        return State.MISSING
    if held.culprit == file.path:
        return State.BROKEN
    if held.expired(now):
        return State.EXPIRED
    return State.DUE if held.in_last_quarter(now) else State.OK


def _manifest_row(stock: Stock) -> Row:
    state = State.OK if stock.manifest else State.MISSING
    if stock.problem:
        state = State.BROKEN
    detail = str(stock.problem) if stock.problem else ""
    return Row(LISTING.path, LISTING.purpose, NOBODY, None, state, detail)
