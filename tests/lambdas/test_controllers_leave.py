"""The packed function beside real etcd: what leaves, what is collected, and what stops it."""

import json
import threading
from datetime import UTC, datetime

import pytest

from kubecfn.etcd.store import Store
from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import new_leaf
from tests.lambdas.controllers import CLUSTER, DISCOVERY, GROUP, HOOK, RETAINED, WAITS, Writer, opened_account
from tests.support.real_etcd import EtcdCluster, until

A, B, C, D, E = (f"i-0000000{letter}" for letter in "abcde")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An account with the group, the bucket and nothing else."""
    with opened_account(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture
def etcd(tmp_path, world):
    """Make a real cluster of the members named, all in the group, with its object and a fresh backup in the bucket."""
    _, controllers, bucket = world
    made = []

    def make(*names, size=1, saved=True, **lifecycle):
        cluster = EtcdCluster(tmp_path / f"etcd{len(made)}")
        made.append(cluster)
        cluster.found(*names)
        controllers.set(cluster, size, **lifecycle)
        bucket.empty()
        bucket.object(names)
        if saved:
            cluster[names[0]].client().put(b"first", b"1")
            bucket.snapshot(cluster[names[0]], folder=tmp_path)
        return cluster

    yield make
    for cluster in made:
        cluster.__exit__(None, None, None)


@pytest.fixture
def settings(world):
    """Return the function's environment, with the certificate of a cluster."""
    _, _, bucket = world
    keys = {}

    def make(cluster, **others):
        if cluster.folder not in keys:
            keys[cluster.folder] = bucket.certificate(cluster.trust.ca, *cluster.trust.client())
        return {
            "GROUP": GROUP,
            "HOOK": HOOK,
            "STACK": "payments",
            "CLUSTER": CLUSTER,
            "BUCKET": bucket.name,
            "ARTIFACT_BUCKET": bucket.name,
            "ETCD_CLIENT_KEY": keys[cluster.folder],
            "DISCOVERY": DISCOVERY,
            "BACKUP_EVERY": "300",
            "BUDGET": "900",
            **others,
        }

    return make


@pytest.fixture
def run(world, warm):
    """Hand one event to the function; return how it ended and what it logged."""
    aws, _, _ = world

    def run(settings, event=None, **pace):
        environment = warm("controller_lifecycle", aws.session())
        environment.send(event or {}, settings, **pace)
        said = environment.lines()
        return said[-1], [json.loads(line) for line in said if line.startswith("{")]

    return run


def event(instance, group=GROUP, hook=HOOK):
    return {"detail": {"AutoScalingGroupName": group, "LifecycleHookName": hook, "EC2InstanceId": instance}}


def names(cluster, through):
    return sorted(one.name for one in cluster[through].client().members())


def did(said):
    return [(line["decision"], line.get("instance", "")) for line in said]


def test_a_leader_and_then_a_follower_leave_and_no_write_is_lost(etcd, world, settings, run, capsys):
    """Leadership is handed over, the member removed while its instance runs, the zone told, the hook continued."""
    _, controllers, _ = world
    cluster = etcd(A, B, C, D, E, size=3)
    leader = cluster.leader.name
    follower = next(one for one in (A, B, C, D, E) if one != leader)
    controllers.machines[leader].lifecycle = controllers.machines[follower].lifecycle = WAITS
    with Writer(cluster) as writer:
        until("a first write", lambda: writer.acknowledged)
        outcome, said = run(settings(cluster), event(leader))

    assert outcome == 'result {"answered": 2, "moved": 1, "removed": 2, "waiting": 0}'
    assert sorted(controllers.told) == sorted([(leader, "CONTINUE"), (follower, "CONTINUE")])
    assert [ones[instance] for ones, (instance, _) in zip(controllers.invoked, controllers.told, strict=True)] == [
        WAITS,
        WAITS,
    ]
    assert did(said).index(("move-leader", leader)) < did(said).index(("remove", leader))
    stay = sorted({A, B, C, D, E} - {leader, follower})
    assert names(cluster, stay[0]) == stay
    assert writer.lost(cluster[stay[0]]) == []
    assert len(writer.acknowledged) > 3
    with capsys.disabled():
        print(f" longest stall {writer.stall:.2f} s of {len(writer.acknowledged)} writes", end="")  # noqa: T201  a number for whoever reads the run


def test_a_learner_whose_instance_ended_before_it_started_is_collected_by_its_word(etcd, world, settings, run):
    """EC2 forgets a terminated instance's address, and this learner has no name: it would keep everybody out for ever."""
    _, controllers, bucket = world
    cluster = etcd(A, B)
    by_hand, gone = cluster.new("by-hand"), cluster.new(C)
    controllers.ended(C, gone.address)
    cluster[A].client().add_learner(gone.peer_url)
    before, _ = run(settings(cluster))
    Store(bucket.s3, bucket.name, CLUSTER, address=gone.address).say(C, {"epoch": 1, "index": None})
    told, said = run(settings(cluster))
    cluster[A].client().add_learner(by_hand.peer_url)
    after, _ = run(settings(cluster))

    assert did(said) == [("remove", C)]
    assert [told, before, after] == ['result {"removed": 1, "waiting": 0}', *['result {"waiting": 0}'] * 2]
    assert names(cluster, A) == ["", A, B]


def test_an_event_that_comes_twice_late_or_for_others_changes_nothing_more(etcd, world, settings, run):
    """What is done is found done; what is another group's or hook's is not looked at."""
    _, controllers, _ = world
    cluster = etcd(A, B, i_0000000a=WAITS)
    with_certificate = settings(cluster)
    first, _ = run(with_certificate, event(A))
    before = names(cluster, B)

    again = [run(with_certificate, one) for one in (event(A), event(A, group="x"), event(A, hook="x"), {})]

    assert json.loads(first.removeprefix("result "))["answered"] == 1
    assert controllers.told == [(A, "CONTINUE")]
    assert [outcome for outcome, _ in again] == [
        'result {"waiting": 0}',
        'result {"answered": 0, "waiting": 0, "late": 0}',
        'result {"answered": 0, "waiting": 0, "late": 0}',
        'result {"waiting": 0}',
    ]
    assert names(cluster, B) == before == [B]


def test_a_run_killed_between_the_removal_and_the_answer_is_finished_by_the_next(etcd, world, settings, run, warm):
    """The lease of the dead run ends by itself; the member is found gone and the hook is continued."""
    aws, controllers, bucket = world
    cluster = etcd(A, B, i_0000000a=WAITS)
    with_certificate = settings(cluster)
    slow = aws.faults.add(kind="latency", service="lambda", operation="Invoke", seconds=1.0)
    environment = warm("controller_lifecycle", aws.session())
    environment.send(event(A), with_certificate)
    until("the removal", lambda: slow.struck)
    environment.close()

    assert (names(cluster, B), controllers.told) == ([B], [])
    assert run(with_certificate)[0] == 'result {"busy": 1}'
    aws.client("s3").delete_object(Bucket=bucket.name, Key="etcd/leases/members.json")  # time passes

    outcome, said = run(with_certificate)

    assert outcome == 'result {"answered": 1, "waiting": 0}'
    assert controllers.told == [(A, "CONTINUE")]
    assert said[-1]["reason"] == f"{A} is not in the member list"


def test_a_dead_member_is_collected_after_its_silence_and_not_before(etcd, world, settings, run):
    """Removed within seconds of its death it would freeze the leader; the same run waits and then removes it."""
    _, controllers, _ = world
    cluster = etcd(A, B, C)
    controllers.end(C)
    cluster[C].kill()
    short, said = run(settings(cluster), seconds=18)

    assert short == 'result {"waiting": 1}'
    assert did(said) == [("wait", C)]
    assert names(cluster, A) == [A, B, C]

    outcome, said = run(settings(cluster), seconds=900, pace=20)

    assert outcome == 'result {"removed": 1, "waiting": 0}'
    assert did(said) == [("wait", C), ("remove", C)]
    assert names(cluster, A) == [A, B]
    assert controllers.told == []


def test_a_stuck_learner_is_collected_and_a_member_added_by_hand_is_not(etcd, world, settings, run):
    """A learner whose instance was terminated blocks every join; a stranger is somebody's, and that is said."""
    _, controllers, _ = world
    cluster = etcd(A)
    cluster.learner(D, through=A)
    controllers.set(cluster, 1)
    cluster[D].kill()
    controllers.end(D)
    outcome, said = run(settings(cluster))

    assert outcome == 'result {"removed": 1, "waiting": 0}'
    assert did(said) == [("remove", D)]

    stranger, _ = cluster[A].client().add_learner("https://127.9.9.9:12380")
    outcome, said = run(settings(cluster))

    assert outcome == 'result {"waiting": 0}'
    assert did(said) == [("leave-alone", stranger)]
    assert len(cluster[A].client().members()) == 2


def test_without_quorum_nothing_is_removed_the_hook_is_kept_and_in_the_end_abandoned(etcd, world, settings, run):
    """It waits, heartbeat by heartbeat; over the budget the group keeps the instance, loudly; with quorum back it is collected."""
    _, controllers, _ = world
    cluster = etcd(A, B, i_0000000a=WAITS)
    cluster[B].kill()
    outcome, said = run(settings(cluster), seconds=18)

    assert outcome == 'result {"waiting": 1}'
    assert "there may be no quorum" in said[0]["reason"]
    assert (controllers.beats, controllers.told) == ([A], [])

    outcome, said = run(settings(cluster, BUDGET="1"), seconds=18)

    assert outcome.startswith("raised ExceptionGroup")
    assert f"{A} was not let go: not safe within 1 s: no linearizable read succeeded" in outcome
    assert controllers.told == [(A, "ABANDON")]
    assert controllers.machines[A].lifecycle == RETAINED
    assert len(cluster[A].client().any_members()) == 2

    cluster[B].start()
    cluster.serves(B)
    outcome, said = run(settings(cluster))

    assert ("remove", A) in did(said)
    assert did(said)[-1] == ("terminate", A)
    assert controllers.told[1:] == [(A, "terminate")]
    assert names(cluster, B) == [B]


def test_a_deletion_that_begins_while_a_run_waits_is_noticed_by_that_run(etcd, world, settings, run):
    """Functions run one event at a time: whoever waited on for a quorum would hold up the whole stack's deletion."""
    _, controllers, _ = world
    cluster = etcd(A, B, i_0000000a=WAITS)
    cluster[B].kill()
    beaten = threading.Event()
    begins = threading.Thread(target=lambda: beaten.wait(30) and setattr(controllers, "status", "DELETE_IN_PROGRESS"))
    begins.start()
    controllers.on_beat = beaten.set

    outcome, said = run(settings(cluster), seconds=300)
    beaten.set()
    begins.join()

    assert outcome.startswith("result ")
    assert did(said)[-1] == ("CONTINUE", A)
    assert controllers.told == [(A, "CONTINUE")]


def test_alarms_are_said_and_a_corrupt_copy_freezes_every_change(etcd, world, settings, run):
    """Without space a member may still leave; but while two copies differ a person has to say which is right."""
    _, controllers, _ = world
    cluster = etcd(A, B, i_0000000a=WAITS)
    client = cluster[B].client()
    raise_alarm(client, cluster[B].id, "CORRUPT")
    outcome, said = run(settings(cluster), seconds=17)

    assert outcome == 'result {"waiting": 1}'
    assert said[0]["reason"] == "etcd raised CORRUPT"
    assert "which copy is right" in said[1]["reason"]
    assert len(client.members()) == 2

    client.disarm(cluster[B].id, "CORRUPT")
    raise_alarm(client, cluster[B].id, "NOSPACE")
    outcome, said = run(settings(cluster))

    assert said[0]["reason"] == "etcd raised NOSPACE"
    assert controllers.told == [(A, "CONTINUE")]


def raise_alarm(client, member, name):
    client._ask("maintenance/alarm", {"action": "ACTIVATE", "memberID": str(int(member, 16)), "alarm": name}, dict)


def test_a_voter_leaves_after_the_backup_that_was_asked_for(etcd, world, settings, run):
    """No fresh backup: the leader's agent is asked for one, and the member stays till it is there."""
    _, controllers, bucket = world
    cluster = etcd(A, B, saved=False, i_0000000a=WAITS)
    outcome, said = run(settings(cluster), seconds=17)

    assert outcome == 'result {"waiting": 1}'
    assert did(said) == [("ask-for-backup", A)]
    request = bucket.store.backup_request()
    assert request.fields["by"] == f"controller_lifecycle for {A}"
    assert len(cluster[B].client().members()) == 2

    bucket.snapshot(cluster[B], folder=cluster.folder)
    run(settings(cluster))

    assert controllers.told == [(A, "CONTINUE")]


def test_a_discovery_that_fails_is_said_and_holds_nobody(etcd, world, settings, run):
    """Its own schedule repairs the zone; a removed member's instance need not wait for that."""
    _, controllers, _ = world
    cluster = etcd(A, B, i_0000000a=WAITS)
    controllers.refuse_discovery = True
    _, said = run(settings(cluster))

    assert ("discovery-failed", A) in did(said)
    assert controllers.told == [(A, "CONTINUE")]


def test_where_no_cluster_was_ever_founded_nobody_is_held_back(world, settings, run, tmp_path):
    """Nobody answers, and neither object nor snapshot says that there was one: there is nothing to lose."""
    _, controllers, bucket = world
    cluster = EtcdCluster(tmp_path / "etcd")
    cluster.new(A)
    controllers.set(cluster, 1, i_0000000a=WAITS)
    bucket.empty()
    outcome, said = run(settings(cluster))

    assert outcome == 'result {"answered": 1, "waiting": 0}'
    assert "no cluster was ever founded" in said[0]["reason"]

    controllers.set(cluster, 1, i_0000000a=WAITS)
    bucket.empty()
    bucket.object([A])
    outcome, _ = run(settings(cluster), seconds=17)

    assert outcome == 'result {"waiting": 1}'


def test_a_certificate_that_etcd_refuses_is_an_error_and_no_silence(etcd, world, settings, run, tmp_path):
    """Of another authority, expired, changed on the way: a sentence says which, and nothing is done."""
    _, controllers, bucket = world
    cluster = etcd(A, B, C)
    controllers.set(cluster, i_0000000a=WAITS)
    other = EtcdCluster(tmp_path / "other").trust
    strange = bucket.certificate(cluster.trust.ca, *other.client())
    leaf = new_leaf(
        profiles.LAMBDA_ETCD_CLIENT, cluster.trust.authority, KeyType.P256, datetime(2015, 1, 1, tzinfo=UTC)
    )
    expired = bucket.certificate(cluster.trust.ca, *cluster.trust._laid("expired", leaf))
    untrusting = bucket.certificate(other.ca, *cluster.trust.client())
    bucket.s3.put_object(Bucket=bucket.name, Key="payments/functions/etcd-client-0.json", Body=b"{}")
    said = [
        run(settings(cluster, ETCD_CLIENT_KEY=key))[0]
        for key in (strange, expired, untrusting, "payments/functions/etcd-client-0.json")
    ]

    assert "refuses our certificate" in said[0]
    assert "refuses our certificate" in said[1]
    assert "expired" in said[1]
    assert "shows a certificate that is not trusted" in said[2]
    assert "its SHA-256 differs" in said[3]
    assert all(one.startswith("raised CertificateError") and "issue the certificate anew" in one for one in said)
    assert controllers.told == []


def test_a_bucket_that_cannot_be_asked_stops_everything(etcd, world, settings, run):
    """Without the lease nobody acts, and the function fails; the hook waits for the next run."""
    aws, controllers, _ = world
    cluster = etcd(A, B, i_0000000a=WAITS)
    with_certificate = settings(cluster)
    fault = aws.faults.add(kind="denied", service="s3", operation="PutObject", times=100)
    outcome, _ = run(with_certificate)
    aws.faults.clear()

    assert outcome.startswith("raised AccessDenied")
    assert fault.struck
    assert controllers.told == []
    assert len(cluster[B].client().members()) == 2

    slow = aws.faults.add(kind="error", service="s3", operation="GetObject", code="SlowDown", status=503)
    run(with_certificate)

    assert slow.struck == 1
    assert controllers.told == [(A, "CONTINUE")]
