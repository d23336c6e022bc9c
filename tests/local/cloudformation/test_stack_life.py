"""What becomes of a stack: created, updated, rolled back, deleted; after the User Guide's pages on stacks, one rule a test."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kubecfn.local.api import ServiceError

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


def test_a_busy_stack_refuses_updates(account):
    """One operation at a time."""
    template = {
        "Resources": {
            "Ready": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "CreationPolicy": {"ResourceSignal": {"Timeout": "PT12H"}},
            }
        }
    }
    account.call("CreateStack", StackName="web", TemplateBody=json.dumps(template))

    with pytest.raises(ServiceError, match="is in CREATE_IN_PROGRESS state and can not be updated"):
        account.call("UpdateStack", StackName="web", TemplateBody=json.dumps(CHAIN))
    with pytest.raises(ServiceError, match="CancelUpdateStack cannot be called from current stack status"):
        account.call("CancelUpdateStack", StackName="web")


def test_an_update_without_changes_is_refused(account):
    """AWS: "No updates are to be performed."."""
    account.create("web", CHAIN)

    with pytest.raises(ServiceError) as refused:
        account.update("web", CHAIN)
    assert (refused.value.code, refused.value.message) == ("ValidationError", "No updates are to be performed.")


def test_names_are_unique(account):
    """AlreadyExistsException, except for the very same request."""
    first = account.create("web", CHAIN, ClientRequestToken="t")

    with pytest.raises(ServiceError, match=r"Stack \[web\] already exists") as refused:
        account.create("web", CHAIN)
    assert refused.value.code == "AlreadyExistsException"
    assert (
        account.call("CreateStack", StackName="web", TemplateBody="{}", ClientRequestToken="t")["StackId"]
        == first["StackId"]
    )
    with pytest.raises(ServiceError, match="at 'stackName' failed to satisfy constraint"):
        account.create("1-web", CHAIN)


DENIALS = [
    ("Update:Modify", {"B": {"DisplayName": "new"}}, {}, False),
    ("Update:Replace", {"B": {"TopicName": "new"}}, {}, False),
    ("Update:*", {"B": {"TopicName": "new"}}, {}, False),
    ("Update:Replace", {"B": {"DisplayName": "new"}}, {}, True),
    ("Update:Modify", {"A": {"AccessControl": "Private"}}, {}, True),
    ("Update:Modify", {"B": {"DisplayName": "new"}}, {"StringEquals": {"ResourceType": ["AWS::SNS::Topic"]}}, False),
    ("Update:Modify", {"B": {"DisplayName": "new"}}, {"StringLike": {"ResourceType": ["AWS::S3::*"]}}, True),
]


@pytest.mark.parametrize(("action", "change", "condition", "allowed"), DENIALS)
def test_a_stack_policy_protects_what_it_denies(account, action, change, condition, allowed):
    """AWS: "Prevent updates to stack resources": a Deny stops the resource with its statement's number; the stack rolls back."""
    statements = [
        {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Principal": "*", "Resource": "LogicalResourceId/B", **({"Condition": condition} if condition else {})},
    ]  # fmt: skip
    if condition:
        statements[1]["Resource"] = "*"
    account.create("web", CHAIN, StackPolicyBody=json.dumps({"Statement": statements}))
    (name, properties), *_ = change.items()

    stack = account.update("web", edited(CHAIN, name, Properties=properties))

    assert stack["StackStatus"] == ("UPDATE_COMPLETE" if allowed else "UPDATE_ROLLBACK_COMPLETE")
    resource = "*" if condition else "LogicalResourceId/B"
    reason = f"Action denied by stack policy: Statement [#2] does not allow [{action}] for resource [{resource}]"
    assert (reason in account.reasons("web", name)) is not allowed


def test_a_stack_policy_protects_from_removal(account):
    """Update:Delete: what the new template lacks stays, and nothing else of the update happens."""
    deny = {"Statement": [
        {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "Update:Delete", "Principal": "*", "Resource": "LogicalResourceId/C"},
    ]}  # fmt: skip
    account.create("web", CHAIN)
    account.call("SetStackPolicy", StackName="web", StackPolicyBody=json.dumps(deny))
    assert json.loads(account.call("GetStackPolicy", StackName="web")["StackPolicyBody"]) == deny

    stack = account.update("web", edited(without(CHAIN, "C"), "A", Properties={"AccessControl": "Private"}))

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert account.shelf.done("update") == []
    assert len(account.shelf.all("AWS::SSM::Parameter")) == 1


def test_a_stack_policy_protects_everything_it_does_not_allow(account):
    """Once there is a policy, all resources are protected by default; StackPolicyDuringUpdate lifts it for one update."""
    account.create("web", CHAIN, StackPolicyBody=json.dumps({"Statement": []}))
    template = edited(CHAIN, "B", Properties={"DisplayName": "new"})

    assert account.update("web", template)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"

    allow = json.dumps({"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]})
    assert account.update("web", template, StackPolicyDuringUpdateBody=allow)["StackStatus"] == "UPDATE_COMPLETE"


def test_what_is_no_policy_is_refused(account):
    """SetStackPolicy checks the text."""
    account.create("web", CHAIN)
    for body in ("{", "[]", json.dumps({"Statement": [{"Effect": "Maybe"}]})):
        with pytest.raises(ServiceError, match="Error validating stack policy"):
            account.call("SetStackPolicy", StackName="web", StackPolicyBody=body)


EXPORTER = {
    "Resources": {"A": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"Out": {"Value": {"Ref": "A"}, "Export": {"Name": "shared"}}},
}
IMPORTER = {
    "Resources": {
        "B": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Fn::ImportValue": "shared"}}}
    }
}


def test_an_export_in_use_holds_its_stack(account):
    """AWS: "Get exported outputs": neither the stack nor the value can go while another stack imports it."""
    account.create("giver", EXPORTER)
    account.create("taker", IMPORTER)
    assert account.call("ListExports")["Exports"][0]["Name"] == "shared"
    assert account.call("ListImports", ExportName="shared")["Imports"] == ["taker"]

    assert account.delete("giver")["StackStatusReason"] == "Export shared cannot be deleted as it is in use by taker"
    account.delete("taker")
    assert account.delete("giver")["StackStatus"] == "DELETE_COMPLETE"


def test_an_export_name_can_be_taken_once(account):
    """A second stack that exports the same name fails and rolls back."""
    account.create("giver", EXPORTER)

    stack = account.create("other", EXPORTER)

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Export with name shared is already exported by stack giver." in "".join(account.reasons("other", "other"))


def test_conditions_decide_what_exists(account):
    """A resource and an output whose condition is false do not exist; turning it removes them."""
    template = {
        "Parameters": {"Big": {"Type": "String", "Default": "yes"}},
        "Conditions": {"IsBig": {"Fn::Equals": [{"Ref": "Big"}, "yes"]}},
        "Resources": {"A": {"Type": "AWS::SNS::Topic"}, "B": {"Type": "AWS::SNS::Topic", "Condition": "IsBig"}},
        "Outputs": {
            "B": {"Condition": "IsBig", "Value": {"Ref": "B"}},
            "A": {"Value": {"Fn::If": ["IsBig", {"Ref": "B"}, {"Ref": "A"}]}},
        },
    }
    account.create("web", template)
    assert len(account.shelf.all("AWS::SNS::Topic")) == 2

    stack = account.update("web", template, Parameters=[{"ParameterKey": "Big", "ParameterValue": "no"}])

    assert stack["Outputs"] == [{"OutputKey": "A", "OutputValue": "a-1"}]
    assert set(account.shelf.all("AWS::SNS::Topic")) == {"a-1"}


def test_a_tenancy_that_becomes_dedicated_replaces_the_network(account):
    """VPC InstanceTenancy: to dedicated is a replacement, back to default is not."""

    def vpc(tenancy: str) -> dict[str, Any]:
        return {
            "Resources": {
                "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16", "InstanceTenancy": tenancy}}
            }
        }

    account.create("web", vpc("default"))
    account.update("web", vpc("dedicated"))
    assert set(account.shelf.all("AWS::EC2::VPC")) == {"vpc-2"}
    account.update("web", vpc("default"))
    assert set(account.shelf.all("AWS::EC2::VPC")) == {"vpc-2"}


def test_events_come_newest_first_in_pages(account):
    """DescribeStackEvents: newest first, at most a page; ids and client token as given."""
    account.create(
        "web", {"Resources": {f"T{n}": {"Type": "AWS::SNS::Topic"} for n in range(40)}}, ClientRequestToken="mine"
    )

    first = account.call("DescribeStackEvents", StackName="web")
    second = account.call("DescribeStackEvents", StackName="web", NextToken=first["NextToken"])

    events = [*first["StackEvents"], *second["StackEvents"]]
    assert (len(events), "NextToken" in second) == (122, False)
    assert events[0]["ResourceStatus"] == "CREATE_COMPLETE"
    assert [event["Timestamp"] for event in events] == sorted((event["Timestamp"] for event in events), reverse=True)
    assert len({event["EventId"] for event in events}) == 122
    assert {event["ClientRequestToken"] for event in events} == {"mine"}


def test_resources_can_be_asked_for(account):
    """DescribeStackResource(s) and ListStackResources; by stack or by physical id."""
    account.create("web", edited(CHAIN, "A", Metadata={"why": "because"}))

    detail = account.call("DescribeStackResource", StackName="web", LogicalResourceId="A")["StackResourceDetail"]
    assert (detail["PhysicalResourceId"], json.loads(detail["Metadata"])) == ("a-1", {"why": "because"})
    rows = account.call("DescribeStackResources", PhysicalResourceId="b-2")["StackResources"]
    assert {row["LogicalResourceId"] for row in rows} == {"A", "B", "C"}
    with pytest.raises(ServiceError, match="Resource Z does not exist for stack web"):
        account.call("DescribeStackResource", StackName="web", LogicalResourceId="Z")


def test_stacks_are_listed_with_the_deleted_ones(account):
    """ListStacks shows deleted stacks, DescribeStacks does not."""
    account.create("old", CHAIN)
    account.delete("old")
    account.create("web", CHAIN)

    listed = {row["StackName"]: row["StackStatus"] for row in account.call("ListStacks")["StackSummaries"]}

    assert listed == {"old": "DELETE_COMPLETE", "web": "CREATE_COMPLETE"}
    assert [row["StackName"] for row in account.call("DescribeStacks")["Stacks"]] == ["web"]
    only = account.call("ListStacks", StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert [row["StackName"] for row in only] == ["old"]


def test_an_unknown_type_is_an_error_never_a_skip(account):
    """A type AWS has and this emulation lacks fails the resource with a sentence."""
    stack = account.create("web", {"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert account.reasons("web", "Q") == ["not emulated: AWS::SQS::Queue"]
