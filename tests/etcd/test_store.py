"""The bucket's objects against the embedded AWS's S3, and against answers that get lost."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection

from kubecfn.etcd.store import Store, Stored, StoreError, moment, written
from kubecfn.local.embedded import EmbeddedAws

BUCKET = "backups"
NEW = Stored(1, "i-a", "found", token="t1", instances={"i-a": "2026-11-21T10:00:00.000Z"}, by="i-a")
START = datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """One S3 for the file, its bucket emptied between tests."""
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), services=()) as aws:
        client = aws.client("s3")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


@pytest.fixture
def bucket(s3):
    """The client, with nothing in the bucket."""
    for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=entry["Key"])
    return s3


@pytest.fixture
def store(bucket):
    """A store at a time of its own."""
    return Store(bucket, BUCKET, "payments", clock=lambda: START)


def refused(status, code):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


class Between:
    """S3 seen through a wire: what `harm` does at a call happens there."""

    def __init__(self, s3, **harm):
        self._s3 = s3
        self._harm = harm

    def __getattr__(self, name):
        call = getattr(self._s3, name)
        return lambda **about: self._harm.get(name, lambda call, about: call(**about))(call, about)


def never(error):
    def harm(call, about):
        raise error

    return harm


def lost_answer(call, about):
    """Do it; then do what botocore does when no answer came: the same again."""
    call(**about)
    return call(**about)


def test_what_is_created_and_replaced_is_read_back_whole(store):
    """Every field of the cluster object goes there and comes back, with the version it was read at."""
    made = store.create(NEW)
    assert made
    after = store.replace(made, replace(made, epoch=2, way="restore", snapshot="snapshots/x", ordered=True))

    assert after == store.read()
    assert (after.epoch, after.way, after.ordered, after.instances) == (2, "restore", True, NEW.instances)
    assert (after.at, after.etag != made.etag) == (written(START), True)


def test_nothing_there_is_none_and_a_refused_call_is_not(bucket, store):
    """Only S3's own "no such key" means absent: 403, 503 and silence are errors."""
    assert store.read() is None
    for error in (refused(403, "AccessDenied"), refused(503, "SlowDown"), NoConnection(error="x")):
        with pytest.raises(type(error)):
            Store(Between(bucket, get_object=never(error)), BUCKET, "payments").read()


def test_of_two_writers_one_wins_and_the_other_knows(store):
    """The loser of a conditional write gets None, and the winner's object stays."""
    first = store.create(NEW)
    assert store.create(replace(NEW, founder="i-b", by="i-b")) is None

    assert store.replace(first, replace(first, epoch=2, by="i-a"))
    assert store.replace(first, replace(first, epoch=2, by="i-b")) is None
    assert store.read().by == "i-a"


def test_of_many_writers_at_once_exactly_one_wins(bucket):
    """Two founders at the same instant: S3 decides, and nobody else believes to have won."""
    won = []

    def found(name):
        if Store(bucket, BUCKET, "payments").create(replace(NEW, founder=name, by=name)):
            won.append(name)

    threads = [threading.Thread(target=found, args=(f"i-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert won == [Store(bucket, BUCKET, "payments").read().founder]


def test_a_write_whose_answer_was_lost_is_known_to_have_won(bucket):
    """The repeated write is refused because of the first: what is there is ours, so we won."""
    store = Store(Between(bucket, put_object=lost_answer), BUCKET, "payments", clock=lambda: START)

    made = store.create(NEW)
    assert made
    assert made == store.read()
    assert store.replace(made, replace(made, epoch=2)) == store.read()


def test_a_write_that_somebody_overtook_is_known_to_have_lost(bucket, store):
    """The refusal is real when what is there is not ours."""
    other = store.create(replace(NEW, founder="i-b", by="i-b"))

    assert Store(Between(bucket, put_object=lost_answer), BUCKET, "payments").create(NEW) is None
    assert store.read() == other


@pytest.mark.parametrize(("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")])
def test_a_refusal_without_an_object_is_a_loss(bucket, status, code):
    """409 says that another write or a deletion is going on: look again instead of believing anything."""
    store = Store(Between(bucket, put_object=never(refused(status, code))), BUCKET, "payments")

    assert store.create(NEW) is None


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (403, "AccessDenied"), (500, "InternalError")])
def test_a_write_that_failed_otherwise_is_raised(bucket, status, code):
    """Nobody has won or lost: the caller looks again."""
    store = Store(Between(bucket, put_object=never(refused(status, code))), BUCKET, "payments")

    with pytest.raises(ClientError, match=code):
        store.create(NEW)


def test_an_object_that_was_deleted_meanwhile_is_not_replaced(bucket, store):
    """S3 answers If-Match on nothing with 404: that is a loss, never a new object."""
    made = store.create(NEW)
    bucket.delete_object(Bucket=BUCKET, Key="etcd/cluster.json")

    assert store.replace(made, replace(made, epoch=2)) is None
    assert store.read() is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[]", "holds no JSON object"),
        (b'{"epoch": 1, "founder": "i-a", "way": "found"}', "is of the cluster None, not of 'payments'"),
        (b'{"cluster": "orders", "epoch": 1}', "is of the cluster 'orders', not of 'payments'"),
        (b'{"cluster": "payments", "epoch": 1}', "is not what it must be"),
        (b'{"cluster": "payments", "epoch": "1", "founder": "i-a", "way": "found"}', "epoch is '1'"),
        (b'{"cluster": "payments", "epoch": 1, "founder": "i-a", "way": "join"}', "way is 'join', not one of found"),
        (
            b'{"cluster": "payments", "epoch": 1, "founder": "i-a", "way": "found", "instances": {"i-a": "soon"}}',
            "instances.i-a is 'soon', not a moment",
        ),
        (
            b'{"cluster": "payments", "epoch": 1, "founder": "i-a", "way": "found", "instances": ["i-a"]}',
            "is not what it must be",
        ),
    ],
)
def test_an_object_that_cannot_be_trusted_says_which_and_why(bucket, store, text, sentence):
    """Whoever broke it by hand reads where it is and what is wrong."""
    bucket.put_object(Bucket=BUCKET, Key="etcd/cluster.json", Body=text)

    with pytest.raises(StoreError) as broken:
        store.read()

    assert sentence in str(broken.value)
    assert str(broken.value).startswith("s3://backups/etcd/cluster.json ")


def test_a_half_read_object_is_an_error(bucket, store):
    """What broke off is not taken for what was written."""
    store.create(NEW)

    def half(call, about):
        answer = call(**about)
        answer["Body"].read = lambda: (_ for _ in ()).throw(IncompleteReadError(actual_bytes=1, expected_bytes=9))
        return answer

    with pytest.raises(IncompleteReadError):
        Store(Between(bucket, get_object=half), BUCKET, "payments").read()


def test_words_are_said_and_heard_by_instance(store):
    """Each instance says its own; the last one counts."""
    store.say("i-a", {"epoch": 1, "index": None, "data": 0, "lost": False})
    store.say("i-a", {"epoch": 1, "index": 0, "data": 0, "lost": False})
    store.say("i-b", {"epoch": 1, "index": 7, "data": 1, "lost": True})

    assert {name: word["index"] for name, word in store.words().items()} == {"i-a": 0, "i-b": 7}
    assert list(store.words(["i-b", "i-c"])) == ["i-b"]
    assert store.words([]) == {}


def test_a_word_that_is_withdrawn_while_others_are_read_is_not_heard(bucket, store):
    """What all say has to have been so at one moment, or a joiner could be taken for empty."""
    for name in "ab":
        store.say(f"i-{name}", {"epoch": 1, "index": 0, "data": 0, "lost": False})

    def meanwhile(call, about):
        answer = call(**about)
        if about["Key"].endswith("i-b.json"):
            store.say("i-a", {"epoch": 1, "index": None, "data": 0, "lost": False})
        return answer

    assert list(Store(Between(bucket, get_object=meanwhile), BUCKET, "payments").words()) == ["i-b"]


def test_a_lease_has_one_holder_until_it_ends(bucket):
    """Nobody takes it before its time; its holder prolongs it; after its time anybody does."""
    time = [START]
    store = Store(bucket, BUCKET, "payments", clock=lambda: time[0])

    assert [store.lease("hooks", who, 60) for who in ("one", "two", "one")] == [True, False, True]
    time[0] += timedelta(seconds=61)
    assert [store.lease("hooks", who, 60) for who in ("two", "one")] == [True, False]
    store.release("hooks", "one")
    assert not store.lease("hooks", "one", 60)
    store.release("hooks", "two")
    assert store.lease("hooks", "one", 60)


def test_leaving_is_remembered_from_the_first_time(bucket):
    """A hook that is delivered twice does not start over."""
    time = [START]
    store = Store(bucket, BUCKET, "payments", clock=lambda: time[0])

    first = store.leaving("i-a")
    time[0] += timedelta(minutes=5)

    assert (first, store.leaving("i-a")) == (START, START)


def test_a_request_is_answered_once_and_a_newer_one_is_not_lost(store):
    """An answer to an older request never hides a newer one."""
    store.request_backup("r1", "jane")
    first = store.backup_request()
    store.request_backup("r2", "john")

    assert not store.answer_backup(first, done="snapshots/x")
    second = store.backup_request()
    assert (second.fields["id"], "done" in second.fields) == ("r2", False)
    assert store.answer_backup(second, error="the disk is full")
    assert store.backup_request().fields["error"] == "the disk is full"


def put(store, path, **about):
    told = {"epoch": 1, "revision": 5, "instance": "i-0000000a", "etcd_version": "3.6.16", "cluster_id": "abc"}
    return store.put_snapshot(path, **(told | about))


@pytest.fixture
def db(tmp_path):
    """A file to upload."""
    path = tmp_path / "made.db"
    path.write_bytes(b"data" * 1000)
    return path


def test_the_newest_snapshot_has_the_highest_epoch_then_the_highest_revision(bucket, store, db):
    """A restored cluster's revisions are higher, but its epoch decides; what is no snapshot of ours is not listed."""
    for epoch, revision in ((1, 9_000_000_000), (2, 5), (2, 40), (1, 7)):
        put(store, db, epoch=epoch, revision=revision)
    bucket.put_object(Bucket=BUCKET, Key="snapshots/notes.txt", Body=b"")

    found = store.snapshots()

    assert [(one.epoch, one.revision) for one in found] == [(2, 40), (2, 5), (1, 9_000_000_000), (1, 7)]
    assert (found[0].size, found[0].instance, found[0].at.tzinfo is not None) == (4000, "i-0000000a", True)


def test_more_snapshots_than_one_page_are_all_listed(bucket, store, db):
    """S3 lists a thousand at a time."""
    put(store, db, revision=1)
    put(store, db, revision=2)

    def by_one(call, about):
        return call(**about, MaxKeys=1)

    found = Store(Between(bucket, list_objects_v2=by_one), BUCKET, "payments").snapshots()
    assert [one.revision for one in found] == [2, 1]


def test_a_snapshot_comes_back_as_it_went(bucket, store, db, tmp_path):
    """Its metadata says what it is, its bytes are the same; a second upload, or a lost answer, changes nothing."""
    key = put(store, db)
    lossy = Store(Between(bucket, put_object=lost_answer), BUCKET, "payments")
    assert put(lossy, db) == key
    assert put(lossy, db, revision=6) != key

    about = store.fetch(key, tmp_path / "got.db")

    assert (tmp_path / "got.db").read_bytes() == db.read_bytes()
    assert {name: about[name] for name in ("cluster", "revision", "epoch", "etcd-version", "cluster-id", "size")} == {
        "cluster": "payments",
        "revision": "5",
        "epoch": "1",
        "etcd-version": "3.6.16",
        "cluster-id": "abc",
        "size": "4000",
    }
    assert store.head(key) == about


def test_a_snapshot_that_is_not_what_was_uploaded_is_refused(bucket, store, db, tmp_path):
    """Another cluster's, damaged, cut off, unknown: refused with its key, and no file is left behind."""
    key = put(store, db)
    about = store.head(key)
    told = {name: about[name] for name in about if name != "size"}
    harms = {
        "is a snapshot of orders, not of payments": {"Body": db.read_bytes(), "Metadata": told | {"cluster": "orders"}},
        "is a snapshot of no known cluster": {"Body": db.read_bytes(), "Metadata": {}},
        "is damaged: 4000 bytes": {"Body": b"date" * 1000, "Metadata": told},
        "is damaged: 10 bytes": {"Body": b"datadatada", "Metadata": told},
        "is damaged": {"Body": db.read_bytes(), "Metadata": {"cluster": "payments"}},
    }
    for sentence, harm in harms.items():
        bucket.put_object(Bucket=BUCKET, Key=key, **harm)
        with pytest.raises(StoreError, match=sentence):
            store.fetch(key, tmp_path / "got.db")
    with pytest.raises(StoreError, match="is not there; list the snapshots"):
        store.fetch("snapshots/none", tmp_path / "got.db")

    assert [path.name for path in tmp_path.iterdir()] == ["made.db"]


def test_moments_are_read_as_written():
    """What is written by one Python is read by another, to the millisecond."""
    assert moment(written(START)) == START
    assert written(START) == "2026-11-21T10:00:00.000Z"
