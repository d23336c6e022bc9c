"""Component documents: read, judged, and their steps run in a root of their own.

Source: EC2 Image Builder User Guide, "Use the AWSTOE component document framework", "Action modules".
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PHASES = ("build", "validate", "test")
# Steps are run on the machine of whoever tries them: only those that say where they write are.
_ROOT = "KUBECFN_ROOT"
_DEFAULT_TIMEOUT = 7200
_LAST_WORDS = 300


class DocumentError(Exception):
    """A document that Image Builder would refuse, or that is not emulated."""


class StepError(Exception):
    """A step that failed.

    Args:
        phase: its phase.
        step: its name.
        words: what it said last.
    """

    def __init__(self, phase: str, step: str, words: str) -> None:
        super().__init__(words)
        self.phase, self.step, self.words = phase, step, words


@dataclass(frozen=True)
class Step:
    """One ExecuteBash step."""

    name: str
    script: str
    seconds: int
    attempts: int
    goes_on: bool


def parsed(text: str) -> Mapping[str, tuple[Step, ...]]:
    """Return a document's steps by phase.

    Raises:
        DocumentError: it is no document, or asks for what is not emulated.
    """
    try:
        data = yaml.safe_load(text)
        phases = {str(phase["name"]): [_step(step) for step in phase["steps"]] for phase in data["phases"]}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise DocumentError(f"The document is not valid: {error}.") from error
    if float(data.get("schemaVersion", 0)) != 1.0:
        raise DocumentError("schemaVersion must be 1.0.")
    if not phases or len(phases) != len(data["phases"]) or not set(phases) & set(PHASES):
        raise DocumentError(f"Phases need names of their own, at least one of {', '.join(PHASES)}.")
    for name, steps in phases.items():
        if len({step.name for step in steps}) != len(steps):
            raise DocumentError(f"Two steps of the phase {name} have one name.")
    return {name: tuple(steps) for name, steps in phases.items()}


def _step(data: Mapping[str, Any]) -> Step:
    if data["action"] != "ExecuteBash":
        raise DocumentError(f"The action {data['action']} is not emulated; ExecuteBash is.")
    if known := set(data) - {"name", "action", "timeoutSeconds", "onFailure", "maxAttempts", "inputs"}:
        raise DocumentError(f"The step {data['name']} has {', '.join(sorted(known))}, which is not emulated.")
    script = "\n".join(data["inputs"]["commands"])
    if "{{" in script:
        raise DocumentError(f"The step {data['name']} chains values, which is not emulated.")
    return Step(
        str(data["name"]),
        script,
        int(data.get("timeoutSeconds", _DEFAULT_TIMEOUT)),
        int(data.get("maxAttempts", 1)),
        data.get("onFailure", "Abort") == "Continue",
    )


class Runner:
    """Runs steps, one document after the other, and can be stopped.

    Args:
        root: the folder that stands for the instance's file system.
        programs: a folder whose programs stand in for those only the instance's distribution has.
        say: is told every line that a step writes.
    """

    def __init__(self, root: Path, programs: Path, say: Callable[[str], None]) -> None:
        self._root, self._programs, self._say = root, programs, say
        self._stopped = threading.Event()
        self._running: subprocess.Popen[str] | None = None

    def run(self, text: str, phase: str) -> None:
        """Run one phase of a document; a document without it has nothing to say to it.

        Raises:
            StepError: a step failed whose ``onFailure`` is Abort.
        """
        for step in parsed(text).get(phase, ()):
            self._say(f"Phase {phase}, step {step.name}")
            words = self._attempt(phase, step)
            if words is not None and not step.goes_on:
                raise StepError(phase, step.name, words)

    def stop(self) -> None:
        """End what runs."""
        self._stopped.set()
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)

    def _attempt(self, phase: str, step: Step) -> str | None:
        """Return what a step said last before it failed for good; None when it did not."""
        if _ROOT not in step.script:
            refused = f"The embedded AWS runs no step that does not write below ${_ROOT}: this machine is no instance."
            raise StepError(phase, step.name, refused)
        words: str | None = None
        for _ in range(step.attempts):
            words = self._once(step)
            if words is None or self._stopped.is_set():
                break
        return words

    def _once(self, step: Step) -> str | None:
        environment = {
            "PATH": f"{self._programs}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self._root / "root"),
            "LANG": "C.UTF-8",
            _ROOT: str(self._root),
            "KUBECFN_PATIENCE": "1",
        }
        lines: list[str] = []
        with subprocess.Popen(
            ["bash", "-c", step.script],  # noqa: S607  wherever it is
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        ) as process:
            self._running = process
            limit = threading.Timer(step.seconds, os.killpg, (process.pid, signal.SIGKILL))
            limit.start()
            try:
                assert process.stdout is not None, "it is a pipe"
                for line in process.stdout:
                    lines.append(line.rstrip())
                    self._say(line.rstrip())
                code = process.wait()
            finally:
                limit.cancel()
                self._running = None
        if code == 0:
            return None
        return f"exit status {code}: {' '.join(lines[-2:])[-_LAST_WORDS:]}"
