import itertools
import json

import pytest
from botocore.exceptions import ClientError
from etcd_discovery.aws import ConflictError
from etcd_discovery.converge import ROUNDS, UnsettledError, converge
from etcd_discovery.records import Change, Record, changes, ours, wanted
from etcd_discovery.settings import Settings

A, B = "i-0000000a", "i-0000000b"
DOMAIN = "k.example"
SETTINGS = Settings(group="payments-controllers", zone_id="Z1", domain=DOMAIN, ttl=30)
TRIO = {A: "10.0.0.1", B: "10.0.0.2", "i-0000000c": "10.0.0.3"}


def applied(before, todo):
    """What a zone holds after a batch, as Route 53 applies it."""
    replaced = {(change.record.name, change.record.type) for change in todo}
    kept = {record for record in before if (record.name, record.type) not in replaced}
    return kept | {change.record for change in todo if change.action == "UPSERT"}


class Zone:
    """A zone and a group in memory; `groups` is what each further look at the group finds."""

    def __init__(self, *groups, records=(), conflicts=0):
        self.groups = list(groups)
        self.present = frozenset(records)
        self.conflicts = conflicts
        self.writes = 0

    def running_controllers(self, _group):
        """Find the group as the next look does, or fail as it does."""
        found = self.groups.pop(0) if len(self.groups) > 1 else self.groups[0]
        if isinstance(found, Exception):
            raise found
        return found

    def records(self, _zone, domain):
        """List the record sets of ours."""
        return frozenset(record for record in self.present if ours(record, domain))

    def change_records(self, _zone, todo):
        """Apply a batch, or refuse it as a whole."""
        if self.conflicts:
            self.conflicts -= 1
            raise ConflictError("it was there a moment ago")
        self.writes += 1
        self.present = frozenset(applied(self.present, todo))


def run(zone, waits=None):
    return converge(zone, SETTINGS, (waits if waits is not None else []).append)


def test_every_controller_has_a_name_and_is_in_the_three_shared_ones():
    """One A record each, one for all, and SRV records for peers and clients that point at the single names."""
    found = wanted(DOMAIN, {A: "10.0.0.1", B: "10.0.0.2"}, 30)

    assert found == {
        Record("i-0000000a.k.example", "A", 30, frozenset(["10.0.0.1"])),
        Record("i-0000000b.k.example", "A", 30, frozenset(["10.0.0.2"])),
        Record("etcd.k.example", "A", 30, frozenset(["10.0.0.1", "10.0.0.2"])),
        Record(
            "_etcd-server-ssl._tcp.k.example",
            "SRV",
            30,
            frozenset(["0 0 2380 i-0000000a.k.example.", "0 0 2380 i-0000000b.k.example."]),
        ),
        Record(
            "_etcd-client-ssl._tcp.k.example",
            "SRV",
            30,
            frozenset(["0 0 2379 i-0000000a.k.example.", "0 0 2379 i-0000000b.k.example."]),
        ),
    }


GROUPS = [{}, {A: "10.0.0.1"}, {A: "10.0.0.9"}, {B: "10.0.0.2"}, {A: "10.0.0.1", B: "10.0.0.2"}, TRIO]


@pytest.mark.parametrize(("old", "new"), list(itertools.product(GROUPS, GROUPS)))
def test_any_zone_of_ours_becomes_any_other_in_one_batch(old, new):
    """After the batch the zone is exactly what is wanted, and a second look finds nothing to do."""
    before, after = wanted(DOMAIN, old, 30), wanted(DOMAIN, new, 30)

    todo = changes(before, after)

    assert applied(before, todo) == after
    assert changes(after, after) == ()
    assert bool(todo) == (old != new)


def test_a_terminated_controller_leaves_no_record_behind():
    """DNS lists the controllers that exist, never those that existed."""
    before, after = wanted(DOMAIN, {A: "10.0.0.1", B: "10.0.0.2"}, 30), wanted(DOMAIN, {A: "10.0.0.1"}, 30)

    todo = changes(before, after)

    assert [change.record.name for change in todo if change.action == "DELETE"] == ["i-0000000b.k.example"]
    assert {change.record for change in todo if change.action == "UPSERT"} == after - before


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        (DOMAIN, "NS", False),
        (DOMAIN, "SOA", False),
        ("api.k.example", "A", False),
        ("etcd.k.example", "A", True),
        ("etcd.k.example", "TXT", False),
        ("i-0123456789abcdef0.k.example", "A", True),
        ("i-0123456789abcdef0.k.example", "TXT", False),
        ("i-team.k.example", "A", False),
        ("i-0000000a.other.k.example", "A", False),
        ("_etcd-server-ssl._tcp.k.example", "SRV", True),
        ("_etcd-client-ssl._tcp.k.example", "SRV", True),
        ("_etcd-server._tcp.k.example", "SRV", False),
    ],
)
def test_only_names_of_ours_are_touched(name, kind, expected):
    """Whatever else is in the zone belongs to someone: it is neither changed nor deleted."""
    assert ours(Record(name, kind, 30, frozenset(["x"])), DOMAIN) is expected


def test_a_change_is_what_route53_takes():
    """A deletion names the record set whole, as Route 53 demands, with its values in a stable order."""
    record = Record("etcd.k.example", "A", 30, frozenset(["10.0.0.2", "10.0.0.1"]))

    assert Change("DELETE", record).request() == {
        "Action": "DELETE",
        "ResourceRecordSet": {
            "Name": "etcd.k.example",
            "Type": "A",
            "TTL": 30,
            "ResourceRecords": [{"Value": "10.0.0.1"}, {"Value": "10.0.0.2"}],
        },
    }


def test_a_zone_that_is_equal_is_not_written():
    """A schedule that runs every few minutes costs a read, not a change."""
    zone = Zone(TRIO, records=wanted(DOMAIN, TRIO, 30))

    assert run(zone) == {"controllers": 3, "changed": 0}
    assert zone.writes == 0


def test_a_controller_that_comes_while_the_zone_is_written_is_listed_too(capsys):
    """The group is looked at again after every write: two runs at once end in the newer truth."""
    zone = Zone({A: "10.0.0.1"}, TRIO)

    assert run(zone)["controllers"] == 3
    assert zone.present == wanted(DOMAIN, TRIO, 30)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["decision"] for line in said] == ["changed", "changed", "settled"]
    assert all(line["reason"] for line in said)


def test_a_zone_changed_under_us_is_read_again():
    """A batch refused because a record is gone is made anew from what is there now, after a pause that grows."""
    zone, waits = Zone(TRIO, conflicts=2), []

    assert run(zone, waits)["controllers"] == 3
    assert (zone.writes, waits) == (1, [0.5, 1.0])


def test_a_zone_that_never_settles_is_an_error():
    """Something that undoes every write is said, not fought for ever."""
    with pytest.raises(UnsettledError, match=r"zone Z1 still differs"):
        run(Zone(TRIO, conflicts=ROUNDS))


def test_a_failed_look_up_changes_nothing():
    """To be unable to ask is not the same as to hear that there are no controllers."""
    throttled = ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "DescribeAutoScalingGroups")
    zone = Zone(throttled, records=wanted(DOMAIN, TRIO, 30))

    with pytest.raises(ClientError, match=r"Rate exceeded"):
        run(zone)

    assert zone.writes == 0
