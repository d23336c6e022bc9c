"""A small stack with one of each thing that deployment cares about, and instances that signal what a test wants."""

import json
import threading
import time
from datetime import UTC, datetime

CLUSTER = "payments"

_TRUST = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def template(*, groups=1, size=1, extra=None, zone="payments.example.com", retention=30, timeout="PT10M"):
    """The template as text; `groups` 0 leaves the instances out."""
    resources = {
        "Vpc": {
            "Type": "AWS::EC2::VPC",
            "Properties": {
                "CidrBlock": "10.20.0.0/16",
                "Tags": [{"Key": "kubernetes", "Value": {"Ref": "KubernetesVersion"}}],
            },
        },
        "PrivateSubnet1": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": "10.20.0.0/20",
                "AvailabilityZone": {"Fn::Sub": "${AWS::Region}a"},
            },
        },
        "ControllerSecurityGroup": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "controllers", "VpcId": {"Ref": "Vpc"}},
        },
        "Zone": {"Type": "AWS::Route53::HostedZone", "Properties": {"Name": zone}},
        "ApiRecord": {
            "Type": "AWS::Route53::RecordSet",
            "Properties": {
                "HostedZoneId": {"Ref": "Zone"},
                "Name": f"api.{zone}",
                "Type": "A",
                "TTL": "60",
                "ResourceRecords": ["10.20.0.10"],
            },
        },
        "NodeLogGroup": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": f"/kubecfn/{CLUSTER}/nodes", "RetentionInDays": retention},
        },
        "BackupBucket": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": "RetainExceptOnCreate",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"VersioningConfiguration": {"Status": "Enabled"}},
        },
        **(_nodes(size, timeout) if groups else {}),
        **(extra or {}),
    }
    return json.dumps(
        {
            "Parameters": {
                "ControllerBundleSha256": {"Type": "String"},
                "KubernetesVersion": {"Type": "String", "Default": "1.36.3"},
            },
            "Resources": resources,
            "Outputs": {"ZoneId": {"Value": {"Ref": "Zone"}}},
        },
        indent=1,
    )


def _nodes(size, timeout):
    return {
        "ControllersLaunchTemplate": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {
                "LaunchTemplateData": {
                    "ImageId": "ami-12c6146b",
                    "InstanceType": "m5.large",
                    "UserData": {"Fn::Base64": {"Ref": "ControllerBundleSha256"}},
                    "SecurityGroupIds": [{"Ref": "ControllerSecurityGroup"}],
                },
            },
        },
        "Controllers": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "DependsOn": ["NodeLogGroup", "Zone", "ApiRecord"],
            "CreationPolicy": {"ResourceSignal": {"Count": size, "Timeout": timeout}},
            "UpdatePolicy": {
                "AutoScalingRollingUpdate": {
                    "MaxBatchSize": 1,
                    "MinInstancesInService": size,
                    "PauseTime": timeout,
                    "WaitOnResourceSignals": True,
                },
            },
            "Properties": {
                "MinSize": str(size),
                "MaxSize": str(size + 1),
                "DesiredCapacity": str(size),
                "VPCZoneIdentifier": [{"Ref": "PrivateSubnet1"}],
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "ControllersLaunchTemplate"},
                    "Version": {"Fn::GetAtt": ["ControllersLaunchTemplate", "LatestVersionNumber"]},
                },
            },
        },
    }


class Signallers:
    """Machines that run nothing but signal CloudFormation, as a node's agent does.

    Attributes:
        verdict: what the next instances signal: ``SUCCESS``, ``FAILURE``, or None for silence.
        line: what a failing node writes to its log.
    """

    def __init__(self):
        self.verdict = "SUCCESS"
        self.line = {"step": "checking the bundle's hash", "reason": "the SHA-256 is not the one the stack names"}
        self.seen = []
        self._threads = []

    def start(self, instance, world, target_state):
        """Switch on: signal in a thread of its own."""
        self.seen.append(instance.id)
        thread = threading.Thread(target=self._signal, args=(instance, world, self.verdict), daemon=True)
        self._threads.append(thread)
        thread.start()

    def address(self, private_ip):
        """Every instance has the address that its subnet gave it."""
        return private_ip

    def _signal(self, instance, world, verdict):
        if verdict is None:
            return
        tags = instance.tags
        if verdict == "FAILURE":
            self._write(instance, world)
        api = world.client("cloudformation", instance.region)
        for _ in range(100):
            try:
                api.signal_resource(
                    StackName=tags["aws:cloudformation:stack-name"],
                    LogicalResourceId=tags["aws:cloudformation:logical-id"],
                    UniqueId=instance.id,
                    Status=verdict,
                )
            except api.exceptions.ClientError:
                time.sleep(0.01)
            else:
                return

    def _write(self, instance, world):
        api, group = world.client("logs", instance.region), f"/kubecfn/{CLUSTER}/nodes"
        api.create_log_stream(logGroupName=group, logStreamName=instance.id)
        now = datetime.now(UTC)
        line = {"instance": instance.id, **self.line, "at": now.isoformat()}
        api.put_log_events(
            logGroupName=group,
            logStreamName=instance.id,
            logEvents=[{"timestamp": int(now.timestamp() * 1000), "message": json.dumps(line)}],
        )

    def stop(self, instance_id):
        """Nothing runs."""

    def running(self, instance_id):
        """Say yes."""
        return True

    def console(self, instance_id):
        """Nothing was written."""
        return b""

    def close(self):
        """Wait for signals under way."""
        for thread in self._threads:
            thread.join(timeout=5)
