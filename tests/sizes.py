"""No module over 400 lines, no function over 60: even admired projects let one core file grow, so it is a check."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST_MODULE, LONGEST_FUNCTION = 400, 60
ROOT = Path(__file__).parent.parent
PLACES = ("kubecfn", "lambdas", "userdata", "benchmarks", "tests")


def too_long(path: Path) -> Iterator[str]:
    """Yield a sentence for each thing in `path` that wants splitting."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT)
    lines = text.count("\n")
    if lines > LONGEST_MODULE:
        yield f"{name}: {lines} lines; a module ends at {LONGEST_MODULE}. Split it by what it owns."
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (
                (node.end_lineno or node.lineno) - node.lineno + 1 - len((ast.get_docstring(node) or "").splitlines())
            )
            if length > LONGEST_FUNCTION:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines; a function ends at {LONGEST_FUNCTION}. Name what is inside."


def main() -> int:
    """Print what is too long; 1 when there is any."""
    found = [line for place in PLACES for path in sorted((ROOT / place).rglob("*.py")) for line in too_long(path)]
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
