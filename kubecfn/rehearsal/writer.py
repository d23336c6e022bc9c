"""A client that writes all the time, one write after another, and at the end reads back whether etcd kept its word."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from kubecfn.etcd.gateway import UNAVAILABLE, EtcdError
from kubecfn.rehearsal.record import Outcome, Stall, Write, longest, stalls

# A write that hangs on a member that is leaving is tried elsewhere soon; then each attempt gets more patience, so that a
# slow cluster is slow and not seen as dead.
FIRST_ATTEMPT, LONGEST_ATTEMPT = 0.25, 2.0
# Between rounds in which every member refused.
PAUSE = 0.02
# What a restore adds to the revision (etcdutl snapshot restore --bump-revision).
BUMP = 1_000_000_000
# A write's number in its keys; everything is read back in portions of ten to the power of PORTION.
DIGITS, PORTION = 8, 3


class Reachable(Protocol):
    """What the writer needs of `kubecfn.etcd.client.Client`."""

    def put(self, key: bytes, value: bytes) -> int:
        """Write; return the revision."""

    def range_prefix(self, prefix: bytes) -> Mapping[bytes, bytes]:
        """Return everything below a prefix, linearizably."""


@dataclass(frozen=True)
class Checked:
    """What was found when everything was read back.

    Attributes:
        acknowledged: writes that etcd said were done.
        lost: acknowledged, and not there: there must be none.
        given_up: acknowledged, not there, newer than the snapshot a restore went back to.
        duplicated: done twice, because an unanswered attempt had gone through before the next was made.
        unexplained: entries that nobody may have made: wrong value, unknown, or refused by etcd and there nevertheless.
    """

    acknowledged: int
    lost: tuple[Write, ...] = ()
    given_up: tuple[Write, ...] = ()
    duplicated: int = 0
    unexplained: tuple[str, ...] = ()


@dataclass(frozen=True)
class Numbers:
    """The writer at one moment. Seconds; `pending` is how long the write under way has been waiting, 0 for none."""

    acknowledged: int = 0
    indefinite: int = 0
    failed: int = 0
    latency: float = 0.0
    pending: float = 0.0
    longest: float = 0.0
    recent: tuple[float, ...] = ()


@dataclass
class _Attempts:
    """The attempts of one write: their keys, and whether a refusal was certain."""

    begun: float
    refused: list[bytes] = field(default_factory=list)
    open: list[bytes] = field(default_factory=list)


class Writer:
    """Writes in a thread of its own from `with` until its end.

    Every attempt has a key of its own, so that a write that took effect twice shows. One write is tried on one member after
    another until it is acknowledged or `deadline` seconds are over.

    Args:
        addresses: who may be asked now; called for every round of attempts.
        connect: a client for an address with a timeout in seconds.
        clock: seconds that never go back, the recorder's ``now``.
        pause: seconds between two writes.
        deadline: seconds after which a write is given up and recorded as indefinite or failed.
    """

    def __init__(
        self,
        addresses: Callable[[], Sequence[str]],
        connect: Callable[[str, float], Reachable],
        clock: Callable[[], float],
        *,
        pause: float = 0.01,
        deadline: float = 60.0,
    ) -> None:
        self._addresses, self._connect, self._clock = addresses, connect, clock
        self._pause, self._deadline = pause, deadline
        self.prefix = f"kubecfn/rehearsal/{secrets.token_hex(4)}/".encode()
        self._writes: list[Write] = []
        # of every attempt's key: its write, and whether it may be there
        self._keys: dict[bytes, tuple[int, bool]] = {}
        self._since: float | None = None
        self._home = ""
        self._failure: Exception | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop writing; a write under way is finished or given up first."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def writes(self) -> tuple[Write, ...]:
        """Every write that has ended."""
        with self._lock:
            return tuple(self._writes)

    def numbers(self, last: int = 60) -> Numbers:
        """Return what a live view shows; `recent` are the latencies of the `last` writes."""
        now, since = self._clock(), self._since
        writes = self.writes
        count = {outcome: sum(write.outcome is outcome for write in writes) for outcome in Outcome}
        pending = now - since if since is not None else 0.0
        worst = max((stall.seconds for stall in stalls(writes)), default=0.0)
        recent = tuple(write.ended - write.begun for write in writes[-last:])
        return Numbers(
            count[Outcome.OK],
            count[Outcome.INDEFINITE],
            count[Outcome.FAILED],
            recent[-1] if recent else 0.0,
            pending,
            max(worst, pending),
            recent,
        )

    def stall(self, since: float = 0.0, until: float = float("inf")) -> Stall | None:
        """Return the longest stall that touches a stretch of time."""
        return longest(self.writes, since, until)

    def _write_on(self) -> None:
        number = 0
        while not self._stopped.is_set():
            try:
                write = self._write(number)
            except Exception as error:  # noqa: BLE001  kept for `check`: a writer that died quietly would prove nothing
                self._failure = error
                return
            with self._lock:
                self._writes.append(write)
            number += 1
            self._stopped.wait(self._pause)

    def _write(self, number: int) -> Write:
        """Try until it is acknowledged, the deadline is over, or the run ends while nobody answers."""
        attempts = _Attempts(self._clock())
        self._since = attempts.begun
        patience, revision = FIRST_ATTEMPT, 0
        while not revision:
            for address in self._in_order():
                revision = self._attempt(address, patience, number, attempts)
                if revision or self._over(attempts):
                    break
            if revision or self._over(attempts):
                break
            patience = min(2 * patience, LONGEST_ATTEMPT)
            self._stopped.wait(PAUSE)
        self._since = None
        outcome = Outcome.OK if revision else Outcome.INDEFINITE if attempts.open else Outcome.FAILED
        made = len(attempts.refused) + len(attempts.open) + bool(revision)
        return Write(number, attempts.begun, self._clock(), outcome, made, revision)

    def _over(self, attempts: _Attempts) -> bool:
        return self._stopped.is_set() or self._clock() - attempts.begun > self._deadline

    def _in_order(self) -> list[str]:
        """Return whom to ask: first whoever answered last."""
        return sorted(self._addresses(), key=lambda address: address != self._home)

    def _attempt(self, address: str, patience: float, number: int, attempts: _Attempts) -> int:
        """Return the revision, or 0 when it was refused or not answered."""
        made = len(attempts.refused) + len(attempts.open)
        key = self._key(number, made)
        self._keys[key] = (number, True)
        try:
            revision = self._connect(address, patience).put(key, _value(key))
        except EtcdError as error:
            (attempts.refused if error.definite else attempts.open).append(key)
            self._keys[key] = (number, not error.definite)
            return 0
        self._home = address
        return revision

    def check(self, restored_from: Iterable[int] = ()) -> Checked:
        """Read everything back, after `stop`, and compare.

        Args:
            restored_from: the revision of every snapshot that the cluster went back to.

        Raises:
            EtcdError: nobody answered.
            RuntimeError: the writer ended before its time, so it proves nothing.
        """
        if self._failure:
            raise RuntimeError(f"the writer ended before its time: {self._failure}") from self._failure
        there = self._read()
        missing = [
            write
            for write in self.writes
            if write.acknowledged and self._key(write.number, write.attempts - 1) not in there
        ]
        restores = tuple(restored_from)
        spared = [write for write in missing if any(_newer(write, revision) for revision in restores)]
        numbers = [self._keys[key][0] for key in there if key in self._keys]
        wrong = (key for key, value in there.items() if value != _value(key) or not self._keys.get(key, (0, False))[1])
        return Checked(
            acknowledged=sum(write.acknowledged for write in self.writes),
            lost=tuple(write for write in missing if write not in spared),
            given_up=tuple(spared),
            duplicated=len(numbers) - len(set(numbers)),
            unexplained=tuple(key.decode(errors="replace") for key in wrong),
        )

    def _key(self, number: int, attempt: int) -> bytes:
        return self.prefix + f"{number:0{DIGITS}d}.{attempt:04d}".encode()

    def _read(self) -> dict[bytes, bytes]:
        """Return everything below the prefix, in portions that fit into one answer of etcd's gateway."""
        blocks = {key[: len(self.prefix) + DIGITS - PORTION] for key in self._keys}
        return {key: value for block in sorted(blocks) for key, value in self._portion(block).items()}

    def _portion(self, block: bytes) -> Mapping[bytes, bytes]:
        problem = EtcdError(UNAVAILABLE, "there is nobody to ask", definite=True)
        for address in self._in_order():
            try:
                return self._connect(address, 10.0).range_prefix(block)
            except EtcdError as error:
                problem = error
        raise problem


def _value(key: bytes) -> bytes:
    return key.rsplit(b"/", 1)[1]


def _newer(write: Write, snapshot: int) -> bool:
    """Say whether a write is newer than a snapshot and older than the cluster that was restored from it."""
    return snapshot < write.revision <= snapshot + BUMP
