"""The rehearsal's load balancer sends nobody where the API is not ready, and lets those who leave finish."""

from __future__ import annotations

import contextlib
import http.client
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.rehearsal import authority
from tests.rehearsal.balancer import Balancer, Front, Rules, State, rules_of

RULES = Rules(interval=0.03, timeout=1.0, healthy=2, unhealthy=2, path="/readyz", drain=60.0, cut=True)
# It trusts anybody.
TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE
SHOWN = authority.new().server("api.example.com")


class Server:
    """An API server: over TLS it says its name, and at /readyz whether it is ready."""

    def __init__(self, name: str) -> None:
        server = self
        self.name, self.ready, self.checks = name, True, 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.checks += self.path == "/readyz"
                self.send_response(200 if server.ready or self.path != "/readyz" else 500)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
                """Say nothing."""

        class Threads(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def finish_request(self, request: Any, client_address: Any) -> None:
                with contextlib.suppress(OSError), SHOWN.wrap_socket(request, server_side=True) as secure:
                    super().finish_request(secure, client_address)

        self._server = Threads(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.address: tuple[str, int] = self._server.server_address  # type: ignore[assignment]  # IPv4

    def close(self) -> None:
        """Be gone: whoever calls is refused."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """Two API servers."""
    made = Server("one"), Server("two")
    yield made
    for each in made:
        each.close()


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    """A load balancer without targets."""
    made = Balancer(("127.0.0.1", 0), RULES)
    yield made
    made.close()


def until(what: Callable[[], object]) -> None:
    """Wait a little until something is so."""
    end = time.monotonic() + 5
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def connected(balancer: Balancer) -> http.client.HTTPSConnection:
    """A connection through the load balancer."""
    return http.client.HTTPSConnection(*balancer.address, timeout=2, context=TRUSTING)


def ask(connection: http.client.HTTPSConnection) -> str:
    """Who answers over this connection."""
    connection.request("GET", "/who")
    return connection.getresponse().read().decode()


def asked(balancer: Balancer, times: int = 6) -> set[str]:
    """Who answers when each asks over a connection of its own, until two have; nobody is an empty name."""
    found: set[str] = set()
    for _ in range(times):
        with contextlib.closing(connected(balancer)) as connection:
            try:
                found.add(ask(connection))
            except (OSError, http.client.HTTPException):
                found.add("")
        if len(found) > 1:
            break
    return found


def test_every_healthy_target_is_sent_connections(balancer: Balancer, servers: tuple[Server, Server]) -> None:
    """Who is registered and ready takes its share."""
    balancer.aim({each.name: each.address for each in servers})
    until(lambda: set(balancer.states.values()) == {State.HEALTHY})

    assert asked(balancer, 40) == {"one", "two"}


def test_a_target_that_is_not_known_to_be_healthy_yet_is_sent_none(servers: tuple[Server, Server]) -> None:
    """A new target passes as many checks as its group asks for before anybody is sent to it."""
    slow = Balancer(("127.0.0.1", 0), Rules(0.3, 1.0, 2, 2, "/readyz", 0.1, cut=True))
    try:
        slow.aim({"one": servers[0].address})
        until(lambda: servers[0].checks)
        assert slow.states == {"one": State.INITIAL}
        assert asked(slow, 1) == {""}
        until(lambda: slow.states == {"one": State.HEALTHY})
        assert asked(slow, 1) == {"one"}
    finally:
        slow.close()


def test_a_target_that_is_not_ready_is_sent_nobody_until_it_is_again(
    balancer: Balancer, servers: tuple[Server, Server]
) -> None:
    """Health is what /readyz says, not that somebody listens."""
    balancer.aim({each.name: each.address for each in servers})
    until(lambda: set(balancer.states.values()) == {State.HEALTHY})

    servers[0].ready = False
    until(lambda: balancer.states["one"] is State.UNHEALTHY)
    assert asked(balancer) == {"two"}
    servers[0].ready = True
    until(lambda: balancer.states["one"] is State.HEALTHY)
    assert asked(balancer, 40) == {"one", "two"}


def test_one_bad_check_does_not_take_a_target_out(servers: tuple[Server, Server]) -> None:
    """Only so many bad ones in a row as the group says do."""
    patient = Balancer(("127.0.0.1", 0), Rules(0.02, 1.0, 1, 1000, "/readyz", 0.1, cut=True))
    try:
        patient.aim({"one": servers[0].address})
        until(lambda: patient.states == {"one": State.HEALTHY})
        servers[0].ready, before = False, servers[0].checks
        until(lambda: servers[0].checks > before + 3)
        assert patient.states == {"one": State.HEALTHY}
    finally:
        patient.close()


def test_a_target_that_falls_ill_loses_its_connections(balancer: Balancer, servers: tuple[Server, Server]) -> None:
    """Whoever was connected learns it at once instead of waiting for somebody who cannot answer."""
    balancer.aim({"one": servers[0].address})
    until(lambda: balancer.states == {"one": State.HEALTHY})
    with contextlib.closing(connected(balancer)) as connection:
        assert ask(connection) == "one"
        servers[0].ready = False
        until(lambda: balancer.states == {"one": State.UNHEALTHY})
        until(lambda: balancer.connections("one") == 0)
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(connection)


def test_where_all_are_ill_all_are_sent_connections(balancer: Balancer, servers: tuple[Server, Server]) -> None:
    """Fail open: perhaps the check is wrong."""
    for each in servers:
        each.ready = False
    balancer.aim({each.name: each.address for each in servers})
    until(lambda: set(balancer.states.values()) == {State.UNHEALTHY})

    assert asked(balancer, 40) == {"one", "two"}
    servers[1].ready = True
    until(lambda: balancer.states["two"] is State.HEALTHY)
    assert asked(balancer) == {"two"}


def test_who_leaves_gets_nobody_new_and_finishes_what_it_has(
    balancer: Balancer, servers: tuple[Server, Server]
) -> None:
    """A deregistered target keeps its connections for the delay."""
    balancer.aim({"one": servers[0].address})
    until(lambda: balancer.states == {"one": State.HEALTHY})
    with contextlib.closing(connected(balancer)) as old:
        assert ask(old) == "one"
        balancer.aim({})
        assert balancer.states == {"one": State.DRAINING}
        assert asked(balancer, 3) == {""}
        assert ask(old) == "one"


def test_when_the_delay_is_over_who_stayed_is_cut(servers: tuple[Server, Server]) -> None:
    """Watches live for hours: a group that says so ends them with the delay."""
    short = Balancer(("127.0.0.1", 0), Rules(0.02, 1.0, 1, 2, "/readyz", 0.05, cut=True))
    try:
        short.aim({"one": servers[0].address})
        until(lambda: short.states == {"one": State.HEALTHY})
        with contextlib.closing(connected(short)) as old:
            assert ask(old) == "one"
            short.aim({})
            until(lambda: not short.states)
            with pytest.raises((OSError, http.client.HTTPException)):
                ask(old)
    finally:
        short.close()


def test_without_termination_who_stays_is_not_cut(servers: tuple[Server, Server]) -> None:
    """The delay ends connections only where the group says so."""
    kind = Balancer(("127.0.0.1", 0), Rules(0.02, 1.0, 1, 2, "/readyz", 0.05, cut=False))
    try:
        kind.aim({"one": servers[0].address})
        until(lambda: kind.states == {"one": State.HEALTHY})
        with contextlib.closing(connected(kind)) as old:
            assert ask(old) == "one"
            kind.aim({})
            until(lambda: not kind.states)
            assert ask(old) == "one"
    finally:
        kind.close()


def test_a_load_balancer_that_is_gone_answers_nobody_until_it_is_back(
    balancer: Balancer, servers: tuple[Server, Server]
) -> None:
    """The fault: the name leads to an address at which nobody is."""
    balancer.aim({"one": servers[0].address})
    until(lambda: balancer.states == {"one": State.HEALTHY})

    balancer.gone = True
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(balancer.address, 1)
    balancer.gone = False
    assert asked(balancer, 1) == {"one"}


class Account:
    """elbv2 and EC2 as their APIs answer: one load balancer, whose listener comes late."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target, self.listens, self.registered = target, False, ["i-1"]

    def describe_load_balancers(self) -> dict[str, Any]:
        """One."""
        return {"LoadBalancers": [{"LoadBalancerArn": "nlb"}]}

    def describe_listeners(self, **_: str) -> dict[str, Any]:
        """None at first."""
        return {"Listeners": [{"Port": 0}] if self.listens else []}

    def describe_target_groups(self, **_: str) -> dict[str, Any]:
        """One."""
        port = self.target[1]
        return {"TargetGroups": [{"TargetGroupArn": "group", "Port": port, "HealthCheckPath": "/readyz"}]}

    def describe_target_group_attributes(self, **_: str) -> dict[str, Any]:
        """None that is not AWS's default."""
        return {"Attributes": []}

    def describe_target_health(self, **_: str) -> dict[str, Any]:
        """Whoever is registered."""
        return {"TargetHealthDescriptions": [{"Target": {"Id": one}} for one in self.registered]}

    def describe_instances(self, **_: Any) -> dict[str, Any]:
        """One at the server's address, and one of which EC2 does not know an address yet."""
        known = [{"InstanceId": "i-1", "PrivateIpAddress": self.target[0]}, {"InstanceId": "i-2"}]
        return {"Reservations": [{"Instances": known}]}


def test_the_account_says_when_it_stands_and_who_is_behind_it(servers: tuple[Server, Server]) -> None:
    """It is there from its listener on; who is registered without an address is no target yet."""
    account = Account(servers[0].address)
    front = Front("127.0.0.1", account, account, speed=1000)
    try:
        front.look()
        assert front.balancer is None
        account.listens = True
        until(lambda: front.balancer)
        account.registered = ["i-1", "i-2"]
        front.look()
        assert set(front.balancer.states) == {"i-1"}
        account.registered = []
        front.look()
        assert set(front.balancer.states.values()) == {State.DRAINING}
    finally:
        front.close()


def test_time_passes_as_fast_as_awss_but_never_too_fast_for_tls() -> None:
    """Ten simulated seconds are one; what would be milliseconds is not."""
    group = {"HealthCheckIntervalSeconds": 10, "HealthyThresholdCount": 2, "HealthCheckPath": "/readyz"}
    ends = {"deregistration_delay.connection_termination.enabled": "true", "deregistration_delay.timeout_seconds": "60"}

    rules = rules_of(group, ends, speed=10)
    assert (rules.interval, rules.drain, rules.cut, rules.healthy) == (1.0, 6.0, True, 2)
    fast = rules_of(group | {"HealthCheckTimeoutSeconds": 4}, {}, speed=1000)
    assert (fast.interval, fast.timeout) == (0.2, 0.5)
    assert rules_of(group | {"HealthCheckTimeoutSeconds": 4}, {}, speed=2).timeout == 2.0
    assert not rules_of(group, {}, speed=10).cut
