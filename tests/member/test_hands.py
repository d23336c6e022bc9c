"""The hands with real etcd: every way to start it, and what becomes of its data."""

import json
from pathlib import Path

import pytest
from agent import disk
from agent.steps import StepFailed
from controller_root import Rooms
from member import data as member_data
from real_etcd import until


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Addresses and certificates for the whole file."""
    with Rooms(tmp_path_factory.mktemp("rooms")) as rooms:
        yield rooms


@pytest.fixture
def rooms(house):
    """Controllers that end with the test."""
    yield house
    house.empty()


@pytest.fixture
def first(rooms):
    """A controller that founded epoch 1 and holds one key."""
    node = rooms.node("i-0000000a")
    node.hands.found(1, "one")
    node.serves()
    node.client.put(b"key", b"value")
    return node


def marker(node):
    return json.loads((node.root / member_data.MARKER).read_text())


def snapshot_of(node):
    target = node.root / "var/lib/snapshot.db"
    node.client.snapshot(target, 10)
    return target


def test_a_founder_serves_and_goes_on_with_its_data(first):
    """Founding twice, or starting again, is going on: what was acknowledged is there."""
    assert (first.hands.data_epoch(), first.hands.running(), first.hands.ended()) == (1, True, "")

    first.power_cut()
    assert not first.hands.running()
    again = first.agent()
    again.found(1, "one")
    first.serves()

    assert first.client.get(b"key") == b"value"
    assert first.hands.ended() == ""


@pytest.mark.parametrize(
    "way",
    [
        lambda hands, _: hands.found(2, "two"),
        lambda hands, _: hands.join(2, "i-0000000a=https://127.0.0.9:2380"),
        lambda hands, path: hands.restore(2, "two", path),
    ],
    ids=["found", "join", "restore"],
)
def test_data_of_another_epoch_is_never_written_over(first, way):
    """Whoever wants to begin anew has to wipe first, and that is decided elsewhere."""
    snapshot = snapshot_of(first)
    first.hands.stop()

    with pytest.raises(StepFailed, match=r"there is data of epoch 1 in .*: it is never written over"):
        way(first.hands, snapshot)

    first.hands.resume()
    first.serves()
    assert first.client.get(b"key") == b"value"


def test_a_joiner_becomes_a_voter_and_a_leader_hands_on_before_it_stops(rooms, first):
    """Leadership is moved while everyone serves: nobody has to notice a silence and vote."""
    second = rooms.node("i-0000000b")
    second.joins(first)
    assert second.hands.data_epoch() == 1
    term = second.client.status().raft_term
    wanted = second.client.status().member
    leaders, stop = [], first.runs.stop
    first.runs.stop = lambda unit, **how: (leaders.append(first.client.status().leader), stop(unit, **how))

    first.hands.stop()

    # Before it was told to end: etcd hands on by itself too, but to whomever, healthy or not.
    assert leaders == [wanted]
    until("the other leads", lambda: second.client.status().leader == wanted)
    assert second.client.status().raft_term == term + 1
    assert not first.hands.running()


def test_a_removed_member_says_so_and_can_be_wiped(rooms, first):
    """It ends by itself, stays down, and its data goes without a remain."""
    second = rooms.node("i-0000000b")
    second.joins(first)

    until("the removal", lambda: first.client.remove(second.client.status().member) is None)
    until("its end", lambda: second.hands.ended() != "")

    assert second.hands.ended().startswith("removed: ")
    assert not second.hands.running()
    # Started again, some of its parts end it with 0 and some with 1: it is not started over and over either way.
    second.agent().resume()
    until("its end", lambda: second.hands.ended() != "")
    assert (second.hands.ended().split(":")[0], second.hands.running()) == ("removed", False)
    second.hands.wipe()
    assert (second.hands.data_epoch(), sorted(second.data.parent.iterdir())) == (0, [])


def test_a_survivor_saves_first_and_drops_the_others_only_once(rooms, first):
    """What is forced is in the configuration for one start: whoever joins later is not dropped by the next."""
    second = rooms.node("i-0000000b")
    second.joins(first)
    first.power_cut()

    second.hands.survive(2)

    assert second.client.get(b"key") == b"value"
    assert [one.name for one in second.client.members()] == ["i-0000000b"]
    assert second.kept == [("survivor-of-1.db", 1, 2)]
    assert second.hands.verify(second.root / "var/lib/kubecfn/survivor-of-1.db")[0] == 2
    assert "force-new-cluster" not in second.configuration
    assert (second.hands.data_epoch(), marker(second)["forced"]) == (2, True)
    first.hands.wipe()
    first.joins(second, epoch=2)
    second.agent().survive(2)
    second.serves()
    assert len(second.client.members()) == 2


def test_a_survivor_that_was_killed_while_it_forced_is_started_without(first):
    """Whichever agent comes next writes the configuration anew before it does anything else."""
    settings_file = first.root / "etc/etcd/etcd.yaml"
    settings_file.write_text(first.configuration + "force-new-cluster: true\n")

    first.agent().resume()

    assert "force-new-cluster" not in first.configuration


def test_a_restored_cluster_is_another_one_with_higher_revisions(rooms, first):
    """Nobody's watch cache may meet a revision twice, and members of the old cluster cannot mix in."""
    snapshot = snapshot_of(first)
    other = rooms.node("i-0000000b")

    other.hands.restore(2, "two", snapshot)
    other.serves()

    assert other.client.get(b"key") == b"value"
    assert other.client.status().revision == 1_000_000_002
    assert other.client.status().cluster != first.client.status().cluster
    assert (other.hands.data_epoch(), marker(other)["way"]) == (2, "restore")


def flip(data):
    return data[:20000] + bytes([data[20000] ^ 1]) + data[20001:]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (flip, "its own checksum does not fit"),
        (lambda data: data[: len(data) // 2], "its own checksum does not fit"),
        (lambda _: b"", "its own checksum does not fit"),
    ],
    ids=["flipped", "cut", "empty"],
)
def test_a_damaged_snapshot_is_refused_and_leaves_nothing(rooms, first, harm, reason):
    """Neither verifying nor restoring takes a snapshot that is not what etcd wrote."""
    snapshot = snapshot_of(first)
    snapshot.write_bytes(harm(snapshot.read_bytes()))
    other = rooms.node("i-0000000b")

    with pytest.raises(StepFailed, match=reason):
        other.hands.verify(snapshot)
    with pytest.raises(StepFailed, match=r"^restore: etcdutl snapshot restore"):
        other.hands.restore(2, "two", snapshot)

    assert (other.hands.data_epoch(), list((other.root / "var/lib/etcd").glob("*"))) == (0, [])


def test_data_set_aside_is_whole_until_it_is_discarded(first):
    """An order to restore another state must not cost what is here before the other serves."""
    for number in (1, 2):
        if number == 2:
            first.hands.found(2, "two")
            first.serves()
        first.hands.aside()
        assert (first.hands.data_epoch(), first.hands.running()) == (0, False)
    aside = first.data.with_name("aside")
    assert sorted(one.name for one in aside.iterdir()) == ["000-of-epoch-1", "001-of-epoch-2"]
    assert all(list(one.glob("member/wal/*.wal")) for one in aside.iterdir())

    first.hands.discard()
    first.hands.discard()

    assert not aside.exists()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "it is missing"),
        ("{", "it cannot be read"),
        ('{"epoch": 0}', "its epoch is 0"),
        ('{"epoch": "1"}', "its epoch is '1'"),
        ("[]", "it cannot be read"),
    ],
)
def test_data_of_no_known_epoch_stops_everything(rooms, text, what):
    """Data is neither started on nor thrown away when nothing says what it is."""
    node = rooms.node("i-0000000a")
    wal = node.data / "member/wal/0.wal"
    wal.parent.mkdir(parents=True)
    wal.write_text("")
    if text is not None:
        (node.root / member_data.MARKER).write_text(text)

    for way in (node.hands.data_epoch, node.hands.resume, lambda: node.hands.found(1, "one")):
        with pytest.raises(StepFailed, match=what):
            way()

    assert wal.exists()


def test_too_little_room_is_said_before_anything_is_begun(rooms, monkeypatch):
    """Etcd takes 128 MiB before it has written anything; half a member helps nobody."""
    node = rooms.node("i-0000000a")
    monkeypatch.setattr(disk, "free", lambda _: 100 << 20)
    snapshot = Path(node.root / "snapshot.db")
    snapshot.write_bytes(b"x" * (1 << 20))

    for way, mebibytes in (
        (lambda: node.hands.found(1, "one"), 192),
        (lambda: node.hands.join(1, node.me.alone), 192),
        (lambda: node.hands.restore(1, "one", snapshot), 193),
    ):
        with pytest.raises(StepFailed, match=rf"takes {mebibytes} MiB in .*, where 100 MiB are free: make room"):
            way()

    assert list((node.root / "var").rglob("*")) == []


def test_a_disk_that_fills_up_while_restoring_leaves_nothing(rooms):
    """What etcdutl had begun is cleared away, and its reason is the sentence."""
    node = rooms.node("i-0000000a")
    program = node.root / "usr/local/bin/etcdutl"
    program.unlink()
    program.write_text(
        "#!/bin/sh\nfor one; do case $one in --data-dir=*) mkdir -p ${one#*=}/member/wal; touch ${one#*=}/member/wal/0.wal;; esac; done\n"
        "echo 'Error: write: no space left on device' >&2; exit 1\n"
    )
    program.chmod(0o755)
    snapshot = node.root / "snapshot.db"
    snapshot.write_bytes(b"x")

    with pytest.raises(StepFailed, match=r"etcdutl snapshot restore .* failed: write: no space left on device"):
        node.hands.restore(1, "one", snapshot)

    assert list((node.root / "var/lib/etcd").iterdir()) == []


def test_no_quorum_is_no_reason_to_end(rooms, first):
    """A member without its peers waits for them, and still tells what it holds."""
    second = rooms.node("i-0000000b")
    second.joins(first)
    # A member writes down what is committed with the next entry: what came last it may not know after a power cut.
    for value in (b"second", b"third"):
        first.client.put(b"key", value)
    first.power_cut()
    second.power_cut()

    second.agent().resume()

    own = second.own()
    until("its status", lambda: own.status().raft_index > 0)
    assert own.status().revision >= 2
    assert second.hands.running()
    assert {one.name for one in own.any_members()} == {"i-0000000a", "i-0000000b"}
    assert not own.status().learner
