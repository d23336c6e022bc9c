"""The composition: clock, gate, moto and our own services as one emulated account behind one loopback address."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubecfn.errors import KubecfnError
from kubecfn.local import backend, balancers, identity, zones
from kubecfn.local.api import Handler, Service, View
from kubecfn.local.clock import Clock, ScaledClock
from kubecfn.local.faults import Faults
from kubecfn.local.gate import Gate, Rules
from kubecfn.local.iam import managed
from kubecfn.local.iam.authorize import Authorizer
from kubecfn.local.recorder import Recorder
from kubecfn.local.s3 import BucketPolicies, refuse_strangers
from kubecfn.local.server import Server
from kubecfn.local.sessions import GateSession, ServiceClients
from kubecfn.local.world import World

ACCOUNT = "123456789012"
MakeService = Callable[[World], Service]
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
        host: where it listens. Loopback, unless instances have a network of their own, where nobody else is.
        seed: decides where faults with a probability strike.
        services: what is composed instead of CloudFormation and the fleet, e.g. nothing for a gate in front of moto.

    Attributes:
        endpoint: ``http://HOST:PORT``.
        account: twelve digits.
        recorder: every call.
        faults: what goes wrong on request.

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
        host: str = "127.0.0.1",
        seed: int = 0,
        services: Sequence[MakeService] | None = None,
    ) -> None:
        if not _running.acquire(blocking=False):
            raise KubecfnError(
                "An embedded AWS already runs in this process, and its state is kept once per process.",
                remedy="Close the other one first, or start this one in a process of its own.",
            )
        self.region = region
        self.clock: Clock = clock or ScaledClock(1)
        self.recorder = Recorder()
        self.faults = Faults(seed)
        self._workdir = workdir
        self._factories = _own_services(machines) if services is None else services
        self._services: list[Service] = []
        self._clients = ServiceClients(lambda: self.endpoint, identity.service_keys(self.account))
        self._ending = ExitStack()
        self._ending.callback(_running.release)
        with ExitStack() as undo:
            undo.callback(self._ending.close)
            self._log = _logger(workdir, self._ending)
            # moto makes boto3 sessions of its own; the person's profile, which may not exist, has no say in them.
            profile = {name: os.environ.pop(name) for name in _PROFILE if name in os.environ}
            self._ending.callback(os.environ.update, profile)
            backend.reset()
            self._gate = self._make_gate()
            self._server = Server(self._gate, port, host)
            self.endpoint = self._server.endpoint
            self._ending.callback(self._server.close)
            self._ending.callback(self._clients.close)
            self._ending.callback(self._close_services)
            self._compose()
            undo.pop_all()

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
        zones.begin_with_z()
        balancers.as_aws_makes_them()
        world = World(self.clock, self.account, self._clients, lambda: self.endpoint, self._workdir)
        operations: dict[tuple[str, str], Handler] = {
            **BucketPolicies().operations(),
            **managed.operations(),
        }
        views: dict[tuple[str, str], View] = {}
        for make in self._factories:
            service = make(world)
            self._services.append(service)
            operations |= service.operations
            views |= service.views
        self._gate.operations, self._gate.views = operations, views

    @property
    def services(self) -> tuple[Service, ...]:
        """What is composed, in the order it was started: a rehearsal may reach into it."""
        return tuple(self._services)

    def session(self, region: str | None = None, *, account: str = ACCOUNT) -> GateSession:
        """Return a session of an account's operator; every client made from it is pointed here."""
        return GateSession(identity.operator_keys(account), region or self.region, self.endpoint)

    def role_session(self, role_arn: str, name: str, region: str | None = None) -> GateSession:
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

    def client(self, service: str, region: str | None = None, *, account: str = ACCOUNT) -> Any:
        """Return a boto3 client of an account's operator, pointed here."""
        return self.session(region, account=account).client(service)

    def environment(self, *, account: str = ACCOUNT) -> dict[str, str]:
        """Return the environment variables that point any AWS program at this account as its operator."""
        return identity.environment(self.endpoint, self.region, identity.operator_keys(account))

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
        self._ending.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _own_services(machines: Any) -> Sequence[MakeService]:
    from kubecfn.local import cloudformation, fleet, imagebuilder  # noqa: PLC0415  a gate without them starts in half the time

    return (cloudformation.service, lambda world: fleet.service(world, machines), imagebuilder.service)


def _logger(workdir: Path, ending: ExitStack) -> logging.Logger:
    log = logging.getLogger("kubecfn.local")
    handler = logging.FileHandler(workdir / "aws.log", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.propagate = False
    ending.callback(handler.close)
    ending.callback(log.removeHandler, handler)
    return log
