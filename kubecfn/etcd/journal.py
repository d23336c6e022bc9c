"""One JSON line per decision, with its reason: what a person reads who wants to know why."""

from __future__ import annotations

import json
import sys
from typing import Any


def say(decision: str, reason: str, **about: Any) -> None:
    """Write one line to standard output, where CloudWatch Logs and the node's journal pick it up.

    Args:
        decision: what was decided, in a word or two.
        reason: why, as a clause a person can act on.
        about: what it was decided about, e.g. ``instance="i-0abc"``; has to be JSON.
    """
    sys.stdout.write(json.dumps({"decision": decision, "reason": reason, **about}) + "\n")
    sys.stdout.flush()
