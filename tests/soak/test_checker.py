"""The checker finds what a store may never do, and blames nothing that it may."""

from __future__ import annotations

import random
import threading
from functools import partial

import pytest

from kubecfn.etcd.gateway import EtcdError
from tests.soak.checker import check
from tests.soak.histories import History, Operation

R, A = "register", "append"


def op(kind, call, end, do, text, outcome="ok", client=0):
    """Return one operation; of a read `text` is what it saw, of an append `value -> seen`, else what it wrote."""
    value, _, after = text.partition(" -> ")
    seen = text if do == "read" else after
    return Operation(f"{kind}-k", kind, client, call, end, do, outcome, "" if do == "read" else value, seen)


GOOD = {
    "one after another": [op(R, 1, 2, "write", "1"), op(R, 3, 4, "read", "1")],
    "nothing written, nothing there": [op(R, 1, 2, "read", "")],
    "a read beside a write sees the old value": [
        op(R, 1, 2, "write", "1"),
        op(R, 3, 9, "write", "2"),
        op(R, 4, 5, "read", "1"),
    ],
    "a read beside a write sees the new value": [
        op(R, 1, 2, "write", "1"),
        op(R, 3, 9, "write", "2"),
        op(R, 4, 5, "read", "2"),
    ],
    "an unanswered write shows much later": [
        op(R, 1, 2, "write", "1", "indefinite"),
        op(R, 50, 51, "read", ""),
        op(R, 60, 61, "read", "1"),
    ],
    "an unanswered write never shows": [op(R, 1, 2, "write", "1", "indefinite"), op(R, 50, 51, "read", "")],
    "a refused write never shows": [op(R, 1, 2, "write", "1", "failed"), op(R, 3, 4, "read", "")],
    "an unanswered read says nothing": [op(R, 1, 2, "write", "1"), op(R, 3, 4, "read", "", "indefinite")],
    "appends in some order": [
        op(A, 1, 9, "append", "a -> a"),
        op(A, 2, 8, "append", "b -> a,b"),
        op(A, 10, 11, "read", "a,b"),
    ],
    "an unanswered append is there": [op(A, 1, 2, "append", "a", "indefinite"), op(A, 3, 4, "append", "b -> a,b")],
    "an unanswered append is not there": [op(A, 1, 2, "append", "a", "indefinite"), op(A, 3, 4, "append", "b -> b")],
}
BAD = {
    "a stale read": [op(R, 1, 2, "write", "1"), op(R, 3, 4, "write", "2"), op(R, 5, 6, "read", "1")],
    "an acknowledged write is lost": [op(R, 1, 2, "write", "1"), op(R, 3, 4, "read", "")],
    "time runs backwards between two readers": [
        op(R, 1, 2, "write", "1"),
        op(R, 3, 20, "write", "2"),
        op(R, 4, 5, "read", "2"),
        op(R, 6, 7, "read", "1", client=1),
    ],
    "an unanswered write shows and goes away": [
        op(R, 1, 2, "write", "1", "indefinite"),
        op(R, 3, 4, "read", "1"),
        op(R, 5, 6, "read", ""),
    ],
    "a refused write shows": [op(R, 1, 2, "write", "1", "failed"), op(R, 3, 4, "read", "1")],
    "a write shows before it is made": [op(R, 1, 2, "read", "1"), op(R, 3, 4, "write", "1")],
    "an acknowledged append is lost": [op(A, 1, 2, "append", "a -> a"), op(A, 3, 4, "append", "b -> b")],
    "appends change places": [
        op(A, 1, 2, "append", "a -> a"),
        op(A, 3, 4, "append", "b -> a,b"),
        op(A, 5, 6, "read", "b,a"),
    ],
    "an append is done twice": [op(A, 1, 2, "append", "a -> a"), op(A, 3, 4, "read", "a,a")],
    "two appends did not see each other": [op(A, 1, 9, "append", "a -> a"), op(A, 2, 8, "append", "b -> b")],
}


@pytest.mark.parametrize("name", GOOD)
def test_what_a_store_may_do_is_not_blamed(name):
    """Concurrency and unanswered operations explain a lot, and all of that is legal."""
    (verdict,) = check(one.line() for one in GOOD[name])

    assert (verdict.verdict, verdict.unplaced) == ("ok", ())


@pytest.mark.parametrize("name", BAD)
def test_what_a_store_may_never_do_is_found(name):
    """Stale, lost, reordered, doubled and resurrected values are found, with an operation that fits nowhere."""
    (verdict,) = check(one.line() for one in BAD[name])

    assert verdict.verdict == "illegal"
    assert verdict.unplaced
    assert verdict.placed < verdict.operations


def test_keys_are_judged_one_by_one():
    """A broken key is named; the others are as they are."""
    lines = [one.line() for one in [*GOOD["appends in some order"], *BAD["a stale read"]]]

    assert {one.key: one.verdict for one in check(lines)} == {"append-k": "ok", "register-k": "illegal"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1"),
        (op(R, 1, 2, "append", "a").line(), 'no operation "append" on a "register"'),
        (op(R, 2, 1, "write", "a").line(), "returns before it is called"),
        (op(R, 1, 2, "write", "a", "perhaps").line(), 'no outcome "perhaps"'),
    ],
)
def test_a_line_that_is_no_operation_is_refused(line, words):
    """A history that cannot be read is never a good one."""
    with pytest.raises(ValueError, match=words):
        check([line])


def a_busy_store() -> History:
    """Return the history of five clients and a store behind a lock that does not answer now and then."""
    store, lock, history = [""], threading.Lock(), History()

    def write(value: str) -> str:
        with lock:
            store[0] = value
        if value.endswith(".100"):
            raise EtcdError(4, "too late", definite=False)
        return ""

    def read() -> str:
        with lock:
            return store[0]

    def client(number: int) -> None:
        chance = random.Random(number)
        for count in range(200):
            value = f"{number}.{count}"
            if chance.random() < 0.5:
                history.record("register-k", number, "write", value, partial(write, value))
            else:
                history.record("register-k", number, "read", "", read)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return history


def test_a_thousand_operations_of_five_clients_are_judged_in_a_moment():
    """What was recorded is legal; one read made stale is found among all of it."""
    history = a_busy_store()
    lines = history.lines()
    early = next(one.value for one in history.operations if one.value)
    stale = Operation("register-k", R, 9, 2**62, 2**62 + 1, "read", "ok", seen=early)

    assert len(lines) == 1000
    assert [one.verdict for one in check(lines)] == ["ok"]
    assert [one.verdict for one in check([*lines, stale.line()])] == ["illegal"]
