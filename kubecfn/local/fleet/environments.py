"""One Lambda execution environment: the unpacked code, the role's credentials and the warm worker process.

Sources: Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", "Defined runtime environment
variables", "Configure Lambda function timeout". A timeout is counted in real seconds: the worker's
Python, and what it waits for, do not run faster because the clock does.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from kubecfn.local.api import ServiceError
from kubecfn.local.world import World

WORKER = Path(__file__).with_name("worker.py")
# STS gives an hour; an environment is replaced before its credentials end, as Lambda replaces its own.
LONGEST_LIFE_REAL = 2700.0


@dataclass(frozen=True)
class Result:
    """How one invocation ended.

    Attributes:
        payload: JSON, the handler's answer or the error.
        error: ``Unhandled`` or empty.
        log: what was printed.
    """

    payload: bytes
    error: str
    log: str


class RoleClients:
    """Makes boto3 clients for given credentials; one session for all, because reading a service's model is slow."""

    def __init__(self) -> None:
        self._session: Any = boto3.Session()
        self._lock = threading.Lock()

    def __call__(self, service: str, region: str, endpoint: str, keys: Mapping[str, Any]) -> Any:
        """Return a client that acts with these credentials of STS."""
        with self._lock:
            return self._session.client(
                service,
                region_name=region,
                endpoint_url=endpoint,
                aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys["SessionToken"],
            )


class Environment:
    """A warm environment of one function as it is configured now.

    Args:
        world: surroundings.
        clients: makes clients that act as the role.
        configuration: GetFunctionConfiguration's answer.
        region: the function's.
        code: the zip.

    Raises:
        ServiceError: the role cannot be assumed, or the runtime is not Python.
    """

    def __init__(
        self, world: World, clients: RoleClients, configuration: Mapping[str, Any], region: str, code: bytes
    ) -> None:
        self.configuration = dict(configuration)
        self._clients = clients
        self._world = world
        self._region = region
        self._born = time.monotonic()
        if not str(configuration.get("Runtime", "")).startswith("python3"):
            raise ServiceError(
                "InvalidParameterValueException", f"Not emulated: runtime {configuration.get('Runtime')}."
            )
        self._keys = _assume(world, region, configuration)
        self.folder = world.workdir / "functions" / f"{configuration['FunctionName']}-{time.monotonic_ns()}"
        self.folder.mkdir(parents=True)
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            archive.extractall(self.folder / "code")
        self._output = self.folder / "output.log"
        self._logs: Any = None
        self._ending, self._ended = threading.Lock(), False
        self.stream = f"{world.clock.now():%Y/%m/%d}/[$LATEST]{time.monotonic_ns():032x}"
        self._start()

    @property
    def fresh(self) -> bool:
        """Whether it may serve another invocation."""
        return self._process.poll() is None and time.monotonic() - self._born < LONGEST_LIFE_REAL

    @property
    def log_group(self) -> str:
        """Where its output goes."""
        logging = self.configuration.get("LoggingConfig") or {}
        return str(logging.get("LogGroup") or f"/aws/lambda/{self.configuration['FunctionName']}")

    def client(self, service: str, region: str) -> Any:
        """Return a boto3 client that acts as the function's role: for what Lambda does in its name."""
        return self._clients(service, region, self._world.endpoint(), self._keys)

    def run(self, event: Any, request_id: str) -> Result:
        """Run one event and wait for its end, for a crash, or for the timeout; the last two end the environment."""
        timeout = float(self.configuration["Timeout"])
        before = self._output.stat().st_size
        request = {
            "event": event,
            "id": request_id,
            "arn": self.configuration["FunctionArn"],
            "timeout": timeout,
        }
        began = time.monotonic()
        line = self._ask(json.dumps(request), began + timeout)
        answer = (
            json.loads(line)
            if line
            else {"error": self._end(request_id, timed_out=time.monotonic() - began >= timeout)}
        )
        with self._output.open("rb") as output:
            output.seek(before)
            printed = output.read().decode(errors="replace")
        duration = (time.monotonic() - began) * 1000
        log = f"START RequestId: {request_id} Version: $LATEST\n{printed}END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: {duration:.2f} ms\n"
        self._write_log(log)
        if "error" in answer:
            return Result(json.dumps(answer["error"]).encode(), "Unhandled", log)
        return Result(str(answer["result"]).encode(), "", log)

    def close(self) -> None:
        """End the worker and whatever it started; once, because its number may be somebody else's afterwards."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._to.close()
        self._from.close()

    def _start(self) -> None:
        asked, to_worker = os.pipe()
        from_worker, answered = os.pipe()
        # File objects, because closing one twice is harmless; a number may be somebody else's by then.
        self._to, self._from = os.fdopen(to_worker, "wb"), os.fdopen(from_worker, "rb", buffering=0)
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    str(WORKER),
                    str(asked),
                    str(answered),
                    str(self.folder / "code"),
                    str(self.configuration["Handler"]),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._variables(),
                pass_fds=(asked, answered),
                start_new_session=True,
            )
        os.close(asked)
        os.close(answered)

    def _variables(self) -> dict[str, str]:
        it = self.configuration
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            **(it.get("Environment") or {}).get("Variables", {}),
            "_HANDLER": it["Handler"],
            "LAMBDA_TASK_ROOT": str(self.folder / "code"),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{it['Runtime']}",
            "AWS_LAMBDA_FUNCTION_NAME": it["FunctionName"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(it["MemorySize"]),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": self.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ENDPOINT_URL": self._world.endpoint(),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": self._keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self._keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self._keys["SessionToken"],
        }

    def _ask(self, request: str, deadline: float) -> bytes:
        """Return the worker's line, or nothing when it died or took too long."""
        answer = b""
        # ValueError: closed by another thread while this one waited.
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._to.write(request.encode() + b"\n")
            self._to.flush()
            while not answer.endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self._from], [], [], left)[0]:
                    return b""
                chunk = self._from.read(65_536)
                if not chunk:
                    return b""
                answer += chunk
        return answer

    def _end(self, request_id: str, *, timed_out: bool) -> dict[str, Any]:
        self.close()
        if timed_out:
            seconds = float(self.configuration["Timeout"])
            stamp = f"{self._world.clock.now():%Y-%m-%dT%H:%M:%S.000Z}"
            return {"errorMessage": f"{stamp} {request_id} Task timed out after {seconds:.2f} seconds"}
        words = f"RequestId: {request_id} Error: Runtime exited with error: exit status {self._process.returncode}"
        return {"errorType": "Runtime.ExitError", "errorMessage": words}

    def _write_log(self, text: str) -> None:
        """Write as the function's role; without the right there are simply no logs, as on AWS."""
        at = int(self._world.clock.now().timestamp() * 1000)
        try:
            if self._logs is None:
                self._logs = self.client("logs", self._region)
                self._make_stream()
            lines = [{"timestamp": at, "message": line} for line in text.splitlines() if line]
            self._logs.put_log_events(logGroupName=self.log_group, logStreamName=self.stream, logEvents=lines)
        except Exception:  # noqa: BLE001  a function whose logs cannot be written still answers
            return

    def _make_stream(self) -> None:
        try:
            self._logs.create_log_stream(logGroupName=self.log_group, logStreamName=self.stream)
        except self._logs.exceptions.ResourceNotFoundException:
            self._logs.create_log_group(logGroupName=self.log_group)
            self._logs.create_log_stream(logGroupName=self.log_group, logStreamName=self.stream)


def _assume(world: World, region: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer = world.client("sts", region).assume_role(
            RoleArn=configuration["Role"], RoleSessionName=str(configuration["FunctionName"])[:64]
        )
    except Exception as error:
        raise ServiceError(
            "InvalidParameterValueException",
            f"The role defined for the function cannot be assumed by Lambda. ({error})",
        ) from error
    keys: dict[str, Any] = answer["Credentials"]
    return keys
