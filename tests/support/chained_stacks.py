"""A chain of three small resources, and ways to edit a template: what tests of whole stacks begin with."""

from __future__ import annotations

import copy
from typing import Any

CHAIN: dict[str, Any] = {
    "Resources": {
        "C": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "B"}}},
        "B": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "b"}, "DependsOn": "A"},
        "A": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "bucket-a"}},
    }
}


def edited(template: dict[str, Any], name: str, **members: Any) -> dict[str, Any]:
    """The template with members of one resource set: Properties are merged, everything else replaced; None removes it."""
    made = copy.deepcopy(template)
    for member, value in members.items():
        resource = made["Resources"][name]
        if isinstance(value, dict) and member == "Properties":
            resource[member] = resource.get(member, {}) | value
        else:
            resource[member] = value
    return made


def without(template: dict[str, Any], *names: str) -> dict[str, Any]:
    """The template without some resources."""
    return {**template, "Resources": {name: one for name, one in template["Resources"].items() if name not in names}}
