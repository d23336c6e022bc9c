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
        made.stay()

    def monotonic(self):
        """Return the time of the round."""
        return self.now

    def run(self, until):
        """Go round; after the last one the agent is told to stop."""
        while self.rounds:
            self.now, outcome = self.rounds.pop(0)
            if until(outcome):
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
        ([(at, SERVES) for at in (5, 30, 3600, 86399)], []),
        ([(at, SERVES) for at in (86399, 86401, 86430, 172803)], [86401, 172803]),
        ([(at, WAITS) for at in (5, 19, 21, 30, 40, 42)], [21, 42]),
        ([(86000, SERVES), (86010, WAITS), (86015, SERVES), (86020, SERVES)], [86010]),
    ],
    ids=["an hour", "two days", "it does not serve", "it served all day and does not now"],
)
def test_certificates_are_looked_at_every_day_and_soon_while_the_node_does_not_serve(tmp_path, rounds, looked):
    """One that nobody trusts any more is replaced within half a minute; one that serves is not disturbed."""
    assert Life(tmp_path, *rounds).looked == looked


def test_what_was_done_about_certificates_is_said_once(tmp_path, capsys):
    """Every twenty seconds the same line would bury the others; what failed is tried again."""
    times = [(at, WAITS) for at in range(25, 150, 25)]
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
