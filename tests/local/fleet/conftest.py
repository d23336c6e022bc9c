"""One embedded AWS with a small network for all fleet tests; each test makes groups of its own."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.fleet.machines import ProcessMachines

SPEED = 200.0
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
}


@dataclass
class Cloud:
    """The emulated account as the tests speak of it."""

    aws: EmbeddedAws
    machines: ProcessMachines
    subnets: list[str]
    names: Any = field(default_factory=count)

    def client(self, service):
        return self.aws.client(service)

    @property
    def asg(self):
        return self.client("autoscaling")

    def template(self, user_data="", **data):
        name = f"lt-{next(self.names)}"
        body = {"ImageId": "ami-12345678", "InstanceType": "m5.large", **data}
        if user_data:
            body["UserData"] = base64.b64encode(user_data.encode()).decode()
        self.client("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=body)
        return name

    def group(self, size=1, *, template=None, wait=True, user_data="", **settings):
        name = f"group-{next(self.names)}"
        if "MixedInstancesPolicy" not in settings:
            template = template or self.template(user_data)
            settings["LaunchTemplate"] = {"LaunchTemplateName": template, "Version": "$Latest"}
        sizes = {"MinSize": size, "MaxSize": size + 2, "VPCZoneIdentifier": ",".join(self.subnets)}
        self.asg.create_auto_scaling_group(AutoScalingGroupName=name, **{**sizes, **settings})
        if wait:
            self.until(lambda: len(self.states(name)) == size and set(self.states(name).values()) <= {"InService"})
        return name

    def describe(self, name):
        found = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return found[0] if found else None

    def instances(self, name):
        group = self.describe(name)
        return group["Instances"] if group else []

    def states(self, name):
        return {each["InstanceId"]: each["LifecycleState"] for each in self.instances(name)}

    def running(self, instance_id):
        reservations = self.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
        return reservations[0]["Instances"][0]["State"]["Name"] == "running"

    def activities(self, name):
        return self.asg.describe_scaling_activities(AutoScalingGroupName=name)["Activities"]

    def resize(self, name, size):
        self.asg.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=0, DesiredCapacity=size)

    def remove(self, name):
        if self.describe(name):
            off = {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}}
            self.asg.update_auto_scaling_group(AutoScalingGroupName=name, InstanceLifecyclePolicy=off)
            self.asg.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
            self.until(lambda: self.describe(name) is None)

    def until(self, holds, seconds=8.0):
        """Wait until something holds, in real seconds; the last answer is the test's failure."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, "did not happen in time"
            time.sleep(0.02)
        return found


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    machines = ProcessMachines(grace=0.5)
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), clock=ScaledClock(SPEED), machines=machines) as aws:
        ec2 = aws.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{number}.0/24", AvailabilityZone=f"eu-central-1{zone}")[
                "Subnet"
            ]["SubnetId"]
            for number, zone in enumerate("abc")
        ]
        yield Cloud(aws, machines, subnets)


@pytest.fixture
def name_of_profile(cloud):
    iam = cloud.client("iam")
    name = f"node-{next(cloud.names)}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name
