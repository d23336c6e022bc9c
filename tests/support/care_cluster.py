"""A stack with the three places that care for etcd needs, snapshots like etcd's, and a function that answers by script."""

import hashlib
import json
from pathlib import Path

CLUSTER = "ledger"
SIZE = 2
CONFIG = Path(__file__).parents[2] / "config" / "existing-vpc-private.yaml"
FOLLOWERS, LEADER = ("i-0aaaaaaaaaaaaaaaa", "i-0cccccccccccccccc"), "i-0bbbbbbbbbbbbbbbb"

# The deployed code: the real client invokes it, a real process runs it, and the file says what it answers.
FUNCTION = """
import json, os, pathlib

def handle(event, context):
    script = pathlib.Path(os.environ["SCRIPT"])
    told = json.loads(script.read_text())
    told["asked"].append(event)
    answers = told["answers"][event.get("ask", "")]
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    script.write_text(json.dumps(told))
    if "raise" in answer:
        raise RuntimeError(answer["raise"])
    return answer
"""


def template(script, *, function=True, size=SIZE):
    """The template as text; without `function` it is a stack of before there was one."""
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ]
            }
        },
    }
    code = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.12",
            "Handler": "index.handle",
            "Timeout": 60,
            "Code": {"ZipFile": FUNCTION},
            "Role": {"Fn::GetAtt": ["EtcdBackupRole", "Arn"]},
            "Environment": {"Variables": {"SCRIPT": str(script)}},
        },
    }
    resources = {
        "BackupBucket": {"Type": "AWS::S3::Bucket", "Properties": {"VersioningConfiguration": {"Status": "Enabled"}}},
        "BackupTooOld": _alarm(),
        **({"EtcdBackupRole": role, "EtcdBackup": code} if function else {}),
        **_controllers(size),
    }
    return json.dumps({"Resources": resources})


def _alarm():
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": "etcd's newest backup is too old",
            "Namespace": "kubecfn",
            "MetricName": "BackupAgeSeconds",
            "Statistic": "Maximum",
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 1200,
            "Period": 300,
            "EvaluationPeriods": 3,
        },
    }


def _controllers(size):
    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.20.0.0/16"}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": "10.20.0.0/20",
                "AvailabilityZone": {"Fn::Sub": "${AWS::Region}a"},
            },
        },
        "LaunchTemplate": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"ImageId": "ami-12c6146b", "InstanceType": "m5.large"}},
        },
        "Controllers": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": str(size),
                "MaxSize": str(size + 1),
                "VPCZoneIdentifier": [{"Ref": "Subnet"}],
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "LaunchTemplate"},
                    "Version": {"Fn::GetAtt": ["LaunchTemplate", "LatestVersionNumber"]},
                },
            },
        },
    }


def snapshot_bytes(sectors=4, *, filling=b"\x07"):
    """A database of so many sectors with etcd's own hash at its end."""
    body = filling * 512 * sectors
    return body + hashlib.sha256(body).digest()


def member(instance, **other):
    """One member as the function tells it."""
    told = {
        "id": instance.removeprefix("i-")[:16],
        "name": instance,
        "instance": instance,
        "machine": "running",
        "learner": False,
        "healthy": True,
        "leader": instance == LEADER,
        "revision": 1234,
        "db_size": 4 << 20,
        "db_in_use": 1 << 20,
        "version": "3.6.16",
    }
    return {**told, **other}


def report(**other):
    """A report of a settled trio; `other` replaces parts of it."""
    told = {
        "members": [member(one) for one in (*FOLLOWERS, LEADER)],
        "leader": LEADER,
        "linearizable": True,
        "alarms": [],
        "failures": {},
        "size": 3,
        "settled": {"say": "yes", "reason": "3 voters, all healthy"},
        "epoch": {"number": 1, "founder": FOLLOWERS[0], "way": "found", "established": 1, "at": "2026-11-21T09:00:00Z"},
        "backup": {"key": KEY, "epoch": 1, "revision": 1200, "age_seconds": 200, "size": 2080},
    }
    return {**told, **other}


def key(revision, *, epoch=1, instance=LEADER):
    """A snapshot's key."""
    return f"snapshots/{epoch:06d}/{revision:019d}-{instance}.db"


KEY = key(1200)
