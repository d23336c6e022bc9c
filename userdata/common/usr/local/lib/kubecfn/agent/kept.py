"""What was asked of AWS once in an instance's life, and is on its disk since: a later boot asks nobody."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar

from . import disk

Facts = TypeVar("Facts")


def read(path: Path, kind: Callable[..., Facts], instance: str) -> Optional[Facts]:
    """Return what is kept; None when nothing is, when it has other fields, or was another instance's.

    Args:
        path: of the file.
        kind: a dataclass with the field ``instance``.
        instance: this one's id.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return kind(**told) if told["instance"] == instance else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(path: Path, facts: Any) -> None:
    """Keep a dataclass.

    Raises:
        OSError: the disk refused.
    """
    disk.write(path, json.dumps(asdict(facts)) + "\n")
