"""Ages, sizes and instants as people read them. Nothing here reads a clock, a disk or the network."""

from __future__ import annotations

from datetime import datetime, timedelta

_STEP = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def age(seconds: float) -> str:
    """Return a duration in its two largest units: ``45 s``, ``4 min``, ``2 h 5 min``, ``3 d 4 h``."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def since(at: datetime, now: datetime) -> str:
    """Return how long ago an instant was; a clock that is a little ahead makes it "0 s"."""
    return age((now - at) / timedelta(seconds=1))


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves a number of one or more: ``512 B``, ``2.1 MiB``."""
    value = float(count)
    for unit in _UNITS[:-1]:
        if value < _STEP:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= _STEP
    return f"{value:.1f} {_UNITS[-1]}"


def instant(at: datetime) -> str:
    """Return an instant as it may be given back to ``kubecfn restore``: ``2026-11-21T10:00Z``."""
    return f"{at:%Y-%m-%dT%H:%MZ}"
