"""What a control plane is tried with: units, a kubeadm, a cable to the API server, and eyes on what it comes to."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time

from agent.steps import StepFailed
from agent.units import State
from controlplane import service
from controlplane.service import Pace
from kubeadm import run
from member.outcry import Gate

PKI = "etc/kubernetes/pki"
RUNS = State("active", "success", 0)
DOWN = State("inactive", "success", 0)
QUICK = Pace(soon=0.01, failed=0.01, serving=0.01, away=60.0, again=0.01)
AUTHENTICATOR = "aws-iam-authenticator.service"


class Units:
    """Units as systemd shows them; what is started runs, unless a test says how it ends."""

    def __init__(self, known=service.UNITS):
        self.done = []
        self.states = {}
        self.ends = {}
        self.known = set(known)

    def enable(self, unit):
        """Take it down."""
        self._must(unit)
        self.done.append(("enable", unit))

    def start(self, unit):
        """Start it."""
        self._must(unit)
        self.done.append(("start", unit))
        self.states[unit] = self.ends.get(unit, RUNS)

    def state(self, unit):
        """Look at it."""
        self._must(unit)
        return self.states.get(unit, DOWN)

    def log(self, unit, lines):
        """Return its last words, with another time in them whenever they are read."""
        assert lines
        return (f"{time.monotonic()} listening", f"{unit} says why at {time.monotonic()}", "")

    def _must(self, unit):
        if unit not in self.known:
            raise StepFailed("units", f"systemd has not loaded {unit}: it is not-found")


def plays(root, script):
    """Lay a kubeadm that does this."""
    program = root / run.PROGRAM.lstrip("/")
    program.write_text(f"#!/bin/sh\necho $1 >> {root}/runs\n{script}\n")
    program.chmod(0o755)


def comes_to(one, decision, *words, seconds=20.0):
    """Wait until the control plane says so, and return what it said."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        last = one.control.last
        if last.decision == decision and all(word in last.reason for word in words):
            return last
        one.news.wait(0.02)
        one.news.clear()
    raise AssertionError(f"it came to {one.control.last}")


def told(done, minutes=2):
    """Return what the stack is told of it after some minutes, the way a booting node does; empty when nothing is."""
    seen, clock = [], itertools.count(0, 10)
    gate = Gate(seen.append, lambda: float(next(clock)), 25 * 60)
    for _ in range(minutes * 6):
        gate.passed("kubernetes", done)
    return seen[0].reason if seen else ""


class Cable:
    """What lies between a client and the API server, and can be cut."""

    def __init__(self, host, port):
        self._to, self._ends, self._whole = (host, port), [], True
        self._listener = socket.create_server((host, 0))
        self.url = f"https://{host}:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection(self._to)
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)

    def cut(self):
        """End every connection; others are ended as soon as they begin."""
        self._whole = False
        for one in self._ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._ends.clear()

    def mend(self):
        """Let connections through again."""
        self._whole = True

    def close(self):
        """Take it away."""
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
