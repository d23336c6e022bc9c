"""Lambda's invocations: the environments of every function, and the synchronous Invoke.

Functions, policies and configurations are moto's; what runs is ours. One environment per function runs one event at a time
unless `concurrency` says more: others wait, where AWS would start more environments. Reserved concurrency 0 throttles.
Source: Lambda API reference, Invoke.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from kubecfn.local.api import Answer, Call, ServiceError
from kubecfn.local.fleet.environments import Environment, Result, RoleClients
from kubecfn.local.world import World

LARGEST = {"RequestResponse": 6 * 1024 * 1024, "Event": 1024 * 1024, "DryRun": 6 * 1024 * 1024}
# Region, function name -> the deployed zip.
CodeOf = Callable[[str, str], bytes]
# Region, function name, payload: queues an asynchronous event.
Later = Callable[[str, str, bytes], None]


@dataclass
class _Pool:
    """The environments of one function."""

    permits: threading.BoundedSemaphore
    lock: threading.Lock = field(default_factory=threading.Lock)
    idle: list[Environment] = field(default_factory=list)
    busy: set[Environment] = field(default_factory=set)
    last: Environment | None = None


class Functions:
    """Runs functions.

    Args:
        world: surroundings.
        code_of: reads a function's zip.
        concurrency: environments per function at most.
    """

    def __init__(self, world: World, code_of: CodeOf, *, concurrency: int = 1) -> None:
        self._world = world
        self._code_of = code_of
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._clients = RoleClients()
        self._pools: dict[tuple[str, str], _Pool] = {}
        self._closed = False

    def run(self, region: str, name: str, event: Any, request_id: str) -> Result:
        """Run one event in a warm environment, or a new one, and wait for its end.

        Raises:
            ServiceError: no such function, throttled, or no environment can be made.
        """
        configuration = self.configuration(region, name)
        pool = self._pool(region, name)
        with pool.permits:
            environment = self._environment(pool, region, configuration)
            try:
                return environment.run(event, request_id)
            finally:
                with pool.lock:
                    pool.busy.discard(environment)
                    if environment.fresh and not self._closed:
                        pool.idle.append(environment)
                    else:
                        environment.close()

    def configuration(self, region: str, name: str) -> dict[str, Any]:
        """Return GetFunctionConfiguration's answer.

        Raises:
            ServiceError: as Lambda answers it.
        """
        try:
            found: dict[str, Any] = self._world.client("lambda", region).get_function_configuration(FunctionName=name)
        except ClientError as error:
            words, about = error.response["Error"], error.response["ResponseMetadata"]
            raise ServiceError(words["Code"], words["Message"], about["HTTPStatusCode"]) from error
        found.pop("ResponseMetadata", None)
        return found

    def client_as(self, region: str, name: str, service: str, service_region: str) -> Any:
        """Return a boto3 client that acts as a function's role, or None when it never had an environment."""
        with self._lock:
            pool = self._pools.get((region, name))
        return pool.last.client(service, service_region) if pool and pool.last else None

    def close(self) -> None:
        """End every environment; what runs is cut."""
        self._closed = True
        with self._lock:
            pools = list(self._pools.values())
        for pool in pools:
            with pool.lock:
                environments = [*pool.idle, *pool.busy]
            for environment in environments:
                environment.close()

    def _pool(self, region: str, name: str) -> _Pool:
        reserved = self._world.client("lambda", region).get_function_concurrency(FunctionName=name)
        if reserved.get("ReservedConcurrentExecutions") == 0:
            raise ServiceError("TooManyRequestsException", "Rate Exceeded.", 429)
        with self._lock:
            if (region, name) not in self._pools:
                self._pools[region, name] = _Pool(threading.BoundedSemaphore(self._concurrency))
            return self._pools[region, name]

    def _environment(self, pool: _Pool, region: str, configuration: dict[str, Any]) -> Environment:
        """Take an idle environment of this very code and configuration; close those of older ones."""
        with pool.lock:
            while pool.idle:
                found = pool.idle.pop()
                if found.fresh and found.configuration == configuration:
                    pool.busy.add(found)
                    return found
                found.close()
        code = self._code_of(region, configuration["FunctionName"])
        made = Environment(self._world, self._clients, configuration, region, code)
        with pool.lock:
            pool.busy.add(made)
            pool.last = made
            if not self._closed:
                return made
        made.close()
        raise ServiceError("ServiceException", "The embedded AWS is closing.", 500)


def invoke(functions: Functions, later: Later, call: Call) -> Answer:
    """Invoke: RequestResponse, Event or DryRun."""
    name = short_name(str(call.params["FunctionName"]))
    kind = str(call.params.get("InvocationType") or "RequestResponse")
    payload = _payload(call.params.get("Payload"))
    if len(payload) > LARGEST[kind]:
        words = f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {LARGEST[kind]} bytes)"
        raise ServiceError("RequestTooLargeException", words, 413)
    try:
        event = json.loads(payload)
    except ValueError as error:
        words = f"Could not parse request body into json: {error}"
        raise ServiceError("InvalidRequestContentException", words) from error
    if kind != "RequestResponse":
        functions.configuration(call.region, name)
    if kind == "DryRun":
        return {"StatusCode": 204, "Payload": b""}
    if kind == "Event":
        later(call.region, name, payload)
        return {"StatusCode": 202, "Payload": b""}
    result = functions.run(call.region, name, event, str(uuid.uuid4()))
    answer: Answer = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": result.payload}
    if result.error:
        answer["FunctionError"] = result.error
    if call.params.get("LogType") == "Tail":
        answer["LogResult"] = base64.b64encode(result.log.encode()[-4096:]).decode()
    return answer


def short_name(function: str) -> str:
    """Return the name in a function name, ARN or partial ARN.

    Raises:
        ServiceError: a version or alias is asked for.
    """
    name, qualifier = function, ""
    if ":function:" in function:
        name, _, qualifier = function.split(":function:", 1)[1].partition(":")
    elif ":" in function:
        name, _, qualifier = function.partition(":")
    if qualifier not in {"", "$LATEST"}:
        raise ServiceError("ResourceNotFoundException", f"Not emulated: version or alias {qualifier} of {name}.", 404)
    return name


def _payload(value: Any) -> bytes:
    if value is None or value in {b"", ""}:
        return b"{}"
    if hasattr(value, "read"):
        value = value.read()
    return value if isinstance(value, bytes) else str(value).encode()
