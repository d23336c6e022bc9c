"""The part of YAML that kubeconfigs are written in: nested maps and lists, one value a line; anything else is refused.

No anchors, no tags, no text over several lines, no second document: who writes those did not use kubeadm.
"""

from __future__ import annotations

import json
import re
from typing import Any

_KEY = re.compile(r"""([A-Za-z0-9_.@/:-]+|"(?:[^"\\]|\\.)*"):(?: +(\S.*))?$""")
_EMPTY: dict[str, Any] = {"{}": {}, "[]": [], "null": None, "~": None, "true": True, "false": False}
# What a plain value cannot begin with (YAML 1.2, "Indicator Characters").
_SPECIAL = tuple("&*!|>%@`[]{}?,#'\"")
_Line = tuple[int, int, str]  # number, indentation, text


def loads(text: str) -> Any:
    """Return what the text says; every plain value but true, false and null is a string.

    Raises:
        ValueError: it is not of this part of YAML; names the line.
    """
    lines: list[_Line] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith("#") or (bare == "---" and not lines):
            continue
        indent = len(line) - len(line.lstrip(" "))
        if line[indent] == "\t":
            raise ValueError(f"line {number} is indented by a tab")
        lines.append((number, indent, bare))
    if not lines:
        raise ValueError("it is empty")
    value, rest = _block(lines, 0, lines[0][1])
    if rest < len(lines):
        raise _strange(lines[rest])
    return value


def _block(lines: list[_Line], at: int, indent: int) -> tuple[Any, int]:
    """Return the value that begins at a line, and the first line behind it."""
    return (_list if _is_item(lines[at]) else _map)(lines, at, indent)


def _map(lines: list[_Line], at: int, indent: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while at < len(lines) and lines[at][1] == indent and not _is_item(lines[at]):
        number, _, text = lines[at]
        match = _KEY.match(text)
        if not match:
            raise _strange(lines[at])
        key = json.loads(match[1]) if match[1].startswith('"') else match[1]
        if key in found:
            raise ValueError(f"line {number} says {key} a second time")
        if match[2]:
            found[key], at = _scalar(match[2], lines[at]), at + 1
            continue
        at += 1
        # A list may stand at its key's own indentation, as Go's library writes it.
        deeper = at < len(lines) and (lines[at][1] > indent or (lines[at][1] == indent and _is_item(lines[at])))
        found[key], at = _block(lines, at, lines[at][1]) if deeper else (None, at)
    return found, at


def _list(lines: list[_Line], at: int, indent: int) -> tuple[list[Any], int]:
    found = []
    while at < len(lines) and lines[at][1] == indent and _is_item(lines[at]):
        number, _, text = lines[at]
        inner = text[1:].lstrip()
        if _KEY.match(inner):
            # "- name: x" begins a map whose next key stands below "name".
            lines[at] = (number, indent + len(text) - len(inner), inner)
            one, at = _map(lines, at, lines[at][1])
        elif inner:
            one, at = _scalar(inner, lines[at]), at + 1
        else:
            raise _strange(lines[at])
        found.append(one)
    return found, at


def _scalar(text: str, line: _Line) -> Any:
    if text in _EMPTY:
        return _EMPTY[text]
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:
            raise _strange(line) from None
    if text.startswith("'") and text.endswith("'") and len(text) > 1:
        inner = text[1:-1]
        if "'" in inner.replace("''", ""):
            raise _strange(line)
        return inner.replace("''", "'")
    if text.startswith((*_SPECIAL, "- ")) or ": " in text or " #" in text or text.endswith(":"):
        raise _strange(line)
    return text


def _is_item(line: _Line) -> bool:
    return line[2] == "-" or line[2].startswith("- ")


def _strange(line: _Line) -> ValueError:
    # Not the text itself: it may be a key.
    return ValueError(f"line {line[0]} is not as kubeadm writes it")
