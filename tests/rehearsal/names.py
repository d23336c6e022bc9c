"""The VPC's resolver: answers A and SRV questions from what the embedded Route 53 holds, aliases followed.

Source: RFC 1035 sections 4.1 (messages) and 3.2 (types), RFC 2782 (SRV). No compression is written, as none must be.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

A, SRV = 1, 33
TYPES = {A: "A", SRV: "SRV"}
NO_SUCH_NAME = 3
# Seconds a load balancer's alias lives; any other has its target's (Route 53 Developer Guide, "Choosing between alias and
# non-alias records").
_BALANCER = 60
# Name, type -> seconds to live, values as Route 53 writes them.
Records = dict[tuple[str, str], tuple[int, tuple[str, ...]]]


def answer(question: bytes, records: Records) -> bytes:
    """Return the answer to one question's message.

    Raises:
        ValueError: it is no question of one name.
    """
    if len(question) < 12 or question[4:6] != b"\0\1":
        raise ValueError("not one question")
    name, end = _read_name(question, 12)
    kind = struct.unpack_from("!H", question, end)[0]
    asked = question[12 : end + 4]
    known = any(owner == name for owner, _ in records)
    seconds, values = records.get((name, TYPES.get(kind, "")), (0, ()))
    # QR, AA, RD as asked, RA.
    flags = 0x8480 | (question[2] & 1) << 8 | (0 if known else NO_SUCH_NAME)
    header = question[:2] + struct.pack("!HHHHH", flags, 1, len(values), 0, 0)
    return header + asked + b"".join(_record(name, kind, seconds, value) for value in values)


def _record(name: str, kind: int, seconds: int, value: str) -> bytes:
    if kind == A:
        data = socket.inet_aton(value)
    else:
        *numbers, target = value.split()
        data = struct.pack("!HHH", *map(int, numbers)) + _name(target)
    return _name(name) + struct.pack("!HHIH", kind, 1, seconds, len(data)) + data


def _name(text: str) -> bytes:
    labels = [label.encode() for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    labels = []
    while message[at]:
        length = message[at]
        labels.append(message[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += 1 + length
        if at >= len(message):
            raise ValueError("the name does not end")
    return ".".join(labels), at + 1


def records_of(route53: Any, elbv2: Any, ec2: Any, balancer: str = "") -> Records:
    """Return every A and SRV record of every zone, aliases as what they lead to.

    A load balancer that has no machine of its own has the addresses of its targets: where it would send whoever asks. One
    without targets is a name without data.

    Args:
        route53: a client.
        elbv2: likewise.
        ec2: likewise.
        balancer: where load balancers stand that are really there.
    """
    found: Records = {}
    aliases: dict[tuple[str, str], str] = {}
    for zone in route53.list_hosted_zones()["HostedZones"]:
        pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
        for one in (record for page in pages for record in page["ResourceRecordSets"]):
            owner = _plain(one["Name"]), one["Type"]
            values = tuple(value["Value"] for value in one.get("ResourceRecords", ()))
            if one["Type"] in TYPES.values() and values:
                found[owner] = (int(one["TTL"]), values)
            elif "AliasTarget" in one:
                aliases[owner] = _plain(one["AliasTarget"]["DNSName"])
    balancers = {}
    if aliases:
        described = elbv2.describe_load_balancers()["LoadBalancers"]
        balancers = {
            _plain(one["DNSName"]): (balancer,) if balancer else _targets(elbv2, ec2, one["LoadBalancerArn"])
            for one in described
        }
    return found | {owner: _followed(owner, aliases, found, balancers) for owner in aliases}


def _followed(
    owner: tuple[str, str],
    aliases: dict[tuple[str, str], str],
    found: Records,
    balancers: dict[str, tuple[str, ...]],
) -> tuple[int, tuple[str, ...]]:
    """Return what an alias leads to: a record of its own type, however many aliases away, or a load balancer."""
    name, kind = owner
    for _ in aliases:  # whoever takes more steps than there are aliases goes round in a circle
        name = aliases.get((name, kind), name)
        if (name, kind) in found:
            return found[name, kind]
    return (_BALANCER, balancers[name]) if kind == "A" and name in balancers else (0, ())


def _targets(elbv2: Any, ec2: Any, balancer: str) -> tuple[str, ...]:
    """Return the addresses of a load balancer's targets, which are instances."""
    groups = elbv2.describe_target_groups(LoadBalancerArn=balancer)["TargetGroups"]
    healths = (elbv2.describe_target_health(TargetGroupArn=group["TargetGroupArn"]) for group in groups)
    ids = sorted({one["Target"]["Id"] for health in healths for one in health["TargetHealthDescriptions"]})
    answers = ec2.describe_instances(InstanceIds=ids)["Reservations"] if ids else []
    found = (one.get("PrivateIpAddress") for answer in answers for one in answer["Instances"])
    return tuple(sorted(address for address in found if address))


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


class Remembered:
    """What a zone says, asked anew only when that is older than so many seconds: a Kubernetes cluster asks all the time.

    Args:
        records: asks.
        seconds: real ones.
    """

    def __init__(self, records: Callable[[], Records], seconds: float) -> None:
        self._records, self._seconds = records, seconds
        self._lock = threading.Lock()
        self._known: Records = {}
        self._since = float("-inf")

    def __call__(self) -> Records:
        """Return it; who asks while another does waits for that answer."""
        with self._lock:
            if time.monotonic() - self._since > self._seconds:
                self._known, self._since = self._records(), time.monotonic()
            return self._known


class Resolver:
    """A resolver on one address; `close` ends it.

    Args:
        address: where it listens.
        records: asked anew for every question: a name changes here when it changes in Route 53.
        given: what is no zone's: the public names of AWS itself.
        port: DNS's own, unless it is tried by itself; 0 takes a free one.

    Attributes:
        address: and port where it listens.
        dead: nobody is answered, as when the resolver is gone: not even that there is no such name.
        unheard: how many questions it has not answered so.
    """

    def __init__(
        self, address: str, records: Callable[[], Records], given: Records | None = None, *, port: int = 53
    ) -> None:
        self._records = records
        self._given = given or {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self.address = self._socket.getsockname()
        self.dead = False
        self.unheard = 0
        self._thread = threading.Thread(target=self._run, name="resolver", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                question, asker = self._socket.recvfrom(4096)
            except OSError:
                return
            if self.dead:
                self.unheard += 1
            else:
                threading.Thread(target=self._answer, args=(question, asker), daemon=True).start()

    def _answer(self, question: bytes, asker: Any) -> None:
        # Whoever asks nonsense, or asks while Route 53 is away, hears nothing, as over a lossy network.
        with contextlib.suppress(Exception):
            self._socket.sendto(self._said(question), asker)

    def _said(self, question: bytes) -> bytes:
        """Answer what is AWS's own without asking Route 53: whoever asks for that is on the way to it."""
        given = answer(question, self._given)
        return given if given[3] & 15 != NO_SUCH_NAME else answer(question, self._records())

    def close(self) -> None:
        """Stop answering."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
