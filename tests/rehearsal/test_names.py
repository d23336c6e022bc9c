"""The rehearsal's resolver says what the zone says, in messages that anyone else's resolver understands."""

from __future__ import annotations

import struct

import pytest

from tests.rehearsal.names import answer

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
