"""From YAML text to Kubernetes objects that can be applied; whatever cannot be is refused, with its place, all at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from kubecfn.addons.manifest import Manifest, Object
from kubecfn.charts.yaml_text import Document, documents
from kubecfn.config.contents_rules import KUBERNETES_OWN
from kubecfn.errors import ConfigError, Problem, WrongUseError

# The API server writes these; what holds them was read from a cluster, not made for one.
_SERVERS_OWN = ("uid", "resourceVersion", "managedFields", "deletionTimestamp")


def read_objects(text: str, source: str) -> tuple[Object, ...]:
    """Return the objects that a YAML text describes, lists unpacked.

    Args:
        text: any number of documents.
        source: names the text in errors.

    Raises:
        ConfigError: everything in it that is no object, each with its document's number.
    """
    objects: list[Object] = []
    problems: list[Problem] = []
    try:
        for document in documents(text):
            for one in _unpacked(document.value):
                found = list(_problems(one, _place(document, one)))
                problems += found
                if not found:
                    objects.append(one)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
        problems.append(Problem(where, "", f"is not YAML: {error.problem or error}", "Mend the line."))
    except yaml.YAMLError as error:
        problems.append(Problem("the file", "", f"is not YAML: {error}", "Make it plain text."))
    if problems:
        raise ConfigError(source, problems)
    return tuple(objects)


def _unpacked(value: Any) -> Iterator[Any]:
    """Yield a document's objects: itself, or the items of the list it is."""
    if value is None:
        return
    if not isinstance(value, dict) or not isinstance(value.get("items"), list) or not _is_list(value):
        yield value
        return
    kind = value["kind"].removesuffix("List")
    given = {"apiVersion": value.get("apiVersion"), "kind": kind} if kind else {}
    for item in value["items"]:
        yield from _unpacked({**given, **item} if isinstance(item, dict) else item)


def _is_list(value: Object) -> bool:
    return isinstance(value.get("kind"), str) and value["kind"].endswith("List")


def _place(document: Document, one: Any) -> str:
    """Return where something stands: ``document 2 (Deployment web)``."""
    what = document.template
    if isinstance(one, dict):
        metadata = one.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else ""
        what = " ".join(str(part) for part in (one.get("kind"), name, what and f"of {what}") if part)
    return f"document {document.number}" + (f" ({what})" if what else "")


def _problems(one: Any, place: str) -> Iterator[Problem]:
    if not isinstance(one, dict):
        shown = type(one).__name__
        yield Problem(place, "", f"is no Kubernetes object but a {shown}", "Remove it, or mend its indentation.")
        return
    for key in ("apiVersion", "kind"):
        if not isinstance(one.get(key), str) or not one[key]:
            yield Problem(f"{place} {key}", _shown(one.get(key)), "is required, as text", f"Write its {key}.")
    metadata = one.get("metadata")
    if not isinstance(metadata, dict):
        yield Problem(f"{place} metadata", "", "is required", "Write metadata: {name: …}.")
        return
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        reason = "is required, as text: what has no name of its own cannot be applied twice"
        yield Problem(f"{place} metadata.name", _shown(metadata.get("name")), reason, "Give it a name.")
    for key in _SERVERS_OWN:
        if metadata.get(key) is not None:
            yield Problem(f"{place} metadata.{key}", "", "is the API server's to write", "Remove what was exported.")
    if one.get("kind") == "Namespace" and metadata.get("name") in KUBERNETES_OWN:
        reason = "belongs to Kubernetes: it would be deleted when it goes from here"
        yield Problem(place, metadata["name"], reason, "Remove it, or choose a namespace of your own.")
    yield from _no_json(one, place)


def _no_json(one: Object, place: str) -> Iterator[Problem]:
    try:
        json.dumps(one, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        yield Problem(
            place, "", f"holds what JSON cannot say: {error}", "Write plain text, numbers, lists and mappings."
        )


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def refuse_repeats(manifests: Iterable[Manifest]) -> None:
    """Refuse two objects that are one to the API server: each would undo the other at every apply.

    Raises:
        WrongUseError: the object, and both manifests that hold it.
    """
    seen: dict[tuple[str, ...], str] = {}
    for manifest in manifests:
        for one in manifest.objects:
            metadata = one["metadata"]
            group = one["apiVersion"].rpartition("/")[0]
            where = (group, one["kind"], metadata.get("namespace", ""), metadata["name"])
            if where in seen:
                both = (
                    f"by {seen[where]} and by {manifest.name}"
                    if seen[where] != manifest.name
                    else f"twice by {manifest.name}"
                )
                inside = f" in {metadata['namespace']}" if metadata.get("namespace") else ""
                raise WrongUseError(
                    f"{one['kind']} {metadata['name']}{inside} is brought {both}.", remedy="Keep it in one of them."
                )
            seen[where] = manifest.name
