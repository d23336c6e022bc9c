"""What people are told: every decision in the function's log, and what they should hear of beside what the node said itself."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.etcd.journal import say

STEP = "drain"
_NUMBER = re.compile(r"\d+")
# A report must not hold up what it is about.
_CALLS = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 2})


@dataclass
class Report:
    """Tells what is news: the same words about the same worker, numbers apart, are told once by an execution environment.

    Attributes:
        logs: a boto3 client.
        group: the log group that people read about nodes; each worker's stream has its id.
        told: what was said last, by place and worker.
    """

    logs: Any
    group: str
    told: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, instance: str, decision: str, reason: str, **about: Any) -> None:
        """Write a line to the function's own log."""
        if self._news("own", instance, f"{decision}: {reason}"):
            say(decision, reason, instance=instance, **about)

    def cry(self, instance: str, reason: str) -> None:
        """Write to the log of the nodes what a person should hear of; `kubecfn why` shows it."""
        if not self._news("node", instance, reason):
            return
        at = datetime.now(UTC)
        line = {"instance": instance, "step": STEP, "reason": reason, "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
        stream = {"logGroupName": self.group, "logStreamName": instance}
        try:
            self._make_stream(stream)
            event = {"timestamp": int(at.timestamp() * 1000), "message": json.dumps(line)}
            self.logs.put_log_events(**stream, logEvents=[event])
        except (ClientError, BotoCoreError) as error:
            # It is in the function's own log already.
            say("no-log", f"the log group {self.group} did not take a line: {error}", instance=instance)

    def _news(self, place: str, instance: str, words: str) -> bool:
        what = _NUMBER.sub("#", words)
        news = self.told.get((place, instance)) != what
        self.told[place, instance] = what
        return news

    def _make_stream(self, stream: dict[str, str]) -> None:
        try:
            self.logs.create_log_stream(**stream)
        except self.logs.exceptions.ResourceAlreadyExistsException:
            return


@cache
def report(group: str) -> Report:
    """Return the reports of this execution environment."""
    return Report(boto3.client("logs", config=_CALLS), group)
