"""A controllers' group as AWS answers about it, whose instances are real etcd members on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kubecfn.etcd.client import EtcdError
from kubecfn.etcd.store import Store, Stored, now, written
from kubecfn.local.api import Service, ServiceError
from kubecfn.local.embedded import EmbeddedAws

GROUP, HOOK, CLUSTER = "payments-controllers", "terminating", "payments"
DISCOVERY = "payments-etcd-discovery"
WAITS, RETAINED = "Terminating:Wait", "Terminating:Retained"
_GOING = {WAITS: "running", RETAINED: "running", "Terminating:Proceed": "shutting-down"}


@dataclass
class Machine:
    """One instance: where it is, its state in the group (empty when it has left) and in EC2."""

    address: str
    lifecycle: str = "InService"
    ec2: str = "running"


@dataclass
class Controllers:
    """The group, its hook, its stack and the discovery function, in memory."""

    size: int = 3
    status: str = "UPDATE_IN_PROGRESS"
    machines: dict[str, Machine] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    beats: list[str] = field(default_factory=list)
    invoked: list[dict] = field(default_factory=list)
    refuse_discovery: bool = False
    on_beat: Callable[[], object] = lambda: None

    def service(self, _world):
        """Answer what functions ask of auto scaling, EC2, CloudFormation and Lambda."""
        operations = {
            ("autoscaling", "DescribeAutoScalingGroups"): self.describe_groups,
            ("autoscaling", "CompleteLifecycleAction"): self.complete,
            ("autoscaling", "RecordLifecycleActionHeartbeat"): self.heartbeat,
            ("autoscaling", "TerminateInstanceInAutoScalingGroup"): self.terminate,
            ("ec2", "DescribeInstances"): self.describe_instances,
            ("cloudformation", "DescribeStacks"): lambda _: {
                "Stacks": [{"StackName": "p", "StackStatus": self.status}]
            },
            ("lambda", "Invoke"): self.invoke,
        }
        return Service(operations, lambda: None)

    def set(self, cluster, size=3, **lifecycle):
        """Let the group be the members of an etcd cluster, all in service but those named (``i_0000000a=WAITS``)."""
        self.__init__(size)
        for member in cluster:
            state = lifecycle.get(member.name.replace("-", "_"), "InService")
            self.machines[member.name] = Machine(member.address, state)

    def end(self, instance):
        """Let an instance be terminated, as EC2 and the group then say."""
        self.machines[instance].lifecycle, self.machines[instance].ec2 = "", "terminated"

    def ended(self, instance, address):
        """Let there have been an instance."""
        self.machines[instance] = Machine(address, "", "terminated")

    def describe_groups(self, call):
        """Describe the one group."""
        members = [
            {"InstanceId": one, "LifecycleState": machine.lifecycle}
            for one, machine in self.machines.items()
            if machine.lifecycle
        ]
        found = {"AutoScalingGroupName": GROUP, "MinSize": self.size, "Instances": members}
        return {"AutoScalingGroups": [found] * (GROUP in call.params["AutoScalingGroupNames"])}

    def describe_instances(self, call):
        """Describe instances by the group's tag or by id."""
        [wanted] = call.params["Filters"]
        by_tag = wanted["Name"] == "tag:aws:autoscaling:groupName" and wanted["Values"] == [GROUP]
        found = [
            {"InstanceId": one, "State": {"Name": machine.ec2}}
            # of a terminated instance EC2 says none
            | ({"PrivateIpAddress": machine.address} if machine.ec2 != "terminated" else {})
            for one, machine in self.machines.items()
            if by_tag or one in wanted["Values"]
        ]
        return {"Reservations": [{"Instances": found}]}

    def complete(self, call):
        """Take one answer for an instance that waits."""
        machine = self._waiting(call)
        result = call.params["LifecycleActionResult"]
        self.told.append((call.params["InstanceId"], result))
        machine.lifecycle = "Terminating:Proceed" if result == "CONTINUE" else RETAINED
        machine.ec2 = _GOING[machine.lifecycle]
        return {}

    def heartbeat(self, call):
        """Note that a hook is kept waiting."""
        self._waiting(call)
        self.beats.append(call.params["InstanceId"])
        self.on_beat()
        return {}

    def _waiting(self, call):
        instance = call.params["InstanceId"]
        assert (call.params["AutoScalingGroupName"], call.params["LifecycleHookName"]) == (GROUP, HOOK)
        if self.machines[instance].lifecycle != WAITS:
            raise ServiceError("ValidationError", f"No active Lifecycle Action found with instance ID {instance}")
        return self.machines[instance]

    def terminate(self, call):
        """End a retained instance."""
        instance = call.params["InstanceId"]
        assert self.machines[instance].lifecycle == RETAINED
        self.told.append((instance, "terminate"))
        self.machines[instance].lifecycle = "Terminating:Proceed"
        return {
            "Activity": {"ActivityId": "1", "AutoScalingGroupName": GROUP, "Cause": "x", "StatusCode": "InProgress"}
        }

    def invoke(self, call):
        """Be the discovery function."""
        assert call.params["FunctionName"] == DISCOVERY
        if self.refuse_discovery:
            raise ServiceError("TooManyRequestsException", "Rate Exceeded.", 429)
        self.invoked.append({one: machine.lifecycle for one, machine in self.machines.items()})
        return {"StatusCode": 200, "Payload": b"{}"}


@contextlib.contextmanager
def opened_account(folder):
    """Open an account with an empty group and the cluster's bucket."""
    controllers = Controllers()
    with EmbeddedAws(workdir=folder, region="eu-central-1", services=[controllers.service]) as aws:
        yield aws, controllers, Bucket(aws, "payments-backups")


class Bucket:
    """The cluster's bucket and the functions' certificate, as they are beside a living cluster."""

    def __init__(self, aws, name):
        self.s3 = aws.client("s3")
        self.name = name
        place = {"LocationConstraint": aws.region}
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
        self.store = Store(self.s3, name, CLUSTER)

    def certificate(self, ca, cert, key):
        """Put a certificate where functions find it; return its key."""
        texts = {"ca": ca.read_text(), "cert": cert.read_text(), "key": key.read_text()}
        data = json.dumps(texts).encode()
        where = f"{CLUSTER}/functions/etcd-client-{hashlib.sha256(data).hexdigest()}.json"
        self.s3.put_object(Bucket=self.name, Key=where, Body=data)
        return where

    def empty(self):
        """Forget everything but certificates."""
        for prefix in ("etcd/", "snapshots/", "daily/"):
            for one in self.s3.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", []):
                self.s3.delete_object(Bucket=self.name, Key=one["Key"])

    def object(self, instances, *, epoch=1, established=1):
        """Write the cluster object."""
        named = dict.fromkeys(instances, written(now()))
        return self.store.create(Stored(epoch, "i-0000000a", "found", established, "t", instances=named))

    def snapshot(self, member, *, epoch=1, revision=None, folder):
        """Upload a snapshot of a member as its agent does; return its key."""
        path = folder / "snapshot.db"
        member.client().snapshot(path, 10)
        status = member.client().status()
        return self.store.put_snapshot(
            path,
            epoch=epoch,
            revision=status.revision if revision is None else revision,
            instance=member.name,
            etcd_version=status.version,
            cluster_id=status.cluster,
        )


class Writer:
    """A client that writes all the time; `acknowledged` are the keys that etcd said it has, `stall` the longest pause."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.acknowledged = []
        self.stall = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        last, number = time.monotonic(), 0
        while not self._stop.is_set():
            for member in [one for one in self.cluster if one.process and one.process.poll() is None]:
                key = f"written/{number}".encode()
                with contextlib.suppress(EtcdError):
                    member.client(1.0).put(key, b"x")
                    self.acknowledged.append(key)
                    self.stall, last = max(self.stall, time.monotonic() - last), time.monotonic()
                number += 1
                time.sleep(0.01)

    def lost(self, member):
        """Return the acknowledged keys that a member does not have."""
        found = member.client().range_prefix(b"written/")
        return [key for key in self.acknowledged if key not in found]
