"""What `kubecfn template` costs as a whole process, against the bare imports that such a tool cannot do without."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.row import Row, ratio
from benchmarks.timing import in_turns, with_bytecode

EMIT = ("-m", "kubecfn.cli", "template", "--config", "config/minimal-public.yaml", "--offline", "--to", "-")
# Not services of their own: what troposphere itself imports to check properties.
_INNER = frozenset({"compat", "constants", "type_defs", "validators"})


def services() -> list[str]:
    """Return the troposphere and awacs modules that emitting loads, as a process that does it says."""
    program = (
        "import sys, kubecfn.assemble\n"
        "print(*sorted(m for m in sys.modules if m.count('.') == 1 and m.split('.')[0] in ('troposphere', 'awacs')))"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    return [name for name in found if name.split(".")[1] not in _INNER]


def rows(rounds: int) -> Iterator[Row]:
    """Yield the cold start against both readings of "bare"."""
    ours = [sys.executable, *EMIT]
    used = services()
    baselines = {
        "import troposphere, boto3": "import troposphere, boto3",
        f"the same and the {len(used)} service modules used": f"import troposphere, boto3, {', '.join(used)}",
    }
    with tempfile.TemporaryDirectory() as folder:
        for what, program in baselines.items():
            theirs = [sys.executable, "-c", program]
            paired = in_turns(ours, theirs, rounds=rounds, environment=with_bytecode(Path(folder)))
            yield ratio(
                "kubecfn template, cold", f"process / {what}", paired.ratio, ours=paired.ours, theirs=paired.theirs
            )
