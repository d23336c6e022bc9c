"""What AWS publishes of each resource type: which properties force a replacement, which are read-only, where tags go.

Read from the JSON files that cfn-lint ships, which are AWS's own resource provider schemas (CloudFormation CLI User Guide:
"Resource type schema": createOnlyProperties, conditionalCreateOnlyProperties, readOnlyProperties, tagging).
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Literal

Recreation = Literal["Never", "Conditionally", "Always"]
Path = tuple[str | int, ...]

# What decides a conditional replacement while the update runs, where a resource type's own page says it (Template Reference:
# "Update requires" of that property). Everything else conditional changes in place, as the groups' update policies do.
_CONDITIONS: Mapping[tuple[str, str], Callable[[Any, Any], bool]] = {
    # "Updating InstanceTenancy from dedicated to default does not require replacement, the other way does."
    ("AWS::EC2::VPC", "InstanceTenancy"): lambda _old, new: new == "dedicated",
}


@dataclass(frozen=True)
class Schema:
    """One resource type.

    Attributes:
        create_only: property paths whose change replaces the resource; ``*`` stands for any list index.
        conditional: property paths whose change may replace it.
        readable: names that ``Fn::GetAtt`` may ask for: read-only properties and, for older types, any top-level one.
        tags: the property that holds tags, or empty when the type cannot be tagged.
    """

    type: str
    create_only: tuple[Path, ...]
    conditional: tuple[Path, ...]
    readable: frozenset[str]
    tags: str

    def recreation(self, path: Path) -> Recreation:
        """Say whether a change at `path` (below Properties) replaces the resource."""
        if any(_touches(path, only) for only in self.create_only):
            return "Always"
        return "Conditionally" if any(_touches(path, only) for only in self.conditional) else "Never"

    def replaces(self, path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Say whether the update itself must replace the resource, now that both sides are known."""
        recreation = self.recreation(path)
        if recreation != "Conditionally":
            return recreation == "Always"
        decide = _CONDITIONS.get((self.type, str(path[0])))
        return bool(decide and decide(old.get(str(path[0])), new.get(str(path[0]))))


def _touches(path: Path, only: Path) -> bool:
    """Whether one lies above, at or below the other."""
    return all(want in ("*", have) for have, want in zip(path, only, strict=False))


def _paths(schema: Mapping[str, Any], key: str) -> tuple[Path, ...]:
    return tuple(tuple(pointer.split("/")[2:]) for pointer in schema.get(key, []))


@functools.cache
def _text(folder: str, name: str) -> Any:
    return json.loads((_folder() / folder / f"{name}.json").read_text())


@functools.cache
def _folder() -> FilePath:
    """Find the files without importing cfn-lint, which takes longer than everything done with them here."""
    spec = importlib.util.find_spec("cfnlint")
    assert spec is not None
    return FilePath(*(spec.submodule_search_locations or ())[:1]) / "data" / "schemas"


@functools.cache
def schema_of(resource_type: str, region: str) -> Schema | None:
    """Return the schema of a type in a region, None when the region has no such type."""
    try:
        index = _text("providers", region)
    except FileNotFoundError:
        index = _text("providers", "us-east-1")
    if resource_type not in index:
        return None
    raw = _text("resources", index[resource_type])
    tagging = raw.get("tagging", {})
    return Schema(
        type=resource_type,
        create_only=_paths(raw, "createOnlyProperties"),
        conditional=_paths(raw, "conditionalCreateOnlyProperties"),
        readable=frozenset(".".join(map(str, path)) for path in _paths(raw, "readOnlyProperties"))
        | frozenset(raw["properties"]),
        tags=tagging.get("tagProperty", "/properties/Tags").rpartition("/")[2] if tagging.get("taggable") else "",
    )


def changed_paths(old: Any, new: Any, above: Path = ()) -> list[Path]:
    """Return where two values differ, as deep as both sides have the same shape."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [path for key in keys for path in changed_paths(old.get(key), new.get(key), (*above, key))]
    if isinstance(old, list) and isinstance(new, list):
        longest = range(max(len(old), len(new)))
        pairs = ((old[i] if i < len(old) else None, new[i] if i < len(new) else None, i) for i in longest)
        return [path for before, after, i in pairs for path in changed_paths(before, after, (*above, i))]
    return [] if _same(old, new) else [above]


def _same(old: Any, new: Any) -> bool:
    """``"3"`` and ``3`` are one value to CloudFormation, and so are ``true`` and ``"true"``."""
    if isinstance(old, dict | list) or isinstance(new, dict | list) or old is None or new is None:
        return bool(old == new)
    return _plain(old) == _plain(new)


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
