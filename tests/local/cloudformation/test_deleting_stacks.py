"""What outlives a stack and what holds it; Template Reference "DeletionPolicy attribute", User Guide "Delete a stack"."""

from __future__ import annotations

import json
import time

import pytest
from chained_stacks import CHAIN, edited

from kubecfn.local.api import ServiceError

KEPT = [
    ({"DeletionPolicy": "Retain"}, 1, "DELETE_SKIPPED"),
    ({"DeletionPolicy": "RetainExceptOnCreate"}, 1, "DELETE_SKIPPED"),
    ({"DeletionPolicy": "Delete"}, 0, "DELETE_COMPLETE"),
    ({}, 0, "DELETE_COMPLETE"),
]


@pytest.mark.parametrize(("policy", "left", "status"), KEPT)
def test_the_deletion_policy_decides_what_outlives_the_stack(account, policy, left, status):
    """AWS: "DeletionPolicy attribute"; the stack is DELETE_COMPLETE either way."""
    stack_id = account.create("web", edited(CHAIN, "A", **policy))["StackId"]

    assert account.delete("web")["StackStatus"] == "DELETE_COMPLETE"

    assert len(account.shelf.all("AWS::S3::Bucket")) == left
    assert f"A {status}" in account.history(stack_id)


@pytest.mark.parametrize(("policy", "left"), [("Retain", 1), ("RetainExceptOnCreate", 0), ("Delete", 0)])
def test_a_rolled_back_creation_keeps_what_retain_says(account, policy, left):
    """RetainExceptOnCreate is Retain "except for the stack operation that initially creates the resource"."""
    account.shelf.break_("create", "C")

    account.create("web", edited(CHAIN, "A", DeletionPolicy=policy))

    assert len(account.shelf.all("AWS::S3::Bucket")) == left


def test_snapshots_are_refused_loudly(account):
    """DeletionPolicy Snapshot is not emulated: the deletion fails with a sentence instead of losing the data."""
    account.create("web", edited(CHAIN, "A", DeletionPolicy="Snapshot"))

    assert account.delete("web")["StackStatus"] == "DELETE_FAILED"

    assert "not emulated: DeletionPolicy Snapshot" in account.reasons("web", "A")
    assert len(account.shelf.all("AWS::S3::Bucket")) == 1


@pytest.mark.parametrize(("policy", "left"), [("Retain", 2), ("Delete", 1)])
def test_the_update_replace_policy_decides_what_becomes_of_the_replaced(account, policy, left):
    """AWS: "UpdateReplacePolicy attribute"."""
    account.create("web", edited(CHAIN, "A", UpdateReplacePolicy=policy))

    account.update("web", edited(CHAIN, "A", UpdateReplacePolicy=policy, Properties={"BucketName": "other"}))

    assert len(account.shelf.all("AWS::S3::Bucket")) == left


def test_a_failed_deletion_keeps_what_the_failed_needs_and_can_be_retried(account):
    """DELETE_FAILED names the resource; what it needs stays; a retry goes on from there."""
    account.create("web", CHAIN)
    account.shelf.break_("delete", "B")

    stack = account.delete("web")

    assert stack["StackStatus"] == "DELETE_FAILED"
    assert stack["StackStatusReason"] == "The following resource(s) failed to delete: [B]. "
    assert len(account.shelf.all("AWS::S3::Bucket")) == 1
    account.shelf.mend("delete", "B")
    assert account.delete("web")["StackStatus"] == "DELETE_COMPLETE"
    assert account.shelf.done("delete") == ["C", "B", "A"]


def test_a_failed_deletion_can_leave_resources_behind(account):
    """RetainResources is allowed only in DELETE_FAILED."""
    account.create("web", CHAIN)
    with pytest.raises(ServiceError, match="can be used only for a stack in the DELETE_FAILED state"):
        account.call("DeleteStack", StackName="web", RetainResources=["B"])
    account.shelf.break_("delete", "B")
    account.delete("web")

    assert account.delete("web", RetainResources=["B"])["StackStatus"] == "DELETE_COMPLETE"

    assert len(account.shelf.all("AWS::SNS::Topic")) == 1


def test_termination_protection_refuses_deletion(account):
    """AWS: "Protect stacks from being deleted"."""
    account.create("web", CHAIN, EnableTerminationProtection=True)

    with pytest.raises(ServiceError, match=r"Stack \[web\] cannot be deleted while TerminationProtection is enabled"):
        account.call("DeleteStack", StackName="web")
    account.call("UpdateTerminationProtection", StackName="web", EnableTerminationProtection=False)
    assert account.delete("web")["StackStatus"] == "DELETE_COMPLETE"


def test_a_creation_can_be_deleted_while_it_runs(account):
    """DeleteStack during CREATE_IN_PROGRESS gives the creation up."""
    template = {
        "Resources": CHAIN["Resources"]
        | {
            "Ready": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "CreationPolicy": {"ResourceSignal": {"Timeout": "PT12H"}},
            }
        }
    }
    account.call("CreateStack", StackName="web", TemplateBody=json.dumps(template))
    while "C CREATE_COMPLETE" not in account.history("web"):
        time.sleep(0.001)

    assert account.delete("web")["StackStatus"] == "DELETE_COMPLETE"
    assert account.shelf.all("AWS::S3::Bucket") == {}
