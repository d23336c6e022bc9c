"""``python -m tests.rehearsal.programs [MINOR …]``: build what a Kubernetes minor's nodes run and is not in the cache yet."""

from __future__ import annotations

import sys

from kubecfn.errors import KubecfnError
from tests.rehearsal import programs


def main(wanted: list[str]) -> int:
    """Build; print where each program is."""
    known = programs.lines()
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        sys.stderr.write(f"Kubernetes {unknown[0]} is not pinned here; name {', '.join(known)}, or nothing for all.\n")
        return 2
    try:
        for line in wanted or known:
            recipes = (programs.kubernetes(line), *programs.around(line), programs.helm())
            for path in programs.build(recipes, _report).values():
                sys.stdout.write(f"{path}\n")
    except KubecfnError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _report(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
