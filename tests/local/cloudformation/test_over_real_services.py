"""The engine through the gate: boto3 on both sides, the shipped providers, the fleet; templates written from AWS's pages."""

# ruff: noqa: D102  a machine has the methods of the seam it stands for
from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws

ROLL = {
    "MinInstancesInService": 2,
    "MaxBatchSize": 1,
    "PauseTime": "PT10M",
    "WaitOnResourceSignals": True,
    "SuspendProcesses": ["AZRebalance"],
}


@dataclass
class SignallingMachines:
    """Machines whose program is one call: they signal what their user data says, as an instance's agent would."""

    on: set[str] = field(default_factory=set)

    def start(self, instance: Any, world: Any, target_state: Any) -> None:
        self.on.add(instance.id)
        threading.Thread(target=self._boot, args=(instance, world), daemon=True).start()

    def _boot(self, instance: Any, world: Any) -> None:
        status = instance.user_data.decode()
        if status in {"SUCCESS", "FAILURE"}:
            world.client("cloudformation", instance.region).signal_resource(
                StackName="web", LogicalResourceId="Group", UniqueId=instance.id, Status=status
            )

    def stop(self, instance_id: str) -> None:
        self.on.discard(instance_id)

    def address(self, private_ip: str) -> str:
        return private_ip

    def running(self, instance_id: str) -> bool:
        return instance_id in self.on

    def console(self, instance_id: str) -> bytes:
        return b""

    def close(self) -> None:
        self.on.clear()


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """The whole embedded AWS, two hundred times as fast as the wall."""
    machines = SignallingMachines()
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), clock=ScaledClock(200), machines=machines) as running:
        yield running


@pytest.fixture
def cfn(aws):
    """CloudFormation as a caller sees it."""
    return aws.client("cloudformation")


def settled(cfn, name: str) -> dict[str, Any]:
    """Wait until no operation is under way."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        stack = cfn.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        time.sleep(0.02)
    raise AssertionError(f"{name} stays {stack['StackStatus']}: {failures(cfn, name)}")


def events(cfn, name: str) -> list[dict[str, Any]]:
    """Oldest first, over all pages."""
    pages = cfn.get_paginator("describe_stack_events").paginate(StackName=name)
    return [event for page in pages for event in page["StackEvents"]][::-1]


def failures(cfn, name: str) -> list[str]:
    """Reasons of what failed."""
    rows = [event for event in events(cfn, name) if event["ResourceStatus"].endswith("FAILED")]
    return [f"{row['LogicalResourceId']}: {row.get('ResourceStatusReason')}" for row in rows]


def web(user_data: str = "SUCCESS", *, wait: bool = True) -> str:
    """A group of two behind a launch template in a network of its own."""
    return json.dumps(
        {
            "Resources": {
                "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}},
                "Subnet": {
                    "Type": "AWS::EC2::Subnet",
                    "Properties": {
                        "VpcId": {"Ref": "Vpc"},
                        "CidrBlock": {"Fn::Select": [0, {"Fn::Cidr": [{"Fn::GetAtt": ["Vpc", "CidrBlock"]}, 2, 8]}]},
                        "AvailabilityZone": {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
                    },
                },
                "Template": {
                    "Type": "AWS::EC2::LaunchTemplate",
                    "Properties": {
                        "LaunchTemplateData": {
                            "ImageId": "ami-12c6146b",
                            "InstanceType": "t3.micro",
                            "UserData": base64.b64encode(user_data.encode()).decode(),
                        }
                    },
                },
                "Group": {
                    "Type": "AWS::AutoScaling::AutoScalingGroup",
                    "CreationPolicy": {"ResourceSignal": {"Count": 2, "Timeout": "PT10M"}},
                    "UpdatePolicy": {"AutoScalingRollingUpdate": ROLL},
                    "Properties": {
                        "MinSize": "2",
                        "MaxSize": "3",
                        "VPCZoneIdentifier": [{"Ref": "Subnet"}],
                        "LaunchTemplate": {
                            "LaunchTemplateId": {"Ref": "Template"},
                            "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                        },
                    },
                },
            },
            "Outputs": {"Network": {"Value": {"Ref": "Vpc"}, "Export": {"Name": "network"}}},
        }
    )


def instances(aws, cfn) -> list[str]:
    """Ids of the group's instances that are not leaving."""
    name = cfn.describe_stack_resource(StackName="web", LogicalResourceId="Group")["StackResourceDetail"][
        "PhysicalResourceId"
    ]
    (group,) = aws.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
    return [one["InstanceId"] for one in group["Instances"] if not one["LifecycleState"].startswith("Terminating")]


def test_a_group_lives_by_the_signals_of_its_instances(aws, cfn):
    """Created by signals, rolled by signals, rolled back when a new instance says FAILURE, deleted with nothing left."""
    cfn.create_stack(StackName="web", TemplateBody=web())
    stack = settled(cfn, "web")
    assert stack["StackStatus"] == "CREATE_COMPLETE", failures(cfn, "web")
    first = instances(aws, cfn)
    assert len(first) == 2

    cfn.update_stack(StackName="web", TemplateBody=web("FAILURE"))
    assert settled(cfn, "web")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", failures(cfn, "web")
    assert instances(aws, cfn) == first
    assert any("1 FAILURE signal(s) out of 2" in reason for reason in failures(cfn, "web"))

    cfn.update_stack(StackName="web", TemplateBody=web().replace("t3.micro", "t3.small"))
    assert settled(cfn, "web")["StackStatus"] == "UPDATE_COMPLETE", failures(cfn, "web")
    assert not set(first) & set(instances(aws, cfn))
    assert len(instances(aws, cfn)) == 2

    cfn.delete_stack(StackName="web")
    assert settled(cfn, stack["StackId"])["StackStatus"] == "DELETE_COMPLETE", failures(cfn, stack["StackId"])
    ec2 = aws.client("ec2")
    assert ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.7.0.0/16"]}])["Vpcs"] == []
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    with pytest.raises(ClientError, match="Stack with id web does not exist"):
        cfn.describe_stacks(StackName="web")


def test_a_change_set_over_the_wire_is_what_boto3_expects(cfn):
    """CreateChangeSet, its waiter, DescribeChangeSet with all members, ExecuteChangeSet and the stack's waiter."""
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "a"}}}})
    made = cfn.create_change_set(
        StackName="topic", ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=template
    )
    cfn.get_waiter("change_set_create_complete").wait(ChangeSetName=made["Id"], WaiterConfig={"Delay": 0.05})
    cfn.execute_change_set(ChangeSetName=made["Id"])
    settled(cfn, "topic")
    cfn.get_waiter("stack_create_complete").wait(StackName="topic", WaiterConfig={"Delay": 0.05})

    again = cfn.create_change_set(
        StackName="topic", ChangeSetName="again", TemplateBody=template.replace("DisplayName", "TopicName")
    )
    cfn.get_waiter("change_set_create_complete").wait(ChangeSetName=again["Id"], WaiterConfig={"Delay": 0.05})
    seen = cfn.describe_change_set(ChangeSetName=again["Id"], IncludePropertyValues=True)

    change = seen["Changes"][0]["ResourceChange"]
    assert (change["Replacement"], change["PolicyAction"], change["Scope"]) == (
        "True",
        "ReplaceAndDelete",
        ["Properties"],
    )
    assert json.loads(change["AfterContext"]) == {"Properties": {"TopicName": "a"}}
    assert change["PhysicalResourceId"].startswith("arn:aws:sns:")


def test_the_waiter_sees_a_change_set_without_changes(cfn):
    """FAILED with AWS's reason, which is how every tool tells "nothing to do" from an error."""
    template = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    cfn.create_stack(StackName="same", TemplateBody=template)
    settled(cfn, "same")
    made = cfn.create_change_set(StackName="same", ChangeSetName="none", TemplateBody=template)

    with pytest.raises(WaiterError) as ended:
        cfn.get_waiter("change_set_create_complete").wait(ChangeSetName=made["Id"], WaiterConfig={"Delay": 0.05})
    assert ended.value.last_response["StatusReason"].startswith("The submitted information didn't contain changes.")


def test_errors_arrive_with_aws_codes(cfn):
    """boto3 raises the modelled exceptions."""
    with pytest.raises(cfn.exceptions.ChangeSetNotFoundException):
        cfn.describe_change_set(ChangeSetName="arn:aws:cloudformation:eu-central-1:1:changeSet/none/1")
    with pytest.raises(cfn.exceptions.InsufficientCapabilitiesException):
        cfn.create_stack(
            StackName="role",
            TemplateBody=json.dumps(
                {
                    "Resources": {
                        "R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": []}}}
                    }
                }
            ),
        )
    with pytest.raises(ClientError) as refused:
        cfn.signal_resource(StackName="none", LogicalResourceId="R", UniqueId="i-1", Status="SUCCESS")
    assert refused.value.response["Error"]["Code"] == "ValidationError"
