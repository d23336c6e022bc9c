"""Runs the operations on stacks, each in a thread of its own, one at a time per stack.

AWS: API Reference "CreateStack", "UpdateStack", "DeleteStack", "CancelUpdateStack", "ContinueUpdateRollback", "RollbackStack": the
call is answered at once and the stack's status tells how it goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from kubecfn.local.cloudformation import flows
from kubecfn.local.cloudformation.signals import Signals
from kubecfn.local.cloudformation.stacks import Stack, Wanted
from kubecfn.local.cloudformation.surroundings import Surroundings
from kubecfn.local.cloudformation.work import Work

_log = logging.getLogger(__name__)
Ended = Callable[[bool], None]


@dataclass(frozen=True)
class _Running:
    work: Work
    thread: threading.Thread
    over: threading.Event


class Engine:
    """The operations under way in the account.

    Args:
        around: where operations work.
        signals: where their resources' signals arrive.
    """

    def __init__(self, around: Surroundings, signals: Signals) -> None:
        self._around = around
        self._signals = signals
        self._running: dict[str, _Running] = {}

    def create(self, stack: Stack, wanted: Wanted, ended: Ended = lambda _good: None) -> None:
        """Start to create a stack."""
        stack.wanted = wanted
        self._begin(stack, "CREATE_STACK", "CREATE_IN_PROGRESS", "User Initiated")
        work = self._work(stack, wanted)
        self._launch(work, lambda: flows.create(work), ended)
        if stack.timeout_minutes:
            self._limit(work, stack.timeout_minutes * 60)

    def update(
        self,
        stack: Stack,
        wanted: Wanted,
        *,
        policy: str = "",
        disable_rollback: bool = False,
        ended: Ended = lambda _good: None,
    ) -> None:
        """Start to update a stack; `policy` overrides the stack's own for this time."""
        assert stack.wanted is not None
        before_tags = stack.wanted.tags
        stack.before = flows.remember(stack)
        stack.wanted = wanted
        stack.updated = self._around.world.clock.now()
        self._begin(stack, "UPDATE_STACK", "UPDATE_IN_PROGRESS", "User Initiated")
        work = self._work(stack, wanted, policy or stack.policy)
        work.before_tags = before_tags
        self._launch(work, lambda: flows.update(work, disable_rollback=disable_rollback), ended)

    def delete(self, stack: Stack, retain: Collection[str] = (), *, force: bool = False) -> None:
        """Start to delete a stack; a creation under way is given up first."""
        assert stack.wanted is not None
        earlier = self._running.get(stack.id)
        if earlier is not None:
            earlier.work.abandoned = True
            earlier.work.give_up()
        stack.operation, stack.operation_type = self._around.stacks.uuid(), "DELETE_STACK"
        stack.status = "DELETE_IN_PROGRESS"
        work = self._work(stack, stack.wanted)

        def run() -> None:
            if earlier is not None:
                earlier.thread.join()
            flows.delete(work, retain, force=force)

        self._launch(work, run)

    def roll_back_update(self, stack: Stack, reason: str, skip: Collection[str] = ()) -> None:
        """Start to bring a stack back to what it was before its last update."""
        assert stack.before is not None
        assert stack.wanted is not None
        self._begin(stack, "CONTINUE_ROLLBACK", "UPDATE_ROLLBACK_IN_PROGRESS", silent=True)
        work = self._work(stack, stack.before.wanted)
        work.before_tags = stack.wanted.tags
        self._launch(work, lambda: flows.roll_back(work, reason, skip))

    def undo_creation(self, stack: Stack) -> None:
        """Start to delete what a failed creation left."""
        assert stack.wanted is not None
        self._begin(stack, "ROLLBACK", "ROLLBACK_IN_PROGRESS", silent=True)
        work = self._work(stack, stack.wanted)
        self._launch(work, lambda: flows.undo_creation(work, "User Initiated"))

    def cancel(self, stack: Stack) -> None:
        """Give up the update under way; it rolls back."""
        running = self._running.get(stack.id)
        if running is not None:
            running.work.why = "User Initiated"
            running.work.give_up()

    def close(self) -> None:
        """Give up everything and wait for the threads."""
        for running in list(self._running.values()):
            running.work.abandoned = True
            running.work.give_up()
        for running in list(self._running.values()):
            running.thread.join(timeout=5)

    def _work(self, stack: Stack, wanted: Wanted, policy: str = "") -> Work:
        return Work(self._around, self._signals, stack, wanted, before_tags=wanted.tags, policy=policy)

    def _begin(self, stack: Stack, kind: str, status: str, reason: str = "", *, silent: bool = False) -> None:
        stack.operation, stack.operation_type = self._around.stacks.uuid(), kind
        if silent:
            stack.status = status  # the flow writes the event, with its reason
        else:
            self._around.stacks.set_status(stack, status, reason)

    def _launch(self, work: Work, run: Callable[[], object], ended: Ended = lambda _good: None) -> None:
        over = threading.Event()

        def body() -> None:
            good = False
            try:
                good = run() is True
            except Exception:  # noqa: BLE001  a broken operation must end in a state, or its caller waits for ever
                _log.exception("the operation on stack %s broke inside the emulation", work.stack.name)
                failed = work.stack.status.replace("_CLEANUP_IN_PROGRESS", "").replace("_IN_PROGRESS", "_FAILED")
                self._around.stacks.set_status(work.stack, failed, "Internal Failure")
            finally:
                ended(good)
                over.set()

        thread = threading.Thread(target=body, name=f"stack {work.stack.name}", daemon=True)
        self._running[work.stack.id] = _Running(work, thread, over)
        thread.start()

    def _limit(self, work: Work, seconds: float) -> None:
        """End a creation that takes longer than TimeoutInMinutes."""
        over = self._running[work.stack.id].over

        def watch() -> None:
            if not self._around.world.clock.wait(over, seconds):
                work.why = "Stack creation time exceeded the specified timeout. "
                work.give_up()

        threading.Thread(target=watch, name=f"timeout {work.stack.name}", daemon=True).start()
