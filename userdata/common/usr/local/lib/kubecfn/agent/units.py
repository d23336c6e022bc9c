"""The seam to systemd: start, stop and look at a unit, and read the last lines it wrote."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Protocol, Tuple

from .steps import StepFailed

STEP = "units"
# What every Kubernetes node runs.
CONTAINERD, KUBELET = "containerd.service", "kubelet.service"
_SHOWN = ("ActiveState", "SubState", "Result", "ExecMainStatus", "InvocationID", "LoadState")


@dataclass(frozen=True)
class State:
    """A unit as systemd shows it.

    Attributes:
        active: ``active`` (it said that it is ready), ``activating`` (started, or about to be started again),
            ``deactivating``, ``inactive`` or ``failed``.
        result: of its last run: ``success``, ``exit-code``, ``signal``, ``timeout``, ...
        status: exit status of its last run, or the signal's number.
        again: no process of it is there, and it is about to be started again.
    """

    active: str
    result: str
    status: int
    again: bool = False

    @property
    def running(self) -> bool:
        """Whether a process of it is there, or will be without anyone's doing."""
        return self.active in {"active", "activating", "reloading", "deactivating"}


class Units(Protocol):
    """What runs units. Every method may be called from any thread."""

    def enable(self, unit: str) -> None:
        """Start it at every later boot."""

    def start(self, unit: str) -> None:
        """Start it, unless it runs; return at once."""

    def stop(self, unit: str, *, hard: bool = False) -> None:
        """Stop it, by SIGKILL when `hard`; return when nothing of it runs. Not to run is fine."""

    def state(self, unit: str) -> State:
        """Look at it."""

    def log(self, unit: str, lines: int) -> Tuple[str, ...]:
        """Return the last lines that its last run wrote."""

    def close(self) -> None:
        """The agent ends: what is the agent's own ends too."""


def units(root: Path) -> Units:
    """Return systemd, or processes below `root` when that is not ``/``."""
    if root == Path("/"):
        return Systemd()
    from .processes import Processes  # noqa: PLC0415  a real node never needs it

    return Processes(root)


class Systemd:
    """Units as systemd runs them. They outlive the agent."""

    def enable(self, unit: str) -> None:
        """Start it at every later boot.

        Raises:
            StepFailed: systemd refused.
        """
        # All units would be read again, which a boot waits for; a unit that was never asked for is read when it is.
        _must(["systemctl", "enable", "--quiet", "--no-reload", unit])

    def start(self, unit: str) -> None:
        """Start it, unless it runs; return at once.

        Raises:
            StepFailed: systemd refused.
        """
        # A unit that hit its start limit would be refused for the rest of the interval.
        _run(["systemctl", "reset-failed", unit])
        _must(["systemctl", "start", "--no-block", unit])

    def stop(self, unit: str, *, hard: bool = False) -> None:
        """Stop it, by SIGKILL when `hard`; return when nothing of it runs.

        Raises:
            StepFailed: systemd refused.
        """
        if hard:
            _run(["systemctl", "kill", "--signal=SIGKILL", unit])  # refused where nothing runs
        _must(["systemctl", "stop", unit])

    def state(self, unit: str) -> State:
        """Look at it.

        Raises:
            StepFailed: systemd does not answer, or knows no such unit.
        """
        shown = self._show(unit)
        if shown.get("LoadState") != "loaded":
            raise StepFailed(STEP, f"systemd has not loaded {unit}: it is {shown.get('LoadState', 'unknown')}")
        return State(
            shown["ActiveState"],
            shown["Result"],
            int(shown["ExecMainStatus"] or 0),
            shown["SubState"] == "auto-restart",
        )

    def log(self, unit: str, lines: int) -> Tuple[str, ...]:
        """Return the last lines that its last run wrote; none when the journal cannot be read."""
        run = self._show(unit).get("InvocationID", "")
        if not run:
            return ()
        command = ["journalctl", "--no-pager", "--output=cat", f"--lines={lines}", f"_SYSTEMD_INVOCATION_ID={run}"]
        return tuple(_run(command).stdout.splitlines())

    def close(self) -> None:
        """Leave everything as it is: systemd stops it when the node goes down."""

    def _show(self, unit: str) -> Dict[str, str]:
        text = _must(["systemctl", "show", unit, *(f"--property={name}" for name in _SHOWN)])
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _run(command: List[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        raise StepFailed(STEP, f"{command[0]} cannot be run: {error.strerror}") from error


def _must(command: List[str]) -> str:
    done = _run(command)
    if done.returncode:
        raise StepFailed(STEP, f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
