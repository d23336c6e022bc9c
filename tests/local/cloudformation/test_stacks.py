"""Stacks among themselves and as they are described: names, exports, conditions, pages of events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chained_stacks import CHAIN, edited

from kubecfn.local.api import ServiceError


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
