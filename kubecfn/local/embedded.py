"""The composition: clock, gate, moto and our own services as one emulated account behind one loopback address."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config

from kubecfn.errors import KubecfnError
from kubecfn.local import backend, identity
from kubecfn.local.api import Handler, Service
from kubecfn.local.clock import Clock, ScaledClock
from kubecfn.local.faults import Faults
from kubecfn.local.gate import Gate, Rules, Verdict
from kubecfn.local.recorder import Recorder
from kubecfn.local.server import Server
from kubecfn.local.world import World

ACCOUNT = "123456789012"
_running = threading.Lock()


class EmbeddedAws:
    """One emulated AWS account; a context manager, and running from construction on.

    Args:
        region: where `session`, `client` and `environment` point unless told otherwise.
        clock: simulated time; real time when left out.
        workdir: an existing folder for instances' roots, unpacked functions and the log ``aws.log``.
        machines: what runs instances; None leaves the choice to the fleet.
        port: 0 takes a free one.
        seed: decides where faults with a probability strike.

    Raises:
        KubecfnError: another one runs in this process (moto keeps its state per process), or the port is taken.
    """

    account = ACCOUNT

    def __init__(
        self,
        *,
        workdir: Path,
        region: str = "eu-central-1",
        clock: Clock | None = None,
        machines: Any = None,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        if not _running.acquire(blocking=False):
            raise KubecfnError(
                "An embedded AWS already runs in this process, and its state is kept once per process.",
                remedy="Close the other one first, or start this one in a process of its own.",
            )
        try:
            self.region = region
            self.clock: Clock = clock or ScaledClock(1)
            self.recorder = Recorder()
            self.faults = Faults(seed)
            self._workdir, self._machines, self._closed = workdir, machines, False
            self._log = _logger(workdir)
            self._services: list[Service] = []
            self._clients = _Clients(lambda: self.endpoint, identity.service_keys(self.account))
            backend.reset()
            self._gate = self._make_gate()
            self._server = Server(self._gate, port)
            self.endpoint = self._server.endpoint
            self._compose()
        except BaseException:
            _running.release()
            raise

    def _make_gate(self) -> Gate:
        rules = Rules(lambda _call, _caller, _protocol: Verdict(allowed=True))
        return Gate(backend.application(), {}, self.account, rules, self.recorder, self.faults, self.clock, self._log)

    def _compose(self) -> None:
        """Start our own services and hand their operations to the gate."""
        world = World(self.clock, self.account, self._clients, lambda: self.endpoint, self._workdir)
        operations: dict[tuple[str, str], Handler] = {}
        for name, arguments in (("cloudformation", (world,)), ("fleet", (world, self._machines))):
            try:
                service = importlib.import_module(f"kubecfn.local.{name}").service(*arguments)
            except (ImportError, AttributeError):
                continue
            self._services.append(service)
            operations |= service.operations
        self._gate.operations = operations

    def session(self, *, region: str | None = None, account: str = ACCOUNT) -> boto3.Session:
        """Return a session signed as an account's operator; clients made from it need `endpoint_url` or `environment`."""
        keys = identity.operator_keys(account)
        return boto3.Session(keys.access_key, keys.secret, region_name=region or self.region)

    def client(self, service: str, *, region: str | None = None, account: str = ACCOUNT) -> Any:
        """Return a boto3 client of an account's operator, pointed here."""
        return self.session(region=region, account=account).client(service, endpoint_url=self.endpoint)

    def environment(self, *, account: str = ACCOUNT) -> dict[str, str]:
        """Return the environment variables that point any AWS program at this account as its operator."""
        keys = identity.operator_keys(account)
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def reset(self) -> None:
        """Start over with an empty account behind the same address: nothing exists, no call and no fault is kept."""
        self._close_services()
        with self._gate.moto_lock:
            backend.reset()
        self.faults.clear()
        self._compose()
        self.recorder.clear()

    def _close_services(self) -> None:
        while self._services:
            self._services.pop().close()

    def close(self) -> None:
        """End the services, the server and what they started; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._close_services()
        finally:
            self._clients.close()
            self._server.close()
            for handler in list(self._log.handlers):
                self._log.removeHandler(handler)
                handler.close()
            _running.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Clients:
    """Clients the services use among themselves: one per service and region, made once because making is slow.

    Attempts are not repeated: a service of ours that hurts itself should be seen, not smoothed over.
    """

    def __init__(self, endpoint: Callable[[], str], keys: identity.Keys) -> None:
        self._endpoint = endpoint
        self._session = boto3.Session(keys.access_key, keys.secret)
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Any] = {}
        self._config = Config(retries={"total_max_attempts": 1}, max_pool_connections=50, read_timeout=120)

    def __call__(self, service: str, region: str) -> Any:
        with self._lock:
            if (service, region) not in self._made:
                self._made[service, region] = self._session.client(
                    service, region_name=region, endpoint_url=self._endpoint(), config=self._config
                )
            return self._made[service, region]

    def close(self) -> None:
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()


def _logger(workdir: Path) -> logging.Logger:
    log = logging.getLogger("kubecfn.local")
    handler = logging.FileHandler(workdir / "aws.log", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    return log
