"""The network between members holds what passes to and from one that is cut off, and loses nothing."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from tests.soak.proxy import Network

OUTER, INNER = "127.231.7.1", "127.132.7.1"


@pytest.fixture
def line():
    """A connection of the member "me" through the network to the member "other", who sends back what comes."""
    network = Network(lambda: {"nobody": 1, "me": os.getpid()})
    network.start()
    with socket.create_server((INNER, 0)) as listening:
        port = listening.getsockname()[1]

        def echo() -> None:
            accepted, _ = listening.accept()
            with accepted:
                while data := accepted.recv(100):
                    accepted.sendall(data)

        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        network.lead("other", OUTER, INNER, port, peers=True)
        with socket.create_connection((OUTER, port), timeout=5) as connection:
            yield network, connection
        thread.join(5)
    network.stop()


def test_what_nobody_cuts_passes(line):
    """Bytes go there and back."""
    network, connection = line
    connection.sendall(b"hello")

    assert connection.recv(100) == b"hello"
    assert not network.held


@pytest.mark.parametrize("end", ["me", "other"])
def test_a_cut_at_either_end_holds_what_passes_and_healing_lets_it_arrive(line, end):
    """Who opened a connection is known by its process: cutting that one cuts it too. Nothing is lost or refused."""
    network, connection = line
    connection.sendall(b"before")
    assert connection.recv(100) == b"before"

    network.cut(end)
    connection.sendall(b"during")
    connection.settimeout(0.15)
    with pytest.raises(TimeoutError):
        connection.recv(100)
    assert network.held[end]
    network.heal(end)
    connection.settimeout(5)

    assert connection.recv(100) == b"during"


def test_a_cut_elsewhere_holds_nothing(line):
    """Only what touches the one that is cut off."""
    network, connection = line
    network.cut("third")
    connection.sendall(b"hello")

    assert connection.recv(100) == b"hello"
