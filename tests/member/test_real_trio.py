"""Three agents' loops with real etcd on loopback addresses and an S3 behind HTTP: founded, cut off, all lost, restored."""

import threading
from dataclasses import dataclass, field

import pytest
from controller_root import Node, Rooms
from member import loop, service
from real_etcd import until

from kubecfn.etcd.look import Silence, look
from kubecfn.etcd.places import Group, Place
from kubecfn.etcd.store import Store
from kubecfn.etcd.view import Machine
from kubecfn.local.embedded import EmbeddedAws

BUCKET = "backups"
PACE = loop.Pace(first=0.1, joining=0.3, most=0.5, serving=0.5, stopped=1.0, tried=2.0)
LONG = 60.0


@dataclass
class Fleet:
    """The group and EC2: what the test says."""

    size: int
    places: dict[str, Place] = field(default_factory=dict)

    def group(self):
        """Return the group now."""
        return Group("controllers", self.size, tuple(self.places.values()))

    def machines(self, instances, now, group=None):
        """Say what became of these."""
        return {one: self.places[one].machine if one in self.places else Machine.UNKNOWN for one in instances}

    def terminated(self, name):
        """End an instance."""
        self.places[name] = Place(name, "", Machine.TERMINATED, staying=False)


@dataclass
class Agent:
    """One controller's loop in a thread of its own."""

    node: Node
    fleet: Fleet
    store: Store
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        node, me = self.node, self.node.me
        self.fleet.places[me.name] = Place(me.name, me.address, Machine.RUNNING, staying=True)
        clock = service.WallClock(self.stop)
        silence = Silence(clock.monotonic)
        world = loop.World(
            node.agent(stop=self.stop),
            self.store,
            self.fleet,
            lambda group: look(group, node.ask, silence),
            node.ask,
            node.own,
            clock,
        )
        where = loop.Place(me.name, me.address, me.peer_url, node.root / "var/lib/kubecfn")
        self.loop = loop.Loop(where, world, pace=PACE)
        self.thread = threading.Thread(target=self.loop.run, args=(lambda _: False,), daemon=True)
        self.thread.start()

    def end(self):
        """Stop the loop; etcd goes on."""
        self.stop.set()
        self.thread.join(LONG)


@pytest.fixture
def make(tmp_path):
    """Return agents on disks of their own; all end with the test."""
    made = []
    with EmbeddedAws(workdir=tmp_path, services=()) as aws, Rooms(tmp_path / "rooms") as rooms:
        aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

        def agent(fleet, node=None):
            node = node or rooms.node(f"i-{len(made):08x}")
            made.append(Agent(node, fleet, Store(aws.client("s3"), BUCKET, "payments")))
            return made[-1]

        yield agent
        for one in made:
            one.stop.set()
        rooms.empty()
        for one in made:
            one.end()


def settled(agents):
    return lambda: all(one.loop.last.settled and one.loop.last.serves for one in agents)


def test_three_real_members_found_return_and_are_restored(make):
    """The same loop, the same hands, real etcd: no write is lost but those after the snapshot that was restored."""
    fleet = Fleet(3)
    trio = [make(fleet) for _ in range(3)]
    until("a settled trio", settled(trio), LONG)
    trio[0].node.client.put(b"first", b"1")

    cut = trio[2]
    cut.end()
    cut.node.power_cut()
    trio[0].node.client.put(b"second", b"2")
    again = make(fleet, cut.node)
    until("it serves again", settled([*trio[:2], again]), LONG)
    assert again.node.client.get(b"second", serializable=True) == b"2"

    saved = trio[0].node.root / "saved.db"
    trio[0].node.client.snapshot(saved, 10)
    revision, _ = trio[0].node.hands.verify(saved)
    cluster = trio[0].store.read().cluster_id
    trio[0].store.put_snapshot(
        saved, epoch=1, revision=revision, instance="i-00000000", etcd_version="3.6.16", cluster_id=cluster
    )
    for one in (*trio[:2], again):
        one.end()
        one.node.power_cut()
        fleet.terminated(one.node.me.name)
    fleet.size = 2
    pair = [make(fleet) for _ in range(2)]
    until("a restored pair", settled(pair), LONG)

    made = pair[0].store.read()
    assert (made.epoch, made.established, made.way, made.cluster_id != cluster) == (2, 2, "restore", True)
    assert pair[1].node.client.get(b"second") == b"2"
    assert pair[0].node.client.status().revision > 1_000_000_000
