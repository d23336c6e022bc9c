"""What the tests of care share: one embedded AWS with a cluster's places, and an operator at the command line."""

import json
import sys
import time

import boto3
import care_cluster as etcd
import pytest

from kubecfn.care.where import Where
from kubecfn.cli import main
from kubecfn.deploy.aws import connect
from kubecfn.etcd.store import Store
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import ACCOUNT, EmbeddedAws
from kubecfn.local.fleet.machines import NoMachines
from kubecfn.local.identity import operator_keys

REGION = "eu-west-1"


class Cluster:
    """A cluster in an account, and an operator who types commands.

    Attributes:
        bucket: of its backups.
        script: file that says what the function answers.
    """

    def __init__(self, aws, session, script):
        self.aws, self.session, self.script = aws, session, script
        self.clock = aws.clock
        self.s3 = session.client("s3", endpoint_url=aws.endpoint)
        self._create()
        self.store = Store(self.s3, self.bucket, etcd.CLUSTER)
        self.run = self.connection = None

    def _create(self):
        cloudformation = self.session.client("cloudformation", endpoint_url=self.aws.endpoint)
        cloudformation.create_stack(
            StackName=etcd.CLUSTER, TemplateBody=etcd.template(self.script), Capabilities=["CAPABILITY_IAM"]
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=etcd.CLUSTER, WaiterConfig={"Delay": 0.25, "MaxAttempts": 400}
        )
        listed = cloudformation.list_stack_resources(StackName=etcd.CLUSTER)["StackResourceSummaries"]
        self.resources = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed}
        self.bucket = self.resources["BackupBucket"]
        end = time.monotonic() + 60
        while len(self.controllers()) < etcd.SIZE and time.monotonic() < end:
            time.sleep(0.05)

    @property
    def places(self):
        """Its places as care knows them."""
        return Where(etcd.CLUSTER, self.bucket, self.resources["EtcdBackup"], self.resources["Controllers"])

    def controllers(self):
        """The instances of the group, in order."""
        autoscaling = self.session.client("autoscaling", endpoint_url=self.aws.endpoint)
        (group,) = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.resources["Controllers"]])[
            "AutoScalingGroups"
        ]
        return sorted(one["InstanceId"] for one in group["Instances"] if one["LifecycleState"] == "InService")

    def answers(self, status=None, **other):
        """Say what the function answers, one after the other, the last one for ever."""
        told = {
            "status": status if isinstance(status, list) else [etcd.report() if status is None else status],
            **other,
        }
        self.script.write_text(json.dumps({"asked": [], "answers": told}))

    def asked(self):
        """What the function was asked."""
        return json.loads(self.script.read_text())["asked"]

    def snapshot(self, revision=1200, *, epoch=1, content=None, key="", said=None):
        """Put a snapshot as the leader's agent does, `said` apart; return its key."""
        data = etcd.snapshot_bytes() if content is None else content
        about = {
            "cluster": etcd.CLUSTER,
            "revision": str(revision),
            "epoch": str(epoch),
            "sha256": etcd.hashlib.sha256(data).hexdigest(),
        }
        name = key or etcd.key(revision, epoch=epoch)
        told = {one: value for one, value in {**about, **(said or {})}.items() if value is not None}
        self.s3.put_object(Bucket=self.bucket, Key=name, Body=data, Metadata=told)
        return name

    def object(self):
        """The cluster object as it lies there."""
        return self.store.read()

    def empty(self):
        """Remove every object."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        for one in listed:
            self.s3.delete_object(Bucket=self.bucket, Key=one["Key"])


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    """Serve an account with a cluster in it; its controllers are instances that run nothing."""
    keys = operator_keys(ACCOUNT)
    session = boto3.Session(keys.access_key, keys.secret, region_name=REGION)
    folder = tmp_path_factory.mktemp("care")
    script = folder / "script.json"
    script.write_text("{}")
    with EmbeddedAws(workdir=folder, region=REGION, clock=ScaledClock(30), machines=NoMachines()) as aws:
        yield Cluster(aws, session, script)


@pytest.fixture
def cluster(account, monkeypatch, capsys):
    """Give the cluster with an empty bucket, a settled etcd, and `run`: exit code, stdout and stderr of one command."""
    account.aws.faults.clear()
    account.empty()
    account.answers()
    for name, value in account.aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    # One session for all commands: it reads the services' models once, which takes longer than the tests.
    monkeypatch.setattr("boto3.Session", lambda **_: account.session)
    monkeypatch.setattr("kubecfn.deploy.progress.RealClock", lambda: account.clock)

    def command(*arguments):
        everything = ["kubecfn", *map(str, arguments), "--config", str(etcd.CONFIG)]
        monkeypatch.setattr(sys, "argv", everything)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return int(ended.value.code or 0), out, err

    account.run = command
    account.connection = account.connection or connect(REGION, session=account.session)
    return account
