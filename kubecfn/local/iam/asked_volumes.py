"""What a call about EBS volumes asks for: every resource that it touches, and the tags that a new one is to have.

Source: Service Authorization Reference, "Amazon EC2"; EC2 User Guide, "Grant permission to tag Amazon EC2 resources during
creation": tags given in the call that makes something need ec2:CreateTags on it too, with ec2:CreateAction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.local.api import Call
from kubecfn.local.iam.conditions import Context
from kubecfn.local.iam.lookups import Look, arn

# Operation -> the resources that it touches: kind and the member that names it.
_VOLUME, _INSTANCE = ("volume", "VolumeId"), ("instance", "InstanceId")
_TOUCHED = {
    "AttachVolume": (_VOLUME, _INSTANCE),
    "DetachVolume": (_VOLUME, _INSTANCE),
    "DeleteVolume": (_VOLUME,),
    "ModifyVolume": (_VOLUME,),
}
_REQUEST_TAG, _TAG_KEYS, _CREATE = "aws:RequestTag/", "aws:TagKeys", "ec2:CreateAction"
_RESOURCE_TAGS = ("aws:ResourceTag/", "ec2:ResourceTag/")


@dataclass(frozen=True)
class Question:
    """An action on a resource with the condition keys of EC2."""

    action: str
    resource: str
    context: Context


def questions(call: Call, look: Look) -> list[Question]:
    """Return what the call asks for, all of which must be allowed; nothing when it is about no volume."""
    if call.operation == "CreateVolume":
        return _made(call)
    named = ((kind, str(call.params.get(member) or "")) for kind, member in _TOUCHED.get(call.operation, ()))
    # Who detaches need not say from which instance.
    return [
        Question(f"ec2:{call.operation}", arn(call, "ec2", f"{kind}/{name}"), _has(look.ec2_tags(call, name)))
        for kind, name in named
        if name
    ]


def _made(call: Call) -> list[Question]:
    tags = _given(call.params)
    asked: dict[str, Any] = {f"{_REQUEST_TAG}{key}": value for key, value in tags.items()}
    if tags:
        asked[_TAG_KEYS] = list(tags)
    context = Context(asked, frozenset({_REQUEST_TAG, _TAG_KEYS, _CREATE, *_RESOURCE_TAGS}))
    new = arn(call, "ec2", "volume/*")
    made = Question("ec2:CreateVolume", new, context)
    return [made, Question("ec2:CreateTags", new, context.also({_CREATE: "CreateVolume"}))] if tags else [made]


def _given(params: Mapping[str, Any]) -> dict[str, str]:
    wanted = [one for one in params.get("TagSpecifications", ()) if one.get("ResourceType") == "volume"]
    return {str(tag["Key"]): str(tag.get("Value", "")) for one in wanted for tag in one.get("Tags", ())}


def _has(tags: Mapping[str, str]) -> Context:
    values = {f"{prefix}{key}": value for prefix in _RESOURCE_TAGS for key, value in tags.items()}
    return Context(values, frozenset({_REQUEST_TAG, _TAG_KEYS, *_RESOURCE_TAGS}))
