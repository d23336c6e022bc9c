"""Signals that instances send about a resource, and waiting for enough of them.

AWS: API Reference "SignalResource"; Template Reference "CreationPolicy attribute".
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable

from kubecfn.local.clock import Clock
from kubecfn.local.cloudformation.refusals import CancelledError, invalid
from kubecfn.local.cloudformation.stacks import Resource, Stack, Stacks


class Mailbox:
    """The signals of one resource while it is being created or updated.

    A second signal with the same UniqueId changes nothing ("each signal requires a different unique ID").
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._received: dict[str, str] = {}
        self._ignored: frozenset[str] = frozenset()
        self._cancelled = False

    def put(self, unique_id: str, status: str) -> bool:
        """Keep a signal and wake whoever waits; False when this UniqueId has signalled before."""
        with self._lock:
            new = unique_id not in self._received
            self._received.setdefault(unique_id, status)
        self._event.set()
        return new

    def ignore(self, unique_ids: Iterable[str]) -> None:
        """Count nothing from these, whenever it comes: a roll waits for signals "from new instances" (UpdatePolicy)."""
        with self._lock:
            self._ignored |= frozenset(unique_ids)

    def cancel(self) -> None:
        """End every wait, now and later, with `CancelledError`."""
        self._cancelled = True
        self._event.set()

    def counts(self) -> Counter[str]:
        """Return how many SUCCESS and FAILURE signals count."""
        with self._lock:
            return Counter(status for unique_id, status in self._received.items() if unique_id not in self._ignored)

    def senders(self, status: str) -> list[str]:
        """Return the UniqueIds that sent a status, first first."""
        with self._lock:
            return [unique_id for unique_id, sent in self._received.items() if sent == status]

    def has(self, unique_id: str) -> bool:
        """Whether this UniqueId has signalled."""
        with self._lock:
            return unique_id in self._received

    def wait(self, enough: Callable[[Counter[str]], bool], seconds: float) -> bool:
        """Block until `enough` holds of the counts (True) or so many simulated seconds have passed (False).

        Raises:
            CancelledError: when the operation gives the resource up.
        """
        deadline = self._clock.monotonic() + seconds
        while True:
            self._event.clear()
            if self._cancelled:
                raise CancelledError
            if enough(self.counts()):
                return True
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return False
            self._clock.wait(self._event, left)


class Signals:
    """Every open mailbox of the account."""

    def __init__(self, stacks: Stacks) -> None:
        self._stacks = stacks
        self._lock = threading.Lock()
        self._boxes: dict[tuple[str, str], Mailbox] = {}

    def open(self, stack: Stack, logical_id: str) -> Mailbox:
        """Start to collect signals for a resource: before its instances can exist."""
        box = Mailbox(self._stacks.clock)
        with self._lock:
            self._boxes[stack.id, logical_id] = box
        return box

    def close(self, stack: Stack, logical_id: str) -> None:
        """Stop collecting."""
        with self._lock:
            self._boxes.pop((stack.id, logical_id), None)

    def cancel(self, stack: Stack) -> None:
        """Give up every resource of a stack that waits for signals."""
        with self._lock:
            boxes = [box for (stack_id, _), box in self._boxes.items() if stack_id == stack.id]
        for box in boxes:
            box.cancel()

    def receive(self, stack: Stack, logical_id: str, unique_id: str, status: str) -> None:
        """Take a signal.

        Raises:
            ServiceError: unless the stack and the resource are being created or updated.
        """
        with self._stacks.lock:
            resource = self._target(stack, logical_id)
            with self._lock:
                box = self._boxes.get((stack.id, logical_id))
            # The event is written before the waiter wakes, so that history reads in the order of causes.
            if box is None or not box.has(unique_id):
                reason = f"Received {status} signal with UniqueId {unique_id}"
                self._stacks.note(stack, resource, resource.status, reason)
            if box is not None:
                box.put(unique_id, status)

    def _target(self, stack: Stack, logical_id: str) -> Resource:
        if not stack.busy or stack.status.startswith(("DELETE_", "ROLLBACK_")):
            raise invalid(f"Stack {stack.id} is in {stack.status} state and cannot be signaled")
        resource = stack.resources.get(logical_id)
        if resource is None:
            raise invalid(f"Resource {logical_id} does not exist for stack {stack.name}")
        if resource.status not in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"}:
            raise invalid(f"Resource {logical_id} is in {resource.status} state and cannot be signaled")
        return resource
