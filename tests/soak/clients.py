"""Clients that read, write and append on a few keys while things happen, and note every operation in a history."""

from __future__ import annotations

import base64
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

from kubecfn.etcd.client import Client, EtcdError
from tests.soak.histories import History

_ABORTED = 10  # gRPC: the transaction's condition did not hold
# So few keys that clients meet on them; so short lists that a verdict is quick.
_REGISTERS, _LISTS = 2, 1


class Clients:
    """Some threads from `with` until its end, each at a member of its own until that one fails.

    Args:
        addresses: who may be asked now.
        connect: a client with a timeout in seconds.
        seed: what they do follows from it; when, of course not.
        count: threads.
        pause: seconds between two operations of one thread, on average.
    """

    def __init__(
        self,
        addresses: Callable[[], Sequence[str]],
        connect: Callable[[str, float], Client],
        seed: int,
        *,
        count: int = 2,
        pause: float = 0.04,
    ) -> None:
        self.history, self.round = History(), 0
        self.failures: list[str] = []
        self._addresses, self._connect, self._pause = addresses, connect, pause
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._go_on, args=(number, random.Random(f"{seed}/{number}")), daemon=True)
            for number in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _go_on(self, number: int, chance: random.Random) -> None:
        try:
            self._act_on(number, chance)
        except Exception as error:  # noqa: BLE001  a client that died quietly would prove nothing
            self.failures.append(f"a client ended before its time: {error!r}")

    def _act_on(self, number: int, chance: random.Random) -> None:
        count, home = 0, number
        while not self._stopped.is_set():
            count += 1
            addresses = self._addresses()
            if addresses:
                client = self._connect(addresses[home % len(addresses)], 0.5)
                if self._act(client, number, f"{number}.{count}", chance) is None:
                    home += 1
            self._stopped.wait(chance.uniform(0.5, 1.5) * self._pause)

    def _act(self, client: Client, number: int, value: str, chance: random.Random) -> str | None:
        """Do one operation on a key of this round; return None when it was not acknowledged."""
        record = self.history.record
        if chance.random() < 0.4:
            key = f"append/{self.round}/{chance.randrange(_LISTS)}"
            if chance.random() < 0.5:
                return record(key, number, "read", "", lambda: read(client, key))
            return record(key, number, "append", value, lambda: append(client, key, value))
        key = f"register/{self.round}/{chance.randrange(_REGISTERS)}"
        if chance.random() < 0.6:
            return record(key, number, "read", "", lambda: read(client, key))
        return record(key, number, "write", value, lambda: write(client, key, value))


def read(client: Client, key: str) -> str:
    """Read linearizably; empty for a key that is not there."""
    return (client.get(key.encode()) or b"").decode()


def write(client: Client, key: str, value: str) -> str:
    """Write."""
    client.put(key.encode(), value.encode())
    return ""


def append(client: Client, key: str, value: str) -> str:
    """Put a value behind a list, if nobody else changes it in between; return the list as it is then."""
    try:
        before, revision = client._ask("kv/range", {"key": _base64(key)}, _kept)
    except EtcdError as error:
        raise EtcdError(error.code, error.message, definite=True) from None  # nothing was asked to change
    after = f"{before},{value}" if before else value
    condition = {"key": _base64(key), "target": "MOD", "result": "EQUAL", "modRevision": str(revision)}
    put = {"requestPut": {"key": _base64(key), "value": _base64(after)}}
    if not client._ask(
        "kv/txn", {"compare": [condition], "success": [put]}, lambda answer: answer.get("succeeded", False)
    ):
        raise EtcdError(_ABORTED, "someone else was quicker", definite=True)
    return after


def _kept(answer: dict[str, Any]) -> tuple[str, int]:
    kept = answer.get("kvs") or [{}]
    return base64.b64decode(kept[0].get("value", "")).decode(), int(kept[0].get("mod_revision", 0))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
