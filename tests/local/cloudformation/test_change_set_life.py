"""How change sets come, are executed and go; API Reference "CreateChangeSet", "ExecuteChangeSet", "DeleteChangeSet"."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from changed_stacks import INSTANCE, NETWORK, edited

from kubecfn.local.api import ServiceError


def executed(account, name: str) -> dict[str, Any]:
    """Wait until a change set's execution is over: that is said just after the stack's own last state."""
    end = time.monotonic() + 5
    while (seen := account.call("DescribeChangeSet", ChangeSetName=name, StackName="web"))[
        "ExecutionStatus"
    ] == "EXECUTE_IN_PROGRESS":
        assert time.monotonic() < end
        time.sleep(0.001)
    return seen


def test_a_stack_can_begin_as_a_change_set(account):
    """ChangeSetType CREATE makes a stack in REVIEW_IN_PROGRESS without resources; executing creates it."""
    seen = account.look("web", NETWORK, ChangeSetType="CREATE")
    assert account.stack("web")["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert {change["ResourceChange"]["Action"] for change in seen["Changes"]} == {"Add"}

    account.call("ExecuteChangeSet", ChangeSetName="look", StackName="web")

    stack = account.settled("web")
    assert (stack["StackStatus"], stack["ChangeSetId"]) == ("CREATE_COMPLETE", seen["ChangeSetId"])
    assert executed(account, "look")["ExecutionStatus"] == "EXECUTE_COMPLETE"


def test_a_stack_in_review_can_have_several_first_change_sets(account):
    """They share the stack; once it exists, CREATE is refused."""
    first, second = (account.look("web", NETWORK, name, ChangeSetType="CREATE") for name in ("one", "two"))

    assert first["StackId"] == second["StackId"]
    account.call("ExecuteChangeSet", ChangeSetName="two", StackName="web")
    account.settled("web")
    with pytest.raises(ServiceError, match="already exists and cannot be created again with the changeSet"):
        account.look("web", NETWORK, "three", ChangeSetType="CREATE")


def test_executing_one_deletes_the_others(account):
    """AWS: "CloudFormation deletes all change sets associated with the stack because they aren't valid for the updated stack"."""
    account.create("web", NETWORK)
    for name, cidr in (("one", "10.8.0.0/16"), ("two", "10.9.0.0/16")):
        account.look("web", edited(NETWORK, "Vpc", "Properties", "CidrBlock", to=cidr), name)

    account.call("ExecuteChangeSet", ChangeSetName="one", StackName="web")
    account.settled("web")
    executed(account, "one")

    assert [row["ChangeSetName"] for row in account.call("ListChangeSets", StackName="web")["Summaries"]] == ["one"]
    with pytest.raises(ServiceError, match=r"ChangeSet \[two\] does not exist") as refused:
        account.call("ExecuteChangeSet", ChangeSetName="two", StackName="web")
    assert (refused.value.code, refused.value.status) == ("ChangeSetNotFound", 404)
    with pytest.raises(ServiceError, match=r"current execution status of \[EXECUTE_COMPLETE\]"):
        account.call("ExecuteChangeSet", ChangeSetName="one", StackName="web")


def test_an_update_beside_makes_a_change_set_obsolete(account):
    """What a change set saw is no longer true once somebody else has updated the stack."""
    account.create("web", NETWORK)
    account.look("web", edited(NETWORK, "Vpc", "Properties", "CidrBlock", to="10.8.0.0/16"), "mine")
    account.update("web", edited(NETWORK, "Vpc", "Properties", "EnableDnsSupport", to=False))

    with pytest.raises(ServiceError, match=r"current execution status of \[OBSOLETE\]") as refused:
        account.call("ExecuteChangeSet", ChangeSetName="mine", StackName="web")
    assert refused.value.code == "InvalidChangeSetStatus"


def test_names_are_unique_but_a_repeated_request_is_answered_again(account):
    """AlreadyExistsException for a second one of a name; the same ClientToken is the same request."""
    account.create("web", INSTANCE)
    params = {"StackName": "web", "ChangeSetName": "a", "TemplateBody": json.dumps(INSTANCE), "ClientToken": "t-1"}
    first = account.call("CreateChangeSet", **params)
    account.seen(first["Id"])

    assert account.call("CreateChangeSet", **params)["Id"] == first["Id"]
    with pytest.raises(ServiceError, match="already exists") as refused:
        account.call("CreateChangeSet", **params | {"ClientToken": "t-2"})
    assert refused.value.code == "AlreadyExistsException"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"StackName": "none"}, r"Stack \[none\] does not exist"),
    ({"ChangeSetName": "1st"}, "at 'changeSetName' failed to satisfy constraint"),
    ({"ChangeSetType": "IMPORT"}, "ChangeSetType IMPORT is not emulated"),
    ({"OnStackFailure": "DELETE"}, "OnStackFailure DELETE is only valid when ChangeSetType is CREATE"),
    ({"DeploymentConfig": {"Mode": "EXPRESS"}}, "DeploymentConfig Mode EXPRESS is not emulated; use STANDARD"),
    ({"DeploymentMode": "REVERT_DRIFT"}, "DeploymentMode REVERT_DRIFT is not emulated"),
    ({"IncludeNestedStacks": True}, "IncludeNestedStacks is not emulated"),
    ({"TemplateBody": ""}, "Either Template URL or Template Body must be specified"),
    ({"Tags": [{"Key": "aws:mine", "Value": ""}]}, "aws: prefixed tag key names are not allowed for external use"),
]


@pytest.mark.parametrize(("params", "words"), REFUSED)
def test_requests_that_cannot_be_are_refused(account, params, words):
    """A ValidationError, and nothing is left behind."""
    account.create("web", NETWORK)
    good = {"StackName": "web", "ChangeSetName": "a", "TemplateBody": json.dumps(NETWORK)}

    with pytest.raises(ServiceError, match=words):
        account.call("CreateChangeSet", **good | params)
    assert account.call("ListChangeSets", StackName="web")["Summaries"] == []


def test_a_refused_first_change_set_leaves_no_stack(account):
    """A stack in review is only kept when its change set was accepted."""
    with pytest.raises(ServiceError, match="Unresolved resource dependencies"):
        account.look("web", edited(NETWORK, "Subnet", "Properties", "VpcId", to={"Ref": "X"}), ChangeSetType="CREATE")
    with pytest.raises(ServiceError, match="Stack with id web does not exist"):
        account.stack("web")


def test_standard_deployment_is_accepted(account):
    """DeploymentConfig Mode STANDARD is what happens anyway."""
    assert (
        account.look("web", NETWORK, ChangeSetType="CREATE", DeploymentConfig={"Mode": "STANDARD"})["Status"]
        == "CREATE_COMPLETE"
    )


CAPABILITIES = [
    ({}, [], "CAPABILITY_IAM"),
    ({"RoleName": "r"}, ["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM"),
    ({}, ["CAPABILITY_IAM"], ""),
    ({}, ["CAPABILITY_NAMED_IAM"], ""),
    ({"RoleName": "r"}, ["CAPABILITY_NAMED_IAM"], ""),
]


@pytest.mark.parametrize(("names", "given", "missing"), CAPABILITIES)
def test_iam_must_be_acknowledged(account, names, given, missing):
    """AWS: "Acknowledging IAM resources": CAPABILITY_IAM, or CAPABILITY_NAMED_IAM when they have names of one's own."""
    template = {
        "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}, **names}}}
    }
    if not missing:
        assert account.look("web", template, ChangeSetType="CREATE", Capabilities=given)["Status"] == "CREATE_COMPLETE"
        return
    with pytest.raises(ServiceError) as refused:
        account.look("web", template, ChangeSetType="CREATE", Capabilities=given)
    assert (refused.value.code, refused.value.message) == (
        "InsufficientCapabilitiesException",
        f"Requires capabilities : [{missing}]",
    )


def test_many_changes_come_in_pages(account):
    """DescribeChangeSet answers a page at a time; the token leads to the rest."""
    template = {"Resources": {f"T{n}": {"Type": "AWS::SNS::Topic"} for n in range(150)}}
    seen = account.look("web", template, ChangeSetType="CREATE")

    rest = account.call("DescribeChangeSet", ChangeSetName=seen["ChangeSetId"], NextToken=seen["NextToken"])

    assert (len(seen["Changes"]), len(rest["Changes"]), "NextToken" in rest) == (100, 50, False)


def test_deleting_a_change_set_twice_is_no_error(account):
    """DeleteChangeSet of what is not there succeeds; the stack in review stays."""
    account.look("web", NETWORK, ChangeSetType="CREATE")
    for _ in range(2):
        assert account.call("DeleteChangeSet", ChangeSetName="look", StackName="web") == {}

    assert account.stack("web")["StackStatus"] == "REVIEW_IN_PROGRESS"
