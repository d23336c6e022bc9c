"""What a cluster's keys and certificates cost, against openssl making the same ones."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.row import Row, ratio
from benchmarks.timing import in_turns, with_bytecode

OPENSSL = ("sh", str(Path(__file__).parent / "openssl.sh"))
_COMMAND = (
    "folder=$(mktemp -d); trap 'rm -rf \"$folder\"' EXIT; "
    '"$0" -m kubecfn.cli keys make --config config/minimal-public.yaml --build "$folder"'
)
_FUNCTION = """\
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from kubecfn import pki
with tempfile.TemporaryDirectory() as folder:
    pki.make(Path(folder) / "pki", pki.PkiSpec("bench", "https://api.bench.example.com:6443"), now=datetime.now(UTC))
"""


def rows(rounds: int) -> Iterator[Row]:
    """Yield the command and the bare function; finding an RSA key takes a random time, so many pairs decide."""
    subjects = {
        "kubecfn keys make / openssl commands": ("sh", "-c", _COMMAND, sys.executable),
        "pki.make in a bare process / openssl commands": (sys.executable, "-c", _FUNCTION),
    }
    with tempfile.TemporaryDirectory() as folder:
        for what, ours in subjects.items():
            paired = in_turns(ours, OPENSSL, rounds=rounds, environment=with_bytecode(Path(folder)))
            yield ratio("keys and certificates", what, paired.ratio, ours=paired.ours, theirs=paired.theirs)
