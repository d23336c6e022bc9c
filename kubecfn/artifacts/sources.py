"""Where the trees that artifacts are made from lie, and what of them is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import kubecfn
from kubecfn.artifacts.archive import Entry
from kubecfn.errors import FileError

PACKAGE = Path(kubecfn.__file__).parent
_PROGRAMS = "usr/local/bin/"


def data_root(name: Literal["lambdas", "userdata", "config"]) -> Path:
    """Return the folder with the functions' or nodes' files or the example configurations: inside an installed package, else of the checkout.

    Raises:
        FileError: there is neither.
    """
    for candidate in (PACKAGE / "_data" / name, PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileError(
        f"The {name} folder is neither in {PACKAGE / '_data'} nor in {PACKAGE.parent}.",
        remedy="Install kubecfn again from a complete wheel or run it from a complete checkout.",
    )


def tree(root: Path, *, below: str = "") -> Iterator[Entry]:
    """Yield every file below `root` as it goes into an archive, its path put below `below`.

    Modes follow a rule, since neither a wheel nor every checkout keeps them: 0755 for what lies in ``usr/local/bin``
    or starts with ``#!``, 0644 for the rest. Dot files and ``__pycache__`` are left out.

    Raises:
        FileError: a file cannot be read.
    """
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root)
        if not file.is_file() or any(part.startswith(".") or part == "__pycache__" for part in path.parts):
            continue
        data = read(file)
        runs = path.as_posix().startswith(_PROGRAMS) or data.startswith(b"#!")
        yield Entry(below + path.as_posix(), 0o755 if runs else 0o644, data)


def read(file: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        FileError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise FileError(
            f"{file} cannot be read: {error.strerror}.", remedy="Make it readable for you and run the command again."
        ) from error
