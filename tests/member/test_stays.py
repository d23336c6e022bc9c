"""What a controller's agent looks after once its boot is over."""

import threading

import controller_root  # noqa: F401  it says where the agent's packages are
import pytest
from agent.node import Node
from agent.steps import StepFailed
from member import service
from member.loop import Done

SERVES, WAITS = Done("serve", "3 voters", settled=True), Done("wait", "etcd here has still to find it")


class Log:
    """Takes whatever is cried."""

    def trouble(self, failed):
        """Take a reason."""

    def well(self):
        """Take that it is over."""


class Life:
    """An agent after its boot: rounds of a loop at given times, and when its certificates were looked at."""

    def __init__(self, tmp_path, *rounds, found=()):
        self.now, self.rounds, self.looked, self.found = 0.0, list(rounds), [], list(found)
        self.stop = threading.Event()
        node = Node(tmp_path, "payments", "controller", "k.example", "1.36.3", "3.6.5", 300, {})
        made = service.Service(node, None, self.stop, lambda _failed: None, Log(), 1500.0)
        made._loop, made._clock, made._certify = self, self, self.certify
        self.made = made
        made.stay()

    def monotonic(self):
        """Return the time of the round."""
        return self.now

    def run(self, until):
        """Go round; after the last one the agent is told to stop."""
        while self.rounds:
            self.now, self.last = self.rounds.pop(0)
            if until(self.last):
                return True
        self.stop.set()
        return False

    def certify(self, _node):
        """Look at the certificates."""
        self.looked.append(self.now)
        found = self.found.pop(0) if self.found else "all are good"
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.parametrize(
    ("rounds", "looked"),
    [
        ([(at, SERVES) for at in (0, 30, 3600, 86399)], []),
        ([(at, SERVES) for at in (0, 86399, 86401, 86430, 172803)], [86401, 172803]),
        ([(at, WAITS) for at in (0, 19, 21, 30, 40, 42)], [21, 42]),
        ([(0, SERVES), (86000, SERVES), (86010, WAITS), (86015, SERVES), (86020, SERVES)], [86010]),
    ],
    ids=["an hour", "two days", "it does not serve", "it served all day and does not now"],
)
def test_certificates_are_looked_at_every_day_and_soon_while_the_node_does_not_serve(tmp_path, rounds, looked):
    """One that nobody trusts any more is replaced within half a minute; one that serves is not disturbed."""
    assert Life(tmp_path, *rounds).looked == looked


def test_what_was_done_about_certificates_is_said_once(tmp_path, capsys):
    """Every twenty seconds the same line would bury the others; what failed is tried again."""
    times = [(at, WAITS) for at in range(0, 150, 25)]
    found = [
        "all are good",
        "all are good",
        StepFailed("certificates", "no openssl"),
        "issued peer (of another authority)",
    ]

    Life(tmp_path, *times, found=found)

    said = [line.split('"reason": ')[1] for line in capsys.readouterr().out.splitlines()]
    assert [one.split('"')[1] for one in said] == [
        "all are good",
        "certificates: no openssl",
        "issued peer (of another authority)",
        "all are good",
    ]


def test_a_boot_that_does_not_come_to_its_end_looks_at_certificates_too(tmp_path):
    """An agent that was started again, and whose etcd nobody trusts, would wait for ever."""
    life = Life(tmp_path)
    life.stop.clear()
    life.rounds = [(0, WAITS), (21, WAITS), (30, SERVES)]

    (_, _, (_, etcd), _) = life.made.steps
    etcd(life.made._node)

    assert (life.looked, life.now) == ([21], 30)
