from datetime import UTC, datetime, timedelta

import pytest
from etcd_backup.freshness import behind, complaint

from kubecfn.etcd.store import Snapshot, Stored, written

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVERY = 300


def snapshot(age, *, epoch=1, revision=10):
    return Snapshot("snapshots/x.db", epoch, revision, "i-0000000a", 4096, NOW - timedelta(seconds=age))


def stored(age=86400, *, epoch=1, established=1):
    return Stored(epoch, "i-0000000a", "found", established, at=written(NOW - timedelta(seconds=age)))


@pytest.mark.parametrize(
    ("newest", "cluster", "revision", "words"),
    [
        pytest.param(snapshot(0), stored(), 99, "", id="new"),
        pytest.param(snapshot(900), stored(), 99, "", id="three intervals"),
        pytest.param(snapshot(901), stored(), 99, "is 901 s old", id="older"),
        pytest.param(snapshot(901), stored(), 99, "revision 99 has moved on", id="older, and it says why"),
        pytest.param(snapshot(9999), stored(), 10, "", id="the revision has not moved"),
        pytest.param(snapshot(9999), stored(), 0, "no etcd says whether", id="nobody answers"),
        pytest.param(None, stored(900), 5, "", id="none yet"),
        pytest.param(None, stored(901), 5, "there is no backup, 901 s after", id="none at all"),
        pytest.param(None, None, 0, "", id="no cluster"),
        pytest.param(snapshot(0), None, 5, "put an earlier version of etcd/cluster.json back", id="the object is gone"),
        pytest.param(None, stored(9999, established=0), 5, "", id="never established"),
        pytest.param(snapshot(9999), stored(900, epoch=2), 99, "", id="a new epoch has its own time"),
        pytest.param(snapshot(9999), stored(901, epoch=2), 5, "epoch 2 has no backup, 901 s after", id="and no more"),
        pytest.param(snapshot(60), stored(901, epoch=2), 5, "", id="restored from a young one"),
    ],
)
def test_a_backup_is_old_when_the_cluster_has_moved_on_for_three_intervals(newest, cluster, revision, words):
    """Age alone is no fault: only what would be lost is. Not to know whether anything would be, is."""
    said = complaint(newest, cluster, revision, NOW, EVERY)

    assert words in said
    assert bool(said) is bool(words)


@pytest.mark.parametrize(
    ("newest", "cluster", "revision", "seconds"),
    [
        pytest.param(snapshot(500), stored(), 11, 500, id="something was written since"),
        pytest.param(snapshot(500), stored(), 10, 0, id="nothing was"),
        pytest.param(snapshot(500), stored(), 0, 500, id="nobody says"),
        pytest.param(snapshot(500, revision=99), stored(epoch=2), 10, 500, id="of an epoch before"),
        pytest.param(snapshot(500), None, 10, 500, id="no object"),
        pytest.param(snapshot(-5), stored(), 11, 0, id="a clock that is behind"),
    ],
)
def test_the_published_age_is_how_much_would_be_lost(newest, cluster, revision, seconds):
    """An idle cluster's backup does not grow old, or its alarm would cry about nothing; not to know is to assume the worst."""
    assert behind(newest, cluster, revision, NOW) == seconds
