"""Python source without what only readers need, every line where it was, so that a traceback still points at the source."""

from __future__ import annotations

import ast
import functools
import io
import tokenize
from collections.abc import Iterator

_WITH_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def blanked(text: str) -> str:
    """Return a module with docstrings and lines that are only a comment made empty.

    A body that is nothing but a docstring keeps it, since it would be empty; so does a docstring that shares its line with
    a statement. The shebang stays. What the module does stays the same: it compiles to the same tree but for docstrings.
    Each text is worked on once, since most modules are in several archives.

    Raises:
        SyntaxError: it is no Python that this interpreter knows.
    """
    lines = text.splitlines(keepends=True)
    for first, last in (*_docstrings(ast.parse(text), lines), *_comments(text)):
        lines[first - 1 : last] = ["\n"] * (last - first + 1)
    return "".join(lines)


def _docstrings(tree: ast.Module, lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the first and last line of every docstring that can go."""
    for node in ast.walk(tree):
        if (
            isinstance(node, _WITH_DOCSTRINGS)
            and len(node.body) > 1
            and ast.get_docstring(node, clean=False) is not None
        ):
            said = node.body[0]
            first, last = said.lineno, said.end_lineno or said.lineno
            # Columns are counted in bytes of UTF-8.
            before = lines[first - 1].encode()[: said.col_offset].strip()
            after = lines[last - 1].encode()[said.end_col_offset or 0 :].strip()
            if not before and (not after or after.startswith(b"#")):
                yield first, last


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """Yield the line of every comment that stands alone."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.start
        if (
            token.type == tokenize.COMMENT
            and not token.line[:column].strip()
            and not (row == 1 and token.string[1] == "!")
        ):
            yield row, row
