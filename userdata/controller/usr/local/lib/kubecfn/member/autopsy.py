"""Why etcd ended, from its exit status and its last lines; the first word is the kind, the rest is for a person.

``removed``: this member is no part of its cluster any more. ``corrupt``: what lies on the disk cannot be trusted.
``no-space``: the disk is full. ``failed``: anything else.
"""

from __future__ import annotations

import json
from typing import Iterable, List, Tuple

from agent.units import State

LINES = 100
_KINDS: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    (
        "removed",
        (
            "the member has been permanently removed from the cluster",
            "the local member has been removed",
            "member has been permanently removed",
        ),
    ),
    ("no-space", ("no space left on device", "disk quota exceeded")),
    (
        "corrupt",
        (
            "crc mismatch",
            "file corrupt",
            "data inconsistency",
            "corrupt alarm",
            "checkinitialhashkv failed",
            "snapshot file integrity",
            "invalid database",
            "failed to recover v3 backend",
            "unexpected eof",
        ),
    ),
)
_LOUD = ("error", "dpanic", "panic", "fatal")


def why(state: State, lines: Iterable[str]) -> str:
    """Return the kind and the reason; empty when it ended as it was told to.

    Args:
        state: of the unit, which does not run.
        lines: the last that it wrote, the newest last.
    """
    said = list(lines)
    for kind, words in _KINDS:
        for line in reversed(said):
            if any(word in line.lower() for word in words):
                return f"{kind}: {_sentence(line)}"
    if state.result == "success":
        return ""
    loud = [line for line in said if _level(line) in _LOUD] or [line for line in said if line.strip()]
    last = _sentence(loud[-1]) if loud else "it wrote nothing"
    return f"failed: etcd ended with {'signal' if state.result == 'signal' else 'status'} {state.status}: {last}"


def _level(line: str) -> str:
    return str(_fields(line).get("level", ""))


def _sentence(line: str) -> str:
    """Return a line of etcd's log as a person reads it."""
    fields = _fields(line)
    parts: List[str] = [str(fields[name]) for name in ("msg", "error", "path") if fields.get(name)]
    return ": ".join(parts) or line.strip()[:300]


def _fields(line: str) -> "dict[str, object]":
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
