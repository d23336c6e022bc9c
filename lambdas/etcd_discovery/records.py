"""What the zone should say, and what to change so that it does. Nothing here reads a clock or the network.

1. DNS lists the controllers that exist, never those that existed.
2. Only names of ours are touched: another's record in the zone is neither changed nor deleted.
3. A record set without values cannot exist (Route 53), so no controllers means no records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kubecfn.etcd import names


@dataclass(frozen=True)
class Record:
    """A record set.

    Attributes:
        name: absolute, without the trailing dot.
        type: ``A`` or ``SRV`` where it is ours.
        ttl: seconds.
        values: as Route 53 writes them, in any order.
    """

    name: str
    type: str
    ttl: int
    values: frozenset[str]


@dataclass(frozen=True)
class Change:
    """One step towards the zone that is wanted."""

    action: Literal["DELETE", "UPSERT"]
    record: Record

    def request(self) -> dict[str, Any]:
        """Return it as ``ChangeResourceRecordSets`` takes it."""
        values = [{"Value": value} for value in sorted(self.record.values)]
        record = {"Name": self.record.name, "Type": self.record.type, "TTL": self.record.ttl}
        return {"Action": self.action, "ResourceRecordSet": {**record, "ResourceRecords": values}}


def wanted(domain: str, controllers: Mapping[str, str], ttl: int) -> frozenset[Record]:
    """Return every record set of ours.

    Args:
        domain: the zone's name.
        controllers: private address by instance id.
        ttl: seconds.
    """
    if not controllers:
        return frozenset()
    hosts = {names.controller(instance, domain): address for instance, address in controllers.items()}
    peers = frozenset(names.srv_value(names.PEER_PORT, host) for host in hosts)
    clients = frozenset(names.srv_value(names.CLIENT_PORT, host) for host in hosts)
    return frozenset(
        [
            *(Record(host, "A", ttl, frozenset([address])) for host, address in hosts.items()),
            Record(names.round_robin(domain), "A", ttl, frozenset(hosts.values())),
            Record(names.server_service(domain), "SRV", ttl, peers),
            Record(names.client_service(domain), "SRV", ttl, clients),
        ]
    )


def ours(record: Record, domain: str) -> bool:
    """Say whether a record set is this function's to change."""
    if record.type == "A":
        return record.name == names.round_robin(domain) or names.is_controller(record.name, domain)
    return record.type == "SRV" and record.name in {names.server_service(domain), names.client_service(domain)}


def changes(present: Iterable[Record], wanted: frozenset[Record]) -> tuple[Change, ...]:
    """Return what turns the records of ours that are present into those that are wanted; nothing when they are equal."""
    before = frozenset(present)
    keep = {(record.name, record.type) for record in wanted}
    gone = [Change("DELETE", record) for record in before if (record.name, record.type) not in keep]
    new = [Change("UPSERT", record) for record in wanted - before]
    return tuple(sorted([*gone, *new], key=lambda change: (change.action, change.record.name, change.record.type)))
