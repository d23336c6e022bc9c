"""What changes to storage, keys, nodes, rights and functions mean: data, read by `kubecfn.deploy.explain.table`."""

from __future__ import annotations

from kubecfn.deploy.explain.model import Severity
from kubecfn.deploy.explain.row import Direction, How, Row

_CHANGE, _REPLACE, _REMOVE = How.CHANGE, How.REPLACE, How.REMOVE
_LOSES, _REPLACES, _INTERRUPTS, _ROLLS, _CHANGES = (
    Severity.LOSES,
    Severity.REPLACES,
    Severity.INTERRUPTS,
    Severity.ROLLS,
    Severity.CHANGES,
)
_LOWER, _RAISE = Direction.LOWER, Direction.RAISE
_REFERENCE = "CloudFormation template reference"

_GROUP = "AWS::AutoScaling::AutoScalingGroup"
_GROUP_GUIDE = "CloudFormation template reference, UpdatePolicy attribute, AutoScalingRollingUpdate"
_STORAGE = (
    Row(
        "AWS::S3::Bucket",
        (),
        _REPLACE,
        _LOSES,
        "The bucket {id} is replaced by an empty one under another name.",
        "what is in the old bucket, unless it is retained: nothing is copied",
        f"{_REFERENCE}, AWS::S3::Bucket, BucketName",
    ),
    Row("AWS::S3::Bucket", (), _REMOVE, _LOSES, "The bucket {id} is deleted from the stack.", "what is in it"),
    Row(
        "AWS::S3::Bucket",
        ("LifecycleConfiguration",),
        _CHANGE,
        _LOSES,
        "What expires in the bucket {id} changes; objects past the new age are deleted within days.",
        "objects older than a shortened age",
        "S3 User Guide, Managing your storage lifecycle",
    ),
    Row(
        "AWS::KMS::Key",
        (),
        _REPLACE,
        _LOSES,
        "The key {id} is replaced: what the old one encrypted stays readable only while the old one exists.",
        "everything encrypted with the old key, once its waiting period ends",
        f"{_REFERENCE}, AWS::KMS::Key",
    ),
    Row(
        "AWS::KMS::Key",
        (),
        _REMOVE,
        _LOSES,
        "The key {id} leaves the stack and, unless it is retained, is scheduled for deletion.",
        "everything encrypted with it, once its waiting period ends",
        "KMS Developer Guide, Deleting AWS KMS keys",
    ),
    Row(
        "AWS::KMS::Key",
        ("Enabled",),
        _CHANGE,
        _INTERRUPTS,
        "The key {id} goes from enabled {before} to {after}: while it is disabled nothing it encrypted can be read.",
        source="KMS Developer Guide, Enabling and disabling keys",
    ),
    Row(
        "AWS::Logs::LogGroup",
        (),
        _REPLACE,
        _LOSES,
        "The log group {id} is replaced by an empty one.",
        "the log lines in the old one, unless it is retained",
        f"{_REFERENCE}, AWS::Logs::LogGroup, LogGroupName",
    ),
    Row("AWS::Logs::LogGroup", (), _REMOVE, _LOSES, "The log group {id} is deleted.", "the log lines in it"),
    Row(
        "AWS::Logs::LogGroup",
        ("RetentionInDays",),
        _CHANGE,
        _LOSES,
        "The log group {id} keeps lines {after} days instead of {before}.",
        "log lines older than {after} days",
        "CloudWatch Logs User Guide, Change log data retention",
        _LOWER,
    ),
)
_NODES = (
    Row(
        _GROUP,
        (
            "LaunchTemplate",
            "MixedInstancesPolicy",
            "LaunchConfigurationName",
            "VPCZoneIdentifier",
            "AvailabilityZones",
            "PlacementGroup",
        ),
        _CHANGE,
        _ROLLS,
        "The instances of {id} are replaced.",
        source=_GROUP_GUIDE,
    ),
    Row(
        _GROUP,
        ("MaxSize", "DesiredCapacity"),
        _CHANGE,
        _INTERRUPTS,
        "{property} of {id} goes from {before} to {after}: instances above it are drained and terminated.",
        source="EC2 Auto Scaling User Guide, Set scaling limits for your Auto Scaling group",
        direction=_LOWER,
    ),
    Row(
        _GROUP,
        ("MinSize",),
        _CHANGE,
        _CHANGES,
        "{id} may shrink to {after} (until now {before}); nothing is terminated now.",
        source="EC2 Auto Scaling User Guide, Set scaling limits for your Auto Scaling group",
        direction=_LOWER,
    ),
    Row(
        _GROUP,
        ("MinSize", "DesiredCapacity"),
        _CHANGE,
        _CHANGES,
        "{property} of {id} goes from {before} to {after}: instances are added, none is replaced.",
        source="EC2 Auto Scaling User Guide, Set scaling limits for your Auto Scaling group",
        direction=_RAISE,
    ),
    Row(
        _GROUP,
        (),
        _REPLACE,
        _REPLACES,
        "The group {id} is replaced as a whole: a new group fills, then the old one and its instances go.",
        "what the old instances hold on their disks",
        f"{_REFERENCE}, AWS::AutoScaling::AutoScalingGroup",
    ),
    Row(
        _GROUP,
        (),
        _REMOVE,
        _INTERRUPTS,
        "The group {id} and all its instances are removed; their pods have to find room elsewhere.",
        "what the instances hold on their disks",
        f"{_REFERENCE}, AWS::AutoScaling::AutoScalingGroup",
    ),
    Row(
        "AWS::EC2::LaunchTemplate",
        (),
        _CHANGE,
        _CHANGES,
        "The launch template {id} gets a new version; running instances keep the old one until they are replaced.",
        source="EC2 Auto Scaling User Guide, Launch templates",
    ),
    Row("AWS::EC2::LaunchTemplate", (), _REPLACE, _REPLACES, "The launch template {id} is replaced."),
    Row("AWS::EC2::LaunchTemplate", (), _REMOVE, _CHANGES, "The launch template {id} is deleted."),
)
_RIGHTS = (
    Row(
        "AWS::IAM::Role",
        (),
        _REPLACE,
        _REPLACES,
        "The role {id} is replaced: its ARN changes, and policies elsewhere that name the old one no longer match.",
        source=f"{_REFERENCE}, AWS::IAM::Role, RoleName",
    ),
    Row("AWS::IAM::InstanceProfile", (), _REPLACE, _REPLACES, "The instance profile {id} is replaced."),
)
_FUNCTIONS = (
    Row(
        "AWS::Lambda::Function",
        (),
        _CHANGE,
        _CHANGES,
        "The function {id} is updated in place; calls that are running finish with the old code.",
        source="Lambda Developer Guide, Lambda function states",
    ),
    Row(
        "AWS::Lambda::Function",
        ("Environment",),
        _CHANGE,
        _CHANGES,
        "The function {id} gets other settings, as when functions get another client certificate for etcd; its next call"
        " has them.",
        source="Lambda Developer Guide, Using Lambda environment variables",
    ),
    Row(
        "AWS::Lambda::Function",
        ("VpcConfig",),
        _CHANGE,
        _CHANGES,
        "The function {id} gets network interfaces in other subnets or security groups; it answers again in minutes.",
        source="Lambda Developer Guide, Giving Lambda functions access to resources in an Amazon VPC",
    ),
    Row("AWS::Lambda::Function", (), _REPLACE, _REPLACES, "The function {id} is replaced; events reach the new one."),
    Row("AWS::Lambda::Function", (), _REMOVE, _INTERRUPTS, "The function {id} is deleted: nothing does its work."),
    Row(
        "AWS::Events::Rule",
        ("State",),
        _CHANGE,
        _INTERRUPTS,
        "The rule {id} goes from {before} to {after}: a disabled rule starts nothing.",
        source=f"{_REFERENCE}, AWS::Events::Rule, State",
    ),
    Row(
        "AWS::Scheduler::Schedule",
        ("State",),
        _CHANGE,
        _INTERRUPTS,
        "The schedule {id} goes from {before} to {after}: a disabled schedule starts nothing.",
        source=f"{_REFERENCE}, AWS::Scheduler::Schedule, State",
    ),
    Row("AWS::Events::Rule", (), _REMOVE, _INTERRUPTS, "The rule {id} is deleted: its events start nothing."),
    Row("AWS::Scheduler::Schedule", (), _REMOVE, _INTERRUPTS, "The schedule {id} is deleted: it starts nothing."),
    Row("AWS::Lambda::Permission", (), _REMOVE, _INTERRUPTS, "The permission {id} is deleted: its caller is refused."),
)

ROWS = (*_STORAGE, *_NODES, *_RIGHTS, *_FUNCTIONS)
