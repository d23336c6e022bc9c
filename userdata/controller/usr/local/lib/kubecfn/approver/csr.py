"""What a PKCS#10 request asks for: common name, organizations and alternative names, read from DER.

Strict on purpose: what this cannot read as the one meaning it has is refused, so that nobody is approved for one thing
and certified for another. The API server has checked the signature when it took the request.

Sources: RFC 2986 (PKCS#10), RFC 5280 sections 4.1.2.4 and 4.2.1.6 (names), X.690 section 10 (DER).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from typing import Dict, FrozenSet, Iterator, List, Set, Tuple

_PEM = re.compile(
    rb"\s*-----BEGIN CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE REQUEST-----\s*"
)
_LARGEST = 64 * 1024  # bytes; a kubelet's has less than one thousand

_INTEGER, _BITS, _OCTETS, _OID, _BOOLEAN = 0x02, 0x03, 0x04, 0x06, 0x01
_SEQUENCE, _SET, _ATTRIBUTES = 0x30, 0x31, 0xA0
_TEXTS = {0x0C: "utf-8", 0x13: "ascii"}  # UTF8String and PrintableString: what Go writes
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,./:=?-]*")
# Object identifiers as they are encoded.
_COMMON_NAME = bytes.fromhex("550403")
_ORGANIZATION = bytes.fromhex("55040a")
_EXTENSIONS = bytes.fromhex("2a864886f70d01090e")
_ALTERNATIVE_NAMES = bytes.fromhex("551d11")
_NAME, _ADDRESS = 0x82, 0x87
_OTHERS = {0x81: "e-mail address", 0x86: "URI", 0xA0: "other name", 0xA3: "X.400 address", 0xA4: "directory name"}
_OTHERS.update({0xA5: "EDI party name", 0x88: "registered id"})

_Element = Tuple[int, bytes]


@dataclass(frozen=True)
class Asked:
    """What a request asks for; `others`: alternative names of other kinds, in words."""

    common_name: str
    organizations: Tuple[str, ...]
    names: FrozenSet[str] = frozenset()
    addresses: FrozenSet[str] = frozenset()
    others: FrozenSet[str] = frozenset()


def read(pem: bytes) -> Asked:
    """Read a request.

    Args:
        pem: one PEM block, as it stands in a CertificateSigningRequest once its base64 is taken off.

    Raises:
        ValueError: it is none, or asks for something that no kubelet asks for; says what.
    """
    match = _PEM.fullmatch(pem[: _LARGEST + 1])
    if not match:
        raise ValueError("it is not one PEM block of a certificate request")
    try:
        data = base64.b64decode(b"".join(match[1].split()), validate=True)
    except binascii.Error:
        raise ValueError("its PEM block is no base64") from None
    info, algorithm, signature = _three(_inside(data, _SEQUENCE))
    _of(algorithm, _SEQUENCE)
    _of(signature, _BITS)
    parts = list(_elements(_of(info, _SEQUENCE)))
    if len(parts) != 4 or parts[0] != (_INTEGER, b"\0"):  # noqa: PLR2004  version, subject, key, attributes
        raise ValueError("it is no request of version 1")
    _of(parts[2], _SEQUENCE)
    common_name, organizations = _subject(_of(parts[1], _SEQUENCE))
    names, addresses, others = _alternatives(_of(parts[3], _ATTRIBUTES))
    return Asked(common_name, organizations, frozenset(names), frozenset(addresses), frozenset(others))


def _subject(data: bytes) -> Tuple[str, Tuple[str, ...]]:
    common_names: List[str] = []
    organizations: List[str] = []
    lists: Dict[bytes, List[str]] = {_COMMON_NAME: common_names, _ORGANIZATION: organizations}
    for relative in _elements(data):
        for pair in _elements(_of(relative, _SET)):
            kind, value = _two(_of(pair, _SEQUENCE))
            if _of(kind, _OID) not in lists:
                raise ValueError("its subject says more than a common name and organizations")
            lists[kind[1]].append(_text(value))
    if len(common_names) != 1:
        raise ValueError(f"its subject has {len(common_names)} common names, not one")
    return common_names[0], tuple(organizations)


def _alternatives(data: bytes) -> Tuple[Set[str], Set[str], Set[str]]:
    names: Set[str] = set()
    addresses: Set[str] = set()
    others: Set[str] = set()
    for tag, value in _elements(_extension(data)):
        if tag == _NAME:
            names.add(_ascii(value))
        elif tag == _ADDRESS:
            addresses.add(_address(value))
        elif tag in _OTHERS:
            others.add(_OTHERS[tag])
        else:
            raise ValueError(f"it has an alternative name of an unknown kind, {tag:#x}")
    return names, addresses, others


def _extension(data: bytes) -> bytes:
    """Return the alternative names that the attributes ask for, encoded; empty when they ask for none."""
    attributes = list(_elements(data))
    if not attributes:
        return b""
    kind, values = _two(_of(_one(attributes), _SEQUENCE))
    if _of(kind, _OID) != _EXTENSIONS:
        raise ValueError("it has an attribute that no kubelet writes")
    asked = list(_elements(_of(_one(list(_elements(_of(values, _SET)))), _SEQUENCE)))
    if not asked:
        return b""
    parts = list(_elements(_of(_one(asked), _SEQUENCE)))
    if len(parts) == 3 and parts[1] == (_BOOLEAN, b"\xff"):  # noqa: PLR2004  critical
        del parts[1]
    extension, content = _two_of(parts)
    if _of(extension, _OID) != _ALTERNATIVE_NAMES:
        raise ValueError("it asks for an extension beside alternative names")
    return _inside(_of(content, _OCTETS), _SEQUENCE)


def _text(element: _Element) -> str:
    tag, value = element
    if tag not in _TEXTS:
        raise ValueError(f"its subject has a text of an unknown kind, {tag:#x}")
    text = value.decode(_TEXTS[tag])
    if _TEXTS[tag] == "ascii" and not _PRINTABLE.fullmatch(text):
        raise ValueError("its subject has a text with characters that are not allowed there")
    return text


def _ascii(value: bytes) -> str:
    text = value.decode("ascii")
    if not text.isprintable():
        raise ValueError("a DNS name has characters that nobody sees")
    return text


def _address(value: bytes) -> str:
    if len(value) not in {4, 16}:
        raise ValueError(f"an IP address has {len(value)} bytes")
    return str(ipaddress.ip_address(value))


def _elements(data: bytes) -> Iterator[_Element]:
    """Yield tag and content of each element; all of the data has to be elements."""
    at = 0
    while at < len(data):
        if len(data) - at < 2 or data[at] & 0x1F == 0x1F:  # noqa: PLR2004  a tag and a length
            raise ValueError("it is no DER")
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= 0x80:  # noqa: PLR2004  X.690, 8.1.3.5: so many bytes of length follow
            count = length & 0x7F
            digits = data[at : at + count]
            length, at = int.from_bytes(digits, "big"), at + count
            if not 1 <= count <= 3 or len(digits) < count or digits[0] == 0 or length < 0x80:  # noqa: PLR2004
                raise ValueError("it is no DER")
        content = data[at : at + length]
        if len(content) < length:
            raise ValueError("it ends too early")
        yield tag, content
        at += length


def _of(element: _Element, tag: int) -> bytes:
    if element[0] != tag:
        raise ValueError(f"it has {element[0]:#x} where {tag:#x} belongs")
    return element[1]


def _inside(data: bytes, tag: int) -> bytes:
    """Return the content of the one element that the data is."""
    return _of(_one(list(_elements(data))), tag)


def _one(elements: List[_Element]) -> _Element:
    if len(elements) != 1:
        raise ValueError(f"it has {len(elements)} elements where one belongs")
    return elements[0]


def _two(data: bytes) -> Tuple[_Element, _Element]:
    return _two_of(list(_elements(data)))


def _two_of(elements: List[_Element]) -> Tuple[_Element, _Element]:
    if len(elements) != 2:  # noqa: PLR2004  the function's name
        raise ValueError(f"it has {len(elements)} elements where two belong")
    return elements[0], elements[1]


def _three(data: bytes) -> Tuple[_Element, _Element, _Element]:
    elements = list(_elements(data))
    if len(elements) != 3:  # noqa: PLR2004  the function's name
        raise ValueError(f"it has {len(elements)} elements where three belong")
    return elements[0], elements[1], elements[2]
