"""The writer tells the truth about a store that loses, doubles, refuses and hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kubecfn.etcd.gateway import EtcdError
from kubecfn.rehearsal.record import Outcome
from kubecfn.rehearsal.writer import BUMP, Checked, Writer


class Store:
    """Members that share one map; `fault` says what happens to the attempt of so many-th number."""

    def __init__(self, fault: Callable[[int, str], str] = lambda _attempt, _address: "") -> None:
        self.kept: dict[bytes, bytes] = {}
        self.revision, self.attempts, self.fault = 0, 0, fault
        self.asked: list[str] = []

    def connect(self, address: str, _timeout: float) -> Member:
        """Return a client of one of them."""
        return Member(self, address)


class Member:
    """One address of the store."""

    def __init__(self, store: Store, address: str) -> None:
        self.store, self.address = store, address

    def put(self, key: bytes, value: bytes) -> int:
        """Write, or do what the fault says."""
        store = self.store
        store.attempts += 1
        store.asked.append(self.address)
        what = store.fault(store.attempts, self.address)
        if what == "refused":
            raise EtcdError(9, "refused", definite=True)
        if what == "unreachable":
            raise EtcdError(14, "cannot be reached", definite=True)
        if what != "lost":
            store.revision += 1
            store.kept[key] = b"other" if what == "garbled" else value
        if what in {"unanswered, done", "lost, unanswered"}:
            raise EtcdError(4, "too late", definite=False)
        if what == "liar":
            raise EtcdError(9, "refused", definite=True)
        return store.revision

    def range_prefix(self, prefix: bytes) -> dict[bytes, bytes]:
        """Read."""
        return {key: value for key, value in self.store.kept.items() if key.startswith(prefix)}


def written(store: Store, count: int, addresses: tuple[str, ...] = ("a", "b")) -> Writer:
    """Return a stopped writer that made at least so many writes."""
    with Writer(lambda: addresses, store.connect, time.monotonic, pause=0.0, deadline=0.05) as writer:
        until = time.monotonic() + 5
        while len(writer.writes) < count and time.monotonic() < until:
            time.sleep(0.001)
    return writer


def at(number: int, what: str) -> Callable[[int, str], str]:
    return lambda attempt, _: what if attempt == number else ""


def test_a_healthy_store_loses_nothing_and_every_write_has_its_revision():
    """Without faults everything is acknowledged once, in order."""
    writer = written(Store(), 50)
    checked = writer.check()

    assert Checked(acknowledged=len(writer.writes)) == checked
    assert list(range(1, len(writer.writes) + 1)) == [write.revision for write in writer.writes]
    assert all(0 <= write.begun <= write.ended for write in writer.writes)


@pytest.mark.parametrize(
    ("fault", "lost", "duplicated", "unexplained"),
    [
        ("lost", 1, 0, 0),
        ("unanswered, done", 0, 1, 0),
        ("refused", 0, 0, 0),
        ("liar", 0, 1, 1),
        ("garbled", 0, 0, 1),
    ],
)
def test_what_the_store_does_wrong_is_found_when_everything_is_read_back(fault, lost, duplicated, unexplained):
    """An acknowledged write that is not there is lost; one done twice, or never allowed, is counted too."""
    checked = written(Store(at(7, fault)), 20).check()

    assert (lost, duplicated, unexplained) == (len(checked.lost), checked.duplicated, len(checked.unexplained))
    assert [6] * lost == [write.number for write in checked.lost]


def test_a_write_that_its_member_refuses_is_made_on_another_and_that_one_stays_home():
    """The next member is asked at once, and asked first from then on."""
    store = Store(lambda attempt, address: "unreachable" if address == "a" and attempt > 5 else "")
    writer = written(store, 20)

    assert {Outcome.OK} == {write.outcome for write in writer.writes}
    assert store.asked[5:8] == ["a", "b", "b"]
    assert writer.writes[5].attempts == 2


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("refused", Outcome.FAILED), ("unreachable", Outcome.FAILED), ("unanswered, done", Outcome.INDEFINITE)],
)
def test_a_write_ends_at_its_deadline_as_failed_or_indefinite(fault, outcome):
    """Only refusals make a failed write; one unanswered attempt leaves it open, and an open write is never lost."""
    writer = written(Store(lambda *_: fault), 1)

    assert outcome is writer.writes[0].outcome
    assert Checked(acknowledged=0, duplicated=writer.check().duplicated) == writer.check()


def test_nobody_to_ask_ends_with_the_run_and_not_later():
    """A run can end while no cluster is there; then nothing is claimed about what was acknowledged."""
    addresses = ["a"]
    store = Store()
    with Writer(lambda: addresses, store.connect, time.monotonic, pause=0.0, deadline=0.05) as writer:
        while not writer.writes:
            time.sleep(0.001)
        addresses.clear()
        time.sleep(0.06)

    assert Outcome.FAILED is writer.writes[-1].outcome
    with pytest.raises(EtcdError, match="nobody to ask"):
        writer.check()


def test_what_a_restore_gave_up_is_told_apart_from_what_was_lost():
    """Newer than the snapshot and older than the restored cluster: given up. Anything else that is missing: lost."""
    store = Store()

    def restored(attempt: int, _address: str) -> str:
        store.revision += BUMP if attempt == 26 else 0
        return ""

    store.fault = restored
    writer = written(store, 30)
    for number in (3, 20, 28):
        del store.kept[next(key for key in store.kept if f"{number:08d}.".encode() in key)]

    checked = writer.check(restored_from=[10])

    assert ([one.number for one in checked.lost], [one.number for one in checked.given_up]) == ([3, 28], [20])
    assert [one.number for one in writer.check().lost] == [3, 20, 28]


def test_a_writer_that_ended_before_its_time_proves_nothing():
    """Not to have written is not to have lost nothing."""
    asked = []

    def addresses() -> list[str]:
        asked.append(1)
        if len(asked) > 5:
            raise OSError("the group could not be asked")
        return ["a"]

    with Writer(addresses, Store().connect, time.monotonic, pause=0.0) as writer:
        writer._thread.join(5)

    with pytest.raises(RuntimeError, match="before its time: the group could not be asked"):
        writer.check()


def test_live_numbers_say_how_long_the_write_under_way_has_been_waiting():
    """A stall shows while it lasts, not only when it is over."""
    held = Store(lambda *_: "unreachable")
    with Writer(lambda: ("a",), held.connect, time.monotonic, deadline=5.0) as writer:
        time.sleep(0.05)
        numbers = writer.numbers()

    assert numbers.pending >= 0.02
    assert numbers.longest >= numbers.pending
    assert numbers.acknowledged == 0
