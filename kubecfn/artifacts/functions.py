"""Which of our modules a function's zip holds: its own folder, and what that imports, directly or not."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from kubecfn.artifacts.archive import Entry
from kubecfn.artifacts.plain import blanked
from kubecfn.artifacts.sources import PACKAGE, data_root, read, tree

# Every folder of lambdas/ with a handler.
FUNCTIONS = ("controller_lifecycle", "etcd_backup", "etcd_discovery", "worker_lifecycle")
# The parts of this package that functions may import, beside each other's folders.
SHARED = ("etcd", "kubernetes")


def function_entries() -> dict[str, list[Entry]]:
    """Return the files of every function, by its name.

    Raises:
        FileError: a file of the package cannot be read.
        SyntaxError: a module is no Python that this interpreter knows.
    """
    sources = {entry.path: entry.data for entry in tree(data_root("lambdas"))}
    for part in SHARED:
        shared = tree(PACKAGE / part, below=f"kubecfn/{part}/")
        sources |= {entry.path: entry.data for entry in shared if entry.path.endswith(".py")}
    sources["kubecfn/__init__.py"] = read(PACKAGE / "__init__.py")
    imports = {path: _imported(path, data) for path, data in sources.items() if path.endswith(".py")}
    return {
        name: [Entry(path, 0o644, _packed(path, sources[path])) for path in _needed(name, sources, imports)]
        for name in FUNCTIONS
    }


def _packed(path: str, data: bytes) -> bytes:
    return blanked(data.decode()).encode() if path.endswith(".py") else data


def _needed(function: str, sources: Mapping[str, bytes], imports: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return the paths of a function's own folder and of every module reached from there."""
    needed: set[str] = set()
    waiting = [path for path in sources if path.startswith(f"{function}/")]
    while waiting:
        path = waiting.pop()
        if path in sources and path not in needed:
            needed.add(path)
            waiting += imports.get(path, ())
    return needed


@functools.cache
def _imported(path: str, data: bytes) -> tuple[str, ...]:
    """Return the files that a module's imports may mean: packages above included, since importing runs them, too."""
    return tuple(_named(PurePosixPath(path).parent.parts, ast.parse(data)))


def _named(here: tuple[str, ...], module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield from _files(tuple(name.name.split(".")))
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else ()
            package = (*above, *(node.module.split(".") if node.module else ()))
            yield from _files(package)
            for name in node.names:
                yield from _files((*package, name.name))


def _files(module: tuple[str, ...]) -> Iterator[str]:
    yield "/".join(module) + ".py"
    for end in range(1, len(module) + 1):
        yield "/".join((*module[:end], "__init__.py"))
