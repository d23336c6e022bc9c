"""The API's network load balancer: one address, connections for healthy targets only, as the embedded AWS says who they are.

Source: Elastic Load Balancing, "Network Load Balancers": "Health checks for target groups", "Target groups: deregistration
delay", "Connection termination for unhealthy targets". The caller's address is not preserved, and a target is chosen by chance
where AWS hashes the addresses and ports.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .flows import Address, Flows

# However fast AWS's time passes, TLS takes its own, and an API server that shares two processors with others longer.
_SHORTEST, _SHORTEST_TIMEOUT = 0.2, 0.5
_LOOK_EVERY = 0.25
_GOOD = range(200, 400)


class State(Enum):
    """A target's, as DescribeTargetHealth names it."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


@dataclass(frozen=True)
class Rules:
    """A target group's.

    Attributes:
        interval: seconds between two checks.
        timeout: seconds for one.
        healthy: after so many good ones in a row a target is healthy.
        unhealthy: after so many bad ones in a row it is not.
        path: what is asked for, over HTTPS; whose certificate it is does not matter.
        drain: seconds for which a target that is deregistered keeps its connections.
        cut: they are ended then.
    """

    interval: float
    timeout: float
    healthy: int
    unhealthy: int
    path: str
    drain: float
    cut: bool


@dataclass
class _Target:
    """A target, and how often in a row its checks said the same."""

    address: Address
    state: State = State.INITIAL
    good: int = 0
    bad: int = 0
    left: float = 0.0


class Balancer:
    """Stands at one address, from the beginning until `close`.

    Args:
        address: where it listens; port 0 takes a free one.
        rules: of its targets.

    Attributes:
        history: when, on `time.monotonic`, which target became what.
    """

    def __init__(self, address: Address, rules: Rules) -> None:
        self._rules = rules
        self.history: list[tuple[float, str, State]] = []
        self._targets: dict[str, _Target] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._unverified = ssl.create_default_context()
        self._unverified.check_hostname, self._unverified.verify_mode = False, ssl.CERT_NONE
        self._flows: Flows | None = Flows(address, self._choose)
        self.address: Address = self._flows.address

    def aim(self, registered: Mapping[str, Address]) -> None:
        """Say who is registered now; who is missing is deregistered."""
        with self._lock:
            new = [name for name in registered if not self._serves(name)]
            for name in new:
                self._targets[name] = _Target(registered[name])
            for name, target in self._targets.items():
                if name not in registered and target.state is not State.DRAINING:
                    self._become(name, target, State.DRAINING)
                    target.left = time.monotonic()
        for name in new:
            threading.Thread(target=self._look_after, args=(name, self._targets[name]), daemon=True).start()

    @property
    def states(self) -> dict[str, State]:
        """Every target's, with those that are leaving."""
        with self._lock:
            return {name: target.state for name, target in self._targets.items()}

    def connections(self, name: str) -> int:
        """Return how many connections a target has."""
        return self._flows.count(name) if self._flows else 0

    @property
    def gone(self) -> bool:
        """Whether there is no load balancer at its address: nobody is let in, and all connections are lost."""
        return self._flows is None

    @gone.setter
    def gone(self, gone: bool) -> None:
        if gone and self._flows:
            self._flows.close()
            self._flows = None
        elif not gone and not self._flows:
            self._flows = Flows(self.address, self._choose)

    def close(self) -> None:
        """End it."""
        self._over.set()
        self.gone = True

    def _serves(self, name: str) -> bool:
        return name in self._targets and self._targets[name].state is not State.DRAINING

    def _choose(self) -> tuple[str, Address] | None:
        """Return a healthy target; where all are unhealthy, any of these ("fail open")."""
        with self._lock:
            for wanted in (State.HEALTHY, State.UNHEALTHY):
                found = [(name, one.address) for name, one in self._targets.items() if one.state is wanted]
                if found:
                    return random.choice(found)
        return None

    def _look_after(self, name: str, target: _Target) -> None:
        """Check a target until it is gone."""
        while not self._over.is_set():
            if target.state is State.DRAINING:
                self._drain(name, target)
                return
            begun = time.monotonic()
            self._judge(name, target, good=self._is_well(target.address))
            self._over.wait(max(0.0, begun + self._rules.interval - time.monotonic()))

    def _judge(self, name: str, target: _Target, *, good: bool) -> None:
        with self._lock:
            if target.state is State.DRAINING:
                return
            target.good, target.bad = (target.good + 1, 0) if good else (0, target.bad + 1)
            before = target.state
            if target.good >= self._rules.healthy:
                self._become(name, target, State.HEALTHY)
            elif target.bad >= self._rules.unhealthy:
                self._become(name, target, State.UNHEALTHY)
            fell = before is State.HEALTHY and target.state is State.UNHEALTHY
        if fell and self._flows:
            self._flows.cut(name)

    def _become(self, name: str, target: _Target, state: State) -> None:
        if target.state is not state:
            target.state = state
            self.history.append((time.monotonic(), name, state))

    def _drain(self, name: str, target: _Target) -> None:
        self._over.wait(max(0.0, target.left + self._rules.drain - time.monotonic()))
        if self._rules.cut and self._flows and self._targets.get(name) is target:
            self._flows.cut(name)
        with self._lock:
            if self._targets.get(name) is target:
                del self._targets[name]

    def _is_well(self, address: Address) -> bool:
        host, port = address
        asked = _Asked(host, port, timeout=self._rules.timeout, context=self._unverified)
        try:
            asked.request("GET", self._rules.path)
            with asked.getresponse() as answer:
                return answer.status in _GOOD
        except (OSError, http.client.HTTPException):
            return False
        finally:
            asked.close()


class _Asked(http.client.HTTPSConnection):
    """A question to a target."""

    def connect(self) -> None:
        """Wrap first and connect then: wrapped while the target resets it, a connected socket is lost, open (CPython's ssl.py)."""
        plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        plain.settimeout(self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)  # type: ignore[attr-defined]  # its own
        self.sock.connect((self.host, self.port))


class Front:
    """Opens the balancer when the account has one, and keeps its targets equal to those that are registered there.

    Args:
        host: the address where it will stand.
        elbv2: a client.
        ec2: likewise.
        speed: simulated seconds in a real one.
    """

    def __init__(self, host: str, elbv2: Any, ec2: Any, speed: float) -> None:
        self._host, self._elbv2, self._ec2, self._speed = host, elbv2, ec2, speed
        self._known: dict[str, str] = {}
        self._group = ""
        self._port = 0
        self.balancer: Balancer | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="elbv2", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._thread.join()
        if self.balancer:
            self.balancer.close()

    def _follow(self) -> None:
        while not self._over.wait(_LOOK_EVERY):
            # What cannot be asked now is asked again; what stands goes on as it is.
            with contextlib.suppress(Exception):
                self.look()

    def look(self) -> None:
        """Look once who is registered."""
        if self.balancer is None:
            self._open()
        else:
            registered = self._registered()
            self.balancer.aim({name: (address, self._port) for name, address in registered.items()})

    def _open(self) -> None:
        for one in self._elbv2.describe_load_balancers()["LoadBalancers"]:
            listeners = self._elbv2.describe_listeners(LoadBalancerArn=one["LoadBalancerArn"])["Listeners"]
            groups = self._elbv2.describe_target_groups(LoadBalancerArn=one["LoadBalancerArn"])["TargetGroups"]
            if not listeners or not groups:
                continue
            group = groups[0]
            self._group, self._port = group["TargetGroupArn"], group["Port"]
            described = self._elbv2.describe_target_group_attributes(TargetGroupArn=self._group)["Attributes"]
            rules = rules_of(group, {pair["Key"]: pair["Value"] for pair in described}, self._speed)
            self.balancer = Balancer((self._host, listeners[0]["Port"]), rules)
            return

    def _registered(self) -> dict[str, str]:
        """Return the address of each registered instance that is known to EC2."""
        try:
            described = self._elbv2.describe_target_health(TargetGroupArn=self._group)["TargetHealthDescriptions"]
        except self._elbv2.exceptions.TargetGroupNotFoundException:
            return {}
        ids = [one["Target"]["Id"] for one in described]
        if unknown := [one for one in ids if one not in self._known]:
            answers = self._ec2.describe_instances(InstanceIds=unknown)["Reservations"]
            found = (one for answer in answers for one in answer["Instances"])
            self._known |= {one["InstanceId"]: one["PrivateIpAddress"] for one in found if "PrivateIpAddress" in one}
        return {one: self._known[one] for one in ids if one in self._known}


def rules_of(group: Mapping[str, Any], attributes: Mapping[str, str], speed: float) -> Rules:
    """Return a target group's rules in real seconds.

    Args:
        group: as DescribeTargetGroups answers.
        attributes: as DescribeTargetGroupAttributes does.
        speed: simulated seconds in a real one.
    """
    return Rules(
        interval=max(_SHORTEST, float(group.get("HealthCheckIntervalSeconds", 30)) / speed),
        timeout=max(_SHORTEST_TIMEOUT, float(group.get("HealthCheckTimeoutSeconds", 10)) / speed),
        healthy=int(group.get("HealthyThresholdCount", 5)),
        unhealthy=int(group.get("UnhealthyThresholdCount", 2)),
        path=group.get("HealthCheckPath", "/"),
        drain=float(attributes.get("deregistration_delay.timeout_seconds", "300")) / speed,
        cut=attributes.get("deregistration_delay.connection_termination.enabled", "false") == "true",
    )
