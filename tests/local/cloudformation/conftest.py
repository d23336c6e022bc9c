"""An account with only CloudFormation in it: resource types over plain dicts, groups over a small model of Auto Scaling."""

# ruff: noqa: D102, N803  providers and clients have the methods and arguments of what they stand for
from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kubecfn.local.api import Call
from kubecfn.local.clock import ScaledClock
from kubecfn.local.cloudformation import service
from kubecfn.local.providers.seam import Context, Made, Properties, UnsupportedError
from kubecfn.local.world import World

REGION, ACCOUNT = "eu-central-1", "111122223333"
SPEED = 600.0  # ten simulated minutes are one second


def refusal(code: str, message: str, operation: str = "Operation") -> ClientError:
    """A service's refusal as boto3 raises it."""
    body = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "r-1"},
    }
    return ClientError(body, operation)


@dataclass
class Shelf:
    """Every resource that exists outside the stacks: type -> physical id -> properties, and the order of what was done."""

    items: dict[str, dict[str, Properties]] = field(default_factory=dict)
    log: list[tuple[str, str, str]] = field(default_factory=list)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    broken: dict[tuple[str, str], Exception] = field(default_factory=dict)

    def break_(self, what: str, logical_id: str, problem: Exception | None = None) -> None:
        """Let create, update or delete of a resource fail from now on."""
        self.broken[what, logical_id] = problem or refusal("InternalError", f"cannot {what} {logical_id}")

    def mend(self, what: str, logical_id: str) -> None:
        """Let it succeed again."""
        self.broken.pop((what, logical_id))

    def all(self, kind: str) -> dict[str, Properties]:
        """What exists of a type."""
        return self.items.setdefault(kind, {})

    def done(self, what: str) -> list[str]:
        """Logical ids in the order in which `what` was done to them."""
        return [logical_id for did, _, logical_id in self.log if did == what]


@dataclass(frozen=True)
class Dict:
    """Any resource type, kept on the shelf."""

    kind: str
    shelf: Shelf
    attributes: tuple[str, ...] = ()

    def create(self, context: Context, properties: Properties) -> Made:
        self._did("create", context)
        name = f"{context.logical_id.lower()}-{next(self.shelf.numbers)}"
        self.shelf.all(self.kind)[name] = properties
        self.shelf.tags[name] = dict(context.tags)
        return self._made(name, 1)

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Made:
        self._did("update", context)
        self.shelf.all(self.kind)[physical_id] = new
        self.shelf.tags[physical_id] = dict(context.tags)
        return self._made(physical_id, 2)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        self._did("delete", context)
        self.shelf.all(self.kind).pop(physical_id, None)

    def _did(self, what: str, context: Context) -> None:
        if problem := self.shelf.broken.get((what, context.logical_id)):
            raise problem
        self.shelf.log.append((what, self.kind, context.logical_id))

    def _made(self, name: str, version: int) -> Made:
        return Made(name, {attribute: f"{attribute}:{name}:{version}" for attribute in self.attributes})


@dataclass
class AutoScaling:
    """The few calls of Auto Scaling a roll makes, over dicts; instances exist at once."""

    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    launched: Callable[[str, str], None] = lambda _group, _instance: None
    history: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def describe_auto_scaling_groups(self, AutoScalingGroupNames: list[str]) -> dict[str, Any]:
        with self.lock:
            found = [self.groups[name] for name in AutoScalingGroupNames if name in self.groups]
            return {"AutoScalingGroups": json.loads(json.dumps(found))}

    def update_auto_scaling_group(self, AutoScalingGroupName: str, **changes: Any) -> None:
        with self.lock:
            group = self.groups[AutoScalingGroupName]
            group |= changes
            group["DesiredCapacity"] = min(max(group["DesiredCapacity"], group["MinSize"]), group["MaxSize"])
        self.reconcile(AutoScalingGroupName)

    def terminate_instance_in_auto_scaling_group(self, InstanceId: str, ShouldDecrementDesiredCapacity: bool) -> None:
        with self.lock:
            for name, group in self.groups.items():
                for instance in list(group["Instances"]):
                    if instance["InstanceId"] == InstanceId:
                        group["Instances"].remove(instance)
                        group["DesiredCapacity"] -= int(ShouldDecrementDesiredCapacity)
                        self.history.append(f"- {InstanceId}")
                        assert group["DesiredCapacity"] >= group["MinSize"], "AWS refuses to go below MinSize"
                        self.reconcile(name)
                        return
        raise refusal(
            "ValidationError", f"Instance Id not found - No managed instance found for instance ID {InstanceId}"
        )

    def suspend_processes(self, AutoScalingGroupName: str, ScalingProcesses: list[str]) -> None:
        group = self.groups[AutoScalingGroupName]
        group["SuspendedProcesses"] += [{"ProcessName": name} for name in ScalingProcesses]
        self.history.append(f"suspend {','.join(ScalingProcesses)}")

    def resume_processes(self, AutoScalingGroupName: str, ScalingProcesses: list[str]) -> None:
        group = self.groups[AutoScalingGroupName]
        group["SuspendedProcesses"] = [
            row for row in group["SuspendedProcesses"] if row["ProcessName"] not in ScalingProcesses
        ]
        self.history.append(f"resume {','.join(ScalingProcesses)}")

    def reconcile(self, name: str) -> None:
        """Launch what is missing, remove what is too much (the oldest first, as the default policy would)."""
        fresh = []
        with self.lock:
            group = self.groups[name]
            while len(group["Instances"]) > group["DesiredCapacity"]:
                self.history.append(f"scale-in {group['Instances'].pop(0)['InstanceId']}")
            while len(group["Instances"]) < group["DesiredCapacity"]:
                instance = f"i-{next(self.numbers):04d}"
                row = {
                    "InstanceId": instance,
                    "LifecycleState": "InService",
                    "LaunchTemplate": dict(group["LaunchTemplate"]),
                }
                group["Instances"].append(row)
                self.history.append(f"+ {instance}")
                fresh.append(instance)
        for instance in fresh:
            self.launched(name, instance)


@dataclass(frozen=True)
class Group:
    """AWS::AutoScaling::AutoScalingGroup over the model above."""

    api: AutoScaling
    shelf: Shelf

    def create(self, context: Context, properties: Properties) -> Made:
        name = f"{context.stack_name}-{context.logical_id}"
        self.api.groups[name] = {
            "AutoScalingGroupName": name,
            "Instances": [],
            "SuspendedProcesses": [],
            **self._sizes(properties),
        }
        self.api.groups[name]["LaunchTemplate"] = dict(properties["LaunchTemplate"])
        self.shelf.log.append(("create", "group", context.logical_id))
        self.api.reconcile(name)
        return Made(name, {})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Made:
        self.api.groups[physical_id]["LaunchTemplate"] = dict(new["LaunchTemplate"])
        self.shelf.log.append(("update", "group", context.logical_id))
        self.api.update_auto_scaling_group(physical_id, **self._sizes(new, physical_id))
        return Made(physical_id, {})

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        self.api.groups.pop(physical_id, None)
        self.shelf.log.append(("delete", "group", context.logical_id))

    def _sizes(self, properties: Properties, name: str = "") -> dict[str, int]:
        least, most = int(properties["MinSize"]), int(properties["MaxSize"])
        present = self.api.groups[name]["DesiredCapacity"] if name else least
        return {"MinSize": least, "MaxSize": most, "DesiredCapacity": int(properties.get("DesiredCapacity", present))}


class _Ec2:
    def describe_availability_zones(self) -> dict[str, Any]:
        return {"AvailabilityZones": [{"ZoneName": f"{REGION}{letter}"} for letter in "bac"]}


class _Ssm:
    def __init__(self, values: dict[str, str]) -> None:
        self.values = values

    def get_parameter(self, Name: str) -> dict[str, Any]:
        if Name not in self.values:
            raise refusal("ParameterNotFound", "")
        return {"Parameter": {"Value": self.values[Name]}}


class _S3:
    def __init__(self, objects: dict[tuple[str, str], str]) -> None:
        self.objects = objects

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if (Bucket, Key) not in self.objects:
            raise refusal("NoSuchKey", "The specified key does not exist.")
        body = self.objects[Bucket, Key].encode()

        class Body:
            def read(self) -> bytes:
                return body

        return {"Body": Body()}


@dataclass
class Account:
    """The account under test: calls go to the handlers as the gate would hand them over."""

    service: Any
    shelf: Shelf
    scaling: AutoScaling
    ssm: dict[str, str]
    objects: dict[tuple[str, str], str]
    region: str = REGION

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """One API call."""
        handler = self.service.operations["cloudformation", operation]
        return handler(
            Call("cloudformation", operation, params, ACCOUNT, self.region, "arn:aws:iam::111122223333:user/me")
        )

    def stack(self, name: str) -> dict[str, Any]:
        """The stack as DescribeStacks shows it."""
        return self.call("DescribeStacks", StackName=name)["Stacks"][0]

    def settled(self, name: str, timeout: float = 10) -> dict[str, Any]:
        """Wait until no operation is under way and return the stack."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            stack = self.stack(name)
            status = stack["StackStatus"]
            if not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS":
                return stack
            time.sleep(0.002)
        raise AssertionError(f"{name} stays {stack['StackStatus']}: {self.history(name)}")

    def create(self, name: str, template: dict[str, Any] | str, **params: Any) -> dict[str, Any]:
        """CreateStack and wait; address it by id, since a failed creation may be deleted."""
        made = self.call("CreateStack", StackName=name, TemplateBody=text(template), **params)
        return self.settled(made["StackId"])

    def update(self, name: str, template: dict[str, Any] | str, **params: Any) -> dict[str, Any]:
        """UpdateStack and wait."""
        self.call("UpdateStack", StackName=name, TemplateBody=text(template), **params)
        return self.settled(name)

    def delete(self, name: str, **params: Any) -> dict[str, Any]:
        """DeleteStack and wait."""
        stack_id = self.stack(name)["StackId"]
        self.call("DeleteStack", StackName=name, **params)
        return self.settled(stack_id)

    def look(
        self, name: str, template: dict[str, Any] | str, change_set: str = "look", **params: Any
    ) -> dict[str, Any]:
        """CreateChangeSet, wait, DescribeChangeSet with values."""
        body = {} if params.get("UsePreviousTemplate") else {"TemplateBody": text(template)}
        made = self.call("CreateChangeSet", StackName=name, ChangeSetName=change_set, **body, **params)
        return self.seen(made["Id"])

    def seen(self, change_set_id: str) -> dict[str, Any]:
        """Wait for a change set's own creation and describe it."""
        end = time.monotonic() + 5
        while True:
            seen = self.call("DescribeChangeSet", ChangeSetName=change_set_id, IncludePropertyValues=True)
            if seen["Status"] in {"CREATE_COMPLETE", "FAILED"}:
                return seen
            assert time.monotonic() < end, seen
            time.sleep(0.001)

    def changes(self, name: str, template: dict[str, Any] | str, **params: Any) -> dict[str, dict[str, Any]]:
        """Logical id -> ResourceChange of a change set that is thrown away again."""
        seen = self.look(name, template, "throwaway", **params)
        self.call("DeleteChangeSet", ChangeSetName="throwaway", StackName=name)
        return {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in seen["Changes"]}

    def events(self, name: str) -> list[dict[str, Any]]:
        """Oldest first."""
        return self.call("DescribeStackEvents", StackName=name)["StackEvents"][::-1]

    def history(self, name: str) -> list[str]:
        """``LogicalId STATUS`` of every event, oldest first."""
        return [f"{event['LogicalResourceId']} {event['ResourceStatus']}" for event in self.events(name)]

    def reasons(self, name: str, logical_id: str) -> list[str]:
        """The reasons of one resource's events, oldest first, empty ones left out."""
        rows = [event for event in self.events(name) if event["LogicalResourceId"] == logical_id]
        return [row["ResourceStatusReason"] for row in rows if row.get("ResourceStatusReason")]

    def signal(self, stack: str, logical_id: str, instance: str, status: str = "SUCCESS") -> None:
        """SignalResource."""
        self.call("SignalResource", StackName=stack, LogicalResourceId=logical_id, UniqueId=instance, Status=status)


def text(template: dict[str, Any] | str) -> str:
    """A template as sent."""
    return template if isinstance(template, str) else json.dumps(template)


KINDS: dict[str, tuple[str, ...]] = {
    "AWS::EC2::Instance": ("PublicIp",),
    "AWS::EC2::LaunchTemplate": ("LatestVersionNumber", "DefaultVersionNumber"),
    "AWS::EC2::Subnet": (),
    "AWS::EC2::VPC": ("CidrBlock",),
    "AWS::IAM::Role": ("Arn",),
    "AWS::Lambda::Permission": (),
    "AWS::Lambda::Function": ("Arn",),
    "AWS::S3::Bucket": ("Arn",),
    "AWS::SNS::Topic": ("TopicArn",),
    "AWS::SNS::Subscription": ("Arn",),
    "AWS::SSM::Parameter": ("Value",),
}


def _account(region: str = REGION) -> Account:
    shelf, scaling = Shelf(), AutoScaling()
    ssm: dict[str, str] = {}
    objects: dict[tuple[str, str], str] = {}
    clients = {"autoscaling": scaling, "ec2": _Ec2(), "ssm": _Ssm(ssm), "s3": _S3(objects)}
    world = World(
        ScaledClock(SPEED), ACCOUNT, lambda service, _region: clients[service], lambda: "http://127.0.0.1:4", Path()
    )

    def provider(kind: str) -> Any:
        if kind == "AWS::AutoScaling::AutoScalingGroup":
            return Group(scaling, shelf)
        if kind not in KINDS:
            raise UnsupportedError(f"not emulated: {kind}")
        return Dict(kind, shelf, KINDS[kind])

    return Account(service(world, provider), shelf, scaling, ssm, objects, region)


@pytest.fixture(scope="session")
def account_class() -> type[Account]:
    """For comparisons: the same questions to another emulation."""
    return Account


@pytest.fixture
def account() -> Iterator[Account]:
    """A fresh account in eu-central-1."""
    made = _account()
    yield made
    made.service.close()


@pytest.fixture
def account_in() -> Iterator[Callable[[str], Account]]:
    """Accounts in other regions."""
    made: list[Account] = []

    def build(region: str) -> Account:
        made.append(_account(region))
        return made[-1]

    yield build
    for one in made:
        one.service.close()
