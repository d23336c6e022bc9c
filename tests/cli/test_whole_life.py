"""A cluster's whole life by the commands a person types, against the embedded AWS."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kubecfn.cli import main
from kubecfn.config import load
from kubecfn.etcd.store import now, written
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.fleet.machines import ProcessMachines
from kubecfn.local.programs import etcd
from kubecfn.template.addon_rights import addon_rights
from kubecfn.template.node_role import pull_images
from kubecfn.versions import choose

CONFIG = """
name: small
region: eu-central-1
kubernetes: 1.36.1
dns: {private: true, domain: small.internal}
network: {nat_gateways: one, zones: 1}
controllers: {count: 1, signal_timeout: 15m}
image: {ami: {x86_64: IMAGE}}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Serve an account in which a node image lies ready."""
    image = etcd(str(choose("1.36").etcd), lambda _: None)
    machines = ProcessMachines(image=image, environment={"KUBECFN_PATIENCE": "5"})
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), clock=ScaledClock(20), machines=machines) as aws:
        yield aws


@pytest.fixture(scope="module")
def source(cloud, tmp_path_factory):
    """Write the configuration of a one-controller cluster; give its path."""
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}
    image = cloud.client("ec2").register_image(
        Name="node", Architecture="x86_64", RootDeviceName="/dev/xvda", BlockDeviceMappings=[root]
    )["ImageId"]
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(CONFIG.replace("IMAGE", image))
    return path


@pytest.fixture
def run(cloud, source, monkeypatch, capsys):
    """Run one command against the account, in this process; give exit code, stdout and stderr."""
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)

    def command(*arguments: object, config: Path = source) -> tuple[int, str, str]:
        everything = ["--config", config, "--build", source.parent / "build"]
        monkeypatch.setattr(sys, "argv", ["kubecfn", *map(str, [*arguments, *everything])])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(ended.value.code or 0), out, err

    # Real polls of five seconds are for AWS; here every poll is a fraction of one.
    monkeypatch.setattr("kubecfn.deploy.progress.RealClock", lambda: cloud.clock)
    for module in ("apply", "bucket", "changeset", "delete", "follow"):
        monkeypatch.setattr(f"kubecfn.deploy.{module}.RealClock", lambda: cloud.clock, raising=False)
    return command


@pytest.fixture
def standing(cloud, run):
    """See to it that the cluster stands as its configuration says, whichever tests ran before."""
    cloud.faults.clear()
    code, _, err = run("apply", "--yes")
    assert code == 0, err


def stacks(cloud) -> set[str]:
    """Return the names of the stacks that exist, whatever their state."""
    return {stack["StackName"] for stack in cloud.client("cloudformation").describe_stacks()["Stacks"]}


def test_a_plan_makes_nothing_in_aws(cloud, run, source) -> None:
    """`plan` explains what would stand, writes its report, and leaves neither stack, bucket nor change set."""
    assert stacks(cloud) == set(), "this test begins with an empty account: it is the file's first"
    report = source.parent / "plan.html"

    code, out, err = run("plan", "--html", report)

    assert code == 0, err
    assert "small: a new stack of" in out
    assert stacks(cloud) == set()
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    picture = report.read_text().split("<svg", 1)[1].split("</svg>")[0]
    assert ET.fromstring(f"<svg{picture}</svg>") is not None


def test_a_first_plan_explains_even_what_is_too_large_for_a_request(cloud, run, source, tmp_path) -> None:
    """Without an artifact bucket a large template cannot be sent; it is explained all the same, and nothing is made."""
    pools = "".join(f"\n  - {{name: p{number}}}" for number in range(6))
    large = tmp_path / "large.yaml"
    large.write_text(source.read_text().replace("name: small", "name: large") + f"pools:{pools}\n")

    code, out, err = run("plan", config=large)

    assert code == 0, err
    assert "large: a new stack of" in out
    assert "read off the template alone" in err
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert stacks(cloud) == set()


def test_an_apply_that_nobody_confirms_changes_nothing(cloud, run) -> None:
    """Without a terminal and without --yes there is nobody to ask: exit code 2, and no stack."""
    code, _, err = run("apply")

    assert (code, "--yes" in err) == (2, True)
    assert "small" not in stacks(cloud)


def test_apply_status_why_and_plan_tell_one_story(cloud, run) -> None:
    """After an apply the stack stands, its controller has signalled, nothing failed, and nothing is left to do."""
    code, out, err = run("apply", "--yes")
    assert code == 0, err
    assert "small is CREATE_COMPLETE" in out

    code, out, _ = run("status", "--output", "json")
    (group,) = json.loads(out)["groups"]
    assert (code, group["group"], group["states"]) == (0, "Controllers", {"InService": 1})
    assert "SUCCESS signal" in group["last_signal"]

    assert "nothing failed" in run("why")[1]
    code, out, _ = run("plan", "--output", "json")
    assert (code, json.loads(out)["creates"], json.loads(out)["consequences"]) == (0, False, [])
    code, out, _ = run("upload", "--output", "json")
    assert {row["state"] for row in json.loads(out)} == {"was there"}


def test_another_machine_makes_no_new_keys_for_a_running_cluster(standing, run, source) -> None:
    """Without the keys an apply is refused; `keys pull` has them back, byte for byte, and then there is nothing to change."""
    here = source.parent / "build" / "small" / "pki"
    there = here.rename(source.parent / "moved")

    code, _, err = run("apply", "--yes")
    assert (code, "kubecfn keys pull" in err) == (1, True)
    assert not here.exists()
    code, _, err = run("kubeconfig")
    assert (code, "kubecfn keys pull" in err) == (1, True)

    assert run("keys", "pull")[0] == 0
    assert (here / "ca.key").read_bytes() == (there / "ca.key").read_bytes()
    code, out, err = run("plan", "--output", "json")
    assert (code, json.loads(out)["consequences"]) == (0, []), err


def test_a_bundle_that_nodes_may_not_read_is_rolled_back_and_explained(standing, cloud, run, source) -> None:
    """A bundle that nodes may not read: exit code 1, the stack as before, and `why` names the step."""
    before = source.read_text()
    source.write_text(before.replace("1.36.1", "1.36.3"))
    fault = cloud.faults.add(
        kind="denied", service="s3", operation="GetObject", times=10_000, caller=".*ControllerRole.*"
    )

    code, _, err = run("apply", "--yes")

    assert code == 1
    assert "fetch-bundle" in err
    assert fault.struck
    code, out, _ = run("why")
    assert "fetch-bundle" in out
    code, out, _ = run("status", "--output", "json")
    assert json.loads(out)["stack"]["state"] == "UPDATE_ROLLBACK_COMPLETE"
    source.write_text(before)


def short(statement: str) -> tuple[str, str]:
    """Return the role's logical id and the statement's Sid of a name such as ``small-ControllerRole-X1/controller[Signal]``."""
    return statement.split("-")[1], statement.rpartition("[")[2].rstrip("]")


def of_kubernetes(source) -> set[tuple[str, str]]:
    """Return the statements that only Kubernetes' programs use, none of which runs here: `make rehearse` runs them."""
    used = {row.properties["Sid"] for row in (*addon_rights(load(source)), *pull_images())} | {"PublishMetrics"}
    return {(role, sid) for role in ("ControllerRole", "WorkerRole") for sid in used}


def granted(cloud) -> set[str]:
    """Return every statement of every role's policies, as the record names them."""
    iam = cloud.client("iam")
    found = set()
    for role in iam.list_roles()["Roles"]:
        for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
            found |= {f"{role['RoleName']}/{policy}[{statement['Sid']}]" for statement in document["Statement"]}
    return found


def leave_behind(cloud) -> None:
    """Let an instance that was terminated have left its word and its mark in the bucket two days ago."""
    ended = [{"Name": "instance-state-name", "Values": ["terminated"]}]
    found = cloud.client("ec2").describe_instances(Filters=ended)["Reservations"]
    instance = found[0]["Instances"][0]["InstanceId"]
    listed = cloud.client("cloudformation").list_stack_resources(StackName="small")["StackResourceSummaries"]
    (bucket,) = [one["PhysicalResourceId"] for one in listed if one["LogicalResourceId"] == "BackupBucket"]
    then = written(now() - timedelta(days=2))
    word = {"epoch": 1, "index": None, "data": 0, "lost": False, "at": then}
    for folder, left in (("words", word), ("leaving", {"since": then})):
        key = f"etcd/{folder}/{instance}.json"
        cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(left).encode())


def test_every_right_that_is_granted_is_used_and_none_is_missed(standing, cloud, run, source) -> None:
    """Least privilege, by replay: over a failed roll and a controller's leaving, no call is refused and no statement idles."""
    begin, before = len(cloud.recorder.calls), source.read_text()
    source.write_text(before.replace("1.36.1", "1.36.3"))
    cloud.faults.add(kind="error", service="s3", operation="GetObject", times=10_000, caller=".*ControllerRole.*")
    assert run("apply", "--yes")[0] == 1
    cloud.faults.clear()
    source.write_text(before)
    leave_behind(cloud)
    autoscaling = cloud.client("autoscaling")
    (group,) = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    (leaving,) = [one["InstanceId"] for one in group["Instances"] if one["LifecycleState"] == "InService"]
    autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=leaving, ShouldDecrementDesiredCapacity=False)
    end = time.monotonic() + 60
    while idle := {short(one) for one in granted(cloud) - cloud.recorder.used_statements()} - of_kubernetes(source):
        if time.monotonic() > end:
            break
        time.sleep(0.2)

    refused = [one for one in cloud.recorder.calls[begin:] if one.outcome.startswith(("AccessDenied", "Unauthorized"))]
    assert [(one.call.caller, one.call.operation, one.reason) for one in refused] == []
    assert idle <= of_kubernetes(source)


def test_delete_leaves_nothing_but_what_is_kept_and_says_so(standing, cloud, run) -> None:
    """`delete` ends with what stays; a second one has nothing to do."""
    code, out, err = run("delete", "--yes")

    assert code == 0, err
    assert "small is deleted" in out
    assert "BackupBucket" in out
    assert "small" not in stacks(cloud)
    code, out, _ = run("delete", "--yes")
    assert (code, "There is no stack small" in out) == (0, True)
