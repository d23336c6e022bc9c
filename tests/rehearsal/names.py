"""The VPC's resolver: answers A and SRV questions from what the embedded Route 53 holds.

Source: RFC 1035 sections 4.1 (messages) and 3.2 (types), RFC 2782 (SRV). No compression is written, as none must be.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

A, SRV = 1, 33
TYPES = {A: "A", SRV: "SRV"}
NO_SUCH_NAME = 3
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


def records_of(route53: Any) -> Records:
    """Return every A and SRV record of every zone; aliases are left out: what they point to does not exist here."""
    found: Records = {}
    for zone in route53.list_hosted_zones()["HostedZones"]:
        pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
        for one in (record for page in pages for record in page["ResourceRecordSets"]):
            values = tuple(value["Value"] for value in one.get("ResourceRecords", ()))
            if one["Type"] in TYPES.values() and values:
                found[one["Name"].rstrip(".").lower(), one["Type"]] = (int(one["TTL"]), values)
    return found


class Resolver:
    """A resolver on one address; `close` ends it.

    Args:
        address: where it listens, port 53.
        records: asked anew for every question: a name changes here when it changes in Route 53.
    """

    def __init__(self, address: str, records: Callable[[], Records]) -> None:
        self._records = records
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self.dead = False
        self._thread = threading.Thread(target=self._run, name="resolver", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                question, asker = self._socket.recvfrom(4096)
            except OSError:
                return
            if not self.dead:
                threading.Thread(target=self._answer, args=(question, asker), daemon=True).start()

    def _answer(self, question: bytes, asker: Any) -> None:
        # Whoever asks nonsense, or asks while Route 53 is away, hears nothing, as over a lossy network.
        with contextlib.suppress(Exception):
            self._socket.sendto(answer(question, self._records()), asker)

    def close(self) -> None:
        """Stop answering."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
