"""One embedded AWS with a small network for all fleet tests; each test makes groups of its own."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.fleet.machines import ProcessMachines

SPEED = 400.0
RETAIN = {"RetentionTriggers": {"TerminateHookAbandon": "retain"}}
TERMINATE = {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}}


def trust(service):
    allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


@dataclass
class Cloud:
    """The emulated account as the tests speak of it."""

    aws: EmbeddedAws
    machines: ProcessMachines
    subnets: list[str]
    numbers: Any = field(default_factory=count)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service):
        """Return a client of the account's operator, made once."""
        if service not in self.clients:
            self.clients[service] = self.aws.client(service)
        return self.clients[service]

    def name(self, kind):
        """Return a name nobody has."""
        return f"{kind}-{next(self.numbers)}"

    @property
    def asg(self):
        """Auto scaling."""
        return self.client("autoscaling")

    @property
    def fleet(self):
        """The running service, for what is no API."""
        return next(service for service in self.aws.services if hasattr(service, "bus"))

    def template(self, user_data="", **data):
        """Make a launch template; return its name."""
        name = self.name("template")
        body = {"ImageId": "ami-12345678", "InstanceType": "m5.large", **data}
        if user_data:
            body["UserData"] = base64.b64encode(user_data.encode()).decode()
        self.client("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=body)
        return name

    def group(self, size=1, *, template=None, wait=True, user_data="", **settings):
        """Make a group and, unless told otherwise, wait until all its instances are in service; return its name."""
        name = self.name("group")
        if "MixedInstancesPolicy" not in settings:
            named = template or self.template(user_data)
            settings["LaunchTemplate"] = {"LaunchTemplateName": named, "Version": "$Latest"}
        sizes = {
            "MinSize": size,
            "MaxSize": size + 2,
            "DesiredCapacity": size,
            "VPCZoneIdentifier": ",".join(self.subnets),
        }
        self.asg.create_auto_scaling_group(AutoScalingGroupName=name, **{**sizes, **settings})
        if wait:
            self.until(lambda: self.in_service(name) == size)
        return name

    def describe(self, name):
        """Return a group as described, or None."""
        found = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return found[0] if found else None

    def instances(self, name):
        """Return a group's instances as described."""
        group = self.describe(name)
        return group["Instances"] if group else []

    def states(self, name):
        """Return instance id -> lifecycle state."""
        return {each["InstanceId"]: each["LifecycleState"] for each in self.instances(name)}

    def in_service(self, name):
        """Return how many instances of a group are in service."""
        return list(self.states(name).values()).count("InService")

    def ec2_state(self, instance_id):
        """Return what EC2 says of an instance."""
        found = self.client("ec2").describe_instances(InstanceIds=[instance_id])
        return found["Reservations"][0]["Instances"][0]["State"]["Name"]

    def activities(self, name):
        """Return a group's activities, newest first."""
        return self.asg.describe_scaling_activities(AutoScalingGroupName=name)["Activities"]

    def terminate(self, instance_id, *, decrement=False):
        """Ask auto scaling to terminate an instance."""
        self.asg.terminate_instance_in_auto_scaling_group(
            InstanceId=instance_id, ShouldDecrementDesiredCapacity=decrement
        )

    def complete(self, group, hook, instance_id, result):
        """Answer a lifecycle hook."""
        self.asg.complete_lifecycle_action(
            AutoScalingGroupName=group, LifecycleHookName=hook, InstanceId=instance_id, LifecycleActionResult=result
        )

    def function(self, source, *, timeout=60, policy=(), condition=None, **settings):
        """Make a function whose module is `source` and whose handler is ``handler.handle``; return its name."""
        name = self.name("function")
        iam = self.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))["Role"]["Arn"]
        statements = [{"Effect": "Allow", "Action": list(policy) or ["logs:*"], "Resource": "*"}]
        statements[0] |= {"Condition": condition} if condition else {}
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=document)
        self.client("lambda").create_function(
            FunctionName=name,
            Role=role,
            Runtime="python3.13",
            Handler=settings.pop("Handler", "handler.handle"),
            Code={"ZipFile": zipped({"handler.py": source})},
            Timeout=timeout,
            **settings,
        )
        return name

    def until(self, holds, seconds=8.0):
        """Wait until something holds, in real seconds; return what it returned."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, "did not happen in time"
            time.sleep(0.04)
        return found

    def stays(self, holds, seconds=0.3):
        """Assert that something holds now and goes on to."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert holds()
            time.sleep(0.05)

    def remove_groups(self):
        """Delete every group, whatever it holds."""
        for group in self.asg.describe_auto_scaling_groups()["AutoScalingGroups"]:
            name = group["AutoScalingGroupName"]
            self.asg.update_auto_scaling_group(AutoScalingGroupName=name, InstanceLifecyclePolicy=TERMINATE)
            self.asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
        self.until(lambda: not self.asg.describe_auto_scaling_groups()["AutoScalingGroups"])


def zipped(files):
    """Return a zip of name -> text."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.fixture(scope="module")
def running_cloud(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    # A few instances may be looked at more often than sixty.
    patch.setattr("kubecfn.local.fleet.reconcile.HEALTH_AT_MOST_EVERY_REAL", 0.1)
    machines = ProcessMachines(grace=0.5)
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), clock=ScaledClock(SPEED), machines=machines) as aws:
        ec2 = aws.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{number}.0/24", AvailabilityZone=f"eu-central-1{zone}")
            for number, zone in enumerate("abc")
        ]
        yield Cloud(aws, machines, [subnet["Subnet"]["SubnetId"] for subnet in subnets])
    patch.undo()


@pytest.fixture
def cloud(running_cloud):
    yield running_cloud
    running_cloud.remove_groups()


@pytest.fixture
def profile(cloud):
    """The name of an instance profile and of its role."""
    iam, name = cloud.client("iam"), cloud.name("node")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name
