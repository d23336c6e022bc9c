"""Whether what a node is made of stays up: its units, and a controller's own API server; each in words when it does not."""

from __future__ import annotations

import time
from typing import Callable, Dict, Optional, Tuple

from agent.units import State, Units

from kubecfn.kubernetes.client import Client, KubernetesError

_LINES = 20
_LONGEST = 300


class Upkeep:
    """Units that have to run.

    Args:
        units: what runs them.
        names: which.
        every: seconds between two looks; what is asked meanwhile is what the last one found.
        monotonic: seconds that never jump.
    """

    def __init__(
        self, units: Units, names: Tuple[str, ...], every: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._units, self._names, self._every, self._monotonic = units, names, every, monotonic
        self._flaws: Dict[str, str] = {}
        self._looked: Optional[float] = None

    def look(self) -> str:
        """Start what does not run; return which units systemd starts in vain, and why, empty when all is well.

        Raises:
            StepFailed: systemd does not answer, or knows no such unit.
        """
        now = self._monotonic()
        if self._looked is None or now - self._looked >= self._every:
            self._looked = now
            for name in self._names:
                self._see(name)
        return "; ".join(self._flaws.values())

    def _see(self, name: str) -> None:
        state = self._units.state(name)
        if not state.running:
            self._units.start(name)
        ended = f"{name} does not stay up: {_ended(state)}: "
        if state.active != "failed" and not state.again:
            self._flaws.pop(name, None)
        elif not self._flaws.get(name, "").startswith(ended):
            # Once for each way to end: the same words with another time in them are no news.
            self._flaws[name] = ended + self._last(name)

    def _last(self, name: str) -> str:
        said = [line.strip() for line in self._units.log(name, _LINES) if line.strip()]
        return said[-1][:_LONGEST] if said else "it wrote nothing"


def _ended(state: State) -> str:
    if state.result == "exit-code":
        return f"it ended with status {state.status}"
    return f"it was ended by signal {state.status}" if state.result == "signal" else f"it ended with {state.result}"


class Away:
    """For how long something has not been well.

    Args:
        seconds: that are too long.
        monotonic: seconds that never jump.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._monotonic = seconds, monotonic
        self._since: Optional[float] = None

    def passed(self, *, well: bool) -> bool:
        """Look at it; say whether it has been too long."""
        now = self._monotonic()
        self._since = None if well else now if self._since is None else self._since
        return self._since is not None and now - self._since >= self._seconds


def unready(client: Client) -> str:
    """Return why an API server is not ready, as a clause; empty when it is."""
    try:
        client.read("/readyz")
    except KubernetesError as error:
        return error.message if error.status in {0, 401, 403} else f"it answers /readyz with HTTP {error.status}"
    return ""
