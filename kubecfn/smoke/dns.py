"""Questions and answers of DNS as bytes: one question, one answer. Nothing here reads a clock, a disk or the network.

Source: RFC 1035, section 4; RFC 8484, section 4.1.1 for the form in which a question is part of a URL.
"""

from __future__ import annotations

import base64
import struct

A, TXT = 1, 16
_HEADER = struct.Struct(">HHHHHH")
_RECORD = struct.Struct(">HHIH")
_RECURSE = 0x0100
_POINTER = 0xC0
_CODES = {0: "", 1: "it did not understand", 2: "it failed", 3: "there is no such name", 5: "it refused"}


class AnswerError(Exception):
    """No answer is in it: why, as a clause."""


def question(name: str, kind: int) -> str:
    """Return a question as a URL carries it."""
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.rstrip(".").split("."))
    message = _HEADER.pack(0, _RECURSE, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)
    return base64.urlsafe_b64encode(message).decode("ascii").rstrip("=")


def answers(message: bytes, kind: int) -> list[str]:
    """Return the values of the records of a kind in an answer: addresses, or texts.

    Raises:
        AnswerError: it says that there is none, or is no answer.
    """
    try:
        _, flags, questions, count, _, _ = _HEADER.unpack_from(message)
        code = flags & 0xF
        if code:
            raise AnswerError(_CODES.get(code, f"its code is {code}"))
        at = _HEADER.size
        for _ in range(questions):
            at = _after_name(message, at) + 4
        found = []
        for _ in range(count):
            at = _after_name(message, at)
            got, _, _, length = _RECORD.unpack_from(message, at)
            at += _RECORD.size
            if got == kind:
                found.append(_value(message[at : at + length], kind))
            at += length
    except (struct.error, IndexError, ValueError) as error:
        raise AnswerError(f"it is no DNS answer ({error})") from None
    if not found:
        raise AnswerError("it is empty")
    return found


def _after_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] & _POINTER == _POINTER:
            return at + 2
        at += 1 + message[at]
    return at + 1


def _value(data: bytes, kind: int) -> str:
    return ".".join(map(str, data)) if kind == A else data[1 : 1 + data[0]].decode("ascii")
