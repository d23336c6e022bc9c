"""Every rule about AWS holds for every emitted template, and fails for one that breaks it."""

from __future__ import annotations

import pytest
from made_templates import EXAMPLES

from kubecfn.template.bucket import build_bucket
from kubecfn.template.rules import RULES, check

STAR = {"Sid": "Everything", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]}


def properties(template, logical_id):
    return template["Resources"][logical_id]["Properties"]


def launch(template, group="Controllers"):
    return properties(template, f"{group}LaunchTemplate")["LaunchTemplateData"]


def rolling(template, group="Controllers"):
    return template["Resources"][group]["UpdatePolicy"]["AutoScalingRollingUpdate"]


def no_longer_after(logical_id):
    def act(template):
        for resource in template["Resources"].values():
            if isinstance(resource.get("DependsOn"), list):
                resource["DependsOn"] = [name for name in resource["DependsOn"] if name != logical_id]

    return act


def without(path):
    """Return an act that removes a property, given as ``Resource.Property.Property``."""
    logical_id, *steps, last = path.split(".")

    def act(template):
        node = properties(template, logical_id)
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node[step]
        del node[last]

    return act


def put(path, value):
    """Return an act that sets a property."""
    logical_id, *steps, last = path.split(".")

    def act(template):
        node = properties(template, logical_id)
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node[step]
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value

    return act


def gone(*logical_ids):
    def act(template):
        for logical_id in logical_ids:
            del template["Resources"][logical_id]

    return act


def added(logical_id, kind, **given):
    def act(template):
        template["Resources"][logical_id] = {
            "Type": f"AWS::{kind}",
            "Metadata": {"Role": "Added."},
            "Properties": given,
        }

    return act


def allow(statement):
    def act(template):
        properties(template, "ControllerRole")["Policies"][0]["PolicyDocument"]["Statement"].append(statement)

    return act


def interfaces_without(action):
    """Return an act that takes one right from the role of the backup function."""

    def act(template):
        for statement in properties(template, "EtcdBackupRole")["Policies"][0]["PolicyDocument"]["Statement"]:
            statement["Action"] = [one for one in statement["Action"] if one != action]

    return act


def attribute(logical_id, name, value):
    def act(template):
        template["Resources"][logical_id][name] = value

    return act


def balancer_attribute(logical_id, prop, value):
    def act(template):
        properties(template, logical_id)[prop][0]["Value"] = value

    return act


BREAKS = [
    ("K101", "Controllers", no_longer_after("PrivateRoute2")),
    ("K101", "Controllers", no_longer_after("S3Endpoint")),
    ("K101", "WorkerLifecycle", no_longer_after("PrivateRoute2")),
    ("K101", "EtcdBackup", no_longer_after("S3Endpoint")),
    ("K101", "ControllerLifecycle", no_longer_after("PrivateSubnet2Routes")),
    ("K102", "Controllers", no_longer_after("ControllerLifecyclePermission")),
    ("K102", "PoolGeneral", no_longer_after("WorkerLifecycleSchedulePermission")),
    ("K102", "Controllers", put("ControllerLifecycleRule.EventPattern.detail.LifecycleHookName.0", "another")),
    ("K102", "PoolGeneral", put("WorkerLifecycleRule.EventPattern.detail-type.0", "EC2 Instance Launch Successful")),
    ("K103", "Controllers", no_longer_after("EtcdFromControllers")),
    ("K103", "PoolGeneral", no_longer_after("ApiFromWorkers")),
    ("K103", "EtcdBackup", no_longer_after("EtcdFromFunctions")),
    ("K103", "Controllers", no_longer_after("EtcdFromFunctions")),
    ("K103", "PoolBurst", no_longer_after("Controllers")),
    ("K103", "WorkerLifecycle", no_longer_after("ApiFromFunction")),
    ("K104", "Late", added("Late", "AutoScaling::LifecycleHook", AutoScalingGroupName={"Ref": "Controllers"})),
    ("K105", "Controllers", attribute("Controllers", "CreationPolicy", {})),
    ("K105", "PoolGeneral", attribute("PoolGeneral", "CreationPolicy", {"ResourceSignal": {"Timeout": "PT5M"}})),
    ("K106", "Controllers", lambda t: rolling(t).update(WaitOnResourceSignals=False)),
    ("K106", "Controllers", lambda t: rolling(t)["SuspendProcesses"].remove("ReplaceUnhealthy")),
    ("K106", "PoolBurst", lambda t: rolling(t, "PoolBurst").pop("PauseTime")),
    ("K107", "Controllers", put("Controllers.MaxSize", "5")),
    ("K107", "PoolBurst", lambda t: rolling(t, "PoolBurst").update(MinInstancesInService=50)),
    ("K108", "PoolGeneral", put("PoolGeneral.DesiredCapacity", "3")),
    ("K108", "Controllers", lambda t: t["Resources"]["Controllers"]["UpdatePolicy"].pop("AutoScalingScheduledAction")),
    ("K109", "Controllers", put("Controllers.HealthCheckType", "ELB")),
    ("K110", "Controllers", without("Controllers.InstanceLifecyclePolicy")),
    ("K110", "Controllers", lambda t: t["Outputs"].pop("ControllersGroup")),
    ("K111", "Controllers", no_longer_after("EtcdBackupSchedulePermission")),
    ("K201", "ControllersLaunchTemplate", lambda t: launch(t)["MetadataOptions"].update(HttpTokens="optional")),
    ("K201", "ControllersLaunchTemplate", lambda t: launch(t)["MetadataOptions"].update(HttpPutResponseHopLimit=2)),
    (
        "K202",
        "PoolBurstLaunchTemplate",
        lambda t: launch(t, "PoolBurst")["BlockDeviceMappings"][0]["Ebs"].pop("Encrypted"),
    ),
    (
        "K203",
        "ControllersLaunchTemplate",
        lambda t: launch(t)["BlockDeviceMappings"][0]["Ebs"].update(KmsKeyId={"Fn::GetAtt": ["ClusterKey", "Arn"]}),
    ),
    (
        "K203",
        "ControllersLaunchTemplate",
        lambda t: launch(t)["BlockDeviceMappings"][0]["Ebs"].update(KmsKeyId={"Ref": "ArtifactKeyArn"}),
    ),
    ("K204", "ControllersLaunchTemplate", lambda t: launch(t).update(KeyName="mine")),
    ("K301", "S3Endpoint", put("S3Endpoint.ServiceName", "s3.us-east-1.amazonaws.com")),
    ("K301", "ControllerRole", allow(STAR | {"Resource": ["arn:aws:s3:::bucket/*"]})),
    ("K301", "EtcdDiscoveryPermission", put("EtcdDiscoveryPermission.Principal", "logs.amazonaws.com")),
    ("K302", "ControllerRole", allow(STAR)),
    ("K302", "ControllerRole", allow(STAR | {"Action": ["cloudwatch:PutMetricData"]})),
    (
        "K302",
        "ControllerRole",
        allow(STAR | {"Action": ["s3:GetObject"], "Condition": {"StringEquals": {"cloudwatch:namespace": "kubecfn"}}}),
    ),
    ("K303", "ControllerRole", allow(STAR | {"Action": ["s3:*"], "Resource": ["x"]})),
    ("K303", "ControllerRole", allow({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": ["x"]})),
    (
        "K304",
        "WorkerRole",
        put("WorkerRole.ManagedPolicyArns", [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/Any"}]),
    ),
    ("K305", "Password", lambda t: t["Parameters"].update(Password={"Type": "String", "NoEcho": True})),
    (
        "K305",
        "ControllerLifecycle",
        put("ControllerLifecycle.Environment.Variables.KEY", "{{resolve:secretsmanager:a}}"),
    ),
    ("K401", "EtcdDiscovery", put("EtcdDiscovery.ReservedConcurrentExecutions", 1)),
    ("K402", "EtcdDiscovery", put("EtcdDiscovery.VpcConfig", {"SubnetIds": ["subnet-1"]})),
    ("K402", "EtcdBackup", gone("EtcdFromFunctions")),
    ("K407", "EtcdBackup", interfaces_without("ec2:DeleteNetworkInterface")),
    ("K407", "EtcdBackup", interfaces_without("ec2:DescribeSubnets")),
    ("K403", "EtcdDiscovery", without("EtcdDiscovery.LoggingConfig")),
    ("K403", "NodeLogGroup", without("NodeLogGroup.RetentionInDays")),
    ("K403", "NodeLogGroup", without("NodeLogGroup.KmsKeyId")),
    ("K404", "EtcdDiscoverySchedule", gone("EtcdDiscoverySchedulePermission")),
    (
        "K404",
        "EtcdDiscoveryRule",
        put("EtcdDiscoveryPermission.SourceArn", {"Fn::GetAtt": ["EtcdDiscoverySchedule", "Arn"]}),
    ),
    ("K405", "EtcdDiscoveryPermission", without("EtcdDiscoveryPermission.SourceArn")),
    ("K406", "WorkerLifecycleRule", gone("WorkerLifecycleSchedule")),
    ("K501", "Zone", None),
    ("K502", "ApiLoadBalancer", balancer_attribute("ApiLoadBalancer", "LoadBalancerAttributes", "false")),
    ("K503", "ApiLoadBalancer", without("ApiLoadBalancer.SecurityGroups")),
    ("K504", "ApiTargetGroup", balancer_attribute("ApiTargetGroup", "TargetGroupAttributes", "true")),
    ("K505", "ApiTargetGroup", put("ApiTargetGroup.HealthCheckProtocol", "TCP")),
    ("K506", "ApiLoadBalancer", attribute("ApiLoadBalancer", "DependsOn", [])),
    ("K506", "NatAddress1", attribute("NatAddress1", "DependsOn", [])),
    ("K601", "BackupBucket", attribute("BackupBucket", "DeletionPolicy", "Delete")),
    ("K601", "ClusterKey", lambda t: t["Resources"]["ClusterKey"].pop("UpdateReplacePolicy")),
    ("K602", "BackupBucket", gone("BackupBucketPolicy")),
    ("K602", "BackupBucket", put("BackupBucket.PublicAccessBlockConfiguration.BlockPublicAcls", False)),
    ("K602", "BackupBucket", without("BackupBucket.VersioningConfiguration")),
    ("K602", "BackupBucket", without("BackupBucket.BucketEncryption")),
    ("K603", "BackupBucket", without("BackupBucket.LifecycleConfiguration.Rules.0.Prefix")),
    ("K603", "BackupBucket", put("BackupBucket.LifecycleConfiguration.Rules.0.Prefix", "e")),
    ("K603", "BackupBucket", put("BackupBucket.LifecycleConfiguration.Rules.0.Prefix", "etcd/words/")),
    ("K603", "BackupBucket", put("BackupBucket.LifecycleConfiguration.Rules.2.ExpirationInDays", 7)),
    ("K701", "Inner", added("Inner", "CloudFormation::Stack", TemplateURL="x")),
    ("K701", "Transform", lambda t: t.update(Transform="AWS::Serverless-2016-10-31")),
    ("K702", "Vpc", lambda t: t["Resources"]["Vpc"].pop("Metadata")),
    ("K703", "VpcCidr", lambda t: t["Parameters"]["VpcCidr"].pop("Description")),
    ("K703", "VpcCidr", lambda t: t["Parameters"]["VpcCidr"].pop("AllowedPattern")),
    ("K703", "VpcCidr", lambda t: t["Parameters"]["VpcCidr"].pop("ConstraintDescription")),
    ("K703", "VpcCidr", lambda t: t["Metadata"]["AWS::CloudFormation::Interface"]["ParameterLabels"].pop("VpcCidr")),
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_keeps_every_rule(examples, name):
    """What we emit is what we say AWS needs."""
    made = examples[name]

    assert check(made.data, made.config.region) == []


def test_the_artifact_buckets_stack_keeps_every_rule():
    """The small stack is held to the same."""
    assert check(build_bucket().to_dict(), "eu-central-1") == []


@pytest.mark.parametrize(
    ("code", "logical_id", "act"), BREAKS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_template_that_breaks_a_rule_is_found(mixed, code, logical_id, act):
    """Each rule finds its breach and names the resource; a GovCloud region is the breach of the one without an act."""
    broken = mixed.copy()
    if act is not None:
        act(broken)
    findings = check(broken, "us-gov-west-1" if act is None else "us-east-1")

    assert (code, logical_id) in {(finding.code, finding.logical_id) for finding in findings}


def test_every_rule_has_a_template_that_breaks_it():
    """A rule nobody ever saw fail is no rule."""
    assert {rule.code for rule in RULES} == {code for code, _, _ in BREAKS}


def test_codes_are_unique_and_documented():
    """A code means one thing, says it in a sentence and names where it is written."""
    codes = [rule.code for rule in RULES]

    assert len(codes) == len(set(codes))
    assert codes == sorted(codes)
    assert all(rule.says.endswith(".") and rule.source for rule in RULES)
    assert str(check({"Resources": {"A": {"Type": "AWS::EC2::VPC"}}}, "eu-central-1")[0])[-1] == "."
