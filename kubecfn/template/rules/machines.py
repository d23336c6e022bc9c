"""Rules about how instances start: metadata service, volumes and their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubecfn.template.rules.rule import Broken, Rule
from kubecfn.template.rules.view import View, as_list, target


def _launches(view: View) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, properties in view.of_type("EC2::LaunchTemplate"):
        yield name, properties.get("LaunchTemplateData", {})


def _metadata_v2(view: View) -> Broken:
    for name, data in _launches(view):
        options = data.get("MetadataOptions", {})
        if options.get("HttpTokens") != "required":
            yield name, "lets instance credentials be read without a token (IMDSv1)"
        if view.usual(options.get("HttpPutResponseHopLimit")) != 1:
            yield name, "lets pods reach the instance's credentials: HttpPutResponseHopLimit is not 1"


def _volumes(view: View) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, data in _launches(view):
        for mapping in as_list(data.get("BlockDeviceMappings")):
            yield name, mapping.get("Ebs", {})


def _volumes_encrypted(view: View) -> Broken:
    for name, volume in _volumes(view):
        if volume.get("Encrypted") not in {True, "true"}:
            yield name, "has a volume that is not encrypted"


def _volume_keys(view: View) -> Broken:
    for name, volume in _volumes(view):
        key = volume.get("KmsKeyId")
        parameter = view.parameters.get(target(key) or "")
        if key is not None and parameter is None:
            yield name, "takes its volumes' key from the stack, which cannot let the auto scaling role create grants"
        elif parameter is not None and "AWSServiceRoleForAutoScaling" not in parameter.get("Description", ""):
            yield name, f"does not say in {target(key)} that AWSServiceRoleForAutoScaling must be able to create grants"


def _no_key_pairs(view: View) -> Broken:
    for name, data in _launches(view):
        if "KeyName" in data:
            yield name, "has a key pair"


RULES = (
    Rule(
        "K201",
        "Instance credentials need a token and one hop.",
        "EC2: Use the Instance Metadata Service, 'Configure the instance metadata service options'",
        _metadata_v2,
    ),
    Rule("K202", "Every volume is encrypted.", "EC2: Amazon EBS encryption", _volumes_encrypted),
    Rule(
        "K203",
        "A customer-managed key for volumes is brought along, and whoever brings it is told of the grants.",
        "Auto Scaling: Required AWS KMS key policy for use with encrypted volumes",
        _volume_keys,
    ),
    Rule("K204", "No instance has a key pair.", "EC2: Amazon EC2 key pairs", _no_key_pairs),
)
