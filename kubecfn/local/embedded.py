"""The composition: clock, gate, moto and our own services as one emulated account behind one loopback address."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubecfn.errors import KubecfnError
from kubecfn.local import backend, identity
from kubecfn.local.api import Handler, Service
from kubecfn.local.clock import Clock, ScaledClock
from kubecfn.local.faults import Faults
from kubecfn.local.gate import Gate, Rules
from kubecfn.local.iam.authorize import Authorizer
from kubecfn.local.recorder import Recorder
from kubecfn.local.s3 import BucketPolicies, refuse_strangers
from kubecfn.local.server import Server
from kubecfn.local.sessions import GateSession, ServiceClients
from kubecfn.local.world import World

ACCOUNT = "123456789012"
_running = threading.Lock()
_PROFILE = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")


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
            # moto makes boto3 sessions of its own; the person's profile, which may not exist, has no say in them.
            self._profile = {name: os.environ.pop(name) for name in _PROFILE if name in os.environ}
            self._services: list[Service] = []
            self._clients = ServiceClients(lambda: self.endpoint, identity.service_keys(self.account))
            backend.reset()
            self._gate = self._make_gate()
            self._server = Server(self._gate, port)
            self.endpoint = self._server.endpoint
            self._compose()
        except BaseException:
            _running.release()
            raise

    def _make_gate(self) -> Gate:
        return Gate(
            backend=backend.application(),
            account=self.account,
            rules=Rules(Authorizer(self._clients), (refuse_strangers,)),
            recorder=self.recorder,
            faults=self.faults,
            clock=self.clock,
            log=self._log,
        )

    def _compose(self) -> None:
        """Start our own services and hand their operations to the gate."""
        world = World(self.clock, self.account, self._clients, lambda: self.endpoint, self._workdir)
        operations: dict[tuple[str, str], Handler] = dict(BucketPolicies().operations())
        for name, arguments in (("cloudformation", (world,)), ("fleet", (world, self._machines))):
            try:
                service = importlib.import_module(f"kubecfn.local.{name}").service(*arguments)
            except (ImportError, AttributeError):
                continue
            self._services.append(service)
            operations |= service.operations
        self._gate.operations = operations

    def session(self, *, region: str | None = None, account: str = ACCOUNT) -> GateSession:
        """Return a session of an account's operator; every client made from it is pointed here."""
        return GateSession(identity.operator_keys(account), region or self.region, self.endpoint)

    def role_session(self, role_arn: str, name: str, *, region: str | None = None) -> GateSession:
        """Return a session of a role, as a service would have assumed it for an instance or a function.

        Args:
            role_arn: the role; it must exist.
            name: session name: an instance's id, a function's name.
            region: instead of the embedded AWS's own.
        """
        where = region or self.region
        given = self._clients("sts", where).assume_role(RoleArn=role_arn, RoleSessionName=name)["Credentials"]
        keys = identity.Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return GateSession(keys, where, self.endpoint)

    def client(self, service: str, *, region: str | None = None, account: str = ACCOUNT) -> Any:
        """Return a boto3 client of an account's operator, pointed here."""
        return self.session(region=region, account=account).client(service)

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
            "NO_PROXY": "127.0.0.1",
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
            os.environ.update(self._profile)
            _running.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _logger(workdir: Path) -> logging.Logger:
    log = logging.getLogger("kubecfn.local")
    handler = logging.FileHandler(workdir / "aws.log", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    return log
