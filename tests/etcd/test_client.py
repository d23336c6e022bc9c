"""The client against real members of every pinned release: each answer is what etcd really says."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from real_etcd import Trust, binaries, until

from kubecfn.etcd.client import Client, EtcdError, tls


def test_a_status_names_the_member_its_cluster_and_its_leader(trio):
    """Ids are lower-case hexadecimal, the same in the status and in the member list."""
    statuses = [member.client().status() for member in trio]
    listed = {one.name: one for one in trio["i-a"].client().members()}
    assert [status.member for status in statuses] == [listed[name].id for name in ("i-a", "i-b", "i-c")]
    assert len({status.cluster for status in statuses}) == 1
    assert {status.leader for status in statuses} <= {one.id for one in listed.values()}
    assert {status.version for status in statuses} == {trio.version}
    assert all(status.db_size >= status.db_in_use > 0 for status in statuses)
    assert all(status.raft_index > 0 and status.raft_term > 0 for status in statuses)
    assert not any(status.learner or status.errors for status in statuses)


def test_ids_are_written_as_etcdctl_prints_them(trio):
    """A person can compare what we say with what etcdctl says."""
    cert, key = trio.trust.client("etcdctl")
    member = trio["i-a"]
    endpoint = f"--endpoints=https://{member.address}:2379"
    command = [binaries(trio.version) / "etcdctl", endpoint, f"--cacert={trio.trust.ca}", f"--cert={cert}"]
    said = subprocess.run([*command, f"--key={key}", "member", "list"], capture_output=True, text=True, check=True)
    assert {line.split(",")[0] for line in said.stdout.splitlines()} == {one.id for one in member.client().members()}


def test_a_member_is_listed_with_its_addresses(trio):
    """The list has what places a member: its name and its URLs."""
    for one in trio["i-b"].client().any_members():
        assert one.peer_urls == (trio[one.name].peer_url,)
        assert one.client_urls == (trio[one.name].peer_url.replace("2380", "2379"),)
        assert not one.learner


def test_what_was_put_is_read_by_every_member(trio):
    """A linearizable read sees an acknowledged write wherever it is asked; a revision grows with each write."""
    client = trio["i-a"].client()
    revisions = [client.put(b"key", value) for value in (b"one", b"\x00\xfftwo")]
    assert revisions[1] == revisions[0] + 1
    assert [member.client().get(b"key") for member in trio] == [b"\x00\xfftwo"] * 3
    assert client.get(b"key", serializable=True) == b"\x00\xfftwo"
    assert client.get(b"no such key") is None


def test_an_empty_value_is_a_value(trio):
    """The gateway leaves empty fields out; a key with nothing in it is there all the same."""
    client = trio["i-a"].client()
    client.put(b"empty", b"")
    assert client.get(b"empty") == b""


def test_a_prefix_finds_its_keys_and_no_others(trio):
    """The end of a range is the first key behind the prefix, also where its last byte is the highest."""
    client = trio["i-a"].client()
    for key in (b"p/", b"p/1", b"p/2", b"p0", b"p\xff", b"p\xff1", b"q"):
        client.put(key, key)
    assert set(client.range_prefix(b"p/")) == {b"p/", b"p/1", b"p/2"}
    assert client.range_prefix(b"p\xff") == {b"p\xff": b"p\xff", b"p\xff1": b"p\xff1"}
    assert set(client.range_prefix(b"")) >= {b"p/", b"p\xff1", b"q"}


def test_members_with_the_same_data_have_the_same_hash(trio):
    """Up to one revision everyone's hash is equal; another revision's is not."""
    client = trio["i-a"].client()
    before = client.put(b"hash", b"1")
    after = client.put(b"hash", b"2")
    for member in trio:
        until("applied", lambda member=member: member.client().status().revision >= after)
    assert {member.client().hash_kv(after) for member in trio} == {client.hash_kv()}
    assert client.hash_kv(before)[1] == before
    assert client.hash_kv(before) != client.hash_kv(after)


def test_what_is_compacted_is_forgotten_once(trio):
    """A revision is compacted once; again, or one to come, is refused for certain."""
    client = trio["i-a"].client()
    revision = client.put(b"compact", b"1")
    client.compact(revision)
    for wrong in (revision, revision + 1000):
        with pytest.raises(EtcdError, match="required revision") as refused:
            client.compact(wrong)
        assert (refused.value.code, refused.value.definite) == (11, True)


def test_a_defragmented_member_uses_no_more_than_it_needs(trio):
    """Defragmenting gives back what deleting and compacting freed."""
    client = trio["i-b"].client()
    for _ in range(8):
        revision = client.put(b"big", bytes(100_000))
    client.compact(revision)

    def freed():
        client.put(b"small", b"")  # what was freed can be used again from the next write on
        status = client.status()
        return status.db_in_use < status.db_size / 2

    until("compacted", freed)
    before = client.status()
    client.defragment(timeout=10)
    assert client.status().db_size < before.db_size / 2


def test_who_adds_a_learner_gets_its_id_and_the_list_to_start_with(trio):
    """The new member has no name until it starts."""
    client = trio["i-a"].client()
    own, listed = client.add_learner(trio.new("i-d").peer_url)
    assert [(one.name, one.learner) for one in listed if one.id == own] == [("", True)]
    assert len(listed) == 4
    client.remove(own)
    trio.members.pop("i-d")


def test_a_learner_proves_nothing_until_it_is_promoted(trio):
    """It refuses reads and lists for certain; to promote it again is success, since the first answer may be lost."""
    client, learner = trio["i-a"].client(), trio.learner("i-d", through="i-a")
    own = learner.client().status()
    assert own.learner
    for call in (learner.client().linearizable, learner.client().members, learner.client().any_members):
        with pytest.raises(EtcdError, match="not supported for learner") as refused:
            call()
        assert refused.value.definite
    until("promoted", lambda: client.promote(own.member) is None)
    client.promote(own.member)
    trio.serves("i-d")
    assert not learner.client().status().learner


def test_an_unready_learner_is_not_promoted_and_no_second_one_added(trio):
    """What etcd refuses it refuses for certain, in its own words and with code 9 whatever the HTTP status."""
    client = trio["i-a"].client()
    own, _ = client.add_learner(trio.new("i-d").peer_url)
    refusals = {
        "in sync with leader": lambda: client.promote(own),
        "too many learner": lambda: client.add_learner("https://127.9.9.9:2380"),
        "bad leader transferee": lambda: trio.leader.client().move_leader(own),
    }
    for words, change in refusals.items():
        with pytest.raises(EtcdError, match=words) as refused:
            change()
        assert (refused.value.code, refused.value.definite) == (9, True)


def test_to_remove_what_is_not_there_is_success(trio):
    """An earlier answer may have been lost: gone is gone. To promote or to lead, a member has to be there."""
    client = trio["i-a"].client()
    own, _ = client.add_learner(trio.new("i-d").peer_url)
    client.remove(own)
    client.remove(own)
    with pytest.raises(EtcdError, match="member not found") as refused:
        client.promote(own)
    assert (refused.value.code, refused.value.definite) == (5, True)


def test_leadership_moves_to_the_voter_that_was_named(trio):
    """Only the leader hands leadership on; another member refuses."""
    leader = trio.leader
    other, third = (member for member in trio if member is not leader)
    with pytest.raises(EtcdError, match="not leader") as refused:
        third.client().move_leader(other.id)
    assert refused.value.definite
    leader.client().move_leader(other.id)
    assert trio.leader is other


def test_an_alarm_is_shown_until_it_is_put_out(trio):
    """An alarm has its member's id and a name; the member's status speaks of it too."""
    client, own = trio["i-a"].client(), trio["i-b"].id
    assert client.alarms() == ()
    raise_alarm(client, own, "NOSPACE")
    try:
        assert client.alarms() == ((own, "NOSPACE"),)
        assert "NOSPACE" in " ".join(client.status().errors)
        with pytest.raises(EtcdError, match="database space exceeded") as refused:
            client.put(b"full", b"")
        assert refused.value.definite
    finally:
        client.disarm(own, "NOSPACE")
    assert client.alarms() == ()


def raise_alarm(client, member, name):
    body = {"action": "ACTIVATE", "memberID": str(int(member, 16)), "alarm": name}
    client._ask("maintenance/alarm", body, lambda _: None)


def test_a_snapshot_is_whole_and_etcdutl_finds_the_revision_in_it(trio, tmp_path):
    """A saved store ends in the checksum of all before it and is its owner's alone."""
    client = trio["i-c"].client()
    for number in range(10):
        revision = client.put(b"snapshot", bytes([number]) * 40_000)
    target = tmp_path / "whole.db"
    size = client.snapshot(target, timeout=10)
    content = target.read_bytes()
    assert size == len(content)
    assert hashlib.sha256(content[:-32]).digest() == content[-32:]
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["whole.db"]
    command = [binaries(trio.version) / "etcdutl", "snapshot", "status", target, "--write-out=json"]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert said["revision"] == revision


def test_a_snapshot_that_cannot_be_written_is_the_disks_failure_not_etcds(trio, tmp_path):
    """A full or missing disk is not taken for a member's fault."""
    with pytest.raises(FileNotFoundError):
        trio["i-a"].client().snapshot(tmp_path / "missing" / "snapshot.db", timeout=5)


def test_without_quorum_only_what_proves_nothing_is_answered(trio, tmp_path):
    """Status, an unproven list and a snapshot need no quorum; whatever proves or changes something ends in its time."""
    client = trio["i-a"].client(timeout=0.3)
    trio["i-b"].pause()
    trio["i-c"].pause()
    assert client.status().member
    assert len(client.any_members()) == 3
    assert client.get(b"no such key", serializable=True) is None
    assert client.snapshot(tmp_path / "lonely.db", timeout=5) > 0
    for call in (client.linearizable, client.members, client.alarms, lambda: client.put(b"lost", b"")):
        began = time.monotonic()
        with pytest.raises(EtcdError) as late:
            call()
        assert time.monotonic() - began < 0.6
        assert late.value.code in (4, 14)
        assert not late.value.definite


def test_a_member_that_hangs_costs_no_more_than_the_timeout(trio):
    """A stopped process still accepts connections: the deadline covers the handshake, and nothing was sent."""
    trio["i-b"].pause()
    began = time.monotonic()
    with pytest.raises(EtcdError, match=r"did not answer maintenance/status within 0\.3 s") as late:
        trio["i-b"].client(timeout=0.3).status()
    assert time.monotonic() - began < 0.6
    assert (late.value.code, late.value.definite) == (4, True)


def test_a_dead_member_is_refused_at_once(trio):
    """Nobody listens: a sentence with the address, and certainly nothing was changed."""
    nobody = Client("127.9.9.9", trio.context)
    with pytest.raises(EtcdError, match=r"127\.9\.9\.9:2379 cannot be reached: Connection refused") as refused:
        nobody.put(b"key", b"")
    assert (refused.value.code, refused.value.definite) == (14, True)


def test_an_address_that_is_not_known_is_not_this_machine(trio):
    """An empty address must never become localhost, where another member may answer."""
    with pytest.raises(EtcdError, match="its address is not known"):
        Client("", trio.context).status()


def test_a_member_of_another_authority_is_not_trusted(trio, tmp_path):
    """The wrong CA is called by its name."""
    other = Trust(tmp_path)
    with pytest.raises(EtcdError, match=r"certificate that is not trusted: .*issuer") as refused:
        replace(trio["i-a"].client(), tls=tls(other.ca, *trio.trust.client())).status()
    assert refused.value.definite


@pytest.mark.parametrize("why", ["another authority", "expired"])
def test_a_member_refuses_a_certificate_that_it_does_not_trust(trio, tmp_path, why):
    """A member says so only after the handshake; it is a refusal all the same, and nothing was changed."""
    pair = Trust(tmp_path).client() if why == "another authority" else expired(trio.trust)
    client = replace(trio["i-a"].client(), tls=tls(trio.trust.ca, *pair))
    with pytest.raises(EtcdError, match="refuses our certificate") as refused:
        client.put(b"key", b"")
    assert (refused.value.code, refused.value.definite) == (14, True)


def expired(trust):
    """Return a client's certificate of the same authority that ended yesterday."""
    old = object.__new__(Trust)
    old.folder, old.authority = trust.folder, trust.authority
    old.now = datetime.now(UTC) - timedelta(days=366)
    return old.client("expired")


@pytest.mark.parametrize(
    ("ca", "cert", "key", "named"),
    [
        ("missing", "client.crt", "client.key", "missing cannot be used as etcd's authority"),
        ("client.key", "client.crt", "client.key", "client.key cannot be used as etcd's authority"),
        ("ca.crt", "missing", "client.key", "missing with .*client.key cannot be used"),
        ("ca.crt", "ca.crt", "client.key", "ca.crt with .*client.key cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, ca, cert, key, named):
    """A missing file, a wrong one and a key of another certificate are told apart by path, before anything is asked."""
    Trust(tmp_path).client()
    with pytest.raises(EtcdError, match=named) as refused:
        tls(tmp_path / ca, tmp_path / cert, tmp_path / key)
    assert refused.value.definite


def test_only_the_named_authority_is_trusted(tmp_path):
    """The machine's own list of authorities plays no part."""
    trust = Trust(tmp_path)
    assert [authority["serialNumber"] for authority in trust.context().get_ca_certs()] == [
        f"{trust.authority.certificate.serial_number:X}".zfill(40)
    ]
    assert trust.context().verify_mode is ssl.CERT_REQUIRED
