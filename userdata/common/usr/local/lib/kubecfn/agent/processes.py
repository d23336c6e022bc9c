"""Units as processes below a folder, for machines that are no more than that: the very unit files, without systemd.

It honours what decides over a program's life (ExecStart, Type, Restart, RestartSec, StartLimit…, TimeoutStopSec) and
leaves out what shields it (users, capabilities, name spaces). Sources: systemd.service(5), systemd.unit(5).
"""

from __future__ import annotations

import collections
import configparser
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Deque, Dict, Iterator, Tuple

from kubecfn.etcd.journal import say

from .steps import StepFailed
from .units import State

UNITS = "etc/systemd/system"
LOGS = "var/log"
_KEPT = ("PATH", "LANG", "TMPDIR", "TZ")
# systemd.service(5), "Restart=": these end a service cleanly.
_CLEAN = (0, -signal.SIGHUP, -signal.SIGINT, -signal.SIGTERM, -signal.SIGPIPE)
_SPAN = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "min": 60.0, "h": 3600.0}
# A child dies with the agent (prctl(2), PR_SET_PDEATHSIG), as everything does when a machine is switched off. Not a
# preexec_fn: other threads may hold a lock at the moment of the fork.
_CHILD = "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,9);os.execv(sys.argv[1],sys.argv[1:])"


@dataclass(frozen=True)
class Service:
    """What of a unit file is honoured. Times in seconds."""

    command: Tuple[str, ...]
    notifies: bool
    restarts: bool
    restart_after: float
    stop_within: float
    limit: int
    interval: float


def read(file: Path, root: Path) -> Service:
    """Return what a unit file says, its absolute paths below `root`.

    Raises:
        StepFailed: it is not there, or decides over its program's life in a way that is not honoured here.
    """
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
        unit, service = parser["Unit"], parser["Service"]
        command = service["ExecStart"].split()
    except (OSError, KeyError, configparser.Error) as error:
        raise StepFailed("units", f"{file} cannot be read: {error}") from error
    strange = [name for name in service if name.startswith(("Exec", "Environment")) and name != "ExecStart"]
    if strange or service.get("Restart", "no") not in {"no", "on-failure"}:
        raise StepFailed("units", f"{file} says {', '.join(strange) or 'Restart'} in a way that is not honoured here")
    return Service(
        command=tuple(_below(root, part) for part in command),
        notifies=service.get("Type", "simple") == "notify",
        restarts=service.get("Restart", "no") == "on-failure",
        restart_after=_seconds(service.get("RestartSec", "100ms")),
        stop_within=_seconds(service.get("TimeoutStopSec", "90")),
        limit=int(unit.get("StartLimitBurst", "5")),
        interval=_seconds(unit.get("StartLimitIntervalSec", "10")),
    )


class Processes:
    """Units as children of this process. They end with it.

    Args:
        root: what stands for ``/``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._runs: Dict[str, _Run] = {}

    def enable(self, unit: str) -> None:
        """Do nothing: these end with the agent, which starts them again."""

    def start(self, unit: str) -> None:
        """Start it, unless it runs; return at once.

        Raises:
            StepFailed: its unit file cannot be read or its program is not there.
        """
        service = read(self._root / UNITS / unit, self._root)
        if not os.access(service.command[0], os.X_OK):
            raise StepFailed("units", f"{service.command[0]} is no program")
        with self._lock:
            if unit not in self._runs or not self._runs[unit].state().running:
                self._runs[unit] = _Run(service, self._root / LOGS / f"{unit}.log")

    def stop(self, unit: str, *, hard: bool = False) -> None:
        """Stop it, by SIGKILL when `hard`; return when nothing of it runs."""
        with self._lock:
            run = self._runs.get(unit)
        if run:
            run.stop(hard=hard)

    def state(self, unit: str) -> State:
        """Look at it."""
        with self._lock:
            run = self._runs.get(unit)
        return run.state() if run else State("inactive", "success", 0)

    def log(self, unit: str, lines: int) -> Tuple[str, ...]:
        """Return the last lines that its last run wrote."""
        with self._lock:
            run = self._runs.get(unit)
        return run.said(lines) if run else ()

    def close(self) -> None:
        """Stop all of them."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.stop()


class _Run:
    """One unit from its start until it stays down: a thread of its own runs its process, again and again if need be."""

    def __init__(self, service: Service, log: Path) -> None:
        self._service = service
        self._log = log
        self._lock = threading.Lock()
        self._told_to_stop = threading.Event()
        self._state = State("activating", "success", 0)
        self._from = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._ear = _ear() if service.notifies else None
        # The child is this thread's: PR_SET_PDEATHSIG is about the thread that made it, so both live equally long.
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def state(self) -> State:
        """Return its state; a service that notifies is active once it has said so."""
        with self._lock:
            if self._state.active == "activating" and self._process and self._is_ready():
                self._state = State("active", "success", 0)
            return self._state

    def stop(self, *, hard: bool = False) -> None:
        """Ask its process to end, end it by force when its time is over, or at once when `hard`; wait."""
        self._told_to_stop.set()
        if not hard:
            self._send(signal.SIGTERM)
            self._thread.join(self._service.stop_within)
        self._send(signal.SIGKILL)
        self._thread.join()

    def said(self, lines: int) -> Tuple[str, ...]:
        """Return the last lines since it was started last."""
        with contextlib.suppress(FileNotFoundError), self._log.open("rb") as file:
            file.seek(self._from)
            return tuple(file.read().decode(errors="replace").splitlines()[-lines:])
        return ()

    def _live(self) -> None:
        status = 0
        try:
            for _ in self._starts():
                status = self._once()
                if status in _CLEAN or not self._service.restarts:
                    break
                self._show(State("activating", "exit-code", abs(status), again=True))
                self._told_to_stop.wait(self._service.restart_after)
        except OSError as error:
            say("units", f"{self._service.command[0]} cannot be run: {error}")
            # What systemd shows when it could not come as far as the program (systemd.exec(5), "Process Exit Codes").
            status = 203
        if self._ear:
            self._ear.close()
        well = status in _CLEAN or self._told_to_stop.is_set()
        result = "success" if status in _CLEAN else "exit-code" if status > 0 else "signal"
        self._show(State("inactive" if well else "failed", result, abs(status)))

    def _starts(self) -> Iterator[None]:
        """Yield once for each start that is allowed."""
        starts: Deque[float] = collections.deque(maxlen=self._service.limit)
        while not self._told_to_stop.is_set():
            now = time.monotonic()
            if len(starts) == self._service.limit and now - starts[0] < self._service.interval:
                return
            starts.append(now)
            yield

    def _once(self) -> int:
        """Run its process to the end; return its exit status, or the signal's number negated."""
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        if self._ear:
            # systemd knows a name that begins with @ as one of the abstract name space (sd_notify(3)).
            environment["NOTIFY_SOCKET"] = "@" + os.fsdecode(self._ear.getsockname()[1:])
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log, self._lock:
            if self._told_to_stop.is_set():
                return 0
            self._from = log.tell()
            self._is_ready()  # what an earlier process may have said is not this one's word
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _CHILD, *self._service.command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )  # fmt: skip
            self._state = State("activating" if self._service.notifies else "active", "success", 0)
        return self._process.wait()

    def _show(self, state: State) -> None:
        with self._lock:
            self._process, self._state = None, state

    def _send(self, number: int) -> None:
        with self._lock:
            if self._process:
                self._process.send_signal(number)

    def _is_ready(self) -> bool:
        with contextlib.suppress(BlockingIOError, OSError):
            while self._ear:
                if b"READY=1" in self._ear.recv(4096).splitlines():
                    return True
        return False


def _ear() -> socket.socket:
    """Return a socket with a name of its own that a child can notify."""
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    # An empty name asks Linux for a free one in the abstract name space (unix(7), "Autobind feature").
    ear.bind("")
    ear.setblocking(False)
    return ear


def _below(root: Path, part: str) -> str:
    """Put the absolute path that a part of a command is, or that an option gives, below the root."""
    option, equals, path = part.partition("=")
    if part.startswith("/"):
        return str(root / part.lstrip("/"))
    return f"{option}={root / path.lstrip('/')}" if equals and path.startswith("/") else part


def _seconds(span: str) -> float:
    """Read a time span (systemd.time(7)); ``infinity`` is one."""
    if span == "infinity":
        return threading.TIMEOUT_MAX
    parts = re.findall(r"([\d.]+)\s*([a-z]*)", span)
    return sum(float(number) * _SPAN[unit] for number, unit in parts)
