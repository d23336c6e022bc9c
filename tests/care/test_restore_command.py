"""`kubecfn restore FROM`: what is said, who may order it, what is written, and what follows."""

import dataclasses
import json
import threading

import care_cluster as etcd
import pytest

from kubecfn.care import follow, restore
from kubecfn.care.choose import Choice
from kubecfn.care.consequences import Before, planned
from kubecfn.care.report import parse
from kubecfn.etcd.store import Stored, now, written


@pytest.fixture
def living(cluster):
    """Give a cluster of epoch 1 whose object names an instance that is gone by now, with a snapshot."""
    cluster.snapshot(1200)
    first = cluster.controllers()[0]
    old = Stored(1, first, "found", established=1, token="one", instances={"i-0gone": "2026-11-21T09:00:00Z"})
    assert cluster.store.create(old)
    return cluster


@pytest.fixture
def agents(living):
    """Stand for the controllers' agents: as soon as a restore is ordered, its epoch is established."""
    stop = threading.Event()

    def obey():
        while not stop.wait(0.1):
            found = living.object()
            if found and found.ordered and found.established < found.epoch:
                living.store.replace(found, dataclasses.replace(found, established=found.epoch))

    def begin(*reports):
        epoch = {"number": 2, "founder": "i-0a", "way": "restore", "established": 2}
        living.answers([etcd.report(), *reports, etcd.report(epoch=epoch)])
        threading.Thread(target=obey).start()

    yield begin
    stop.set()


def test_a_restore_is_one_write_of_the_object_and_followed_until_settled(living, agents):
    """The next epoch, by a running controller, on that snapshot, ordered by a person; everyone let in stays in."""
    agents(etcd.report(), etcd.report(settled={"say": "wait", "reason": "1 of 3 voters"}))
    running = living.controllers()

    code, out, err = living.run("restore", "newest", "--confirm", etcd.CLUSTER)

    assert code == 0, err
    assert out.startswith(f"Restored {etcd.KEY} as epoch 2 after ")
    assert "3 voters, all healthy" in out
    assert "1 of 3 voters" in err
    found = living.object()
    assert (found.epoch, found.way, found.snapshot, found.ordered) == (2, "restore", etcd.KEY, True)
    assert (found.founder, found.established) == (running[0], 2)
    assert set(found.instances) == {"i-0gone", *running}
    assert found.token != "one"
    assert found.by.startswith("arn:aws:")


def test_a_settled_cluster_of_the_epoch_before_is_not_the_end(living, agents):
    """What the function says of the old epoch is no result, however well it is."""
    agents(etcd.report(), etcd.report())

    code, out, _ = living.run("restore", "newest", "--confirm", etcd.CLUSTER, "--output", "json")

    told = json.loads(out)
    assert (code, told["epoch"], told["settled"]) == (0, 2, True)
    assert len(living.asked()) >= 4
    assert set(told) == {"epoch", "snapshot", "founder", "settled", "reason", "seconds"}


def test_the_consequences_are_said_before_anyone_is_asked(living):
    """What is lost since when, what happens, that the bytes were verified; then nobody is there to ask: exit code 2."""
    code, out, err = living.run("restore", etcd.KEY)

    assert (code, out) == (2, "")
    assert f"ledger would go back to {etcd.KEY}" in err
    assert "34 revisions (etcd is at 1234)" in err
    assert f"{living.controllers()[0]} restores the snapshot and begins epoch 2 alone" in err
    assert "every watch lists anew" in err
    assert "--confirm ledger" in err
    assert living.object().epoch == 1


@pytest.mark.parametrize(("typed", "code"), [("y", 3), ("Ledger", 3)])
def test_anything_but_the_clusters_name_is_a_no(living, monkeypatch, typed, code):
    """A slip is not enough for what cannot be taken back."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", lambda *_, **__: typed)

    found, _, err = living.run("restore", "newest")

    assert (found, "Declined; nothing was restored." in err) == (code, True)
    assert living.object().epoch == 1


def test_the_name_typed_at_the_terminal_is_a_yes(living, agents, monkeypatch):
    """The twin: the name itself restores."""
    agents()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", lambda *_, **__: "ledger")

    assert living.run("restore", "newest")[0] == 0
    assert living.object().epoch == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["newest", "--confirm", "payments"], 2, "--confirm names payments, but this is ledger"),
        (["newest", "--yes"], 2, "No such option"),
        (["yesterday", "--confirm", "ledger"], 2, "yesterday is not a snapshot's key"),
    ],
)
def test_wrong_use_restores_nothing(living, arguments, code, says):
    """Another cluster's name, --yes, or no snapshot: said, and the object stays."""
    found, _, err = living.run("restore", *arguments)

    assert (found, says in err) == (code, True)
    assert living.object().epoch == 1


@pytest.mark.parametrize(
    ("put", "says"),
    [
        ({"said": {"cluster": "payments"}}, "is a snapshot of the cluster payments"),
        ({"said": {"sha256": "0" * 64}}, "was changed after it was taken"),
    ],
)
def test_a_snapshot_that_is_damaged_or_foreign_is_never_ordered(living, put, says):
    """It is verified before anything else; no confirmation helps."""
    living.snapshot(1300, **put)

    code, _, err = living.run("restore", "newest", "--confirm", etcd.CLUSTER)

    assert (code, says in err) == (1, True)
    assert living.object().epoch == 1


def test_of_two_operators_one_restores_and_the_other_is_told(living, monkeypatch):
    """While a person reads, somebody else orders a restore: the second changes nothing and hears who was faster."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def meanwhile(*_, **__):
        mine = living.object()
        theirs = dataclasses.replace(mine, epoch=2, way="restore", founder="i-0their", token="theirs", by="arn:second")
        assert living.store.replace(mine, theirs)
        return "ledger"

    monkeypatch.setattr("click.prompt", meanwhile)
    code, _, err = living.run("restore", "newest")

    assert code == 1
    assert "Somebody else was faster; nothing was restored by you." in err
    assert "i-0their" in err
    assert "arn:second" in err
    assert living.object().token == "theirs"


def test_a_controller_that_enlists_meanwhile_is_no_second_operator(living, agents, monkeypatch):
    """Within an epoch the object changes as controllers join: the order is written over that, and they stay in it."""
    agents()
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def meanwhile(*_, **__):
        mine = living.object()
        joined = {**mine.instances, "i-0new": "2026-11-21T10:00:00Z"}
        assert living.store.replace(mine, dataclasses.replace(mine, instances=joined))
        return "ledger"

    monkeypatch.setattr("click.prompt", meanwhile)

    assert living.run("restore", "newest")[0] == 0
    assert "i-0new" in living.object().instances


def test_a_lost_answer_of_the_write_is_not_taken_for_somebody_else(living, agents):
    """Botocore repeats the write and meets its own: what is there is read back, and it is ours."""
    agents()
    fault = living.aws.faults.add(kind="lost-answer", service="s3", operation="PutObject", caller="")

    code, _, err = living.run("restore", "newest", "--confirm", etcd.CLUSTER)

    assert fault.struck == 1
    assert (code, living.object().epoch) == (0, 2), err


def test_an_order_that_controllers_went_on_with_before_its_answer_is_still_ours(living, agents, monkeypatch):
    """Neither lost answers nor what others wrote into the same order since make it somebody else's."""
    agents()
    replaced = living.store.__class__.replace

    def lost(self, old, new):
        done = replaced(self, old, new)
        return None if new.ordered and new.established < new.epoch else done

    monkeypatch.setattr("kubecfn.etcd.store.Store.replace", lost)
    code, out, err = living.run("restore", "newest", "--confirm", etcd.CLUSTER)

    assert (code, "as epoch 2" in out) == (0, True), err


def test_when_nobody_answers_the_object_decides_all_the_same(living, monkeypatch):
    """Total loss: no function, no agent. The order is written; after the wait it is said that it stands, and what to do."""
    living.answers({"raise": "nobody answers"})
    monkeypatch.setitem(follow.follow.__kwdefaults__, "patience", 10.0)

    code, _, err = living.run("restore", "newest", "--confirm", etcd.CLUSTER)

    assert code == 1
    assert "how etcd is cannot be said" in err
    assert "nobody can say how much came after it" in err
    assert "The restore stands, but etcd is not settled" in err
    assert "must set data aside, or be terminated" in err
    assert (living.object().epoch, living.object().ordered) == (2, True)


def test_an_object_that_somebody_deleted_is_made_anew_beyond_every_epoch(cluster, monkeypatch):
    """No data of an epoch that was may look newer than the restored one: snapshots and words tell how far it had come."""
    cluster.snapshot(1200)
    cluster.snapshot(50, epoch=3)
    cluster.store.say("i-0a", {"epoch": 4, "index": None, "data": 4, "lost": False})
    monkeypatch.setitem(follow.follow.__kwdefaults__, "patience", 1.0)

    code, _, err = cluster.run("restore", etcd.KEY, "--confirm", etcd.CLUSTER)

    assert code == 1
    assert "somebody deleted it" in err
    found = cluster.object()
    assert (found.epoch, found.established, found.snapshot, found.ordered) == (5, 4, etcd.KEY, True)


def test_without_a_running_controller_nothing_is_ordered(living, monkeypatch):
    """Nobody could carry it out: said with what the group does by itself."""
    monkeypatch.setattr("kubecfn.care.where.Fleet.group", lambda _self: type("Group", (), {"places": ()}))

    code, _, err = living.run("restore", "newest", "--confirm", etcd.CLUSTER)

    assert (code, "No controller of ledger is running" in err) == (1, True)
    assert living.object().epoch == 1


def test_ctrl_c_while_following_leaves_the_restore_going(living, monkeypatch):
    """Who stops watching is told how to come back; the order stands."""
    monkeypatch.setattr(living.clock.__class__, "sleep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))

    code, _, err = living.run("restore", "newest", "--confirm", etcd.CLUSTER)

    assert code == 1
    assert "No longer watching" in err
    assert "kubecfn status --config" in err
    assert living.object().epoch == 2


def test_another_epoch_while_following_is_told_and_an_heir_is_followed(living, monkeypatch):
    """A founder that died is followed by another with the same order; any other epoch is somebody else's."""
    answers = etcd.report(epoch={"number": 3, "established": 3})
    living.answers([etcd.report(), answers])
    began = restore.order

    def then(change):
        def order(*arguments):
            ordered = began(*arguments)
            assert living.store.replace(ordered.stored, dataclasses.replace(ordered.stored, **change))
            return ordered

        return order

    heir = {"epoch": 3, "founder": "i-0heir", "token": "heir", "established": 3}
    monkeypatch.setattr("kubecfn.care.restore.order", then(heir))
    code, out, err = living.run("restore", "newest", "--confirm", etcd.CLUSTER)
    assert (code, "as epoch 3" in out) == (0, True), err

    other = {"epoch": 5, "way": "survive", "snapshot": "", "ordered": False}
    monkeypatch.setattr("kubecfn.care.restore.order", then(other))
    code, _, err = living.run("restore", "newest", "--confirm", etcd.CLUSTER)
    assert (code, "The restore was overtaken: epoch 5: survive" in err) == (1, True)


def choice(revision, *, epoch=1):
    return Choice(etcd.key(revision, epoch=epoch), epoch, revision, 2080, now())


@pytest.mark.parametrize(
    ("reported", "wanted", "newest", "epoch", "says"),
    [
        (True, choice(1200), choice(1200), 1, "34 revisions (etcd is at 1234)"),
        (False, choice(1200), choice(1230), 1, "at least 30 revisions, which the newest snapshot"),
        (False, choice(1200), choice(1200), 1, "nobody can say how much came after it"),
        (True, choice(1200), choice(7, epoch=3), 3, "and all of the epochs 2 to 3"),
    ],
)
def test_what_is_lost_is_said_as_exactly_as_is_known(reported, wanted, newest, epoch, says):
    """Revisions are compared within one epoch only: between epochs they jump."""
    report = parse(etcd.report()) if reported else None
    stored = Stored(epoch, "i-0a", "found", established=epoch, at=written(now()))
    before = Before("ledger", stored, epoch, report, "silent", ("i-0a",), ("i-0a", "i-0b"), newest)

    plan = planned(before, wanted, None, "i-0a", now())

    assert any(says in line for line in plan.lines)
    assert plan.epoch == epoch + 1
    assert any("i-0b first set aside" in line for line in plan.lines)


def test_a_snapshot_of_an_epoch_beyond_the_objects_begins_one_beyond_both():
    """An old version of the object may lie there: no epoch is ever given twice."""
    stored = Stored(1, "i-0a", "found", established=1, at=written(now()))
    before = Before("ledger", stored, 1, None, "silent", ("i-0a",), ("i-0a",), choice(7, epoch=3))

    assert planned(before, choice(7, epoch=3), None, "i-0a", now()).epoch == 4
