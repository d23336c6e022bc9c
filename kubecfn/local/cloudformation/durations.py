"""ISO 8601 durations as CreationPolicy and UpdatePolicy write them: ``PT1H30M10S``."""

from __future__ import annotations

import re

_FORM = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


def seconds(text: str) -> int:
    """Return the length in seconds.

    Raises:
        ValueError: for anything but ``PT#H#M#S``.
    """
    match = _FORM.fullmatch(text)
    if match is None or text == "PT":
        raise ValueError(f"{text} is not a duration like PT15M")
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest
