"""A real etcd that is full: its alarm stays while it is, and ends once an operator has freed space and defragmented."""

import base64
import json
import time
from types import SimpleNamespace

import pytest
from etcd_backup.space import QUOTA_BYTES, why_not

from kubecfn.care.ask import RefusedError
from kubecfn.care.defrag import UnwellError, one_by_one
from kubecfn.deploy.progress import Work, silent
from kubecfn.etcd.client import EtcdError, Status
from kubecfn.etcd.view import Cluster, Member
from tests.lambdas.controllers import CLUSTER, GROUP, opened_account
from tests.support.real_etcd import VERSIONS, EtcdCluster, until

A, B, C = (f"i-0000000{letter}" for letter in "abc")
QUOTA = 8 * 1024**2
MIB = 1024**2


@pytest.fixture(scope="module")
def world(tmp_path_factory, warm):
    """Three real members with a small quota, and the packed function beside them."""
    folder = tmp_path_factory.mktemp("aws")
    with (
        opened_account(folder) as (aws, controllers, bucket),
        EtcdCluster(folder / "etcd") as cluster,
    ):
        initial = ",".join(f"{name}={cluster.new(name).peer_url}" for name in (A, B, C))
        for member in cluster:
            member.start(initial, more=(f"--quota-backend-bytes={QUOTA}",))
        for name in (A, B, C):
            cluster.serves(name)
        controllers.set(cluster)
        bucket.object([A, B, C])
        settings = {
            "GROUP": GROUP,
            "CLUSTER": CLUSTER,
            "BUCKET": bucket.name,
            "ARTIFACT_BUCKET": bucket.name,
            "ETCD_CLIENT_KEY": bucket.certificate(cluster.trust.ca, *cluster.trust.client()),
            "BACKUP_EVERY": "300",
        }

        def ask(question):
            environment = warm("etcd_backup", aws.session())
            environment.send(dict(question), settings)
            *_, outcome = environment.lines()
            if outcome.startswith("result "):
                return json.loads(outcome.removeprefix("result "))
            raise RefusedError(outcome.removeprefix("raised RefusedError ") + ".")

        yield cluster, bucket, ask


class Waits:
    """A clock whose time passes a hundred times as fast."""

    def monotonic(self):
        """The seconds."""
        return time.monotonic() * 100

    def sleep(self, seconds):
        """Let them pass."""
        time.sleep(seconds / 100)


def test_a_full_etcd_writes_again_after_space_was_freed_and_not_before(world):
    """Full: refused. Deleted, not compacted: the API server could not. Then one command compacts, defragments, disarms."""
    cluster, bucket, ask = world
    client = cluster[A].client()
    with pytest.raises(RefusedError, match="NOSPACE is not raised, and the API server compacts by itself"):
        ask({"ask": "compact"})
    _fill(cluster)

    with pytest.raises(RefusedError, match=r"NOSPACE alarm stays: i-0000000. uses \d MiB of its quota of 8 MiB, 90 %"):
        ask({"ask": "disarm"})
    with pytest.raises(UnwellError, match=r"still takes no writes: i-0000000. uses"):
        one_by_one(ask, ask, Work(Waits(), silent, "")).check()
    client._ask("kv/deleterange", {"key": _encoded(b"fill/"), "range_end": _encoded(b"fill0")}, dict)
    with pytest.raises(EtcdError, match="database space exceeded"):
        client._ask("kv/txn", _compactor(), dict)

    done = one_by_one(ask, ask, Work(Waits(), silent, ""))
    done.check()

    assert sorted(one.instance for one in done.members) == [A, B, C]
    assert all(one.after < MIB < one.before for one in done.members)
    assert done.ended
    assert client.alarms() == ()
    assert client.put(b"again", b"1")
    assert ask({"ask": "disarm"}) == {"disarmed": [], "alarms": []}
    assert bucket.store.lease("members", "another", 1)


def _compactor():
    """What the API server writes before it compacts (Kubernetes: storage/etcd3/compact.go)."""
    put = {"requestPut": {"key": _encoded(b"compact_rev_key"), "value": _encoded(b"1")}}
    is_new = {"key": _encoded(b"compact_rev_key"), "target": "VERSION", "version": "0"}
    return {"compare": [is_new], "success": [put], "failure": []}


def _fill(cluster):
    """Write until etcd refuses, and again without the pages that writing left free: until nearly all is in use."""
    client, numbers = cluster[A].client(), iter(range(4096))
    while True:
        with pytest.raises(EtcdError, match="database space exceeded"):
            _write(client, numbers)
        until("the alarm", client.alarms)
        if all(cluster[one].client().status().db_in_use > 0.93 * 8 * MIB for one in (A, B, C)):
            return
        for one in (A, B, C):
            cluster[one].client().defragment(10)
        for member, name in client.alarms():
            client.disarm(member, name)


def _write(client, numbers):
    for number in numbers:
        client.put(b"fill/%d" % number, b"x" * (MIB // 32))


def _encoded(name):
    return base64.b64encode(name).decode()


def status(**other):
    told = {"db_size": 1 * MIB, "db_in_use": 1 * MIB, "db_quota": 10 * MIB}
    return Status("1", "1", "1", VERSIONS[0], 1, 1, 1, learner=False, **(told | other))


def seen(*, alarms=("NOSPACE",), linearizable=True, unstarted=False, **statuses):
    told = {A: status(), B: status(), C: status()} | statuses
    members = [Member(one, one, instance=one) for one in (A, B, C)] + [Member("9")] * unstarted
    cluster = Cluster(tuple(members), 3, linearizable=linearizable, alarms=alarms)
    return SimpleNamespace(cluster=cluster, statuses={one: what for one, what in told.items() if what})


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (seen(), ""),
        (seen(unstarted=True), ""),
        (seen(linearizable=False), "no linearizable read"),
        (seen(alarms=("CORRUPT", "NOSPACE")), "CORRUPT, too"),
        (seen(**{B: None}), f"{B} does not say how full it is"),
        (seen(**{B: status(db_in_use=9 * MIB - 1, db_size=9 * MIB - 1)}), ""),
        (seen(**{B: status(db_in_use=9 * MIB, db_size=9 * MIB)}), f"{B} uses 9 MiB of its quota of 10 MiB"),
        (seen(**{B: status(db_size=9 * MIB)}), f"the file of {B} has 9 MiB"),
        (seen(**{A: status(db_size=9 * MIB), B: status(db_in_use=9 * MIB, db_size=9 * MIB)}), f"{B} uses 9 MiB"),
        (seen(**{B: status(db_quota=0, db_size=QUOTA_BYTES * 9 // 10 - 1)}), ""),
        (seen(**{B: status(db_quota=0, db_size=QUOTA_BYTES)}), "its quota of 4096 MiB"),
    ],
)
def test_nospace_ends_only_when_every_member_has_room_and_nothing_worse_is_raised(found, says):
    """CORRUPT, no quorum, a member nobody hears and a full one each keep the alarm; an unstarted one holds nothing."""
    assert why_not(found).startswith(says) if not says else says in why_not(found)
    assert bool(why_not(found)) == bool(says)
