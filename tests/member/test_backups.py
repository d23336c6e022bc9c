"""The leader's backups: real etcd, real etcdutl, the embedded AWS's S3; time is told by the test."""

import json
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from agent import disk
from agent.steps import StepFailed
from botocore.exceptions import ClientError
from controller_root import DOMAIN
from member import backups, tools
from member.settings import Me
from real_etcd import EtcdCluster, binaries

from kubecfn.etcd.client import EtcdError
from kubecfn.etcd.look import Look
from kubecfn.etcd.store import Store, Stored
from kubecfn.etcd.view import Cluster, Heard, Machine, Member
from kubecfn.local.embedded import EmbeddedAws

BUCKET = "backups"
EVERY = 300.0


class Time:
    """A clock that the test moves."""

    def __init__(self):
        self.passed = 0.0

    def now(self):
        """The time of day."""
        return datetime.now(UTC) + timedelta(seconds=self.passed)

    def monotonic(self):
        """Seconds that never jump."""
        return 1000.0 + self.passed

    def wait(self, seconds):
        """Waiting is the loop's."""
        raise AssertionError("backups never wait")


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """One S3 for the file."""
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), services=()) as aws:
        client = aws.client("s3")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    """One real member for the file."""
    with EtcdCluster(tmp_path_factory.mktemp("etcd")) as cluster:
        cluster.found("i-0000000a")
        yield cluster["i-0000000a"]


class Controller:
    """A member whose backups are called as the loop calls them."""

    def __init__(self, member, s3, tmp_path):
        self.member = member
        self.s3 = s3
        self.time = Time()
        self.root = tmp_path
        self.store = Store(s3, BUCKET, "payments")
        (tmp_path / "usr/local/bin").mkdir(parents=True)
        (tmp_path / "usr/local/bin/etcdutl").symlink_to(binaries() / "etcdutl")
        self.folder = tmp_path / "var/lib/kubecfn"
        self.leads = True
        self.epoch = 1
        self.client = member.client(10)
        self.backups = backups.Backups(
            Me("i-0000000a", member.address, DOMAIN, member.version),
            self.store,
            lambda _address: self.client,
            SimpleNamespace(verify=lambda path: tools.verify(tmp_path, path)),
            folder=self.folder,
            every=EVERY,
            clock=self.time,
        )

    def write(self):
        """Write a key; return the revision."""
        return self.member.client().put(b"key", b"value" * 100)

    def look(self):
        """See this member as the loop does."""
        status = self.member.client().status()
        own = Member(status.member, "i-0000000a", instance="i-0000000a", healthy=True, machine=Machine.RUNNING)
        leader = status.member if self.leads else "another"
        cluster = Cluster((own, Member("another", instance="i-0000000b")), 1, linearizable=True, leader=leader)
        return Look(cluster, Heard.LINEARIZABLE, {"i-0000000a": status}, self.member.address, status.cluster)

    def duty(self, after=0.0):
        """Let time pass, do what is due, return the keys in the bucket."""
        self.time.passed += after
        self.backups.duty(self.look(), Stored(self.epoch, "i-0000000a", "found", established=self.epoch))
        assert self.backups.wait(20)
        return self.keys()

    def keys(self):
        """What is in the bucket, the newest first."""
        return [one.key for one in self.store.snapshots()]

    def left(self):
        """What is still on the disk."""
        return list(self.folder.iterdir()) if self.folder.exists() else []


@pytest.fixture
def leader(member, s3, tmp_path):
    """A leader with one write more than before, and an empty bucket."""
    for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    made = Controller(member, s3, tmp_path)
    made.revision = made.write()
    return made


def key(revision, epoch=1, instance="i-0000000a"):
    return f"snapshots/{epoch:06d}/{revision:019d}-{instance}.db"


def request(leader):
    leader.store.request_backup("42", "an operator")


def answer(leader):
    told = leader.store.backup_request().fields
    return {name: told[name] for name in ("id", "done", "error") if name in told}


def test_the_first_backup_is_made_at_once_and_can_be_restored_from(leader, tmp_path):
    """What is in the bucket says what it is, is what etcdutl reads, and leaves nothing on the disk."""
    assert leader.duty() == [key(leader.revision)]

    about = leader.store.fetch(key(leader.revision), tmp_path / "back.db")
    assert tools.verify(leader.root, tmp_path / "back.db")[0] == leader.revision
    assert (about["epoch"], about["revision"], about["cluster"]) == ("1", str(leader.revision), "payments")
    assert (about["etcd-version"], about["cluster-id"]) == (leader.member.version, leader.look().cluster_id)
    assert leader.left() == []


def test_the_next_comes_when_its_time_has_come_and_something_was_written(leader):
    """Neither sooner, nor when nothing changed."""
    first = leader.duty()
    second = leader.write()

    assert leader.duty(after=EVERY - 10) == first
    assert leader.duty(after=11) == [key(second), *first]
    assert leader.duty(after=EVERY + 1) == [key(second), *first]


def test_a_new_leader_goes_on_where_the_old_one_was(leader, member, s3, tmp_path):
    """A change of leaders neither doubles backups nor lets one out."""
    leader.duty()
    (tmp_path / "b").mkdir()
    other = Controller(member, s3, tmp_path / "b")
    revision = other.write()

    assert other.duty(after=EVERY / 2) == [key(leader.revision)]
    assert other.duty(after=EVERY / 2 + 1) == [key(revision), key(leader.revision)]


def test_who_does_not_lead_does_nothing(leader):
    """One backs up, not three."""
    leader.leads = False
    request(leader)

    assert leader.duty() == []
    assert answer(leader) == {"id": "42"}


def test_a_request_is_answered_at_once_with_all_that_was_written_before_it(leader):
    """Whoever asks and then restores finds the last write."""
    leader.duty()
    look = leader.look()
    written = leader.write()
    request(leader)

    # The look is older than the request: what counts is what etcd says now.
    leader.backups.duty(look, Stored(1, "i-0000000a", "found", established=1))
    assert leader.backups.wait(20)

    assert answer(leader) == {"id": "42", "done": key(written)}
    assert leader.duty() == [key(written), key(leader.revision)]


def test_a_request_where_nothing_changed_is_answered_with_what_is_there(leader):
    """There is nothing newer to save."""
    leader.duty()
    request(leader)

    assert leader.duty() == [key(leader.revision)]
    assert answer(leader) == {"id": "42", "done": key(leader.revision)}


def test_nothing_is_put_beside_a_higher_revision(leader):
    """A leader that was cut off and overtaken does not hand in late."""
    file = leader.root / "other.db"
    file.write_bytes(b"x")
    take = leader.client.snapshot

    def overtaken(target, timeout):
        leader.store.put_snapshot(
            file, epoch=1, revision=10**9, instance="i-0000000b", etcd_version="3.6.16", cluster_id="x"
        )
        return take(target, timeout)

    leader.client = SimpleNamespace(snapshot=overtaken)

    assert leader.duty() == [key(10**9, instance="i-0000000b")]


def test_a_new_epoch_has_backups_of_its_own(leader):
    """Revisions of another epoch say nothing about this one."""
    leader.duty()
    leader.epoch = 2

    assert leader.duty() == [key(leader.revision, epoch=2), key(leader.revision)]


def full(leader, monkeypatch):
    monkeypatch.setattr(disk, "free", lambda _: 1 << 20)


def unreadable(leader, monkeypatch):
    def refuse(*_):
        raise StepFailed("verify-snapshot", "its own checksum does not fit")

    monkeypatch.setattr(tools, "verify", refuse)


def cut(leader, monkeypatch):
    def half(target, _timeout):
        target.write_bytes(b"half")
        raise EtcdError(14, "the connection ended", definite=True)

    status = leader.member.client().status()
    leader.client = SimpleNamespace(snapshot=half, linearizable=lambda: None, status=lambda: status)


def denied(leader, monkeypatch):
    def refuse(*_, **__):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")

    monkeypatch.setattr(leader.store, "put_snapshot", refuse)


def broken(leader, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("never thought of")

    monkeypatch.setattr(leader.store, "put_snapshot", fail)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (full, "has 1 MiB free, and the store is"),
        (unreadable, "its own checksum does not fit"),
        (cut, "the connection ended"),
        (denied, "AccessDenied"),
        (broken, "never thought of"),
    ],
)
def test_what_fails_is_said_cleaned_up_and_tried_again_with_patience(leader, monkeypatch, capsys, harm, reason):
    """Who asked is told why, nothing stays on the disk, and the next try comes by itself, not at once."""
    request(leader)
    with monkeypatch.context() as during:
        harm(leader, during)
        assert leader.duty() == []
        first = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert reason in first[-1]["reason"]
        assert first[-1]["reason"].endswith("tried again in 5 s")
        assert leader.duty(after=1) == []
        assert capsys.readouterr().out == ""
        leader.duty(after=5)
        assert "tried again in 10 s" in capsys.readouterr().out
    leader.client = leader.member.client(10)

    assert reason in answer(leader)["error"]
    assert leader.left() == []
    assert leader.duty(after=11) == [key(leader.revision)]


def test_the_loop_is_not_held_up(leader):
    """A disk that hangs takes the backups with it, and nothing else; there is one at a time."""
    hangs, begun = threading.Event(), []
    take = leader.client.snapshot

    def slow(target, timeout):
        begun.append(1)
        hangs.wait(10)
        return take(target, timeout)

    leader.client = SimpleNamespace(snapshot=slow)
    stored, look = Stored(1, "i-0000000a", "found", established=1), leader.look()

    leader.backups.duty(look, stored)
    leader.backups.duty(look, stored)
    assert not leader.backups.wait(0.05)
    hangs.set()

    assert leader.backups.wait(20)
    assert (begun, leader.keys()) == ([1], [key(leader.revision)])


def test_a_survivors_data_is_kept_when_that_is_possible(leader, monkeypatch, capsys):
    """A bucket that cannot be reached does not keep the last member from going on; it is said."""
    file = leader.root / "survivor.db"
    file.write_bytes(b"x")

    assert leader.backups.keep(file, 3, 7) == key(7, epoch=3)

    denied(leader, monkeypatch)
    assert leader.backups.keep(file, 3, 8) == ""
    assert "on this disk only" in capsys.readouterr().out
