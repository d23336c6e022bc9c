"""Roles for people: who may assume them, that they may do nothing in AWS, and how a controller and a person find them."""

from __future__ import annotations

import pytest
from troposphere import Template

from kubecfn.config import load_text
from kubecfn.template.access import access_tags, add_access
from kubecfn.template.rules import check

ACCOUNT = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
REGIONS = {"aws": "eu-central-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}


def emitted(access: str, region: str = "eu-central-1"):
    """Return the configuration and the part of a template that its access becomes."""
    config = load_text(
        f"name: payments\nregion: {region}\ndns: {{private: true, domain: k.internal}}\naccess: {access}\n"
    )
    template = Template()
    add_access(template, config)
    return config, template.to_dict()


def trusted(role):
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", ["sts:AssumeRole"])
    return statement["Principal"]["AWS"]


def test_without_access_there_is_no_role() -> None:
    """Nothing is made for what nobody asked for."""
    config, made = emitted("[]")

    assert made.get("Resources", {}) == made.get("Outputs", {}) == access_tags(config) == {}


def test_a_role_of_an_access_may_do_nothing_in_aws() -> None:
    """It has neither policies nor a name that another stack could take: it only says who one is."""
    _, made = emitted("[{name: on-call}]")

    properties = made["Resources"]["AccessOnCallRole"]["Properties"]
    assert set(properties) == {"AssumeRolePolicyDocument", "Description"}


def test_who_is_not_named_must_be_let_in_by_the_account_itself() -> None:
    """By default the account is trusted: whoever its own policies allow sts:AssumeRole on this role."""
    _, made = emitted("[{name: on-call}]")

    assert trusted(made["Resources"]["AccessOnCallRole"]) == [ACCOUNT]


@pytest.mark.parametrize("partition", REGIONS)
def test_named_principals_alone_are_trusted_and_true_in_their_partition(partition) -> None:
    """A list takes the account's place; no ARN is bound to one partition."""
    arn = f"arn:{partition}:iam::123456789012:role/path/developers"

    _, made = emitted(f"[{{name: dev, principals: [{arn}]}}]", REGIONS[partition])

    named = {"Fn::Sub": "arn:${AWS::Partition}:iam::123456789012:role/path/developers"}
    assert trusted(made["Resources"]["AccessDevRole"]) == [named]


def test_the_rules_for_every_template_find_nothing_to_say() -> None:
    """The walk over the template that refuses wide rights and literal partitions has nothing against these roles."""
    _, made = emitted("[{name: on-call}, {name: dev, principals: [arn:aws:iam::123456789012:root]}]")
    ours = {"AccessOnCallRole", "AccessDevRole"}
    whole = {"Parameters": {}, **made}

    assert [str(one) for one in check(whole, "eu-central-1") if one.logical_id in ours] == []

    principal = whole["Resources"]["AccessDevRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0][
        "Principal"
    ]
    principal["AWS"] = ["arn:aws:iam::123456789012:root"]
    assert [one.logical_id for one in check(whole, "eu-central-1") if one.logical_id in ours] == ["AccessDevRole"]


def test_a_controller_finds_each_role_by_a_tag_and_a_person_by_an_output() -> None:
    """Tag and output of one access hold the ARN of its own role."""
    config, made = emitted("[{name: on-call}, {name: dev}]")

    arns = {"on-call": {"Fn::GetAtt": ["AccessOnCallRole", "Arn"]}, "dev": {"Fn::GetAtt": ["AccessDevRole", "Arn"]}}
    tags = {key: value.to_dict() for key, value in access_tags(config).items()}
    assert tags == {f"kubecfn:access-{name}": arn for name, arn in arns.items()}
    assert {name: output["Value"] for name, output in made["Outputs"].items()} == {
        "AccessOnCallRoleArn": arns["on-call"],
        "AccessDevRoleArn": arns["dev"],
    }
