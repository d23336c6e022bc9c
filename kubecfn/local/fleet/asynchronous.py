"""Asynchronous invocations: a queue per event, retries on the clock, and records for destinations.

Sources: Lambda Developer Guide, "Asynchronous invocation" (two retries, after one and two minutes; throttled events are
tried again for up to six hours), "Capturing records of Lambda asynchronous invocations".
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.local.api import ServiceError
from kubecfn.local.fleet.agenda import Agenda
from kubecfn.local.fleet.environments import Result
from kubecfn.local.fleet.functions import Functions, short_name
from kubecfn.local.world import World

LOG = logging.getLogger("kubecfn.local")
RETRY_AFTER = (60.0, 120.0)
THROTTLED_AGAIN, LONGEST_AGE = 60.0, 21_600


@dataclass
class _Queued:
    """One asynchronous event."""

    region: str
    name: str
    payload: bytes
    born: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0


class Queue:
    """Events that functions are to run sooner or later; each attempt has a short thread of its own.

    Args:
        world: surroundings.
        agenda: wakes retries.
        functions: run them.
    """

    def __init__(self, world: World, agenda: Agenda, functions: Functions) -> None:
        self._world = world
        self._agenda = agenda
        self._functions = functions
        self._threads: set[threading.Thread] = set()
        self._closed = False

    def later(self, region: str, function: str, payload: bytes) -> None:
        """Queue an event for a function, named or by ARN."""
        self._start(_Queued(region, short_name(function), payload, self._world.clock.monotonic()))

    def close(self) -> None:
        """Begin no more attempts, and wait for those that run; end the functions first."""
        self._closed = True
        for thread in list(self._threads):
            thread.join(10)

    def stop(self) -> None:
        """Begin no more attempts."""
        self._closed = True

    def _start(self, queued: _Queued) -> None:
        if self._closed:
            return
        thread = threading.Thread(target=self._attempt, args=(queued,), name=f"invoke-{queued.name}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _attempt(self, queued: _Queued) -> None:
        try:
            self._attempt_now(queued)
        except Exception:
            if not self._closed:
                LOG.exception("the asynchronous invocation %s of %s failed", queued.id, queued.name)
        finally:
            self._threads.discard(threading.current_thread())

    def _attempt_now(self, queued: _Queued) -> None:
        policy = self._policy(queued)
        age = self._world.clock.monotonic() - queued.born
        if age > policy.get("MaximumEventAgeInSeconds", LONGEST_AGE):
            self._record(queued, policy, "EventAgeExceeded", None)
            return
        try:
            result = self._functions.run(queued.region, queued.name, json.loads(queued.payload), queued.id)
        except ServiceError as error:
            # A function deleted meanwhile is silence, as on AWS.
            if error.code != "ResourceNotFoundException":
                self._agenda.after(THROTTLED_AGAIN, lambda: self._start(queued))
            return
        queued.attempts += 1
        if not result.error:
            self._record(queued, policy, "Success", result)
        elif queued.attempts > policy.get("MaximumRetryAttempts", len(RETRY_AFTER)):
            self._record(queued, policy, "RetriesExhausted", result)
        else:
            self._agenda.after(RETRY_AFTER[queued.attempts - 1], lambda: self._start(queued))

    def _policy(self, queued: _Queued) -> dict[str, Any]:
        """Return the function's EventInvokeConfig; empty when it has none."""
        client = self._world.client("lambda", queued.region)
        try:
            found: dict[str, Any] = client.get_function_event_invoke_config(FunctionName=queued.name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return {}
        return found

    def _record(self, queued: _Queued, policy: Mapping[str, Any], condition: str, result: Result | None) -> None:
        """Send the record of an event's end to its destination, if it has one."""
        which = "OnSuccess" if condition == "Success" else "OnFailure"
        arn = str(((policy.get("DestinationConfig") or {}).get(which) or {}).get("Destination") or "")
        if not arn or self._closed:
            return
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": f"{self._world.clock.now():%Y-%m-%dT%H:%M:%S.000Z}",
            "requestContext": {
                "requestId": queued.id,
                "functionArn": f"{policy['FunctionArn']}",
                "condition": condition,
                "approximateInvokeCount": queued.attempts,
            },
            "requestPayload": json.loads(queued.payload),
        }
        if result:
            record["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST"}
            record["responsePayload"] = json.loads(result.payload)
            if result.error:
                record["responseContext"]["functionError"] = result.error
        try:
            self._deliver(queued, arn, json.dumps(record))
        except (ClientError, BotoCoreError, ServiceError) as error:
            LOG.warning("the record of %s did not reach %s: %s", queued.name, arn, error)

    def _deliver(self, queued: _Queued, arn: str, body: str) -> None:
        """Deliver as the function's role: it needs the right to, as on AWS."""
        kind, region = arn.split(":")[2], arn.split(":")[3]
        client = self._functions.client_as(queued.region, queued.name, kind, region)
        if client is None:
            LOG.warning("the record of %s did not reach %s: no environment is left to act for", queued.name, arn)
            return
        match kind:
            case "sqs":
                url = client.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]
                client.send_message(QueueUrl=url, MessageBody=body)
            case "sns":
                client.publish(TopicArn=arn, Message=body)
            case "lambda":
                client.invoke(FunctionName=arn, InvocationType="Event", Payload=body)
            case _:
                LOG.warning("destinations of %s are not emulated: %s", kind, arn)
