import ast
import json
import re

import pytest
import yaml
from kubeadm import instance

from kubecfn.artifacts import data_root
from kubecfn.node.bootstrap import compact, pool_text, user_data_template

SHARED = {"AWS::Region", "AWS::StackName", "ArtifactBucket", "Cluster", "Group", "NodeLogGroup", "Pool"}
VALUES = {
    "AWS::Region": "ap-southeast-2",
    "AWS::StackName": "payments-production",
    "ArtifactBucket": "kubecfn-123456789012-ap-southeast-2",
    "Cluster": "payments-production",
    "ControllerBundleSha256": "0" * 64,
    "WorkerBundleSha256": "0" * 64,
    "Group": "PoolGeneral",
    "NodeLogGroup": "/kubecfn/payments-production/nodes",
    "Pool": pool_text("", {}, ()),
}


def filled(text):
    return re.sub(r"\$\{([^}]+)\}", lambda found: VALUES[found[1]], text)


@pytest.mark.parametrize(
    ("role", "bundle"), [("controller", "ControllerBundleSha256"), ("worker", "WorkerBundleSha256")]
)
def test_user_data_names_exactly_what_the_template_can_fill_in(role, bundle):
    """A role's user data holds its own bundle's hash, so that another bundle rolls its nodes and no others."""
    text = user_data_template(role)

    assert set(re.findall(r"\$\{([^}]*)\}", text)) == SHARED | {bundle}
    assert text.count("${") == len(re.findall(r"\$\{[A-Za-z0-9:]+\}", text))
    assert f"/{role}/{role}-" in text


@pytest.mark.parametrize("role", ["controller", "worker"])
def test_filled_in_user_data_stays_tiny(role):
    """Under 2 KiB of the 16 that EC2 allows, with names of ordinary length and a pool that has nothing of its own."""
    assert len(filled(user_data_template(role)).encode()) < 2048


def test_what_a_pool_is_told_is_read_as_it_was_meant():
    """Labels and taints stand in the program as JSON; a pool without any costs nothing."""
    labels, taints = (
        {"team": "a.b-c_d", "empty": ""},
        (
            {"key": "spot", "value": "true", "effect": "NoSchedule"},
            {"key": "example.com/only", "value": "", "effect": "PreferNoSchedule"},
        ),
    )
    text = user_data_template("worker").replace("${Pool}", pool_text("batch", labels, taints))
    (pool,) = [
        node.args[-1]
        for node in ast.walk(ast.parse(re.sub(r"\$\{[^}]+\}", "x", text)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execl"
    ]
    told = json.loads(ast.literal_eval(pool))
    assert (told["pool"], told["labels"]) == ("batch", labels)
    assert [instance.taint(one) for one in told["taints"]] == list(taints)
    assert pool_text("", {}, ()) == "{}"


def test_what_runs_is_what_is_read():
    """Only the docstring, comments and indentation differ: the program is the same, statement by statement."""
    source = (data_root("userdata") / "bootstrap.py").read_text()
    whole = ast.parse(source)

    assert ast.dump(ast.parse(compact(source))) == ast.dump(ast.Module(whole.body[1:], whole.type_ignores))
    assert compact(source).startswith("#!/usr/bin/env python3\n")


def test_user_data_survives_yaml():
    """A template that is written and read again holds the same program."""
    text = user_data_template("controller")

    assert yaml.safe_load(yaml.safe_dump({"UserData": text}))["UserData"] == text
