"""Which snapshot a person means by a key, `newest` or a time; and ages and sizes as people read them."""

from datetime import UTC, datetime, timedelta

import care_cluster as etcd
import pytest

from kubecfn.care.choose import Choice, chosen, in_order
from kubecfn.care.words import age, size
from kubecfn.errors import WrongUseError

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def choice(revision, minutes, *, epoch=1, key=""):
    return Choice(key or etcd.key(revision, epoch=epoch), epoch, revision, 2080, NOON + timedelta(minutes=minutes))


# Epoch 2 was restored from an old snapshot: it is newer than all of epoch 1, whatever their revisions.
OLD, NEW, RESTORED = choice(100, 0), choice(900, 20), choice(101, 40, epoch=2)
DAILY = choice(900, 60, key=f"daily/2026-11-21/{etcd.key(900).removeprefix('snapshots/')}")
ALL = (OLD, DAILY, RESTORED, NEW)


def test_newer_is_the_higher_epoch_then_the_higher_revision():
    """Clocks and upload times do not decide, and an original comes before its daily copy."""
    assert in_order(ALL) == (RESTORED, NEW, DAILY, OLD)


def test_an_original_comes_before_a_copy_that_seems_older():
    """An original that was put back later is the original still."""
    again = choice(900, 90)

    assert in_order((DAILY, again)) == (again, DAILY)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("newest", RESTORED),
        (OLD.key, OLD),
        (DAILY.key, DAILY),
        ("2026-11-21T12:00Z", OLD),
        ("2026-11-21T12:19:59Z", OLD),
        ("2026-11-21T12:20:00+00:00", NEW),
        ("2026-11-21T14:25+02:00", NEW),
        ("2026-11-21T12:59Z", RESTORED),
        ("2031-01-01T00:00Z", RESTORED),
    ],
)
def test_a_key_a_time_or_newest_names_one_snapshot(wanted, expected):
    """A time means the newest that was there by then, in whatever zone it is written."""
    assert chosen(ALL, wanted) is expected


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("2026-11-21T11:59Z", "No snapshot is as old as 2026-11-21T11:59Z: the oldest is of 2026-11-21T12:00Z"),
        ("2026-11-21T12:00", "says no time zone"),
        ("2026-11-21", "says no time zone"),
        ("yesterday", "is not a snapshot's key, newest, or an instant"),
        ("snapshots/000001/1.db", "There is no snapshot snapshots/000001/1.db"),
    ],
)
def test_what_names_no_snapshot_is_refused_with_what_is_allowed(wanted, says):
    """Nobody guesses: a wrong key, a time before everything, or one without a zone is said, and it is wrong use."""
    with pytest.raises(WrongUseError) as raised:
        chosen(ALL, wanted)

    assert says in raised.value.message
    assert raised.value.remedy


def test_without_any_snapshot_there_is_nothing_to_choose():
    """An empty bucket is said as such, with how to get a first one."""
    with pytest.raises(WrongUseError, match="There is no snapshot: nothing was ever backed up"):
        chosen((), "newest")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-3, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (7500, "2 h 5 min"), (273600, "3 d 4 h")],
)
def test_an_age_is_said_in_its_two_largest_units(seconds, said):
    """A clock that is a little ahead makes nothing negative."""
    assert age(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 41, "6.0 TiB")]
)
def test_a_size_is_said_in_the_largest_unit_that_leaves_one_or_more(count, said):
    """Bytes below a KiB are exact."""
    assert size(count) == said
