"""What instances that are gone left in the bucket goes a day later, and nothing that could still count."""

import json
from datetime import timedelta

import pytest
from controller_lifecycle.leftovers import collect
from etcd_access.reach import Reach

from kubecfn.etcd.places import Fleet
from kubecfn.etcd.store import now, written
from tests.lambdas.controllers import CLUSTER, DISCOVERY, GROUP, HOOK, Machine, opened_account
from tests.support.real_etcd import EtcdCluster

A, GONE, FORGOTTEN, LEAVES, NAMED = (f"i-0000000{letter}" for letter in "abcde")
WORD = {"epoch": 1, "index": 7, "data": 1, "lost": False}


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """An account with the group and the bucket."""
    with opened_account(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture
def world(account):
    """A runs, LEAVES waits in its hook, GONE and NAMED are terminated, of FORGOTTEN EC2 knows nothing; all said a word."""
    aws, controllers, bucket = account
    bucket.empty()
    bucket.object([A, NAMED])
    controllers.__init__(3)
    controllers.machines[A] = Machine("127.1.1.1")
    controllers.machines[LEAVES] = Machine("127.1.1.2", "Terminating:Wait")
    for one in (GONE, NAMED):
        controllers.machines[one] = Machine("127.1.1.3", "", "terminated")
    for one in (A, GONE, FORGOTTEN, LEAVES, NAMED):
        bucket.store.say(one, WORD)
    bucket.store.leaving(GONE)
    bucket.store.leaving(LEAVES)
    bucket.store.leaving(NAMED)
    fleet = Fleet(aws.client("autoscaling"), aws.client("ec2"), GROUP)
    return bucket, Reach(fleet, bucket.store, bucket.s3, None)


def left(bucket, folder):
    """Whose objects there are."""
    listed = bucket.s3.list_objects_v2(Bucket=bucket.name, Prefix=f"etcd/{folder}/").get("Contents", [])
    return sorted(one["Key"].rpartition("/")[2].removesuffix(".json") for one in listed)


def after(world, hours, may_go_on=lambda: True):
    bucket, reach = world
    return collect(reach, bucket.name, now() + timedelta(hours=hours), may_go_on)


def test_a_day_after_its_mark_a_terminated_instance_has_left_nothing(world):
    """Not before a day; never who runs, waits in its hook, or is named by the object. Twice is as good as once."""
    bucket, _ = world

    assert after(world, 23) == 0
    assert left(bucket, "words") == [A, GONE, FORGOTTEN, LEAVES, NAMED]
    assert after(world, 25) == 2
    assert left(bucket, "words") == [A, LEAVES, NAMED]
    assert left(bucket, "leaving") == [LEAVES, NAMED]
    assert after(world, 25) == 0


def test_an_instance_without_a_mark_gets_its_day_from_when_it_is_first_seen_gone(world):
    """Not every instance leaves through its hook, and EC2 forgets when one ended."""
    bucket, _ = world
    assert FORGOTTEN not in left(bucket, "leaving")

    after(world, 1)

    assert FORGOTTEN in left(bucket, "leaving")


def test_what_ec2_may_only_not_know_yet_is_kept(world):
    """A new instance that EC2 does not show yet is not terminated: its word is young."""
    bucket, _ = world

    assert after(world, 0.1) == 0
    assert left(bucket, "leaving") == [GONE, LEAVES, NAMED]


@pytest.mark.parametrize("state", [{"epoch": 2, "established": 1}, None])
def test_nothing_is_collected_while_an_epoch_is_made_or_when_the_object_is_gone(world, state):
    """Any word may count then: who holds the newest data is found by them."""
    bucket, _ = world
    bucket.s3.delete_object(Bucket=bucket.name, Key="etcd/cluster.json")
    if state:
        bucket.object([A], **state)

    assert after(world, 48) == 0
    assert GONE in left(bucket, "words")


def test_what_was_cut_off_is_found_again(world):
    """The mark goes last, so a run that ends in the middle loses track of nothing."""
    bucket, reach = world
    bucket.s3.delete_object(Bucket=bucket.name, Key=f"etcd/words/{GONE}.json")

    assert collect(reach, bucket.name, now() + timedelta(hours=25), lambda: False) == 0
    assert after(world, 25) == 2
    assert GONE not in left(bucket, "leaving")


def test_the_packed_function_collects_when_nobody_waits(world, account, warm, tmp_path):
    """A scheduled run with nothing else to do does it; one that has somebody waiting does not."""
    aws, controllers, bucket = account
    with EtcdCluster(tmp_path / "etcd") as cluster:
        cluster.found(A)
        machines = dict(controllers.machines)
        controllers.set(cluster, 1)
        controllers.machines |= {one: machine for one, machine in machines.items() if one not in (A, LEAVES)}
        old = json.dumps({"since": written(now() - timedelta(days=2))}).encode()
        bucket.s3.put_object(Bucket=bucket.name, Key=f"etcd/leaving/{GONE}.json", Body=old)
        settings = {
            "GROUP": GROUP,
            "HOOK": HOOK,
            "STACK": "payments",
            "CLUSTER": CLUSTER,
            "BUCKET": bucket.name,
            "ARTIFACT_BUCKET": bucket.name,
            "ETCD_CLIENT_KEY": bucket.certificate(cluster.trust.ca, *cluster.trust.client()),
            "DISCOVERY": DISCOVERY,
            "BACKUP_EVERY": "300",
            "BUDGET": "900",
        }
        environment = warm("controller_lifecycle", aws.session())
        environment.send({}, settings)
        *said, outcome = environment.lines()

    assert outcome == 'result {"waiting": 0, "collected": 1}'
    assert [json.loads(line)["instance"] for line in said] == [GONE]
    assert left(bucket, "words") == [A, FORGOTTEN, LEAVES, NAMED]
