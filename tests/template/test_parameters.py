"""What a person fills in at the console, and what kubecfn fills in."""

from __future__ import annotations

import re

import pytest

from kubecfn.config import found_from, load_text
from kubecfn.errors import KubecfnError
from kubecfn.template import parameters

PRIVATE = "name: payments\nregion: eu-central-1\ndns: {private: true, domain: k.example.com}\nimage: {ami: {x86_64: ami-0123456789abcdef0}}\n"
ARTIFACTS = {
    "ArtifactBucket": "kubecfn-123456789012-eu-central-1",
    "ArtifactKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d",
    "ControllerBundleSha256": "a" * 64,
    "WorkerBundleSha256": "b" * 64,
    "EtcdDiscoverySha256": "c" * 64,
    "ControllerLifecycleSha256": "d" * 64,
    "EtcdBackupSha256": "f" * 64,
    "EtcdClientSha256": "0" * 64,
    "KubernetesCaSha256": "f" * 64,
    "WorkerLifecycleSha256": "e" * 64,
}


def test_every_parameter_gets_the_configurations_value(make):
    """The values sent are the template's parameters, all of them and no others."""
    config = load_text(PRIVATE + "pools: [{name: general, min: 2, max: 4}]\n")
    given = parameters(config, found_from(config), ARTIFACTS)
    made = make("image: {ami: {x86_64: ami-0123456789abcdef0}}\npools: [{name: general, min: 2, max: 4}]\n")

    assert set(made.data["Parameters"]) == set(given)
    assert (given["PoolGeneralMin"], given["PoolGeneralMax"], given["ImageX86"]) == ("2", "4", "ami-0123456789abcdef0")
    assert given["EtcdDiscoverySha256"] == "c" * 64


def test_what_the_stack_does_not_ask_for_is_not_sent():
    """CloudFormation refuses a parameter that its template does not have."""
    config = load_text(PRIVATE)

    assert "WorkerBundleSha256" not in parameters(config, found_from(config), ARTIFACTS)


def test_a_missing_value_is_named():
    """What is not known is said by name before anything is sent."""
    config = load_text(PRIVATE.replace("image: {ami: {x86_64: ami-0123456789abcdef0}}\n", ""))

    with pytest.raises(KubecfnError, match="ImageX86, EtcdDiscoverySha256"):
        parameters(
            config,
            found_from(config),
            {name: value for name, value in ARTIFACTS.items() if name != "EtcdDiscoverySha256"},
        )


def test_what_is_not_known_has_no_default(minimal, mixed):
    """An image or a zone that was not found must be filled in, never guessed."""
    assert "Default" not in minimal.data["Parameters"]["ImageX86"]
    assert "Default" not in minimal.data["Parameters"]["ParentZoneId"]
    assert mixed.data["Parameters"]["ParentZoneId"]["Default"] == "Z0123456789ABCDEFGHIJ"


def test_defaults_pass_their_own_patterns(examples):
    """A template whose default its own pattern refuses cannot be deployed from the console."""
    for made in examples.values():
        for name, parameter in made.data["Parameters"].items():
            if "Default" in parameter and "AllowedPattern" in parameter:
                assert re.fullmatch(parameter["AllowedPattern"], str(parameter["Default"])), name


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("VpcCidr", "10.20.0.0"),
        ("VpcCidr", "300.1.1.1/16"),
        ("VpcCidr", "10.0.0.0/33"),
        ("Domain", "Example.com"),
        ("Domain", "localhost"),
        ("KubernetesVersion", "1.36"),
        ("EtcdDiscoverySha256", "A" * 64),
        ("ArtifactBucket", "with.dots"),
        ("ControllerInstanceType", "large"),
    ],
)
def test_the_console_refuses_what_cannot_be(minimal, name, bad):
    """A typing mistake is refused before anything is made, in words."""
    parameter = minimal.data["Parameters"][name]

    assert not re.fullmatch(parameter["AllowedPattern"], bad)
    assert parameter["ConstraintDescription"]


def test_a_pool_that_waits_for_signals_cannot_be_emptied_at_the_console(make):
    """CloudFormation cannot wait for no signals: such a pool has another shape."""
    made = make("pools: [{name: busy, min: 2}, {name: idle, min: 0}]")

    assert made.data["Parameters"]["PoolBusyMin"]["MinValue"] == 1
    assert made.data["Parameters"]["PoolIdleMin"]["MinValue"] == 0
