"""Questions about resources whose tags decide: those that one has, and those that a new one is to have.

Source: IAM User Guide, "Controlling access to AWS resources using tags". Tags given in the call that makes something need the
right to give tags too, with ``SERVICE:CreateAction`` (EC2 User Guide, "Grant permission to tag Amazon EC2 resources during
creation"; Elastic Load Balancing User Guide, "Elastic Load Balancing API permissions to tag resources during creation").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.local.api import Call
from kubecfn.local.iam.conditions import Context

_REQUEST_TAG, _TAG_KEYS, _RESOURCE_TAG = "aws:RequestTag/", "aws:TagKeys", "aws:ResourceTag/"


@dataclass(frozen=True)
class Question:
    """An action on a resource with the condition keys of its service."""

    action: str
    resource: str
    context: Context


def made(call: Call, prefix: str, new: str, tags: Mapping[str, str], tagging: str) -> Iterator[Question]:
    """Yield the right to make something, and the one to give it tags in the same call.

    Args:
        call: that makes it.
        prefix: of its service's actions.
        new: its ARN, as far as it is known.
        tags: that it is to have.
        tagging: the service's action that gives tags.
    """
    yield Question(f"{prefix}:{call.operation}", new, Context(asks(tags), _absent(prefix)))
    if tags:
        yield gets_tags(call, prefix, new, tags, tagging)


def gets_tags(call: Call, prefix: str, new: str, tags: Mapping[str, str], tagging: str) -> Question:
    """Return the right to give tags to what the call makes; as `made`."""
    context = Context({**asks(tags), f"{prefix}:CreateAction": call.operation}, _absent(prefix))
    return Question(f"{prefix}:{tagging}", new, context)


def has(prefix: str, tags: Mapping[str, str]) -> Context:
    """Return the context of something that is there, by its tags."""
    keys = (_RESOURCE_TAG, f"{prefix}:ResourceTag/")
    return Context({f"{key}{tag}": value for key in keys for tag, value in tags.items()}, _absent(prefix))


def asks(tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the condition keys of tags that a request gives."""
    given: dict[str, Any] = {f"{_REQUEST_TAG}{key}": value for key, value in tags.items()}
    return given | {_TAG_KEYS: list(tags)} if tags else given


def specified(call: Call, kind: str) -> dict[str, str]:
    """Return the tags that a call to EC2 gives to a new resource of a kind."""
    wanted = [one for one in call.params.get("TagSpecifications", ()) if one.get("ResourceType") == kind]
    return plain([tag for one in wanted for tag in one.get("Tags", ())])


def plain(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return tags by their keys."""
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in tags}


def _absent(prefix: str) -> frozenset[str]:
    return frozenset({_REQUEST_TAG, _TAG_KEYS, _RESOURCE_TAG, f"{prefix}:CreateAction", f"{prefix}:ResourceTag/"})
