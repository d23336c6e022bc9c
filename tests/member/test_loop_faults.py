"""What may go wrong around a cluster: each ends in a healthy cluster, or in a loud stop that loses nothing."""

import json
from hashlib import sha256

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from member_s3 import refused

GONE = EndpointConnectionError(endpoint_url="https://s3")


def only(operation, key, fault, times):
    """Return a fault that strikes one kind of call so many times."""
    left = [times]

    def strike(called, at):
        if called == operation and at.startswith(key) and left[0]:
            left[0] -= 1
            return fault
        return None

    return strike


@pytest.mark.parametrize(
    "fault",
    [refused("SlowDown"), refused("AccessDenied"), refused("InternalError"), GONE, 8.0, "lost"],
    ids=["503", "denied", "500", "unreachable", "slow", "lost"],
)
@pytest.mark.parametrize(
    ("operation", "key"),
    [
        ("get_object", "etcd/cluster.json"),
        ("put_object", "etcd/cluster.json"),
        ("put_object", "etcd/words/"),
        ("list_objects_v2", "snapshots/"),
        ("list_objects_v2", "etcd/words/"),
    ],
)
def test_s3_that_fails_at_any_step_of_founding_makes_one_cluster_later(make, operation, key, fault):
    """What could not be read or written is asked for again: never "there is none", never two foundings."""
    world = make(size=2)
    for node in world.launch(2):
        node.s3.fault = only(operation, key, fault, 3)

    assert world.run(120, until=world.settled)
    assert len(world.foundings()) == 1
    assert world.lost() == []


def test_s3_and_ec2_that_fail_one_time_in_four_only_cost_time(make):
    """A whole life with a quarter of all calls refused: founded, restored, once each."""
    world = make(backup_every=5, seed=3)

    def often(error):
        return error if world.sim.random.random() < 0.25 else None

    def launch(count):
        for node in world.launch(count):
            node.s3.fault = lambda *_: often(refused("SlowDown"))
            node.ec2 = lambda: often(refused("Throttling"))

    launch(3)
    assert world.run(300, until=world.settled)
    world.run(20)
    for node in list(world.nodes.values()):
        world.terminate(node)
    launch(3)
    assert world.run(300, until=world.settled)
    assert [way for way, _, _ in world.made] == ["found", "restore"]


def test_a_bucket_that_stays_denied_founds_nothing_and_is_named(make):
    """The reason is what S3 said, not a guess about what is there."""
    world = make()
    nodes = world.launch(3)
    for node in nodes:
        node.s3.fault = lambda *_: refused("AccessDenied")
    world.run(300)

    assert world.made == []
    assert "AccessDenied" in nodes[0].loop.last.missing


def test_stale_answers_of_ec2_make_no_second_cluster(make):
    """What EC2 says may be a minute old: nobody takes over early, and all ends well."""
    world = make(backup_every=5)
    world.ec2_lag = 45.0
    nodes = world.launch(3)
    assert world.run(300, until=world.settled)
    for node in nodes[:2]:
        world.terminate(node)
    world.launch(2)

    assert world.run(300, until=world.settled)
    assert [way for way, _, _ in world.made] == ["found", "survive"]
    assert world.lost() == []


def test_a_corrupt_newest_snapshot_is_passed_over_loudly(trio, capsys):
    """The next older one that etcdutl reads is restored, and the log names the damaged one and what is wrong."""
    world, nodes = trio()
    good = world.backup(nodes[0], 1)
    world.run(10)
    bad = world.backup(nodes[0], 1)
    body, about, at, etag = world.bucket.objects[bad]
    world.bucket.objects[bad] = (b"X" + body[1:], about, at, etag)
    for node in nodes:
        world.terminate(node)
    world.launch(3)

    assert world.run(120, until=world.settled)
    assert world.stored()["snapshot"] == good
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    refusals = [line for line in said if line["decision"] == "snapshot-refused"]
    assert {line["key"] for line in refusals} == {bad}
    assert all("damaged" in line["reason"] for line in refusals)


def test_snapshots_of_another_cluster_or_all_corrupt_stop_loudly(trio):
    """Nothing is restored that is not this cluster's own and whole; a person has to choose."""
    world, nodes = trio()
    keys = [world.backup(nodes[0], 1)]
    world.run(10)
    keys.append(world.backup(nodes[0], 1))
    for key, cluster in zip(keys, ("orders", "payments"), strict=True):
        body, about, at, etag = world.bucket.objects[key]
        # The second is what was uploaded, byte for byte: only etcd's own tool sees that it is none.
        body = body if cluster == "orders" else b"X"
        told = about | {"cluster": cluster, "sha256": sha256(body).hexdigest()}
        world.bucket.objects[key] = (body, told, at, etag)
    for node in nodes:
        world.terminate(node)
    new = world.launch(3)
    world.run(200)

    assert world.made == world.foundings()
    assert {node.loop.last.decision for node in new} == {"stop"}
    assert "no snapshot is any good" in new[0].loop.last.reason


def test_an_ordered_snapshot_that_is_damaged_is_not_replaced_by_another(trio):
    """A person chose that one: another would be a guess. What was set aside stays, and a new order is obeyed."""
    world, nodes = trio()
    good = world.backup(nodes[0], 1)
    world.run(10)
    bad = world.backup(nodes[0], 1)
    body, about, at, etag = world.bucket.objects[bad]
    world.bucket.objects[bad] = (b"X" + body[1:], about, at, etag)
    world.order(bad, nodes[0])
    world.run(200)

    assert world.made == world.foundings()
    assert nodes[0].loop.last.decision == "stop"
    assert [len(node.aside) for node in nodes] == [1, 1, 1]
    world.order(good, nodes[0])
    assert world.run(200, until=world.settled)
    assert world.made[-1] == ("restore", 3, nodes[0].name)


def test_a_deleted_object_beside_snapshots_stops_who_holds_nothing(trio):
    """All gone, the object too: snapshots say that there was a cluster, so nobody starts an empty one."""
    world, nodes = trio()
    world.backup(nodes[0], 1)
    for node in nodes:
        world.terminate(node)
    del world.bucket.objects["etcd/cluster.json"]
    new = world.launch(3)
    world.run(200)

    assert world.made == world.foundings()
    assert "restore by name" in new[0].loop.last.reason
    world.order(next(key for key in world.bucket.objects if key.startswith("snapshots/")), new[0])
    assert world.run(200, until=world.settled)


@pytest.mark.parametrize("text", [b"{", b'{"cluster": "orders"}', b'{"cluster": "payments", "epoch": "x"}'])
def test_an_object_that_cannot_be_read_changes_nothing_and_is_named(trio, text):
    """Who serves goes on serving; who starts waits, and says where the object is and what is wrong with it."""
    world, nodes = trio()
    body, about, at, etag = world.bucket.objects["etcd/cluster.json"]
    world.bucket.objects["etcd/cluster.json"] = (text, about, at, '"broken"')
    world.terminate(nodes[0])
    new = world.launch(1)[0]
    world.run(120)

    assert world.made == world.foundings()
    assert "s3://backups/etcd/cluster.json" in new.loop.last.missing
    world.bucket.objects["etcd/cluster.json"] = (body, about, at, etag)
    assert world.run(120, until=world.settled)
    assert world.lost() == []


def test_a_member_that_an_operator_added_by_hand_is_left_alone_and_named(trio):
    """A voter on no instance of ours: nothing of ours touches it, and no agent says settled while it is there."""
    world, nodes = trio()
    branch = world.serving()[0]
    stranger = world.etcd.new("by-hand", "https://192.168.0.9:2380", []).branch.members
    ((member, listed),) = stranger.items()
    branch.members[member] = listed
    world.run(60)

    assert member in branch.members
    assert not nodes[0].loop.last.settled
    assert "on no instance of ours" in nodes[0].loop.last.missing
    del branch.members[member]
    assert world.run(60, until=world.settled)


@pytest.mark.parametrize("alarm", ["NOSPACE", "CORRUPT"])
def test_under_an_alarm_nobody_is_settled_and_under_corrupt_nothing_changes(trio, alarm):
    """A person has to say which copy is right; and a full store is no healthy cluster."""
    world, nodes = trio()
    branch = world.serving()[0]
    branch.alarms = (alarm,)
    world.terminate(nodes[2])
    world.launch(1)
    world.run(120)

    assert not world.settled()
    assert f"alarm {alarm}" in nodes[0].loop.last.missing
    assert (nodes[2].disk is None, len(branch.members)) == (True, 3)
    assert ({one.name for one in branch.members.values()} == {node.name for node in nodes}) == (alarm == "CORRUPT")
    branch.alarms = ()
    assert world.run(120, until=world.settled)
    assert world.lost() == []


def test_an_etcd_that_cannot_start_is_named_and_tried_again(trio):
    """A full disk: the others serve, the node says what etcd said, and serves as soon as there is room."""
    world, nodes = trio()
    sick = nodes[0]
    world.power_off(sick)
    sick.broken = True
    world.boot(sick)
    world.run(60)

    assert "the disk is full" in sick.loop.last.missing
    assert sick.disk
    sick.broken = False
    assert world.run(60, until=world.settled)
    assert world.lost() == []


def test_a_learner_that_lost_its_data_joins_anew(make):
    """Raft never sends again what a member once acknowledged, so its entry is made anew; it had no vote."""
    world = make(size=2)
    world.launch(1)
    world.run(30)
    joiner = world.launch(1)[0]
    world.run(30, until=lambda: joiner.process)
    first = joiner.disk.member
    world.run(0.4)
    world.serving()
    world.power_off(joiner)
    joiner.disk, joiner.marker = None, 0
    world.boot(joiner)

    assert world.run(60, until=world.settled)
    assert joiner.disk.member != first


def test_a_voter_that_lost_its_data_stops_and_is_replaced(trio):
    """An empty voter could forget what it had promised: it never starts again, and its instance is to be terminated."""
    world, nodes = trio()
    world.power_off(nodes[0])
    nodes[0].disk, nodes[0].marker = None, 0
    world.boot(nodes[0])
    world.run(60)

    assert nodes[0].loop.last.decision == "stop"
    assert "terminate the instance" in nodes[0].loop.last.reason
    world.terminate(nodes[0])
    world.launch(1)
    assert world.run(60, until=world.settled)
    assert world.lost() == []


def test_errors_of_aws_are_said_the_same_each_time():
    """A new request id in every refusal would be a new line in every round."""
    from member import sight  # noqa: PLC0415  its place is known only once member_world was imported

    answer = {"Error": {"Code": "SlowDown", "Message": "Reduce your rate"}, "ResponseMetadata": {"RequestId": "X"}}

    assert sight.plainly(ClientError(answer, "GetObject")) == "GetObject was refused: SlowDown Reduce your rate"
