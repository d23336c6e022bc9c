"""Who may do what: each right is one that the code uses, and the code finds what the template gives it."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import sys

import pytest
from made_templates import ROOT

from kubecfn.template.rules.view import as_list

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
RIGHTS = {
    "ControllerRole": NODE_RIGHTS,
    "WorkerRole": NODE_RIGHTS,
    "ControllerLifecycleRole": HOOK_RIGHTS,
    "WorkerLifecycleRole": HOOK_RIGHTS,
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
    readable = [row["Resource"] for row in statements(minimal, role) if "s3:GetObject" in row["Action"]]

    assert [[{"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::${{ArtifactBucket}}/minimal/{folder}/*"}]] == readable


def test_keys_decrypt_only_what_comes_from_the_bucket(minimal):
    """A node cannot use the artifact key for anything but reading S3."""
    for role in ("ControllerRole", "WorkerRole"):
        (row,) = [row for row in statements(minimal, role) if "kms:Decrypt" in row["Action"]]

        assert row["Resource"] == [{"Ref": "ArtifactKeyArn"}]
        assert row["Condition"]["StringEquals"] == {
            "kms:ViaService": {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}
        }


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
