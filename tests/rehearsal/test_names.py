"""The rehearsal's resolver says what the zone says, in messages that anyone else's resolver understands."""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from typing import Any

import pytest

from tests.rehearsal.names import Records, Remembered, Resolver, answer, records_of

ZONE = {
    ("i-1.example.com", "A"): (60, ("10.20.0.11",)),
    ("etcd.example.com", "A"): (30, ("10.20.0.11", "10.20.0.12")),
    ("_etcd-client-ssl._tcp.example.com", "SRV"): (30, ("0 0 2379 i-1.example.com",)),
}


def question(name: str, kind: int = 1) -> bytes:
    """A question as a stub resolver sends it."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def header(message: bytes) -> tuple[int, int, int]:
    """Return the id, the code of the answer and how many records there are."""
    number, flags, _, count = struct.unpack_from("!HHHH", message)
    return number, flags & 15, count


def test_every_address_of_a_name_is_answered_whatever_its_case() -> None:
    """A name's addresses are all given, and names do not know case."""
    said = answer(question("ETCD.example.com"), ZONE)
    assert header(said) == (0x1234, 0, 2)
    assert said.endswith(bytes([10, 20, 0, 12]))


def test_a_service_names_its_port_and_target() -> None:
    """An SRV record is priority, weight, port and an uncompressed name."""
    said = answer(question("_etcd-client-ssl._tcp.example.com", 33), ZONE)
    assert header(said)[2] == 1
    assert said.endswith(struct.pack("!HHH", 0, 0, 2379) + b"\x03i-1\x07example\x03com\0")


def test_a_name_without_records_of_that_type_is_no_unknown_name() -> None:
    """No data is an empty answer; only a name that owns nothing does not exist."""
    assert header(answer(question("i-1.example.com", 28), ZONE)) == (0x1234, 0, 0)
    assert header(answer(question("i-2.example.com"), ZONE)) == (0x1234, 3, 0)


@pytest.mark.parametrize("nonsense", [b"", b"\0" * 11, question("i-1.example.com")[:20]])
def test_nonsense_is_refused(nonsense: bytes) -> None:
    """What is no whole question of one name is not answered."""
    with pytest.raises((ValueError, IndexError, struct.error)):
        answer(nonsense, ZONE)


class Zones:
    """Route 53, a load balancer and an instance, as their APIs answer."""

    def __init__(self, *records: dict[str, Any], targets: tuple[str, ...] = ()) -> None:
        self._records = records
        self._targets = targets

    def list_hosted_zones(self) -> dict[str, Any]:
        """One zone."""
        return {"HostedZones": [{"Id": "Z1"}]}

    def get_paginator(self, _: str) -> Zones:
        """The zone's records come in pages."""
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        """One record a page."""
        return [{"ResourceRecordSets": [one]} for one in self._records]

    def describe_load_balancers(self) -> dict[str, Any]:
        """One load balancer."""
        return {"LoadBalancers": [{"DNSName": "Api-1.elb.example.net", "LoadBalancerArn": "arn:lb"}]}

    def describe_target_groups(self, **_: str) -> dict[str, Any]:
        """One target group."""
        return {"TargetGroups": [{"TargetGroupArn": "arn:tg"}]}

    def describe_target_health(self, **_: str) -> dict[str, Any]:
        """The targets that the test wants."""
        return {"TargetHealthDescriptions": [{"Target": {"Id": one}} for one in self._targets]}

    def describe_instances(self, **asked: list[str]) -> dict[str, Any]:
        """``i-7`` is at 10.20.0.7; one that is terminated has no address."""
        known = [{"PrivateIpAddress": f"10.20.0.{one[2:]}"} if one != "i-0" else {} for one in asked["InstanceIds"]]
        return {"Reservations": [{"Instances": known}]}


def alias(name: str, to: str, kind: str = "A") -> dict[str, Any]:
    """A record that is an alias, as Route 53 shows it."""
    return {"Name": f"{name}.", "Type": kind, "AliasTarget": {"DNSName": f"{to}.", "HostedZoneId": "Z9"}}


def plain(name: str, *values: str) -> dict[str, Any]:
    """A record with values, as Route 53 shows it."""
    return {"Name": f"{name}.", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": one} for one in values]}


def looked_up(zones: Zones) -> Records:
    """Return what the resolver knows."""
    return records_of(zones, zones, zones)


def test_an_alias_is_what_it_leads_to_however_far_away() -> None:
    """Aliases are followed inside the zone, over other aliases, and take the target's time to live."""
    zones = Zones(
        alias("a.example.com", "b.example.com"),
        alias("b.example.com", "c.example.com"),
        plain("c.example.com", "10.0.0.1"),
    )
    assert looked_up(zones)["a.example.com", "A"] == (30, ("10.0.0.1",))


def test_an_alias_of_a_load_balancer_is_where_it_would_send_whoever_asks() -> None:
    """A load balancer's name gives its targets' addresses, whatever the case it is written in; one without an address is left out."""
    zones = Zones(alias("api.example.com", "api-1.ELB.example.net"), targets=("i-7", "i-0", "i-5"))
    assert looked_up(zones) == {("api.example.com", "A"): (60, ("10.20.0.5", "10.20.0.7"))}


@pytest.mark.parametrize(
    "records",
    [
        [alias("a.example.com", "nowhere.example.com")],
        [alias("a.example.com", "b.example.com"), alias("b.example.com", "a.example.com")],
        [alias("a.example.com", "a.example.com")],
        [alias("a.example.com", "api-1.elb.example.net")],
        [alias("a.example.com", "api-1.elb.example.net", "AAAA")],
        [alias("a.example.com", "b.example.com", "SRV"), plain("b.example.com", "10.0.0.1")],
    ],
    ids=["to nothing", "in a circle", "to itself", "to no targets", "of IPv6", "to another type"],
)
def test_an_alias_that_leads_nowhere_is_a_name_without_data(records: list[dict[str, Any]]) -> None:
    """Route 53 answers an alias without a target with no records, and not that there is no such name."""
    said = answer(question("a.example.com"), looked_up(Zones(*records)))
    assert header(said) == (0x1234, 0, 0)


def test_a_dead_resolver_says_nothing_and_counts_who_asked() -> None:
    """A resolver that is gone answers nobody, not even that there is no such name; one that is back answers again."""
    resolver = Resolver("127.0.0.1", lambda: ZONE, {("aws.test", "A"): (5, ("10.20.0.3",))}, port=0)
    with closing(resolver), closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asker:
        asker.settimeout(5)

        def ask(name: str) -> bytes:
            asker.sendto(question(name), resolver.address)
            return asker.recv(512)

        assert ask("aws.test").endswith(bytes([10, 20, 0, 3]))
        assert header(ask("i-1.example.com"))[2] == 1
        resolver.dead = True
        asker.settimeout(0.1)
        with pytest.raises(TimeoutError):
            ask("i-1.example.com")
        assert resolver.unheard == 1
        resolver.dead = False
        asker.settimeout(5)
        assert header(ask("i-1.example.com"))[2] == 1


def test_a_load_balancer_has_addresses_and_no_services() -> None:
    """Whoever asks for a service under an alias of a load balancer is told that there is none."""
    known = looked_up(Zones(alias("a.example.com", "api-1.elb.example.net", "SRV"), targets=("i-7",)))
    assert header(answer(question("a.example.com", 33), known)) == (0x1234, 0, 0)


def test_what_is_remembered_is_asked_again_when_it_is_old() -> None:
    """Not every question is a question to Route 53, and no answer is older than was said."""
    asked: list[int] = []

    def records() -> Records:
        asked.append(1)
        return ZONE

    for seconds, times in ((60.0, 1), (-1.0, 3)):
        asked.clear()
        remembered = Remembered(records, seconds)
        assert [remembered() for _ in range(3)] == [ZONE] * 3
        assert len(asked) == times


def test_a_load_balancer_that_is_really_there_is_where_its_name_leads() -> None:
    """Not to its targets, then."""
    alias = {"Name": "api.example.com.", "Type": "A", "AliasTarget": {"DNSName": "api-1.elb.example.net."}}
    zones = Zones(alias, targets=("i-7",))
    assert records_of(zones, zones, zones, "10.20.9.9")["api.example.com", "A"][1] == ("10.20.9.9",)
    assert records_of(zones, zones, zones)["api.example.com", "A"][1] == ("10.20.0.7",)
