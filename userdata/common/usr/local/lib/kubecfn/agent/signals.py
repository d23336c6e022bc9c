"""The one signal this instance sends to its stack, after the log line that says why it failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.etcd.journal import say

from .node import Instance
from .nodelog import NodeLog
from .patience import Patience
from .steps import StepFailed

SENT = "var/lib/kubecfn/signalled"


class Stack:
    """The stack as this instance sees it.

    Args:
        root: what stands for ``/``.
        instance: who signals.
        patience: how long a call is tried again.

    Attributes:
        log: where a failed step is written first.
    """

    def __init__(self, root: Path, instance: Instance, patience: Patience) -> None:
        self._sent = root / SENT
        self._instance = instance
        self._patience = patience
        self.log = NodeLog(root, instance)

    def signal(self, status: str) -> None:
        """Signal ``SUCCESS`` or ``FAILURE``, once in this instance's life.

        A later boot says nothing: during someone's update its word would count for an instance that is new.

        Raises:
            ClientError: AWS kept refusing the call.
            BotoCoreError: AWS could not be reached.
        """
        if self._sent.exists():
            say("no-signal", f"this instance has signalled {self._sent.read_text().strip()} before", status=status)
            return
        cloudformation = self._client("cloudformation")
        try:
            self._try(lambda: cloudformation.signal_resource(Status=status, **self._instance.signal))
            say("signal", "the stack was told", status=status, **self._instance.signal)
        except ClientError as error:
            if not _is_not_waiting(error):
                raise
            # AWS CloudFormation API Reference, SignalResource: only a resource in progress takes signals. So it is
            # for every instance that its group starts by itself.
            say("signal-not-wanted", str(error), status=status)
        self._sent.parent.mkdir(parents=True, exist_ok=True)
        self._sent.write_text(status + "\n")

    def fail(self, failed: StepFailed) -> None:
        """Say which step failed and why, in the log first: a failed signal may end this instance at once.

        Raises:
            ClientError: AWS kept refusing the signal.
            BotoCoreError: AWS could not be reached.
        """
        try:
            self.log.trouble(failed, self._try, anyway=not self._sent.exists())
        except (BotoCoreError, ClientError, OSError) as error:
            say("no-log", f"the log group did not take the reason: {error}", step=failed.step)
        self.signal("FAILURE")

    def _client(self, service: Any) -> Any:
        return boto3.client(service, region_name=self._instance.region)

    def _try(self, call: Callable[[], object]) -> None:
        self._patience.retry(call, on=(BotoCoreError, ClientError), unless=_is_not_waiting)


def _is_not_waiting(error: Exception) -> bool:
    return isinstance(error, ClientError) and error.response["Error"]["Code"] == "ValidationError"
