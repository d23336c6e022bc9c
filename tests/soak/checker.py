"""Are histories linearizable? Asks porcupine, through the small Go program beside this file, built once."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubecfn.local import programs
from kubecfn.local.programs import recipe

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Verdict:
    """About one key. `unplaced`: the first operations that fit behind no order of the others."""

    key: str
    verdict: str  # ok, illegal, unknown: the time was not enough
    operations: int
    placed: int
    unplaced: tuple[dict[str, Any], ...] = ()


def program() -> Path:
    """Return the built checker; its name holds the hash of its source."""
    sources = sorted(path for path in _HERE.rglob("*") if path.suffix in {".go", ".mod", ".sum"})
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    target = programs.cache() / f"checker-{digest}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with recipe.alone(target, lambda _: None):
        if not target.is_file():
            aside = Path(tempfile.mkdtemp(prefix=".checker-", dir=target.parent))
            command = ["build", "-trimpath", "-mod=readonly", "-o", str(aside / "checker"), "./checker"]
            recipe.go(command, _HERE, "the checker of histories", lambda _: None)
            (aside / "checker").rename(target)
            shutil.rmtree(aside)
    return target


def check(lines: Iterable[str], seconds: int = 30) -> list[Verdict]:
    """Return a verdict for every key of a history.

    Args:
        lines: as `histories.Operation.line` writes them.
        seconds: for one key; more makes the verdict "unknown".

    Raises:
        ValueError: a line is no operation.
    """
    command = [program(), "-limit", f"{seconds}s"]
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return [
        Verdict(**{**found, "unplaced": tuple(found.get("unplaced", ()))})
        for found in map(json.loads, done.stdout.splitlines())
    ]
