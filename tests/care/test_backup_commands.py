"""`kubecfn backup now`, `list` and `verify`, as a person types them."""

import hashlib
import json
import stat
import threading

import care_cluster as etcd
import pytest

from kubecfn.care.verify import DamagedError, verify_chosen
from kubecfn.errors import FileError


@pytest.fixture
def agent(cluster):
    """Start a leader's agent that answers the next request; give it what to answer, or a function of the request."""
    threads, stop = [], threading.Event()

    def begin(answer):
        def serve():
            while not stop.wait(0.05):
                found = cluster.store.backup_request()
                if found and not {"done", "error"} & set(found.fields):
                    told = answer(found) if callable(answer) else answer
                    if told and cluster.store.answer_backup(found, **told):
                        return

        threads.append(threading.Thread(target=serve))
        threads[-1].start()

    yield begin
    stop.set()
    for thread in threads:
        thread.join()


def test_backup_now_waits_for_the_leaders_agent_and_names_the_snapshot(cluster, agent):
    """The request lies in the bucket with who asked; the answer's snapshot is named with epoch, revision and size."""
    asked = []

    def take(request):
        asked.append(request.fields)
        return {"done": cluster.snapshot(1300)}

    agent(take)
    code, out, err = cluster.run("backup", "now")

    assert code == 0, err
    assert out == f"Backed up: {etcd.key(1300)} (epoch 1, revision 1300, 2.0 KiB).\n"
    assert "Asked the leader's agent" in err
    assert set(asked[0]) == {"id", "by", "at"}
    assert asked[0]["by"].startswith("arn:aws:")


def test_backup_now_says_when_nothing_was_written_since(cluster, agent):
    """The same revision is the same snapshot: it is named, and nothing pretends to be new."""
    before = cluster.snapshot(1200)
    agent({"done": before})

    code, out, _ = cluster.run("backup", "now", "--output", "json")

    assert code == 0
    assert {name: json.loads(out)[name] for name in ("key", "new")} == {"key": before, "new": False}
    agent({"done": before})
    assert cluster.run("backup", "now")[1].startswith(f"Nothing was written since the last snapshot, which is {before}")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"error": "the disk is full"}, "could not back up ledger: the disk is full."),
        ({"done": etcd.key(9)}, f"named {etcd.key(9)}, which is not in s3://"),
    ],
)
def test_a_backup_that_was_not_made_is_no_success(cluster, agent, answer, says):
    """The agent's own reason is told; a snapshot that is not there is not believed."""
    agent(answer)

    code, out, err = cluster.run("backup", "now")

    assert (code, out) == (1, "")
    assert says in err


def test_nobody_answers_and_the_wait_ends_with_what_to_do(cluster):
    """Without a leader the command ends; the request stands."""
    code, _, err = cluster.run("backup", "now", "--timeout", "5")

    assert code == 1
    assert "No controller of ledger answered within 5 s." in err
    assert "kubecfn status" in err
    assert cluster.store.backup_request() is not None


def test_of_two_who_ask_at_once_both_get_the_later_answer(cluster, agent):
    """A request that replaces ours is answered later than ours was made: its snapshot is ours too."""
    seen = []

    def take(request):
        if not seen:
            seen.append(request.fields["id"])
            cluster.store.request_backup("other", "arn:aws:iam::1:user/second")
            return None
        return {"done": cluster.snapshot(1400)} if request.fields["id"] == "other" else None

    agent(take)
    code, out, _ = cluster.run("backup", "now")

    assert (code, etcd.key(1400) in out) == (0, True)


def test_list_shows_regular_and_daily_ones_newest_first(cluster):
    """Age, epoch, revision and size of each; what is no snapshot is left out."""
    daily = f"daily/2026-11-20/{etcd.key(900).removeprefix('snapshots/')}"
    for wanted in ((900, 1, daily), (901, 1, ""), (5, 2, "")):
        cluster.snapshot(wanted[0], epoch=wanted[1], key=wanted[2])
    cluster.s3.put_object(Bucket=cluster.bucket, Key="snapshots/readme.txt", Body=b"")

    code, out, _ = cluster.run("backup", "list", "--output", "json")
    listed = json.loads(out)
    assert (code, [(one["epoch"], one["revision"], one["daily"]) for one in listed]) == (
        0,
        [(2, 5, False), (1, 901, False), (1, 900, True)],
    )
    assert {"key", "epoch", "revision", "size", "at", "daily"} == set(listed[0])

    rows = [line.split("│")[1:-1] for line in cluster.run("backup", "list")[1].splitlines() if line.startswith("│")]
    assert [row[3].strip() for row in rows] == ["5", "901", "900"]
    assert rows[2][5].strip() == "daily"


def test_a_good_snapshot_is_verified_without_touching_the_disk(cluster, monkeypatch):
    """Without etcdutl the bytes are only hashed as they come."""
    monkeypatch.setattr("kubecfn.care.verify.tempfile.NamedTemporaryFile", lambda **_: pytest.fail("a file was made"))
    key = cluster.snapshot(1200)
    cluster.snapshot(1100)

    code, out, err = cluster.run("backup", "verify")

    assert code == 0, err
    assert f"{key} can be restored: epoch 1, revision 1200, 2.0 KiB." in out
    assert "etcdutl: not on PATH, not asked" in out
    told = json.loads(cluster.run("backup", "verify", etcd.key(1100), "--output", "json")[1])
    assert set(told) == {"key", "epoch", "revision", "size", "sha256", "etcdutl"}


BAD = etcd.snapshot_bytes(filling=b"\x01")


@pytest.mark.parametrize(
    ("put", "says"),
    [
        ({"said": {"cluster": "payments"}}, "is a snapshot of the cluster payments, not of ledger"),
        ({"said": {"cluster": None}}, "does not say its cluster"),
        ({"said": {"sha256": hashlib.sha256(BAD).hexdigest()}}, "was changed after it was taken"),
        ({"said": {"revision": "1"}}, "its metadata says revision 1, its key 1200"),
        ({"content": BAD[:-32]}, "was cut off, or is no snapshot"),
        ({"content": b"x" + BAD[1:]}, "damaged before it was uploaded"),
    ],
)
def test_each_kind_of_damage_has_its_sentence_and_what_to_do(cluster, put, says):
    """A snapshot that must not be restored says why, and how to choose another."""
    cluster.snapshot(1200, **put)

    with pytest.raises(DamagedError) as raised:
        verify_chosen(cluster.connection, cluster.places, "newest")

    assert says in raised.value.message
    assert "kubecfn backup list" in raised.value.remedy


def test_damage_ends_in_1_and_prints_nothing_to_build_on(cluster):
    """On the command line the sentence goes to stderr."""
    cluster.snapshot(1200, content=BAD[:-32])

    code, out, err = cluster.run("backup", "verify")

    assert (code, out, "was cut off" in err) == (1, "", True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["snapshots/000001/none.db"], "There is no snapshot snapshots/000001/none.db."),
        ([], "There is no snapshot: nothing was ever backed up"),
    ],
)
def test_what_is_not_there_is_wrong_use(cluster, arguments, says):
    """A key that does not exist, or an empty bucket, ends in 2."""
    if arguments:
        cluster.snapshot(1200)

    code, _, err = cluster.run("backup", "verify", *arguments)

    assert (code, says in err) == (2, True)


@pytest.fixture
def etcdutl(tmp_path, monkeypatch):
    """Put an etcdutl on PATH that says what it is told and keeps what it was shown."""

    def install(says, code=0):
        program = tmp_path / "etcdutl"
        program.write_text(f"#!/bin/sh\ncp \"$3\" '{tmp_path}/shown'\necho '{says}'\nexit {code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", None)

    return install


def test_etcdutl_is_asked_about_the_very_bytes_where_it_is_installed(cluster, etcdutl, tmp_path):
    """Its word is shown, it saw what lies in the bucket, and nothing stays on the disk."""
    etcdutl('{"hash":1,"revision":1200,"totalKey":42,"totalSize":2048}')
    cluster.snapshot(1200)

    code, out, err = cluster.run("backup", "verify")

    assert (code, "etcdutl: revision 1200, 42 keys" in out) == (0, True), err
    assert (tmp_path / "shown").read_bytes() == etcd.snapshot_bytes()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["etcdutl", "shown"]


@pytest.mark.parametrize(
    ("says", "code", "sentence"),
    [
        (
            "Error: snapshot file integrity check failed.",
            1,
            "for a snapshot: Error: snapshot file integrity check failed.",
        ),
        ("panic: page 2 already freed\n\ngoroutine 1 [running]:", 2, "for a snapshot: panic: page 2 already freed."),
        ("", 1, "for a snapshot: it gave no reason."),
        ('{"revision":1199,"totalKey":1}', 0, "says revision 1200, but etcdutl finds revision 1199"),
    ],
)
def test_what_etcdutl_refuses_is_not_restored(cluster, etcdutl, says, code, sentence):
    """A database that only etcd can tell is broken, or of another revision, is refused."""
    etcdutl(says, code)
    cluster.snapshot(1200)

    with pytest.raises(DamagedError) as raised:
        verify_chosen(cluster.connection, cluster.places, "newest")

    assert sentence in raised.value.message


def test_a_disk_without_room_is_said_before_anything_is_fetched(cluster, etcdutl, monkeypatch):
    """How much there is, how much it takes, and how to name another folder."""
    etcdutl("{}")
    cluster.snapshot(1200)
    monkeypatch.setattr("kubecfn.care.verify.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))

    with pytest.raises(FileError, match=r"has 1000 B free; the snapshot needs 2\.0 KiB"):
        verify_chosen(cluster.connection, cluster.places, "newest")


def test_a_bucket_that_may_not_be_read_is_said_with_the_permission(cluster):
    """Refused is never "there is none"."""
    cluster.aws.faults.add(kind="denied", service="s3", operation="ListObjectsV2", times=5)

    code, _, err = cluster.run("backup", "list")

    assert code == 1
    assert "While listing the snapshots" in err
    assert "permission" in err
