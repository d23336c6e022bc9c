"""Stack policies, after the User Guide, "Prevent updates to stack resources"."""

from __future__ import annotations

import json

import pytest
from chained_stacks import CHAIN, edited, without

from kubecfn.local.api import ServiceError

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
