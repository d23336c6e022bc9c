"""Stacks that are created, updated and rolled back; after the User Guide's pages on stacks and failures, one rule a test."""

from __future__ import annotations

import copy
import json

import pytest
from botocore.exceptions import ClientError
from chained_stacks import CHAIN, edited, without

from kubecfn.local.api import ServiceError


def test_creation_follows_the_dependencies_and_writes_two_in_progress_events(account):
    """AWS: "Understand stack creation events": each resource is in progress, gets its id ("Resource creation Initiated"), is complete."""
    account.create("web", CHAIN)

    assert account.history("web") == [
        "web CREATE_IN_PROGRESS",
        *(
            f"{name} {status}"
            for name in "ABC"
            for status in ("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
        ),
        "web CREATE_COMPLETE",
    ]
    first, second, third = [event for event in account.events("web") if event["LogicalResourceId"] == "A"]
    assert (first["PhysicalResourceId"], second["PhysicalResourceId"]) == ("", "a-1")
    assert (second["ResourceStatusReason"], "ResourceStatusReason" in third) == ("Resource creation Initiated", False)
    assert account.reasons("web", "web") == ["User Initiated"]


def test_deletion_goes_the_other_way(account):
    """What needs another goes first; the stack is then found by id only."""
    stack_id = account.create("web", CHAIN)["StackId"]

    assert account.delete("web")["StackStatus"] == "DELETE_COMPLETE"

    assert account.shelf.done("delete") == ["C", "B", "A"]
    assert account.stack(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(ServiceError, match="Stack with id web does not exist"):
        account.stack("web")
    assert account.call("DeleteStack", StackName="web") == {}
    assert account.create("web", CHAIN)["StackId"] != stack_id


def test_resources_carry_the_stacks_tags(account):
    """AWS: "Resource tag": stack tags and aws:cloudformation:stack-name, stack-id and logical-id."""
    stack_id = account.create("web", CHAIN, Tags=[{"Key": "team", "Value": "a"}])["StackId"]

    assert account.shelf.tags["a-1"] == {
        "team": "a", "aws:cloudformation:stack-name": "web", "aws:cloudformation:stack-id": stack_id,
        "aws:cloudformation:logical-id": "A",
    }  # fmt: skip


def test_a_failed_creation_rolls_back(account):
    """OnFailure ROLLBACK: what was made is deleted; the stack stays as ROLLBACK_COMPLETE and can only be deleted."""
    account.shelf.break_("create", "B")

    stack = account.create("web", CHAIN)

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert account.shelf.all("AWS::S3::Bucket") == {}
    rollback = next(event for event in account.events("web") if event["ResourceStatus"] == "ROLLBACK_IN_PROGRESS")
    assert (
        rollback["ResourceStatusReason"]
        == "The following resource(s) failed to create: [B]. Rollback requested by user."
    )
    with pytest.raises(ServiceError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        account.update("web", CHAIN)
    assert account.delete("web")["StackStatus"] == "DELETE_COMPLETE"


def test_a_resources_failure_names_the_service_and_the_handler_code(account):
    """The reason is the sentence every resource handler's failure arrives in."""
    body = {
        "Error": {"Code": "BucketAlreadyExists", "Message": "The requested bucket name is not available."},
        "ResponseMetadata": {"HTTPStatusCode": 409, "RequestId": "r-9"},
    }
    account.shelf.break_("create", "A", ClientError(body, "CreateBucket"))

    account.create("web", CHAIN)

    (reason,) = account.reasons("web", "A")
    assert reason.startswith(
        'Resource handler returned message: "The requested bucket name is not available. (Service: S3, Status Code: 409, Request ID: r-9)"'
    )
    assert reason.endswith("HandlerErrorCode: AlreadyExists)")


@pytest.mark.parametrize(
    ("params", "status", "buckets"),
    [
        ({"OnFailure": "DO_NOTHING"}, "CREATE_FAILED", 1),
        ({"DisableRollback": True}, "CREATE_FAILED", 1),
        ({"OnFailure": "DELETE"}, "DELETE_COMPLETE", 0),
        ({"OnFailure": "ROLLBACK"}, "ROLLBACK_COMPLETE", 0),
    ],
)
def test_on_failure_decides_what_is_left(account, params, status, buckets):
    """CreateStack: OnFailure and DisableRollback."""
    account.shelf.break_("create", "C")

    assert account.create("web", CHAIN, **params)["StackStatus"] == status

    assert len(account.shelf.all("AWS::S3::Bucket")) == buckets


def test_a_creation_left_as_it_was_can_be_rolled_back_later(account):
    """RollbackStack works from CREATE_FAILED."""
    account.shelf.break_("create", "C")
    account.create("web", CHAIN, DisableRollback=True)

    account.call("RollbackStack", StackName="web")

    assert account.settled("web")["StackStatus"] == "ROLLBACK_COMPLETE"
    assert account.shelf.all("AWS::S3::Bucket") == {}


def test_a_creation_left_as_it_was_can_be_retried(account):
    """AWS: "Stack failure options": an update from CREATE_FAILED goes on from what exists."""
    account.shelf.break_("create", "C")
    account.create("web", CHAIN, DisableRollback=True)
    account.shelf.mend("create", "C")

    assert account.update("web", CHAIN)["StackStatus"] == "UPDATE_COMPLETE"

    assert account.shelf.done("create") == ["A", "B", "C"]


def test_a_failure_cancels_what_is_still_being_made(account):
    """A resource that waits when another one fails ends with "Resource creation cancelled"."""
    template = copy.deepcopy(CHAIN)
    template["Resources"]["Ready"] = {
        "Type": "AWS::CloudFormation::WaitCondition", "CreationPolicy": {"ResourceSignal": {"Timeout": "PT12H"}},
    }  # fmt: skip
    account.shelf.break_("create", "B")

    assert account.create("web", template)["StackStatus"] == "ROLLBACK_COMPLETE"

    assert "Resource creation cancelled" in account.reasons("web", "Ready")


def test_a_creation_has_only_so_much_time(account):
    """TimeoutInMinutes: a stack that is not complete by then fails and rolls back."""
    template = {
        "Resources": {
            "Ready": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "CreationPolicy": {"ResourceSignal": {"Timeout": "PT12H"}},
            }
        }
    }

    assert account.create("web", template, TimeoutInMinutes=1)["StackStatus"] == "ROLLBACK_COMPLETE"


def test_an_update_replaces_first_and_cleans_up_last(account):
    """AWS: "Update behaviors": the new resource is made, what refers to it follows, the old one goes in the clean-up."""
    account.create("web", CHAIN)
    seen = len(account.history("web"))

    account.update("web", edited(CHAIN, "B", Properties={"TopicName": "new"}))

    assert account.history("web")[seen:] == [
        "web UPDATE_IN_PROGRESS",
        "B UPDATE_IN_PROGRESS", "B UPDATE_IN_PROGRESS", "B UPDATE_COMPLETE",
        "C UPDATE_IN_PROGRESS", "C UPDATE_COMPLETE",
        "web UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "B DELETE_IN_PROGRESS", "B DELETE_COMPLETE",
        "web UPDATE_COMPLETE",
    ]  # fmt: skip
    assert account.reasons("web", "B")[-2:] == [
        "Requested update requires the creation of a new physical resource; hence creating one.",
        "Resource creation Initiated",
    ]
    assert set(account.shelf.all("AWS::SNS::Topic")) == {"b-4"}


def test_an_update_removes_last(account):
    """What the template no longer has goes after everything else succeeded."""
    account.create("web", CHAIN)

    account.update("web", without(CHAIN, "C"))

    assert account.history("web")[-4:] == [
        "web UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "C DELETE_IN_PROGRESS", "C DELETE_COMPLETE", "web UPDATE_COMPLETE",
    ]  # fmt: skip
    assert [
        row["LogicalResourceId"]
        for row in account.call("ListStackResources", StackName="web")["StackResourceSummaries"]
    ] == ["A", "B"]


def test_a_failed_clean_up_does_not_fail_the_update(account):
    """An old resource that cannot be deleted leaves the stack; the update is complete."""
    account.create("web", CHAIN)
    account.shelf.break_("delete", "C")

    assert account.update("web", without(CHAIN, "C"))["StackStatus"] == "UPDATE_COMPLETE"

    assert "C DELETE_FAILED" in account.history("web")


def test_a_failed_update_goes_back_to_what_was(account):
    """UPDATE_ROLLBACK: changed resources change back, replaced ones come back, new ones go in the clean-up."""
    account.create("web", CHAIN)
    before = copy.deepcopy(account.shelf.items)
    template = edited(edited(CHAIN, "B", Properties={"TopicName": "new"}), "A", Properties={"AccessControl": "Private"})
    template["Resources"]["D"] = {"Type": "AWS::SNS::Topic"}
    account.shelf.break_("update", "C")

    stack = account.update("web", template)

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED"  # C cannot be updated back either: see below
    account.shelf.mend("update", "C")
    account.call("ContinueUpdateRollback", StackName="web")
    assert account.settled("web")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert account.shelf.items == before


def test_a_rollback_writes_its_states_in_order(account):
    """UPDATE_ROLLBACK_IN_PROGRESS with the reason, then the clean-up, then UPDATE_ROLLBACK_COMPLETE."""
    account.create("web", CHAIN)
    account.shelf.break_("create", "D")
    template = edited(CHAIN, "A", Properties={"AccessControl": "Private"})
    template["Resources"]["D"] = {"Type": "AWS::SNS::Topic", "DependsOn": "A"}

    account.update("web", template)

    stack_events = [event for event in account.events("web") if event["LogicalResourceId"] == "web"][2:]
    assert [event["ResourceStatus"] for event in stack_events] == [
        "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE",
    ]  # fmt: skip
    assert stack_events[1]["ResourceStatusReason"] == "The following resource(s) failed to create: [D]. "
    assert account.shelf.all("AWS::S3::Bucket")["a-1"] == {"BucketName": "bucket-a"}
    assert account.stack("web").get("Parameters") is None
    assert json.loads(account.call("GetTemplate", StackName="web")["TemplateBody"]) == CHAIN


def test_nothing_left_to_do_after_a_rollback(account):
    """After UPDATE_ROLLBACK_COMPLETE the old template is no update, and the new one still is."""
    account.create("web", CHAIN)
    account.shelf.break_("update", "B")
    account.update("web", edited(CHAIN, "B", Properties={"DisplayName": "new"}))
    account.shelf.mend("update", "B")
    if account.stack("web")["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
        account.call("ContinueUpdateRollback", StackName="web")
        account.settled("web")

    assert account.look("web", CHAIN)["Status"] == "FAILED"
    assert (
        account.update("web", edited(CHAIN, "B", Properties={"DisplayName": "new"}))["StackStatus"] == "UPDATE_COMPLETE"
    )


def test_a_rollback_that_fails_can_skip_the_resource(account):
    """ContinueUpdateRollback with ResourcesToSkip: only what is UPDATE_FAILED may be skipped."""
    account.create("web", CHAIN)
    account.shelf.break_("update", "B")
    stack = account.update("web", edited(CHAIN, "B", Properties={"DisplayName": "new"}))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    assert stack["StackStatusReason"] == "The following resource(s) failed to update: [B]. "

    with pytest.raises(ServiceError, match="cannot be skipped"):
        account.call("ContinueUpdateRollback", StackName="web", ResourcesToSkip=["A"])
    account.call("ContinueUpdateRollback", StackName="web", ResourcesToSkip=["B"])

    assert account.settled("web")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_an_update_can_be_left_as_it_failed(account):
    """DisableRollback: UPDATE_FAILED; from there RollbackStack goes back and UpdateStack goes on."""
    account.create("web", CHAIN)
    account.shelf.break_("update", "C")
    template = edited(
        edited(CHAIN, "A", Properties={"AccessControl": "Private"}),
        "C",
        Properties={"Type": "StringList"},
        DependsOn="A",
    )

    assert account.update("web", template, DisableRollback=True)["StackStatus"] == "UPDATE_FAILED"
    assert account.shelf.all("AWS::S3::Bucket")["a-1"]["AccessControl"] == "Private"
    account.shelf.mend("update", "C")
    account.call("RollbackStack", StackName="web")

    assert account.settled("web")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert account.shelf.all("AWS::S3::Bucket")["a-1"] == {"BucketName": "bucket-a"}
