"""Change-set entries as DescribeChangeSet answers them, and a small stack to change."""

import copy
import json

from kubecfn.deploy.explain import StackFacts, Subject

OLD_HASH, NEW_HASH = "a" * 64, "b" * 64

TEMPLATE = {
    "Parameters": {
        "ControllerBundleSha256": {"Type": "String"},
        "WorkerBundleSha256": {"Type": "String"},
        "KubernetesVersion": {"Type": "String", "Default": "1.35.4"},
        "EtcdVersion": {"Type": "String", "Default": "3.5.26"},
        "PoolSize": {"Type": "Number", "Default": "2"},
        "ApiScheme": {"Type": "String", "Default": "internal"},
    },
    "Resources": {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "PrivateSubnet1": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}}},
        "Zone": {"Type": "AWS::Route53::HostedZone", "Properties": {"Name": "payments.example.com"}},
        "BackupBucket": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"BucketName": "payments-backups"},
        },
        "NodeLogGroup": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}},
        "ApiLoadBalancer": {
            "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "Properties": {"Scheme": {"Ref": "ApiScheme"}, "Type": "network"},
        },
        "ControllerSecurityGroup": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "controllers",
                "SecurityGroupIngress": [
                    {"IpProtocol": "tcp", "FromPort": 6443, "ToPort": 6443, "CidrIp": "10.0.0.0/8"},
                ],
            },
        },
        "ControllerRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": "sts:AssumeRole",
                            "Principal": {"Service": {"Fn::Sub": "ec2.${AWS::URLSuffix}"}},
                        },
                    ],
                },
                "Policies": [
                    {
                        "PolicyName": "own",
                        "PolicyDocument": {
                            "Statement": [
                                {
                                    "Effect": "Allow",
                                    "Action": ["s3:GetObject"],
                                    "Resource": {"Fn::Sub": "arn:${AWS::Partition}:s3:::artifacts/payments/*"},
                                },
                            ],
                        },
                    },
                ],
            },
        },
        "ControllersLaunchTemplate": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"UserData": {"Fn::Base64": {"Ref": "ControllerBundleSha256"}}}},
        },
        "Controllers": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": "3",
                "MaxSize": "4",
                "DesiredCapacity": "3",
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "ControllersLaunchTemplate"},
                    "Version": {"Fn::GetAtt": ["ControllersLaunchTemplate", "LatestVersionNumber"]},
                },
                "VPCZoneIdentifier": [{"Ref": "PrivateSubnet1"}],
            },
            "UpdatePolicy": {
                "AutoScalingRollingUpdate": {
                    "MaxBatchSize": "1",
                    "MinInstancesInService": "3",
                    "PauseTime": "PT15M",
                    "WaitOnResourceSignals": "true",
                },
            },
        },
        "PoolGeneralLaunchTemplate": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"UserData": {"Fn::Base64": {"Ref": "WorkerBundleSha256"}}}},
        },
        "PoolGeneral": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "DependsOn": ["Controllers"],
            "Properties": {
                "MinSize": {"Ref": "PoolSize"},
                "MaxSize": "10",
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "PoolGeneralLaunchTemplate"},
                    "Version": {"Fn::GetAtt": ["PoolGeneralLaunchTemplate", "LatestVersionNumber"]},
                },
            },
            "UpdatePolicy": {
                "AutoScalingRollingUpdate": {
                    "MaxBatchSize": "2",
                    "MinInstancesInService": "0",
                    "PauseTime": "PT10M",
                    "WaitOnResourceSignals": "true",
                },
            },
        },
    },
}
PARAMETERS = {"ControllerBundleSha256": OLD_HASH, "WorkerBundleSha256": OLD_HASH}


def detail(
    name, *, recreation="Never", source="DirectModification", entity=None, evaluation="Static", attribute="Properties"
):
    """One ResourceChangeDetail."""
    target = {"Attribute": attribute, "RequiresRecreation": recreation}
    if attribute == "Properties":
        target |= {"Name": name, "Path": f"/Properties/{name}", "AttributeChangeType": "Modify"}
    found = {"Target": target, "Evaluation": evaluation, "ChangeSource": source}
    return found | ({"CausingEntity": entity} if entity else {})


def modify(logical_id, *details, replacement="False", kind=None, **more):
    """One ResourceChange with Action Modify."""
    return {
        "Action": "Modify",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": f"{logical_id}-1",
        "ResourceType": kind or TEMPLATE["Resources"][logical_id]["Type"],
        "Replacement": replacement,
        "Scope": sorted({each["Target"]["Attribute"] for each in details}),
        "Details": list(details),
        **more,
    }


def add(logical_id, kind):
    """One ResourceChange with Action Add."""
    return {"Action": "Add", "LogicalResourceId": logical_id, "ResourceType": kind, "Scope": [], "Details": []}


def remove(logical_id, **more):
    """One ResourceChange with Action Remove."""
    kind = TEMPLATE["Resources"][logical_id]["Type"]
    return {"Action": "Remove", "LogicalResourceId": logical_id, "ResourceType": kind, "Scope": [], **more}


def rolling(group, parameter):
    """What a changed bundle does: a new version of the launch template, and through it the group."""
    template = f"{group}LaunchTemplate"
    return [
        modify(template, detail("LaunchTemplateData", source="ParameterReference", entity=parameter)),
        modify(
            group,
            detail(
                "LaunchTemplate",
                recreation="Conditionally",
                evaluation="Dynamic",
                source="ResourceAttribute",
                entity=f"{template}.LatestVersionNumber",
            ),
            replacement="Conditional",
        ),
    ]


def changed(**resources):
    """A copy of the template with properties of resources set: ``changed(Vpc={"CidrBlock": …})``."""
    template = copy.deepcopy(TEMPLATE)
    for logical_id, properties in resources.items():
        template["Resources"][logical_id]["Properties"] |= properties
    return template


def subject(*changes, template=None, old=TEMPLATE, parameters=None, policy=None, exists=True, **facts):
    """A Subject about the stack ``payments``."""
    return Subject(
        stack=StackFacts("payments", exists=exists, policy=policy, **facts),
        changes=tuple(json.loads(json.dumps(changes))),
        old_template=old if exists else {},
        new_template=template or TEMPLATE,
        old_parameters=PARAMETERS if exists else {},
        new_parameters=PARAMETERS | (parameters or {}),
    )
