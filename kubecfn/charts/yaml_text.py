"""YAML as kubectl reads it, document by document: no dates, no numbers of base 60, no key twice.

Source: go-yaml v2, README, "Compatibility"; it is what kubectl and Helm read YAML with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
# Helm writes above each document which template it comes from.
_SOURCE = re.compile(r"^# Source: (\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Document:
    """One document of a YAML file.

    Attributes:
        number: from 1, empty ones counted.
        value: None for an empty one.
        template: of a chart, where Helm says so.
    """

    number: int
    value: Any
    template: str = ""


class _Loader(yaml.SafeLoader):
    """A SafeLoader with kubectl's words."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_TAG) not in {"timestamp", "int", "float"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind, _pattern in (
    ("int", r"[-+]?(?:0b[01]+|0o?[0-7]+|0|[1-9]\d*|0x[0-9a-fA-F]+)"),
    ("float", r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?"),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"^(?:{_pattern})$"), list("-+0123456789."))


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("0o", "0")
    sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-")
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") else 10)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        key = _key(loader, key_node)
        if key in seen and key_node.tag != f"{_TAG}merge":
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key} stands there twice", key_node.start_mark
            )
        seen.add(key)
    loader.flatten_mapping(node)
    return {_key(loader, key): loader.construct_object(value, deep=True) for key, value in node.value}


def _key(loader: _Loader, node: yaml.Node) -> str:
    """Return a key as JSON has it: text."""
    key = loader.construct_object(node, deep=True) if node.tag != f"{_TAG}merge" else "<<"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int | float):
        return str(key)
    raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is not text", node.start_mark)


_Loader.add_constructor(f"{_TAG}int", _whole_number)
_Loader.add_constructor(f"{_TAG}map", _mapping)


def documents(text: str) -> Iterator[Document]:
    """Yield the documents of a YAML text.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    loader, number, before = _Loader(text), 0, 0
    try:
        while loader.check_node():
            node, number = loader.get_node(), number + 1
            assert node is not None, "check_node said that there is one"
            comments = _SOURCE.findall(text, before, node.start_mark.index)
            yield Document(number, loader.construct_document(node), comments[-1] if comments else "")
            before = node.end_mark.index
    finally:
        loader.dispose()
