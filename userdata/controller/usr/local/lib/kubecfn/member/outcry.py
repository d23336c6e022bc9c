"""Who is told that a person has to decide: the stack once, while this node boots; the log group of nodes for ever after."""

from __future__ import annotations

from typing import Callable, Optional

from agent.nodelog import NodeLog
from agent.steps import StepFailed
from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.etcd.journal import say

from .loop import Done

# How long something that a person might have to repair is tried before anyone is told.
_FAILING = 60.0

Fail = Callable[[StepFailed], None]


class Need:
    """Whether a person is needed: at once when the rules say stop, after a minute of failing at the same.

    Args:
        monotonic: seconds that never jump.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failing: Optional[float] = None

    def of(self, done: Done) -> bool:
        """Look at a round."""
        now = self._monotonic()
        if done.decision != "failed":
            self._failing = None
        elif self._failing is None:
            self._failing = now
        return done.decision == "stop" or (self._failing is not None and now - self._failing >= _FAILING)


class Gate:
    """When the stack is told that this node is not healthy: once, with what is missing.

    Args:
        fail: tells it.
        monotonic: seconds that never jump.
        patience: seconds from the first round until a cluster has to be settled.
    """

    def __init__(self, fail: Fail, monotonic: Callable[[], float], patience: float) -> None:
        self._fail = fail
        self._monotonic = monotonic
        self._patience = patience
        self._begun: Optional[float] = None
        self._need = Need(monotonic)
        self._told = False

    def passed(self, step: str, done: Done) -> None:
        """Look at a round of the boot."""
        now = self._monotonic()
        self._begun = now if self._begun is None else self._begun
        if self._need.of(done):
            self._tell(StepFailed(step, done.reason))
        elif now - self._begun >= self._patience and not done.settled:
            minutes = f"{self._patience / 60:.0f} minutes" if self._patience >= 120 else f"{self._patience:.0f} s"  # noqa: PLR2004
            self._tell(StepFailed(step, f"the cluster has not settled in {minutes}: {done.missing or done.reason}"))

    def _tell(self, failed: StepFailed) -> None:
        if not self._told:
            self._told = True
            self._fail(failed)


class Outcry:
    """Writes to the log group what a person has to decide, and when it is over.

    Args:
        log: of this node; it writes what is news, and not too often.
        monotonic: seconds that never jump.
    """

    def __init__(self, log: NodeLog, monotonic: Callable[[], float]) -> None:
        self._log = log
        self._need = Need(monotonic)

    def passed(self, step: str, done: Done, *, well: bool) -> None:
        """Look at a round; nothing that goes wrong with the log stops it."""
        try:
            if self._need.of(done):
                self._log.trouble(StepFailed(step, done.reason))
            elif well:
                self._log.well()
        except (BotoCoreError, ClientError, OSError) as error:
            say("no-log", f"the log group did not take the reason: {error}", step=step)

    def told(self, failed: StepFailed) -> None:
        """Write what another part of this node says; nothing that goes wrong with the log stops it."""
        try:
            self._log.trouble(failed)
        except (BotoCoreError, ClientError, OSError) as error:
            say("no-log", f"the log group did not take the reason: {error}", step=failed.step)
