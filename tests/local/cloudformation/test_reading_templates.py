"""What a template may say: forms, sections, limits, parameters, functions, references."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from kubecfn.local.api import ServiceError
from kubecfn.local.cloudformation.graph import in_order
from kubecfn.local.cloudformation.template import URL_LIMIT, parse

TOPIC = {"Type": "AWS::SNS::Topic"}
YAML = """
AWSTemplateFormatVersion: 2010-09-09
Conditions: {Big: !Equals [a, a]}
Resources:
  One: {Type: 'AWS::SNS::Topic'}
  Two:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: !Sub '${One.TopicArn} of 2026-01-01'
      Description: !If [Big, !GetAtt One.TopicArn, !Ref AWS::NoValue]
      Name: !Join ['/', [a, !GetAtt [One, TopicArn], !Select [0, !Split [',', 'x,y']]]]
      Tags: {day: 2026-01-01, data: !Base64 {'Fn::Sub': 'hi'}}
"""


def resource(properties: dict[str, Any], kind: str = "AWS::SSM::Parameter", **rest: Any) -> dict[str, Any]:
    """A template with one parameter resource P beside a topic T."""
    return {"Resources": {"T": TOPIC, "P": {"Type": kind, "Properties": properties}}, **rest}


def test_short_form_tags_are_the_long_form():
    """AWS: "You can use the short form of functions in YAML"; both forms of !GetAtt are one; dates stay text."""
    properties = parse(YAML).resources["Two"]["Properties"]

    assert properties["Value"] == {"Fn::Sub": "${One.TopicArn} of 2026-01-01"}
    assert properties["Description"]["Fn::If"][1] == {"Fn::GetAtt": ["One", "TopicArn"]}
    assert properties["Name"]["Fn::Join"][1][1] == {"Fn::GetAtt": ["One", "TopicArn"]}
    assert properties["Tags"] == {"day": "2026-01-01", "data": {"Fn::Base64": {"Fn::Sub": "hi"}}}


def test_yaml_and_json_resolve_to_the_same(account):
    """A template's form does not matter for what it makes."""
    account.create("y", YAML)

    (made,) = account.shelf.all("AWS::SSM::Parameter").values()
    arn = "TopicArn:one-1:1"
    assert (made["Value"], made["Description"], made["Name"]) == (f"{arn} of 2026-01-01", arn, f"a/{arn}/x")
    assert made["Tags"] == {"day": "2026-01-01", "data": "aGk="}


REFUSED_TEXTS = {
    "JSON not well-formed": "{",
    "YAML not well-formed": "a: [",
    "unsupported structure": "- a",
    "At least one Resources member must be defined": "{}",
    "Invalid template property or properties \\[Resource\\]": json.dumps({"Resource": {}, "Resources": {"T": TOPIC}}),
    "transforms and macros are not emulated": json.dumps({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"T": TOPIC}}),
    "not a supported value for AWSTemplateFormatVersion": json.dumps({"AWSTemplateFormatVersion": "2020-01-01", "Resources": {"T": TOPIC}}),
    "Every Resources object must contain a Type member": json.dumps({"Resources": {"T": {}}}),
    "Invalid template resource property 'DeleteionPolicy'": json.dumps({"Resources": {"T": TOPIC | {"DeleteionPolicy": "Retain"}}}),
    "Unrecognized DeletionPolicy Keep": json.dumps({"Resources": {"T": TOPIC | {"DeletionPolicy": "Keep"}}}),
    "Resource name my-topic is non alphanumeric": json.dumps({"Resources": {"my-topic": TOPIC}}),
    "duplicate key found: T": "Resources: {T: {Type: 'AWS::SNS::Topic'}, T: {Type: 'AWS::SNS::Topic'}}",
    "Number of resources, 501, is greater than maximum allowed, 500": json.dumps({"Resources": {f"T{n}": TOPIC for n in range(501)}}),
    "Number of parameters, 201, is greater": json.dumps({"Resources": {"T": TOPIC}, "Parameters": {f"P{n}": {"Type": "String"} for n in range(201)}}),
    "'Description' length is greater than 1024": json.dumps({"Description": "x" * 1025, "Resources": {"T": TOPIC}}),
    "failed to satisfy constraint: Member must have length less than or equal to 51200": json.dumps({"Resources": {"T": TOPIC}, "Metadata": "x" * 51200}),
}  # fmt: skip


@pytest.mark.parametrize(("words", "body"), REFUSED_TEXTS.items(), ids=lambda value: value[:30])
def test_a_text_that_is_no_template_is_refused(words, body):
    """AWS: "Template anatomy" and "Understand CloudFormation quotas": a ValidationError in CloudFormation's words."""
    with pytest.raises(ServiceError, match=words) as refused:
        parse(body)
    assert refused.value.code == "ValidationError"


def test_five_hundred_resources_and_a_megabyte_by_url_are_allowed():
    """The limits themselves are allowed: 500 resources; 1 MB when the body comes from S3."""
    many = {"Resources": {f"T{n}": TOPIC for n in range(500)}, "Metadata": "x" * 60_000}

    assert len(parse(json.dumps(many), URL_LIMIT).resources) == 500
    with pytest.raises(ServiceError, match="may not exceed 1000000 bytes"):
        parse(json.dumps(many | {"Metadata": "x" * URL_LIMIT}), URL_LIMIT)


REFUSED_TEMPLATES: dict[str, dict[str, Any]] = {
    r"Unresolved resource dependencies \[X\] in the Resources block": resource({"Value": {"Ref": "X"}}),
    r"Unresolved resource dependencies \[Y\] in the Resources block": resource({"Value": {"Fn::Sub": "${Y}"}}),
    r"Unresolved resource dependencies \[Z\] in the Outputs block": resource({}, Outputs={"O": {"Value": {"Ref": "Z"}}}),
    "instance of Fn::GetAtt references undefined resource X": resource({"Value": {"Fn::GetAtt": ["X", "Arn"]}}),
    "resource T does not support attribute type Colour in Fn::GetAtt": resource({"Value": {"Fn::GetAtt": ["T", "Colour"]}}),
    r"Unrecognized resource types: \[AWS::SNS::Toppic\]": {"Resources": {"T": {"Type": "AWS::SNS::Toppic"}}},
    "Unresolved condition dependency Big in the Resources block": {"Resources": {"T": TOPIC | {"Condition": "Big"}}},
    "unresolved condition dependency Big in Fn::If": resource({"Value": {"Fn::If": ["Big", "a", "b"]}}),
    r"Unresolved dependencies \[T\]. Cannot reference resources in the Conditions block": resource({}, Conditions={"C": {"Fn::Equals": [{"Ref": "T"}, "a"]}}),
    "Fn::Lenght is not a function": resource({"Value": {"Fn::Lenght": [1]}}),
    "Mapping named 'M' is not present": resource({"Value": {"Fn::FindInMap": ["M", "a", "b"]}}),
    "Unable to get mapping for M::a::c": resource({"Value": {"Fn::FindInMap": ["M", "a", "c"]}}, Mappings={"M": {"a": {"b": "1"}}}),
    "Fn::Select cannot select nonexistent value at index 2": resource({"Value": {"Fn::Select": [2, ["a", "b"]]}}),
    r"No export named none found": resource({"Value": {"Fn::ImportValue": "none"}}),
}  # fmt: skip


@pytest.mark.parametrize(("words", "template"), REFUSED_TEMPLATES.items(), ids=lambda value: str(value)[:30])
def test_a_template_with_a_loose_end_makes_no_stack(account, words, template):
    """A reference that leads nowhere or a function used wrongly is refused, or fails the resource: nothing is made of it."""
    try:
        stack = account.create("web", template)
    except ServiceError as refused:
        assert refused.code == "ValidationError"
        said = [refused.message]
    else:
        assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
        said = account.reasons(stack["StackId"], "P")
    assert any(re.search(words, text) for text in said), said
    assert account.shelf.all("AWS::SSM::Parameter") == {}


def test_circular_dependencies_are_named():
    """AWS: "Circular dependency between resources": only the members of the cycle are named, not who waits for them."""
    graph = {"A": frozenset({"B"}), "B": frozenset({"A"}), "C": frozenset({"A"}), "D": frozenset()}

    with pytest.raises(ServiceError) as refused:
        in_order({name: frozenset(wanted) for name, wanted in graph.items()})
    assert refused.value.message == "Circular dependency between resources: [A, B]"


def value(account, expression: Any, **sections: Any) -> Any:
    """What an expression comes to in a created stack."""
    account.create("web", resource({"Value": expression}, **sections))
    (made,) = account.shelf.all("AWS::SSM::Parameter").values()
    return made.get("Value", "absent")


MAPS = {"Mappings": {"M": {"a": {"b": "found"}}}}
YES = {"Conditions": {"Yes": {"Fn::Not": [{"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Fn::Equals": [1, "2"]}]}]}}}
VALUES: list[tuple[Any, Any, dict[str, Any]]] = [
    ({"Ref": "AWS::Region"}, "eu-central-1", {}),
    ({"Ref": "AWS::NoValue"}, "absent", {}),
    ({"Fn::Sub": "${AWS::Partition}/${AWS::URLSuffix}/${AWS::AccountId}/${AWS::StackName}"}, "aws/amazonaws.com/111122223333/web", {}),
    ({"Fn::Sub": ["${a}-${!b}-${T}", {"a": {"Fn::Join": ["", ["x", 1, True]]}}]}, "x1true-${b}-t-1", {}),
    ({"Fn::GetAZs": ""}, ["eu-central-1a", "eu-central-1b", "eu-central-1c"], {}),
    ({"Fn::Select": ["1", {"Fn::GetAZs": {"Ref": "AWS::Region"}}]}, "eu-central-1b", {}),
    ({"Fn::Cidr": ["10.0.0.0/16", 3, 8]}, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"], {}),
    ({"Fn::FindInMap": ["M", "a", "b"]}, "found", MAPS),
    ({"Fn::FindInMap": ["M", "a", "z", {"DefaultValue": "else"}]}, "else", MAPS),
    ({"Fn::If": ["Yes", {"Fn::Split": ["-", "a-b"]}, "no"]}, ["a", "b"], YES),
    ({"Fn::If": ["No", "yes", {"Ref": "AWS::NoValue"}]}, "absent", {"Conditions": {"No": {"Fn::And": [{"Fn::Equals": ["a", "a"]}, {"Fn::Equals": ["a", "b"]}]}}}),
    ({"Fn::Base64": {"Fn::Sub": "${AWS::StackName}"}}, "d2Vi", {}),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected", "sections"), VALUES, ids=lambda case: json.dumps(case)[:40])
def test_functions_give_what_their_page_says(account, expression, expected, sections):
    """Template Reference, "Intrinsic function reference" and "Pseudo parameters reference", one case a function."""
    assert value(account, expression, **sections) == expected


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [("us-gov-west-1", "aws-us-gov", "amazonaws.com"), ("cn-north-1", "aws-cn", "amazonaws.com.cn")],
)
def test_partition_and_suffix_follow_the_region(account_in, region, partition, suffix):
    """AWS::Partition and AWS::URLSuffix are those of the stack's region; so is the stack's own ARN."""
    account = account_in(region)

    assert value(account, {"Fn::Sub": "${AWS::Partition} ${AWS::URLSuffix}"}) == f"{partition} {suffix}"
    assert account.stack("web")["StackId"].startswith(f"arn:{partition}:cloudformation:{region}:")


def test_dynamic_references_are_read_when_the_resource_is_made(account):
    """AWS: "Get values stored in other services": {{resolve:ssm:name}}; other services are refused, not left as text."""
    account.ssm["/size"] = "large"

    assert value(account, "{{resolve:ssm:/size}}-{{resolve:ssm:/size}}") == "large-large"
    stack = account.create("secret", resource({"Value": "{{resolve:secretsmanager:x}}"}))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"


P = "AWS::SSM::Parameter::Value<String>"
GOOD_PARAMETERS: list[tuple[dict[str, Any], str | None, Any]] = [
    ({"Type": "String", "Default": "d"}, None, "d"),
    ({"Type": "Number", "MinValue": 1, "MaxValue": 5}, "5", "5"),
    ({"Type": "CommaDelimitedList"}, "a, b,c", ["a", "b", "c"]),
    ({"Type": "List<Number>"}, "1,2", ["1", "2"]),
    ({"Type": "List<AWS::EC2::Subnet::Id>"}, "subnet-1a,subnet-2b", ["subnet-1a", "subnet-2b"]),
    ({"Type": "String", "AllowedValues": [1, "b", True]}, "true", "true"),
    ({"Type": "String", "AllowedPattern": "[a-z]+", "MinLength": 1, "MaxLength": 3}, "abc", "abc"),
    ({"Type": P, "Default": "/ami"}, None, "ami-0123"),
    ({"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"}, "/ami", "ami-0123"),
]


@pytest.mark.parametrize(("spec", "given", "expected"), GOOD_PARAMETERS)
def test_parameters_take_values_of_their_type(account, spec, given, expected):
    """AWS: "CloudFormation template Parameters syntax": defaults, lists, constraints, values read from Parameter Store."""
    account.ssm["/ami"] = "ami-0123"
    rows = [] if given is None else [{"ParameterKey": "V", "ParameterValue": given}]
    account.create("web", resource({"Value": {"Ref": "V"}}, Parameters={"V": spec}), Parameters=rows)

    (made,) = account.shelf.all("AWS::SSM::Parameter").values()
    assert made["Value"] == expected


BAD_PARAMETERS: list[tuple[dict[str, Any], str | None, str]] = [
    ({"Type": "String"}, None, r"Parameters: \[V\] must have values"),
    ({"Type": "Number"}, "three", "Parameter 'V' must be a number"),
    ({"Type": "Number", "MaxValue": 5}, "6", "Parameter 'V' must be a number not greater than 5"),
    ({"Type": "Number", "MinValue": 1}, "0", "Parameter 'V' must be a number not less than 1"),
    ({"Type": "Number", "AllowedValues": [1, 3, 5]}, "4", "Parameter 'V' must be one of AllowedValues"),
    ({"Type": "String", "AllowedPattern": "[a-z]+"}, "A1", r"Parameter 'V' must match pattern \[a-z\]\+"),
    ({"Type": "String", "AllowedPattern": "[a-z]+"}, "abc9", "must match pattern"),
    ({"Type": "String", "MinLength": 2}, "a", "must contain at least 2 characters"),
    ({"Type": "String", "MaxLength": 2}, "abc", "must contain at most 2 characters"),
    ({"Type": "String", "MaxLength": 2, "ConstraintDescription": "two letters"}, "abc", "Parameter 'V' failed to satisfy constraint: two letters"),
    ({"Type": "List<Number>"}, "1,b", "must be a number"),
    ({"Type": "AWS::EC2::VPC::Id"}, "vpc!", "parameter value vpc! for parameter name V does not exist"),
    ({"Type": "Strig"}, "a", "Unrecognized parameter type: Strig"),
    ({"Type": P}, "/none", r"Unable to fetch parameters \[/none\] from parameter store for this account"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "given", "words"), BAD_PARAMETERS)
def test_parameters_refuse_other_values(account, spec, given, words):
    """The twin: a value outside type or constraint is a ValidationError and no stack is left."""
    rows = [] if given is None else [{"ParameterKey": "V", "ParameterValue": given}]
    with pytest.raises(ServiceError, match=words):
        account.create("web", resource({}, Parameters={"V": spec}), Parameters=rows)
    with pytest.raises(ServiceError, match="does not exist"):
        account.stack("web")


def test_unknown_parameters_are_refused(account):
    """AWS: "Parameters: [...] do not exist in the template"."""
    with pytest.raises(ServiceError, match=r"Parameters: \[A, B\] do not exist in the template"):
        account.create("web", resource({}), Parameters=[{"ParameterKey": k, "ParameterValue": "x"} for k in "BA"])


def test_secrets_are_never_shown(account):
    """NoEcho: descriptions, change sets and contexts show asterisks, the resource gets the value."""
    template = resource({"Value": {"Fn::Sub": "pass ${V}"}}, Parameters={"V": {"Type": "String", "NoEcho": True}})
    secret = [{"ParameterKey": "V", "ParameterValue": "hush"}]
    account.create("web", template, Parameters=secret)
    changed = account.look("web", template, Parameters=[{"ParameterKey": "V", "ParameterValue": "shout"}])

    (made,) = account.shelf.all("AWS::SSM::Parameter").values()
    assert made["Value"] == "pass hush"
    assert account.stack("web")["Parameters"] == [{"ParameterKey": "V", "ParameterValue": "****"}]
    assert [change["ResourceChange"]["LogicalResourceId"] for change in changed["Changes"]] == ["P"]
    assert "hush" not in json.dumps(changed, default=str)
    assert "shout" not in json.dumps(changed, default=str)


def test_previous_values_are_kept_on_request(account):
    """UsePreviousValue takes the stack's value; without it, a parameter falls back to its default."""
    template = resource({"Value": {"Ref": "V"}}, Parameters={"V": {"Type": "String", "Default": "d"}})
    account.create("web", template, Parameters=[{"ParameterKey": "V", "ParameterValue": "mine"}])
    kept = account.look("web", template, "kept", Parameters=[{"ParameterKey": "V", "UsePreviousValue": True}])
    default = account.look("web", template, "default")

    assert kept["Status"] == "FAILED"
    assert default["Parameters"] == [{"ParameterKey": "V", "ParameterValue": "d"}]
    with pytest.raises(ServiceError, match="for a parameter key not in the previous template"):
        account.create("new", template, Parameters=[{"ParameterKey": "V", "UsePreviousValue": True}])


@pytest.mark.parametrize(
    "url",
    [
        "https://bucket.s3.eu-central-1.amazonaws.com/a/web.json",
        "https://s3.eu-central-1.amazonaws.com/bucket/a/web.json",
        "https://bucket.s3.amazonaws.com/a/web.json",
        "http://127.0.0.1:4/bucket/a/web.json",
    ],
)
def test_templates_can_come_from_s3(account, url):
    """TemplateURL: virtual-hosted and path style, and the embedded AWS's own address."""
    account.objects["bucket", "a/web.json"] = json.dumps(resource({"Value": "v"}))

    account.call("CreateStack", StackName="web", TemplateURL=url)

    assert account.settled("web")["StackStatus"] == "CREATE_COMPLETE"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.com/web.json", "TemplateURL must be a supported URL"),
        ("https://bucket.s3.amazonaws.com/none.json", "S3 error: The specified key does not exist."),
    ],
)
def test_other_urls_are_refused(account, url, words):
    """The twin: elsewhere, or nothing there."""
    with pytest.raises(ServiceError, match=words):
        account.call("CreateStack", StackName="web", TemplateURL=url)


def test_templates_are_summed_up(account):
    """GetTemplateSummary and ValidateTemplate say what a caller must give: parameters, capabilities."""
    template = resource(
        {},
        "AWS::IAM::Role",
        Parameters={"V": {"Type": "Number", "Default": 3, "AllowedValues": [3, 5], "Description": "size"}},
    )
    summary = account.call("GetTemplateSummary", TemplateBody=json.dumps(template))
    checked = account.call("ValidateTemplate", TemplateBody=json.dumps(template))

    assert summary["Parameters"] == [
        {
            "ParameterKey": "V", "NoEcho": False, "Description": "size", "DefaultValue": "3", "ParameterType": "Number",
            "ParameterConstraints": {"AllowedValues": ["3", "5"]},
        }
    ]  # fmt: skip
    assert summary["Capabilities"] == checked["Capabilities"] == ["CAPABILITY_IAM"]
    assert summary["ResourceTypes"] == ["AWS::IAM::Role", "AWS::SNS::Topic"]
    assert checked["CapabilitiesReason"] == "The following resource(s) require capabilities: [AWS::IAM::Role]"
