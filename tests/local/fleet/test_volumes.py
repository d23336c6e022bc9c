"""Volumes: a request to make one that comes twice makes one."""

import pytest
from botocore.exceptions import ClientError

WANTED = {"Size": 1, "AvailabilityZone": "eu-central-1a", "VolumeType": "gp3"}


def test_the_same_token_makes_one_volume(cloud):
    """Who asks again because no answer came gets what its first request made; another token makes another."""
    make, token = cloud.client("ec2").create_volume, cloud.name("token")

    first, again, other = (make(ClientToken=one, **WANTED)["VolumeId"] for one in (token, token, f"{token}-2"))

    assert (first == again, first == other) == (True, False)


def test_a_token_stands_for_one_request(cloud):
    """The same token with another size is a mistake of the caller's, and nothing is made."""
    ec2, token = cloud.client("ec2"), cloud.name("token")
    ec2.create_volume(ClientToken=token, **WANTED)
    before = len(ec2.describe_volumes()["Volumes"])

    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        ec2.create_volume(ClientToken=token, **{**WANTED, "Size": 2})
    assert len(ec2.describe_volumes()["Volumes"]) == before


def test_a_dry_run_makes_nothing(cloud):
    """It says what would have happened, whatever the token."""
    ec2 = cloud.client("ec2")
    before = len(ec2.describe_volumes()["Volumes"])

    with pytest.raises(ClientError, match="DryRunOperation"):
        ec2.create_volume(ClientToken=cloud.name("token"), DryRun=True, **WANTED)
    assert len(ec2.describe_volumes()["Volumes"]) == before


def test_what_moto_refuses_is_refused_in_its_words(cloud):
    """A token does not hide why there is no volume."""
    wanted = {**WANTED, "VolumeType": "gp2", "Throughput": 500}

    with pytest.raises(ClientError, match="InvalidParameterDependency"):
        cloud.client("ec2").create_volume(ClientToken=cloud.name("token"), **wanted)
