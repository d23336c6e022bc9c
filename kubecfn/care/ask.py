"""Asking etcd through the one function that can reach it: the operator's machine cannot, a private network is in between.

Source: AWS Lambda API reference, "Invoke" (RequestResponse, FunctionError); Lambda Developer Guide, "Error handling".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.errors import KubecfnError

# The function ends itself after a minute (its Timeout); whoever asks waits a little longer than it can take.
STATUS_SECONDS = 75.0
_ATTEMPTS = 3
_MORE = "Its log says more: kubecfn why, or the log group /kubecfn/{cluster}/etcd-backup."


class SilentError(KubecfnError):
    """Nobody could say how etcd is; that says nothing about etcd itself."""


class RefusedError(KubecfnError):
    """The function was asked for something and says, in its own words, why it was not done."""


@dataclass(frozen=True)
class Function:
    """The function that reaches etcd.

    Attributes:
        client: of Lambda.
        name: of the function.
        cluster: for remedies.
    """

    client: Any
    name: str
    cluster: str

    def ask(self, question: Mapping[str, str]) -> dict[str, Any]:
        """Return the function's answer.

        Args:
            question: ``{"ask": "status"}``, ``{"ask": "defrag", "instance": "i-…"}``, ``{"ask": "compact"}`` or
                ``{"ask": "disarm"}``.

        Raises:
            RefusedError: it says why it does not do it; nothing was done.
            SilentError: it could not be asked, did not end in time, failed, or answered what nobody here understands.
            AwsError: AWS refuses the call itself: no right to it, no credentials.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  boto3 loads in functions only

        with doing(f"asking the function {self.name} about etcd"):
            try:
                answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(dict(question)).encode())
                payload = answer["Payload"].read()
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
                raise self._silent("is not there any more") from error
            except BotoCoreError as error:
                if type(error).__name__ not in {"ReadTimeoutError", "ConnectionClosedError"}:
                    raise
                raise self._silent("did not answer in time") from error
        if answer.get("FunctionError"):
            kind, words = _told(payload)
            if kind == "RefusedError":
                raise RefusedError(f"{words}.")
            raise self._silent(_failure(kind, words))
        return self._understood(payload)

    def _understood(self, payload: bytes) -> dict[str, Any]:
        try:
            told = json.loads(payload)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise self._silent("answered what this kubecfn does not understand")
        return told

    def _silent(self, clause: str) -> SilentError:
        return SilentError(f"The function {self.name} {clause}.", remedy=_MORE.format(cluster=self.cluster))


def function(aws: Aws, name: str, cluster: str, *, seconds: float = STATUS_SECONDS, once: bool = False) -> Function:
    """Return the function to ask.

    Args:
        aws: account and region.
        name: of the function; empty when the stack has none.
        cluster: for remedies.
        seconds: how long an answer may take.
        once: never ask again when the answer was lost: what is asked for is work, not a look.

    Raises:
        SilentError: there is no such function.
    """
    from botocore.config import Config  # noqa: PLC0415  boto3 loads in functions only

    if not name:
        raise SilentError(
            f"The stack {cluster} has no function EtcdBackup, through which etcd could be asked.",
            remedy="Bring the stack to its configuration with: kubecfn apply.",
        )
    retries: Any = {"mode": "standard", "total_max_attempts": 1 if once else _ATTEMPTS}
    config = Config(retries=retries, connect_timeout=10, read_timeout=seconds, user_agent_extra="kubecfn")
    with doing("setting up the lambda client"):
        return Function(aws.session.client("lambda", region_name=aws.region, config=config), name, cluster)


def _told(payload: bytes) -> tuple[str, str]:
    """Return the kind of a function's failure and its words."""
    try:
        told = json.loads(payload)
        return str(told.get("errorType", "")), " ".join(str(told.get("errorMessage", "")).split()).rstrip(".")
    except (ValueError, AttributeError):
        return "", ""


def _failure(kind: str, words: str) -> str:
    """Return what became of a function that failed, as a clause."""
    if "timed out" in words:
        return f"did not end in time ({words})"
    return f"failed: {kind}: {words}" if kind and words else f"failed: {words or kind or 'it did not say why'}"
