"""CreationPolicy of Auto Scaling groups, after the Template Reference, "CreationPolicy attribute"."""

from __future__ import annotations

import pytest
from rolled_groups import group, signalling

from kubecfn.local.cloudformation.creation import needed


def test_a_creation_waits_for_as_many_signals_as_its_policy_counts(account):
    """CreationPolicy: the group is complete when Count instances have signalled."""
    policy = {"ResourceSignal": {"Count": 3, "Timeout": "PT15M"}}
    signalling(account)

    assert account.create("web", group(creation=policy))["StackStatus"] == "CREATE_COMPLETE"

    received = [reason for reason in account.reasons("web", "Group") if reason.startswith("Received")]
    assert received == [f"Received SUCCESS signal with UniqueId i-000{number}" for number in (1, 2, 3)]


CREATION_FAILURES = [
    ("FAILURE", lambda n: n == 1, 100, "Received 1 FAILURE signal(s) out of 3. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"),
    ("SUCCESS", lambda n: n < 3, 100, "Received 2 SUCCESS signal(s) out of 3. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "only", "percent", "words"), CREATION_FAILURES)
def test_a_creation_without_its_signals_fails_and_leaves_nothing(account, status, only, percent, words):
    """A FAILURE, or silence until Timeout, fails the group and the stack rolls back."""
    policy = {
        "ResourceSignal": {"Count": 3, "Timeout": "PT5M"},
        "AutoScalingCreationPolicy": {"MinSuccessfulInstancesPercent": percent},
    }
    signalling(account, status, only=only)

    stack = account.create("web", group(creation=policy))

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert words in account.reasons("web", "Group")
    assert account.scaling.groups == {}


def test_a_creation_tolerates_what_its_percentage_allows(account):
    """AutoScalingCreationPolicy: two of three are enough for 60 percent."""
    policy = {
        "ResourceSignal": {"Count": 3, "Timeout": "PT1M"},
        "AutoScalingCreationPolicy": {"MinSuccessfulInstancesPercent": 60},
    }
    signalling(account, only=lambda number: number < 3)

    assert account.create("web", group(creation=policy))["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("total", "percent", "least"), [(5, 50, 3), (5, 60, 3), (3, 100, 3), (3, 0, 0), (7, 33.34, 3), (1, 1, 1)]
)
def test_a_percentage_is_rounded_up_to_whole_instances(total, percent, least):
    """AWS: "if you update five instances with a minimum success percentage of 50, three instances must signal success"."""
    assert needed(total, percent) == least
