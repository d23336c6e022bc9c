"""Change sets, after the User Guide, "Update CloudFormation stacks using change sets" and "Example change sets"."""

from __future__ import annotations

import json
import time

import pytest
from changed_stacks import GROUP, INSTANCE, NETWORK, NO_CHANGES, edited, key, reasons

from kubecfn.local.api import ServiceError


def test_a_tag_edited_in_the_template_is_in_scope_tags_and_never_replaces(account):
    """First example of the page: Scope Tags, Static, DirectModification, no replacement."""
    account.create("web", INSTANCE)
    tags = [{"Key": "Purpose", "Value": "other"}]

    change = account.changes("web", edited(INSTANCE, "MyEC2Instance", "Properties", "Tags", to=tags))["MyEC2Instance"]

    assert (change["Action"], change["Scope"], change["Replacement"]) == ("Modify", ["Tags"], "False")
    assert change["Details"][0]["Target"] == {
        "Attribute": "Tags", "RequiresRecreation": "Never", "Path": "/Properties/Tags/0/Value", "BeforeValue": "testing",
        "AfterValue": "other", "AttributeChangeType": "Modify",
    }  # fmt: skip
    assert reasons(change) == {("DirectModification", "Static", "")}


def test_a_parameter_that_replaces_is_told_twice(account):
    """Third example: KeyName is Static by ParameterReference KeyPairName, and Dynamic by DirectModification; Replacement True."""
    account.create("web", INSTANCE)

    change = account.changes("web", INSTANCE, Parameters=[key("KeyPairName", "new-key")])["MyEC2Instance"]

    assert (change["Replacement"], change["PolicyAction"]) == ("True", "ReplaceAndDelete")
    assert {one["Target"]["Name"] for one in change["Details"]} == {"KeyName"}
    assert reasons(change) == {("ParameterReference", "Static", "KeyPairName"), ("DirectModification", "Dynamic", "")}


@pytest.mark.parametrize(
    ("resource", "path", "value", "replacement", "recreation"),
    [
        ("Vpc", ("Properties", "CidrBlock"), "10.9.0.0/16", "True", "Always"),
        ("Vpc", ("Properties", "EnableDnsSupport"), False, "False", "Never"),
        ("Vpc", ("Properties", "InstanceTenancy"), "dedicated", "Conditional", "Conditionally"),
    ],
)
def test_replacement_follows_the_property(account, resource, path, value, replacement, recreation):
    """AWS: "Update requires" of each property: always, never, or conditionally a new resource."""
    account.create("web", NETWORK)

    change = account.changes("web", edited(NETWORK, resource, *path, to=value))[resource]

    assert change["Replacement"] == replacement
    assert {one["Target"]["RequiresRecreation"] for one in change["Details"]} == {recreation}


def test_a_replaced_resource_replaces_what_cannot_follow_it(account):
    """A certain replacement is Static for what refers to it, though the value is known only after the update."""
    account.create("web", NETWORK)

    changes = account.changes("web", edited(NETWORK, "Vpc", "Properties", "CidrBlock", to="10.9.0.0/16"))

    assert {name: change["Replacement"] for name, change in changes.items()} == {
        "Vpc": "True", "Subnet": "True", "Note": "False",
    }  # fmt: skip
    assert reasons(changes["Subnet"]) == {("ResourceReference", "Static", "Vpc")}
    assert reasons(changes["Note"]) == {("ResourceAttribute", "Static", "Vpc.CidrBlock")}
    assert changes["Subnet"]["Details"][0]["Target"]["AfterValue"] == "{{changeSet:KNOWN_AFTER_APPLY}}"


def test_a_conditional_replacement_is_conditional_for_what_refers_to_it(account):
    """Evaluation: Dynamic when a referenced resource "is conditionally recreated"; Always is then only Conditional."""
    account.create("web", NETWORK)

    changes = account.changes("web", edited(NETWORK, "Vpc", "Properties", "InstanceTenancy", to="dedicated"))

    assert (changes["Vpc"]["Replacement"], changes["Subnet"]["Replacement"]) == ("Conditional", "Conditional")
    assert reasons(changes["Subnet"]) == {("ResourceReference", "Dynamic", "Vpc")}
    assert "PolicyAction" not in changes["Vpc"]


def test_a_resource_changed_in_place_moves_attributes_but_no_references(account):
    """A Ref of a resource that keeps its physical id is no change; an attribute may be."""
    account.create("web", NETWORK)

    changes = account.changes("web", edited(NETWORK, "Vpc", "Properties", "EnableDnsSupport", to=False))

    assert set(changes) == {"Vpc", "Note"}


def test_an_image_behind_parameter_store_is_noticed(account):
    """SSM-typed parameters are read when the change set is made; the group changes through the template's version."""
    account.ssm["/ami"] = "ami-1"
    account.create("web", GROUP)
    account.ssm["/ami"] = "ami-2"

    seen = account.look("web", GROUP)

    changes = {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in seen["Changes"]}
    assert seen["Parameters"] == [{"ParameterKey": "Ami", "ParameterValue": "/ami", "ResolvedValue": "ami-2"}]
    assert (changes["Lt"]["Replacement"], changes["Group"]["Replacement"]) == ("False", "Conditional")
    assert ("ParameterReference", "Static", "Ami") in reasons(changes["Lt"])
    assert reasons(changes["Group"]) == {("ResourceAttribute", "Dynamic", "Lt.LatestVersionNumber")}


def test_what_is_new_and_what_goes_is_told_with_its_context(account):
    """Last example: Add has no physical id and an AfterContext, Remove has both ids and a policy."""
    account.create("web", NETWORK)
    new = edited(NETWORK, "Note", to={"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "x"}})
    new["Resources"]["Topic"] = new["Resources"].pop("Note")

    changes = account.changes("web", new)

    assert {name: change["Action"] for name, change in changes.items()} == {"Note": "Remove", "Topic": "Add"}
    assert json.loads(changes["Topic"]["AfterContext"]) == {"Properties": {"DisplayName": "x"}}
    assert "PhysicalResourceId" not in changes["Topic"]
    assert "Replacement" not in changes["Topic"]
    assert changes["Note"]["PolicyAction"] == "Delete"
    assert json.loads(changes["Note"]["BeforeContext"])["Properties"]["Type"] == "String"


@pytest.mark.parametrize(
    ("attribute", "old", "new"),
    [
        ("DeletionPolicy", None, "Retain"),
        ("UpdateReplacePolicy", "Retain", "Delete"),
        ("Metadata", {"a": 1}, {"a": 2}),
        ("UpdatePolicy", None, {"AutoScalingRollingUpdate": {"MaxBatchSize": 2}}),
        ("CreationPolicy", None, {"ResourceSignal": {"Count": 1}}),
    ],
)
def test_a_resource_attribute_alone_is_a_change_in_its_own_scope(account, attribute, old, new):
    """ResourceChange: Scope names the attribute; nothing is replaced and nothing else is touched."""
    before = edited(NETWORK, "Vpc", attribute, to=old) if old else NETWORK
    account.create("web", before)

    changes = account.changes("web", edited(before, "Vpc", attribute, to=new))

    assert set(changes) == {"Vpc"}
    assert (changes["Vpc"]["Scope"], changes["Vpc"]["Replacement"]) == ([attribute], "False")


def test_the_policies_decide_what_becomes_of_the_old(account):
    """PolicyAction: DeletionPolicy of what is removed, UpdateReplacePolicy of what is replaced."""
    kept = edited(
        edited(NETWORK, "Note", "DeletionPolicy", to="RetainExceptOnCreate"), "Vpc", "UpdateReplacePolicy", to="Retain"
    )
    account.create("web", kept)

    changes = account.changes(
        "web", edited(edited(kept, "Note", to=None), "Vpc", "Properties", "CidrBlock", to="10.9.0.0/16")
    )

    assert (changes["Note"]["PolicyAction"], changes["Vpc"]["PolicyAction"]) == ("Retain", "ReplaceAndRetain")


def test_stack_tags_reach_every_resource_that_has_tags(account):
    """AWS: "Resource tag": a change of the stack's tags alone is a change, in scope Tags, of every taggable resource."""
    account.create("web", NETWORK, Tags=[{"Key": "team", "Value": "a"}])

    changes = account.changes("web", NETWORK, Tags=[{"Key": "team", "Value": "b"}])

    assert {name: change["Scope"] for name, change in changes.items()} == {
        name: ["Tags"] for name in ("Note", "Subnet", "Vpc")
    }
    assert account.look("web", NETWORK, "same")["Status"] == "FAILED"


def test_without_changes_a_change_set_fails_with_aws_words(account):
    """Same template, same values, even written otherwise: FAILED and UNAVAILABLE, and it cannot be executed."""
    account.create("web", NETWORK)
    rewritten = json.dumps(edited(NETWORK, "Vpc", "Properties", "EnableDnsSupport", to="true"), indent=8)

    seen = account.look("web", rewritten)

    assert (seen["Status"], seen["ExecutionStatus"], seen["StatusReason"]) == ("FAILED", "UNAVAILABLE", NO_CHANGES)
    with pytest.raises(ServiceError, match=r"cannot be executed in its current status of \[FAILED\]") as refused:
        account.call("ExecuteChangeSet", ChangeSetName=seen["ChangeSetId"])
    assert refused.value.code == "InvalidChangeSetStatus"


def test_a_depends_on_alone_is_no_change(account):
    """DependsOn is not a part of a resource that can be updated."""
    account.create("web", NETWORK)

    assert account.look("web", edited(NETWORK, "Note", "DependsOn", to="Subnet"))["Status"] == "FAILED"


def test_an_output_alone_can_be_executed(account):
    """A new output changes no resource, yet there is something to execute."""
    account.create("web", NETWORK)

    seen = account.look("web", NETWORK | {"Outputs": {"V": {"Value": {"Ref": "Vpc"}}}})

    assert (seen["Status"], seen["Changes"]) == ("CREATE_COMPLETE", [])
    account.call("ExecuteChangeSet", ChangeSetName=seen["ChangeSetId"])
    assert account.settled("web")["Outputs"] == [{"OutputKey": "V", "OutputValue": "vpc-1"}]


def test_values_are_shown_only_on_request(account):
    """IncludePropertyValues: contexts, paths and values; without it none of them."""
    account.create("web", NETWORK)
    seen = account.look("web", edited(NETWORK, "Vpc", "Properties", "CidrBlock", to="10.9.0.0/16"))

    plain = account.call("DescribeChangeSet", ChangeSetName=seen["ChangeSetId"])

    assert "10.9.0.0/16" in json.dumps(seen, default=str)
    assert "10.9.0.0/16" not in json.dumps(plain, default=str)


def test_a_changed_type_is_refused(account):
    """AWS: "Update of resource type is not permitted"."""
    account.create("web", NETWORK)

    seen = account.look("web", edited(NETWORK, "Note", "Type", to="AWS::SNS::Topic"))

    assert seen["Status"] == "FAILED"
    assert seen["StatusReason"] == (
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: [Note]"
    )


def test_a_hundred_and_ten_resources_take_no_time(account):
    """A change set over 110 resources that each refer to the last is there within 0.3 seconds."""
    names = [f"T{n}" for n in range(110)]
    template = {
        "Parameters": {"P": {"Type": "String", "Default": "a"}},
        "Resources": {
            name: {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Fn::Sub": "${P}" + (f"${{{names[n - 1]}}}" if n else "")}}}
            for n, name in enumerate(names)
        },
    }  # fmt: skip
    account.create("web", template)
    start = time.perf_counter()

    seen = account.look("web", template, Parameters=[key("P", "b")])

    assert time.perf_counter() - start < 0.3
    assert len(seen["Changes"]) == 100
