"""The packed function beside real etcd and a real snapshot: what it watches and what it answers."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from etcd_backup.reading import read_back

from kubecfn.etcd.store import StoreError
from tests.lambdas.controllers import CLUSTER, GROUP, opened_account
from tests.support.real_etcd import EtcdCluster

A, B, C = (f"i-0000000{letter}" for letter in "abc")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An account with a group of three real members that serve, and with their bucket."""
    folder = tmp_path_factory.mktemp("aws")
    with (
        opened_account(folder) as (aws, controllers, bucket),
        EtcdCluster(folder / "etcd") as cluster,
    ):
        cluster.found(A, B, C)
        yield aws, controllers, bucket, cluster


@pytest.fixture
def bucket(world, tmp_path):
    """Return the bucket with the cluster's object and one fresh snapshot."""
    _, controllers, found, cluster = world
    found.empty()
    found.object([A, B, C])
    controllers.set(cluster)
    cluster[A].client().put(b"one", b"1")
    found.snapshot(cluster[A], folder=tmp_path)
    return found


@pytest.fixture
def ask(world, warm):
    """Hand one event to the function; return its result, or the words it failed with, and what it logged."""
    aws, _, bucket, cluster = world
    key = bucket.certificate(cluster.trust.ca, *cluster.trust.client())
    settings = {
        "GROUP": GROUP,
        "CLUSTER": CLUSTER,
        "BUCKET": bucket.name,
        "ARTIFACT_BUCKET": bucket.name,
        "ETCD_CLIENT_KEY": key,
        "BACKUP_EVERY": "300",
    }

    def ask(event, **others):
        environment = warm("etcd_backup", aws.session())
        environment.send(event, settings | others)
        *said, outcome = environment.lines()
        result = json.loads(outcome.removeprefix("result ")) if outcome.startswith("result") else outcome
        return result, [json.loads(line) for line in said]

    return ask


SCHEDULE = {"source": "aws.events"}


def metrics(aws):
    found = aws.client("cloudwatch").list_metrics(Namespace="kubecfn", RecentlyActive="PT3H")["Metrics"]
    return {(one["MetricName"], *(each["Value"] for each in one["Dimensions"])) for one in found}


def test_a_fresh_whole_backup_is_read_measured_and_copied_once_a_day(world, bucket, ask):
    """Every run reads the newest back; only the first of a day copies it, and a copy is what was uploaded."""
    aws, _, _, _ = world
    [newest] = bucket.store.snapshots()
    first, said = ask(SCHEDULE)
    again, _ = ask(SCHEDULE)

    day = f"daily/{datetime.now(UTC):%Y-%m-%d}/{newest.epoch:06d}-{newest.revision:019d}-{A}.db"
    assert first == {"snapshots": 1, "newest": newest.key, "read": newest.size, "copied": day}
    assert again == first | {"copied": ""}
    assert [line["decision"] for line in said] == ["copied"]
    assert bucket.s3.head_object(Bucket=bucket.name, Key=day)["Metadata"] == {
        name: value for name, value in bucket.store.head(newest.key).items() if name != "size"
    }
    assert metrics(aws) == {(name, CLUSTER) for name in ("BackupAgeSeconds", "EtcdMembers", "EtcdHealthy", "DbSize")}


def published(aws, name):
    """Return the sum of all that was published under a name."""
    at = datetime.now(UTC)
    found = aws.client("cloudwatch").get_metric_statistics(
        Namespace="kubecfn",
        MetricName=name,
        Dimensions=[{"Name": "Cluster", "Value": CLUSTER}],
        StartTime=at - timedelta(hours=1),
        EndTime=at + timedelta(hours=1),
        Period=86400,
        Statistics=["Sum"],
    )
    return sum(point["Sum"] for point in found["Datapoints"])


def test_the_age_that_is_published_grows_only_when_something_was_written_since(world, bucket, ask):
    """An idle cluster's backup is as good as new; its alarm must not cry."""
    aws, _, _, cluster = world
    ask(SCHEDULE)
    idle = published(aws, "BackupAgeSeconds")
    ask(SCHEDULE)
    assert published(aws, "BackupAgeSeconds") == idle

    cluster[A].client().put(b"since", b"1")
    time.sleep(0.01)
    ask(SCHEDULE)

    assert published(aws, "BackupAgeSeconds") > idle


def test_a_damaged_backup_is_an_error_and_is_not_copied(bucket, ask):
    """That an object is there says nothing about what is in it: it is read, whole, and its checksum compared."""
    [newest] = bucket.store.snapshots()
    found = bucket.s3.get_object(Bucket=bucket.name, Key=newest.key)
    data = bytearray(found["Body"].read())
    data[len(data) // 2] ^= 1
    bucket.s3.put_object(Bucket=bucket.name, Key=newest.key, Body=bytes(data), Metadata=found["Metadata"])
    outcome, _ = ask(SCHEDULE)

    assert outcome.startswith("raised ExceptionGroup")
    assert "is damaged: its SHA-256 is" in outcome
    assert "Contents" not in bucket.s3.list_objects_v2(Bucket=bucket.name, Prefix="daily/")

    bucket.s3.put_object(Bucket=bucket.name, Key=newest.key, Body=data, Metadata={"cluster": "shop"})

    assert "is a snapshot of shop, not of payments" in ask(SCHEDULE)[0]


def test_a_stale_backup_is_an_error_until_the_revision_stands_still(world, bucket, ask):
    """What was written after the newest backup would be lost; when nothing was, nothing would."""
    _, _, _, cluster = world
    assert ask(SCHEDULE, BACKUP_EVERY="0")[0]["copied"]

    cluster[A].client().put(b"more", b"1")
    outcome, said = ask(SCHEDULE, BACKUP_EVERY="0")

    assert outcome.startswith("raised ExceptionGroup")
    assert "etcd's backups need a look: the newest backup" in outcome
    assert "has moved on" in outcome
    assert said[0]["decision"] == "stale"
    assert isinstance(ask(SCHEDULE)[0], dict)


def test_backups_are_checked_though_etcd_does_not_trust_the_function(bucket, ask, tmp_path):
    """Both are said at once: the certificate, and whatever is wrong with the backups."""
    other = EtcdCluster(tmp_path / "other").trust
    key = bucket.certificate(other.ca, *other.client())
    outcome, said = ask(SCHEDULE, ETCD_CLIENT_KEY=key, BACKUP_EVERY="0")

    assert outcome.startswith("raised ExceptionGroup")
    assert "certificate that is not trusted" in outcome
    assert "no etcd says whether its revision moved on" in outcome
    assert [line["decision"] for line in said] == ["stale", "copied"]


def test_a_bucket_that_does_not_answer_is_an_error(world, bucket, ask):
    """Not to have been able to look is not to have found nothing."""
    aws, _, _, _ = world
    aws.faults.add(kind="denied", service="s3", operation="ListObjectsV2")
    outcome, _ = ask(SCHEDULE)
    aws.faults.clear()

    assert outcome.startswith("raised AccessDenied")


def test_a_snapshot_too_large_to_read_in_time_is_read_in_part(bucket):
    """Memory and time are bounded; how much was read is returned, and a short object is still found out."""
    [newest] = bucket.store.snapshots()
    ours = bucket.s3, bucket.name, CLUSTER, newest

    assert read_back(*ours, may_go_on=lambda: True) == newest.size
    assert read_back(*ours, may_go_on=lambda: True, most=4096) == 4096
    assert 0 < read_back(*ours, may_go_on=lambda: False) <= 1 << 20
    with pytest.raises(StoreError, match=r"another|not of shop"):
        read_back(bucket.s3, bucket.name, "shop", newest, may_go_on=lambda: True)


def test_status_says_everything_that_a_person_asks(world, bucket, ask):
    """Members with instance, health, revision and sizes; leader, alarms, epoch, and the newest backup."""
    _, _, _, cluster = world
    [newest] = bucket.store.snapshots()
    found, _ = ask({"ask": "status"})

    members = {one["instance"]: one for one in found["members"]}
    assert sorted(members) == [A, B, C]
    assert members[A]["id"] == cluster[A].id
    assert all(one["healthy"] and one["machine"] == "running" and not one["learner"] for one in members.values())
    assert all(one["version"] == "3.6.16" and one["db_size"] >= one["db_in_use"] > 0 for one in members.values())
    assert [one["instance"] for one in members.values() if one["leader"]] == [found["leader"]] == [cluster.leader.name]
    assert found["settled"] == {"say": "yes", "reason": "3 voters, all healthy"}
    assert (found["linearizable"], found["alarms"], found["size"]) == (True, [], 3)
    assert (found["epoch"]["number"], found["epoch"]["established"]) == (1, 1)
    assert found["backup"] == {
        "key": newest.key,
        "epoch": 1,
        "revision": newest.revision,
        "age_seconds": found["backup"]["age_seconds"],
        "size": newest.size,
    }
    assert 0 <= found["backup"]["age_seconds"] < 60


def test_defrag_shrinks_one_member_and_refuses_what_is_not_safe(world, bucket, ask):
    """Only a member that the others can do without for a moment, only while nobody changes members."""
    _, _, _, cluster = world
    client = cluster[B].client()
    for number in range(40):
        client.put(b"big", b"x" * 100_000 + b"%d" % number)
    client.compact(client.status().revision)
    found, _ = ask({"ask": "defrag", "instance": B})

    assert found["before"] > found["after"] > 0
    assert "it is no member; the members are" in ask({"ask": "defrag", "instance": "i-0000000f"})[0]

    assert bucket.store.lease("members", "another", 60)
    assert "members are being changed right now" in ask({"ask": "defrag", "instance": B})[0]

    bucket.store.release("members", "another")
    cluster[C].kill()
    cluster.serves(B)
    refused, _ = ask({"ask": "defrag", "instance": B})
    cluster[C].start()
    cluster.serves(C)

    assert refused == (
        f"raised RefusedError {B} is not defragmented: only 1 of the 2 other voters are healthy, "
        "too few to serve without it"
    )


@pytest.mark.parametrize(
    "event",
    [
        {"ask": "restore"},
        {"ask": "defrag"},
        {"ask": "status", "instance": A},
        {"ask": "disarm", "alarm": "CORRUPT"},
        {"ask": ""},
    ],
)
def test_any_other_question_is_refused_in_a_sentence(bucket, ask, event):
    """Nothing is guessed, and nothing of the scheduled work is done instead."""
    outcome, _ = ask(event)

    assert outcome.startswith("raised RefusedError")
    assert 'ask {"ask": "status"}, {"ask": "defrag", "instance": "i-..."}, {"ask": "compact"} or' in outcome
    assert "Contents" not in bucket.s3.list_objects_v2(Bucket=bucket.name, Prefix="daily/")
