"""The log group of nodes, where a person reads what only a person can mend: few lines, each one news.

1. A reason is written when it is another than the last one, numbers in it apart; half a day later it is written again, for
   whoever looks at the last day sees what still is.
2. That it is well again is written once.
3. Never more than one line a minute, whatever changes, and however often this program starts: what was written last is on
   the disk. What has to wait is written when it still holds then.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any, Callable, Dict

import boto3
from botocore.config import Config

from .node import Instance
from .steps import StepFailed

LAST = "var/lib/kubecfn/last-line.json"
MINUTE = 60.0
AGAIN = 12 * 3600.0
_NUMBER = re.compile(r"\b\d+(\.\d+)?\b")
# Who calls from a loop must not be held up for minutes, as botocore's own patience would.
CALLS = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 3})

# Does a call, perhaps several times.
Attempt = Callable[[Callable[[], object]], object]


def _once(call: Callable[[], object]) -> object:
    return call()


class NodeLog:
    """This instance's stream.

    Args:
        root: what stands for ``/``.
        instance: whose stream it is.
        clock: the time of day, in seconds.
    """

    def __init__(self, root: Path, instance: Instance, clock: Callable[[], float] = time.time) -> None:
        self._last = root / LAST
        self._instance = instance
        self._clock = clock
        self._known: Dict[str, Any] = {}

    def trouble(self, failed: StepFailed, attempt: Attempt = _once, *, anyway: bool = False) -> None:
        """Write that a step failed, if that is news.

        Args:
            failed: the step, and why.
            attempt: tries a call again.
            anyway: write it even so: what follows may end this instance.

        Raises:
            ClientError: AWS refused; it is news still.
            BotoCoreError: AWS could not be reached; the same.
            OSError: it was written, and the disk did not take that it was.
        """
        last = self._read()
        same = (last.get("step"), last.get("what")) == (failed.step, _what(failed))
        if anyway or self._passed(last, AGAIN if same else MINUTE):
            self._write({"step": failed.step, "reason": failed.reason}, _what(failed), attempt)

    def well(self, attempt: Attempt = _once) -> None:
        """Write that it is well again, if something else was written last.

        Raises:
            ClientError: AWS refused; it is news still.
            BotoCoreError: AWS could not be reached; the same.
            OSError: it was written, and the disk did not take that it was.
        """
        last = self._read()
        if last.get("what") and self._passed(last, MINUTE):
            self._write({"step": last["step"], "well": True}, "", attempt)

    def _passed(self, last: Dict[str, Any], seconds: float) -> bool:
        # Whichever way the clock was set since.
        return abs(self._clock() - float(last.get("at", -AGAIN))) >= seconds

    def _write(self, told: Dict[str, Any], what: str, attempt: Attempt) -> None:
        now = self._clock()
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        event = {
            "timestamp": int(now * 1000),
            "message": json.dumps({"instance": self._instance.id, **told, "at": at}),
        }
        logs = boto3.client("logs", region_name=self._instance.region, config=CALLS)
        attempt(lambda: _make_stream(logs, self._instance))
        attempt(lambda: logs.put_log_events(logEvents=[event], **self._instance.log))
        # Known even where a full disk does not take it.
        self._known = {"step": told["step"], "what": what, "at": now}
        self._last.parent.mkdir(parents=True, exist_ok=True)
        self._last.write_text(json.dumps(self._known) + "\n")

    def _read(self) -> Dict[str, Any]:
        """Return what was written last; nothing when that cannot be read: a line too many is better than none."""
        if self._known:
            return self._known
        try:
            told = json.loads(self._last.read_text(encoding="utf-8"))
            return {"step": str(told["step"]), "what": str(told["what"]), "at": float(told["at"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def _what(failed: StepFailed) -> str:
    return _NUMBER.sub("#", failed.reason)


def _make_stream(logs: Any, instance: Instance) -> None:
    try:
        logs.create_log_stream(**instance.log)
    except logs.exceptions.ResourceAlreadyExistsException:
        return
