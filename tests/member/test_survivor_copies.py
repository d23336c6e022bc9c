"""A survivor's copy stays on its disk until the bucket has a whole snapshot of an epoch that followed."""

import json
from datetime import UTC, datetime

import controller_root  # noqa: F401  it says where the agent's packages are
import pytest
from botocore.exceptions import ClientError
from member.survivors import Copies

from kubecfn.etcd.snapshots import Snapshot
from kubecfn.etcd.store import Stored, StoreError


class Store:
    """Snapshots by epoch, each with the metadata that its uploader wrote, unless said otherwise."""

    def __init__(self, *epochs, said=None, refusal=None):
        self.epochs, self.said, self.refusal, self.looks = epochs, said, refusal, 0

    def snapshots(self):
        """List them, the newest first."""
        self.looks += 1
        if self.refusal:
            raise self.refusal
        return tuple(Snapshot(f"snapshots/{one}", one, 9, "i-0a", 9, datetime.now(UTC)) for one in self.epochs)

    def head(self, key):
        """Say what one is."""
        whole = {"sha256": "f" * 64, "epoch": key.rpartition("/")[2], "size": "9"}
        return whole if self.said is None else self.said


def duty(folder, store, *, established=2, epoch=2, times=1, every=300.0):
    """Let a member that serves look at its copies; return what is left."""
    clock = iter(range(0, 1000 * times, 100))
    copies = Copies(store, folder, every, lambda: next(clock))
    for _ in range(times):
        copies.duty(Stored(epoch, "i-0a", "survive", established=established))
    return sorted(one.name for one in folder.iterdir())


COPY, OTHER = "survivor-of-1.db", "backup.db"


@pytest.fixture
def folder(tmp_path):
    """A disk with a copy of epoch 1, and with what is none."""
    for name in (COPY, OTHER):
        (tmp_path / name).write_text("data")
    return tmp_path


@pytest.mark.parametrize("epochs", [(2,), (2, 1), (3, 2, 1)])
def test_a_copy_goes_once_what_came_of_it_is_in_the_bucket(folder, epochs, capsys):
    """A snapshot of the next established epoch has all that was in it; nothing else on the disk is touched."""
    assert duty(folder, Store(*epochs)) == [OTHER]

    line = json.loads(capsys.readouterr().out)
    assert (line["decision"], line["key"]) == ("survivor-copy", "snapshots/2")


@pytest.mark.parametrize(
    ("store", "established"),
    [
        (Store(), 2),
        (Store(1), 2),
        (Store(2), 1),
        (Store(3), 2),
        (Store(2, said={"size": "9"}), 2),
        (Store(2, said={"sha256": "f", "epoch": "1"}), 2),
        (Store(refusal=ClientError({"Error": {"Code": "AccessDenied"}}, "ListObjectsV2")), 2),
        (Store(refusal=StoreError("s3://b/k is not there")), 2),
    ],
)
def test_a_copy_stays_as_long_as_it_may_be_the_only_one(folder, store, established):
    """Only its own epoch's, one of an epoch nobody established, one nobody vouches for, or not known: it stays."""
    assert duty(folder, store, established=established) == [OTHER, COPY]


def test_the_bucket_is_asked_seldom_and_never_without_a_copy(folder):
    """A look costs a call: every few minutes, and only where a copy lies."""
    store = Store(1)
    duty(folder, store, times=5, every=250.0)
    assert store.looks == 2

    (folder / COPY).unlink()
    none = Store(2)
    duty(folder, none, times=3)
    assert none.looks == 0
