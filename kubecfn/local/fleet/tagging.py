"""Tags of groups in the API, and which of them an instance inherits.

Source: Auto Scaling API reference, Tag, CreateOrUpdateTags, DescribeTags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kubecfn.local.api import Answer, Call, ServiceError
from kubecfn.local.fleet.model import Book, Group


def tags_from(tags: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, bool]]:
    """Return key -> (value, propagate at launch)."""
    return {str(tag["Key"]): (str(tag.get("Value") or ""), bool(tag.get("PropagateAtLaunch"))) for tag in tags}


def tag_answers(group: Group) -> list[Answer]:
    """The API's TagDescription for each tag of a group."""
    return [
        {
            "ResourceId": group.name,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": propagate,
        }
        for key, (value, propagate) in sorted(group.tags.items())
    ]


def put(book: Book, call: Call) -> Answer:
    """CreateOrUpdateTags. Instances that run already keep the tags they have."""
    with book.lock:
        for tag in call.params["Tags"]:
            book.group(call, _owner(tag)).tags.update(tags_from([tag]))
    return {}


def remove(book: Book, call: Call) -> Answer:
    """DeleteTags."""
    with book.lock:
        for tag in call.params["Tags"]:
            book.group(call, _owner(tag)).tags.pop(str(tag["Key"]), None)
    return {}


def describe(book: Book, call: Call) -> Answer:
    """DescribeTags with its filters: auto-scaling-group, key, value, propagate-at-launch."""
    fields = {
        "auto-scaling-group": "ResourceId",
        "key": "Key",
        "value": "Value",
        "propagate-at-launch": "PropagateAtLaunch",
    }
    with book.lock:
        tags = [tag for (region, _), g in book.groups.items() if region == call.region for tag in tag_answers(g)]
    for wanted in call.params.get("Filters") or []:
        if wanted["Name"] not in fields:
            raise ServiceError(
                "ValidationError", f"Filter type {wanted['Name']} is not correct. Allowed: {', '.join(fields)}"
            )
        values = {str(value).lower() for value in wanted.get("Values") or []}
        tags = [tag for tag in tags if str(tag[fields[wanted["Name"]]]).lower() in values]
    return {"Tags": tags}


OPERATIONS = {"CreateOrUpdateTags": put, "DeleteTags": remove, "DescribeTags": describe}


def _owner(tag: Mapping[str, Any]) -> str:
    if tag.get("ResourceType", "auto-scaling-group") != "auto-scaling-group":
        raise ServiceError("ValidationError", "Only resource type auto-scaling-group is supported.")
    return str(tag["ResourceId"])
