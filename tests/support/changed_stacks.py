"""The templates of AWS's "Example change sets for CloudFormation stacks", and ways to edit them and to read what would change."""

from __future__ import annotations

import copy
from typing import Any

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


# The template of "Example change sets for CloudFormation stacks", as far as its types are known here.
INSTANCE: dict[str, Any] = {
    "Parameters": {
        "Purpose": {"Type": "String", "Default": "testing", "AllowedValues": ["testing", "production"]},
        "KeyPairName": {"Type": "AWS::EC2::KeyPair::KeyName", "Default": "old-key"},
        "InstanceType": {"Type": "String", "Default": "t2.micro"},
    },
    "Resources": {
        "MyEC2Instance": {
            "Type": "AWS::EC2::Instance",
            "Properties": {
                "KeyName": {"Ref": "KeyPairName"},
                "InstanceType": {"Ref": "InstanceType"},
                "ImageId": "ami-8fcee4e5",
                "Tags": [{"Key": "Purpose", "Value": {"Ref": "Purpose"}}],
            },
        }
    },
}


NETWORK: dict[str, Any] = {
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16", "EnableDnsSupport": True}},
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.1.0/24"}},
        "Note": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Fn::GetAtt": ["Vpc", "CidrBlock"]}},
        },
    }
}


GROUP: dict[str, Any] = {
    "Parameters": {"Ami": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "Default": "/ami"}},
    "Resources": {
        "Lt": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": {"ImageId": {"Ref": "Ami"}}}},
        "Group": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": "0",
                "MaxSize": "2",
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "Lt"},
                    "Version": {"Fn::GetAtt": ["Lt", "LatestVersionNumber"]},
                },
            },
        },
    },
}


def edited(template: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    """The template with one value below Resources set; None takes it away."""
    made = copy.deepcopy(template)
    *above, last = path
    node = made["Resources"]
    for key in above:
        node = node.setdefault(key, {})
    if to is None:
        del node[last]
    else:
        node[last] = to
    return made


def key(name: str, value: str) -> dict[str, Any]:
    """One parameter of a request."""
    return {"ParameterKey": name, "ParameterValue": value}


def reasons(change: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Source, evaluation and cause of each detail."""
    return {(one["ChangeSource"], one["Evaluation"], one.get("CausingEntity", "")) for one in change["Details"]}
