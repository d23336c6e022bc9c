"""Turns a bucket's lifecycle rules from CloudFormation's spelling into that of the S3 API."""

from __future__ import annotations

from typing import Any

from kubecfn.local.providers.shapes import refuse_others

_SAME = ("AbortIncompleteMultipartUpload", "Id", "Prefix", "Status")
_EXPIRY = {
    "ExpirationDate": "Date",
    "ExpirationInDays": "Days",
    "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
}
_FILTER = ("ObjectSizeGreaterThan", "ObjectSizeLessThan")
_OTHER = ("NoncurrentVersionExpiration", "NoncurrentVersionExpirationInDays", "TagFilters", "Transitions")


def lifecycle_rules(configuration: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """Return the Rules of PutBucketLifecycleConfiguration ("AWS::S3::Bucket Rule", "LifecycleRule").

    Raises:
        UnsupportedError: a rule has a property that is not emulated.
    """
    refuse_others(configuration, ("Rules",), path)
    return [_rule(rule, f"{path}.Rules[{index}]") for index, rule in enumerate(configuration["Rules"])]


def _rule(rule: dict[str, Any], path: str) -> dict[str, Any]:
    refuse_others(rule, (*_SAME, *_EXPIRY, *_FILTER, *_OTHER), path)
    # The API wants the prefix inside the filter as soon as there is one; a rule without either means all objects.
    conditions = {name: rule[name] for name in ("Prefix", *_FILTER) if name in rule}
    tags = rule.get("TagFilters", [])
    made = {"ID" if name == "Id" else name: rule[name] for name in _SAME if name in rule and name != "Prefix"}
    if len(conditions) + len(tags) > 1:
        made["Filter"] = {"And": {**conditions, **({"Tags": tags} if tags else {})}}
    else:
        made["Filter"] = {"Tag": tags[0]} if tags else (conditions or {"Prefix": ""})
    if expiry := {api: rule[name] for name, api in _EXPIRY.items() if name in rule}:
        made["Expiration"] = expiry
    if "NoncurrentVersionExpirationInDays" in rule:
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    if "NoncurrentVersionExpiration" in rule:
        made["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    if "Transitions" in rule:
        made["Transitions"] = [_transition(item, path) for item in rule["Transitions"]]
    return made


def _transition(transition: dict[str, Any], path: str) -> dict[str, Any]:
    names = {"StorageClass": "StorageClass", "TransitionInDays": "Days", "TransitionDate": "Date"}
    refuse_others(transition, names, f"{path}.Transitions")
    return {names[name]: value for name, value in transition.items()}
