"""Every name a provider uses is CloudFormation's own: held against the schemas that cfn-lint ships."""

from __future__ import annotations

import importlib.util
import json
import runpy
from pathlib import Path

import pytest

from kubecfn.local.providers import PROVIDERS

# Found, not imported: importing cfn-lint takes two seconds of every process that collects tests.
SCHEMAS = Path(importlib.util.find_spec("cfnlint").origin).parent / "data" / "schemas"
HASHES = json.loads((SCHEMAS / "providers" / "eu-central-1.json").read_text())
LIVES = (
    "test_network_types.py",
    "test_access_types.py",
    "test_service_types.py",
    "test_cluster_types.py",
    "test_image_types.py",
)

# What AWS changes in place and we cannot, and why: the provider refuses it, loudly.
STUCK = {
    "AWS::EC2::EIP": {"Domain"},  # there is only "vpc"
    "AWS::EC2::Instance": {"IamInstanceProfile", "MetadataOptions", "Monitoring"},  # minimal: pools are groups
    "AWS::EC2::LaunchTemplate": {"TagSpecifications"},  # the back end shows them as they were at creation
    "AWS::EC2::VPCEndpoint": {"PrivateDnsEnabled"},  # the back end keeps it as it was
    "AWS::EC2::Volume": {
        "AvailabilityZone", "Encrypted", "Iops", "KmsKeyId", "MultiAttachEnabled", "Size", "SnapshotId", "Throughput",
        "VolumeType",
    },  # made and deleted is all a test template needs
    "AWS::IAM::User": {"Path"},  # users are made for test templates only
    "AWS::KMS::Key": {"BypassPolicyLockoutSafetyCheck", "KeySpec", "KeyUsage", "MultiRegion", "Origin"},  # fixed by KMS
    "AWS::Logs::LogGroup": {"KmsKeyId", "LogGroupClass"},  # the back end has no AssociateKmsKey
    "AWS::Scheduler::Schedule": {"GroupName"},  # part of the schedule's identity
}  # fmt: skip


def schema(kind):
    return json.loads((SCHEMAS / "resources" / f"{HASHES[kind]}.json").read_text())


def tops(found, *sections):
    """Names of whole properties in sections such as createOnlyProperties; parts of a property are left out."""
    pointers = (pointer.removeprefix("/properties/") for section in sections for pointer in found.get(section, ()))
    return {pointer for pointer in pointers if "/" not in pointer}


@pytest.mark.parametrize("kind", sorted(PROVIDERS))
def test_no_property_is_invented(kind):
    """A provider takes only properties that the type has and a template may set."""
    found = schema(kind)

    assert set(PROVIDERS[kind].accepts) <= set(found["properties"]) - tops(found, "readOnlyProperties")


@pytest.mark.parametrize("kind", sorted(PROVIDERS))
def test_no_attribute_is_invented(kind):
    """What Fn::GetAtt can ask for is a read-only property of the type or one that it was given."""
    assert set(PROVIDERS[kind].gives) <= set(schema(kind)["properties"])


@pytest.mark.parametrize("kind", sorted(PROVIDERS))
def test_what_can_be_changed_in_place_is_what_aws_changes_in_place(kind):
    """A create-only property is never changed in place, and every other one is, but for the known ones."""
    found, given = schema(kind), PROVIDERS[kind]
    create_only = tops(found, "createOnlyProperties")
    conditional = tops(found, "conditionalCreateOnlyProperties")

    assert create_only & set(given.accepts) <= set(given.fixed) <= set(given.accepts)
    assert set(given.fixed) - create_only - conditional == STUCK.get(kind, set())


def test_every_type_has_a_life_that_is_tested():
    """No type is offered that no test has made, changed and deleted."""
    here = Path(__file__).parent
    lived = {case[0] for file in LIVES for case in runpy.run_path(str(here / file))["CASES"].values()}

    assert lived == set(PROVIDERS)
