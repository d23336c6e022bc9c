"""``kubecfn smoke`` as an operator runs it, on a machine that reaches the cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.rehearsal.cluster import Cluster, DidNotHappenError

# As the CLI counts: it looks again until all is well.
WITHIN = 60
# A backup may hold pods of a worker that is no more: Kubernetes lets a minute pass before it deletes them, and what
# takes their place, metrics-server for one, is ready half a minute later.
AFTER_LOSS = 180


def smoked(cluster: Cluster, within: int = WITHIN, *, storage: bool = False) -> str:
    """Run the smoke test by its command; return what it looked at.

    Args:
        cluster: this machine resolves the names of its VPC.
        within: seconds after which something has to be wrong.
        storage: it also makes a volume.

    Raises:
        DidNotHappenError: a check is not ok; its row.
    """
    asks = (*cluster.options, "--within", str(within), "--output=json")
    command = [sys.executable, "-m", "kubecfn.cli", "smoke", *asks, *(["--storage"] if storage else [])]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=within + 120)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise DidNotHappenError(f"kubecfn smoke ended with {done.returncode}: {done.stderr[-500:]}") from None
    bad = [f"{one['name']}: {one['words']}" for one in report["checks"] if not one["ok"]]
    if bad or not report["ok"] or done.returncode:
        raise DidNotHappenError(f"kubecfn smoke ended with {done.returncode}: {'; '.join(bad) or done.stderr[-500:]}")
    told = {one["name"]: one["words"] for one in report["checks"]}
    words = [
        f"{len(told)} checks are ok",
        *(told[one] for one in ("pods, service, DNS", "certificates", "volume") if one in told),
    ]
    return "; ".join(words)
