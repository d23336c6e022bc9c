"""``python -m kubecfn.local.programs``: build every pinned program that is not in the cache yet."""

from __future__ import annotations

import sys

from kubecfn.errors import KubecfnError
from kubecfn.local.programs import etcd, releases


def main() -> int:
    """Build; print where each release is."""
    try:
        for version in releases():
            sys.stdout.write(f"{etcd(version, lambda text: print(text, file=sys.stderr, flush=True))}\n")  # noqa: T201  progress
    except KubecfnError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
