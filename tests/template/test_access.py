"""Who may do what: each right is one that the code uses, and the code finds what the template gives it."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import sys

import pytest
from made_templates import ROOT

from kubecfn.config import load
from kubecfn.template.addon_rights import addon_rights
from kubecfn.template.rules.view import as_list, target

CONFIG = load(ROOT / "config/minimal-public.yaml")

NODE_RIGHTS = {
    "s3:GetObject",
    "kms:Decrypt",
    "cloudformation:SignalResource",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
}
HOOK_RIGHTS = {
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:CompleteLifecycleAction",
    "cloudformation:DescribeStacks",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
}
KEEPS_STATE = {
    "autoscaling:DescribeAutoScalingGroups",
    "ec2:DescribeInstances",
    "s3:GetObject",
    "s3:PutObject",
    "s3:ListBucket",
    "kms:Decrypt",
    "kms:GenerateDataKey",
}
# What Lambda does in the name of a function in the VPC.
INSIDE = {
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}
PULLS = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
}
# Which these are is tried beside the add-ons that call them.
OF_ADDONS = {action.JSONrepr() for row in addon_rights(CONFIG) for action in row.properties["Action"]}
RIGHTS = {
    "ControllerRole": NODE_RIGHTS | KEEPS_STATE | PULLS | OF_ADDONS | {"cloudwatch:PutMetricData"},
    "WorkerRole": NODE_RIGHTS | PULLS,
    "ControllerLifecycleRole": HOOK_RIGHTS
    | KEEPS_STATE
    | INSIDE
    | {
        "autoscaling:RecordLifecycleActionHeartbeat",
        "autoscaling:TerminateInstanceInAutoScalingGroup",
        "lambda:InvokeFunction",
        "s3:DeleteObject",
    },
    "EtcdBackupRole": KEEPS_STATE | INSIDE | {"cloudwatch:PutMetricData", "logs:CreateLogStream", "logs:PutLogEvents"},
    "WorkerLifecycleRole": HOOK_RIGHTS
    | INSIDE
    | {"autoscaling:RecordLifecycleActionHeartbeat", "s3:GetObject", "kms:Decrypt"},
    "EtcdDiscoveryRole": {
        "autoscaling:DescribeAutoScalingGroups",
        "ec2:DescribeInstances",
        "route53:ChangeResourceRecordSets",
        "route53:ListResourceRecordSets",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    },
}


def statements(made, role):
    return [row for policy in made.properties(role)["Policies"] for row in policy["PolicyDocument"]["Statement"]]


@pytest.mark.parametrize("role", RIGHTS)
def test_a_role_may_do_what_its_code_calls_and_nothing_else(minimal, role):
    """A right nobody uses is only of use to an intruder; a missing one stops the node."""
    allowed = {action for row in statements(minimal, role) for action in as_list(row["Action"])}

    assert RIGHTS[role] == allowed
    assert {"Allow"} == {row["Effect"] for row in statements(minimal, role)}


def test_no_role_exists_that_is_not_in_the_table(minimal):
    """A new role needs a line in the table above."""
    assert set(RIGHTS) == set(minimal.of_type("IAM::Role"))


@pytest.mark.parametrize(("role", "folder"), [("ControllerRole", "controller"), ("WorkerRole", "worker")])
def test_a_node_reads_its_own_bundle_alone(minimal, role, folder):
    """Workers never read what controllers are made of, since keys are in it."""
    readable = [one for one in below(minimal, role, "s3:GetObject") if "ArtifactBucket" in one]

    assert [f"arn:${{AWS::Partition}}:s3:::${{ArtifactBucket}}/minimal/{folder}/*"] == readable


def below(made, role, action):
    """Return what a role may do an S3 action with, as Sub texts."""
    rows = [row for row in statements(made, role) if action in row["Action"]]
    return [resource["Fn::Sub"] for row in rows for resource in row["Resource"]]


CERTIFICATE = "arn:${AWS::Partition}:s3:::${ArtifactBucket}/minimal/functions/etcd-client-${EtcdClientSha256}.json"


@pytest.mark.parametrize(
    ("role", "read", "written", "deleted"),
    [
        ("ControllerRole", ["etcd/*", "snapshots/*"], ["etcd/*", "snapshots/*"], []),
        (
            "ControllerLifecycleRole",
            ["etcd/*"],
            ["etcd/leases/*", "etcd/leaving/*", "etcd/requests/*"],
            ["etcd/words/*", "etcd/leaving/*"],
        ),
        ("EtcdBackupRole", ["etcd/*", "snapshots/*"], ["etcd/leases/*", "daily/*"], []),
    ],
)
def test_state_and_snapshots_are_open_by_prefix(minimal, role, read, written, deleted):
    """No function can write the cluster object or a snapshot, and nobody can delete either."""
    bucket = "${BackupBucket.Arn}/"
    kept = [one for one in below(minimal, role, "s3:GetObject") if one.startswith(bucket)]

    assert [bucket + prefix for prefix in read] == kept
    assert [bucket + prefix for prefix in written] == below(minimal, role, "s3:PutObject")
    assert [bucket + prefix for prefix in deleted] == below(minimal, role, "s3:DeleteObject")


@pytest.mark.parametrize("role", ["ControllerLifecycleRole", "EtcdBackupRole"])
def test_a_function_reads_the_one_certificate_that_the_stack_names(minimal, role):
    """Of the artifacts a function sees its certificate alone, by the hash that its environment names."""
    properties = minimal.properties(role.removesuffix("Role"))

    assert [one for one in below(minimal, role, "s3:GetObject") if "ArtifactBucket" in one] == [CERTIFICATE]
    assert CERTIFICATE.endswith("/" + properties["Environment"]["Variables"]["ETCD_CLIENT_KEY"]["Fn::Sub"])


@pytest.mark.parametrize(
    ("role", "keys"),
    [
        ("ControllerRole", {"ArtifactKeyArn", "ClusterKey"}),
        ("WorkerRole", {"ArtifactKeyArn"}),
        ("ControllerLifecycleRole", {"ArtifactKeyArn", "ClusterKey"}),
        ("EtcdBackupRole", {"ArtifactKeyArn", "ClusterKey"}),
        ("WorkerLifecycleRole", {"ArtifactKeyArn"}),
    ],
)
def test_keys_are_used_through_s3_alone(minimal, role, keys):
    """Nobody can use a key for anything but reading and writing S3, nor encrypt with the artifacts'."""
    rows = [row for row in statements(minimal, role) if any(one.startswith("kms:") for one in row["Action"])]
    used = {
        action: {target(key) for row in rows if action in row["Action"] for key in row["Resource"]}
        for action in ("kms:Decrypt", "kms:GenerateDataKey")
    }

    assert used == {"kms:Decrypt": keys, "kms:GenerateDataKey": keys - {"ArtifactKeyArn"}}
    for row in rows:
        assert row["Condition"]["StringEquals"] == {
            "kms:ViaService": {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}
        }


def test_the_workers_function_reads_the_one_authority_that_the_stack_names(minimal):
    """Whom it trusts is decided by a hash in the template, not by whoever may write the bucket."""
    where = "arn:${AWS::Partition}:s3:::${ArtifactBucket}/minimal/functions/kubernetes-ca-${KubernetesCaSha256}.json"
    named = minimal.properties("WorkerLifecycle")["Environment"]["Variables"]["KUBERNETES_CA_KEY"]["Fn::Sub"]

    assert below(minimal, "WorkerLifecycleRole", "s3:GetObject") == [where]
    assert where.endswith("/" + named)


def test_the_workers_function_tells_people_in_the_nodes_log_and_writes_its_own(minimal):
    """Two log groups, and no other; the rights to write them are told apart by name."""
    rows = [row for row in statements(minimal, "WorkerLifecycleRole") if "logs:PutLogEvents" in row["Action"]]

    assert [target(row["Resource"][0]) for row in rows] == ["NodeLogGroup", "WorkerLifecycleLogGroup"]
    assert len({row["Sid"] for row in rows}) == 2


@pytest.mark.parametrize("role", ["ControllerLifecycleRole", "EtcdBackupRole", "WorkerLifecycleRole"])
def test_network_interfaces_are_lambdas_and_never_the_codes(minimal, role):
    """Calls of the function's own code carry lambda:SourceFunctionArn, and with it these rights are none."""
    rows = [row for row in statements(minimal, role) if set(row["Action"]) & (INSIDE - KEEPS_STATE)]

    assert len(rows) == 2
    assert all(row["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}} for row in rows)


def test_metrics_are_published_in_one_namespace(minimal):
    """PutMetricData knows no resource, so its condition names what it is about."""
    (row,) = [row for row in statements(minimal, "EtcdBackupRole") if "cloudwatch:PutMetricData" in row["Action"]]

    assert row["Condition"] == {"StringEquals": {"cloudwatch:namespace": "kubecfn"}}


def test_a_controller_finds_its_bucket_by_a_tag_of_its_own(minimal):
    """The bucket's name is CloudFormation's choice: the bundle cannot name it, the instance's tag does."""
    for group, wanted in (("Controllers", {"Ref": "BackupBucket"}), ("PoolGeneral", None)):
        tagged = minimal.properties(f"{group}LaunchTemplate")["LaunchTemplateData"]["TagSpecifications"][0]
        tags = {tag["Key"]: tag["Value"] for tag in tagged["Tags"]}

        assert tagged["ResourceType"] == "instance"
        assert tags.get("kubecfn:backup-bucket") == wanted


def test_a_function_completes_the_hooks_of_its_own_groups_alone(minimal):
    """The workers' function cannot let a controller go, nor the other way round."""
    named = {}
    for role in ("ControllerLifecycleRole", "WorkerLifecycleRole"):
        (row,) = [row for row in statements(minimal, role) if "autoscaling:CompleteLifecycleAction" in row["Action"]]
        named[role] = row["Resource"][0]["Fn::Sub"].rpartition("/")[2]

    assert named == {
        "ControllerLifecycleRole": "${AWS::StackName}-controllers",
        "WorkerLifecycleRole": "${AWS::StackName}-Pool*",
    }
    assert {"Fn::Sub": named["ControllerLifecycleRole"]} == minimal.properties("Controllers")["AutoScalingGroupName"]


def _settings(folder):
    path = ROOT / "lambdas" / folder / "settings.py"
    spec = importlib.util.spec_from_file_location(f"settings_of_{folder}", path)
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name while they are made
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return {field.name.upper() for field in dataclasses.fields(module.Settings)}


@pytest.mark.parametrize(
    ("function", "folder"),
    [
        ("EtcdDiscovery", "etcd_discovery"),
        ("ControllerLifecycle", "controller_lifecycle"),
        ("EtcdBackup", "etcd_backup"),
        ("WorkerLifecycle", "worker_lifecycle"),
    ],
)
def test_the_template_sets_exactly_the_variables_a_function_reads(minimal, function, folder):
    """A variable only one side knows is a function that fails at its first event."""
    properties = minimal.properties(function)

    assert _settings(folder) == set(properties["Environment"]["Variables"])
    assert f"{folder}.handler.handle" == properties["Handler"]
    handler = ast.parse((ROOT / "lambdas" / folder / "handler.py").read_text(encoding="utf-8"))
    assert "handle" in {node.name for node in handler.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("function", ["ControllerLifecycle", "WorkerLifecycle"])
def test_a_function_knows_its_hook_by_the_name_the_group_gives_it(minimal, function):
    """Hook, event rule and function say the same name."""
    group = "Controllers" if function == "ControllerLifecycle" else "PoolGeneral"
    (hook,) = minimal.properties(group)["LifecycleHookSpecificationList"]

    assert hook["LifecycleHookName"] == minimal.properties(function)["Environment"]["Variables"]["HOOK"]
    assert [hook["LifecycleHookName"]] == minimal.properties(f"{function}Rule")["EventPattern"]["detail"][
        "LifecycleHookName"
    ]


def test_functions_are_fetched_by_the_hash_of_their_bytes(minimal):
    """A changed function shows in the change set as another key."""
    code = minimal.properties("EtcdDiscovery")["Code"]

    assert code["S3Bucket"] == {"Ref": "ArtifactBucket"}
    text, variables = code["S3Key"]["Fn::Sub"]
    assert text == "minimal/lambdas/etcd_discovery-${Sha256}.zip"
    assert variables == {"Sha256": {"Ref": "EtcdDiscoverySha256"}}
