"""A cluster's stack on the embedded AWS, whose instances are containers: made, changed and deleted as a person would."""

from __future__ import annotations

import ipaddress
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from kubecfn.config import Config, load_text
from kubecfn.demo.proof import remains
from kubecfn.deploy.apply import Outcome, apply
from kubecfn.deploy.aws import connect
from kubecfn.deploy.delete import delete
from kubecfn.deploy.progress import Progress
from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.ready import Ready, make_ready

from .balancer import Front
from .hub import PUBLIC, Hub
from .image import image, trusted_authority
from .machines import AWS, NspawnMachines
from .names import Records, Remembered, Resolver, records_of
from .sts import Sts, names

NAME, REGION = "rehearsal", "eu-central-1"
NETWORK = "10.20.0.0/16"


class DidNotHappenError(Exception):
    """What was waited for did not come; the message says what there was instead."""


class Cluster:
    """One embedded AWS and the cluster on it, from `opened` to its end.

    Attributes:
        cloud: the embedded AWS.
        machines: the containers.
        resolver: of the VPC.
        folder: where this account keeps its files.
        images: of each etcd release, or of each Kubernetes minor, the machine image with it.
        front: the API's load balancer; None where instances run etcd alone.
        sts: where AWS's public names lead; likewise.
        wanted: the configuration as it stands, plain data, to be changed.
    """

    def __init__(self, cloud: EmbeddedAws, machines: NspawnMachines, resolver: Resolver, folder: Path) -> None:
        self.cloud, self.machines, self.resolver = cloud, machines, resolver
        self.folder = folder
        self._log = folder / "deploy.log"
        self.wanted: dict[str, Any] = {
            "name": NAME,
            "region": REGION,
            "dns": {"private": True, "domain": "rehearsal.internal.example.com"},
            "network": {"cidr": NETWORK, "nat_gateways": "one"},
            # An hour of the embedded AWS is six minutes here: a busy machine is no failure.
            "controllers": {"count": 3, "instance_type": "m7i.large", "signal_timeout": "1h"},
            "termination_protection": False,
        }
        self.images: dict[str, str] = {}
        self.front: Front | None = None
        self.sts: Sts | None = None
        self.aws = connect(REGION)

    @property
    def config(self) -> Config:
        """The configuration as it stands."""
        return load_text(yaml.safe_dump(self.wanted), "the rehearsal's configuration")

    @property
    def options(self) -> tuple[str, ...]:
        """What a command of kubecfn's is told of this cluster; the configuration is written as it stands."""
        file = self.folder / "kubecfn.yaml"
        file.write_text(yaml.safe_dump(self.wanted), encoding="utf-8")
        return ("--config", str(file), "--build", str(self.folder / "build"))

    def ready(self) -> Ready:
        """Return what it stands for, ready to be sent."""
        return make_ready(
            self.config,
            self.aws,
            self.folder / "build",
            source="the rehearsal's configuration",
            clock=self.cloud.clock,
            report=self._write,
        )

    def apply(self) -> Outcome:
        """Make the stack what the configuration says."""
        deployment = self.ready().deployment
        return apply(deployment, self.aws, ask=lambda _: True, clock=self.cloud.clock, report=self._write)

    def use(self, etcd: str) -> None:
        """Want the machine image with this etcd release."""
        self.wanted["image"] = {"ami": {"x86_64": self.images[etcd]}}
        self.wanted["etcd"] = etcd

    def use_kubernetes(self, line: str) -> None:
        """Want this Kubernetes minor, and the machine image with it."""
        self.wanted["image"] = {"ami": {"x86_64": self.images[line]}}
        self.wanted["kubernetes"] = line

    def delete(self) -> None:
        """Delete the stack with its backups.

        Raises:
            DidNotHappenError: something is left in the account.
        """
        done = delete(
            self.aws,
            NAME,
            NAME,
            ask=lambda _: True,
            clock=self.cloud.clock,
            report=self._write,
            empty_backups=True,
        )
        left = remains(self.cloud)
        if not done.clean or left.total:
            raise DidNotHappenError(f"left in the account: {left.counted or done.lines}")

    def controllers(self, *states: str) -> tuple[str, ...]:
        """Return the controllers' instance ids in these lifecycle states (InService), oldest first."""
        name = f"{NAME}-controllers"
        groups = self.cloud.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        wanted = states or ("InService",)
        members = [one for group in groups["AutoScalingGroups"] for one in group["Instances"]]
        return tuple(one["InstanceId"] for one in members if one["LifecycleState"] in wanted)

    def stored(self) -> dict[str, Any]:
        """Return the cluster object as it lies in the bucket of backups."""
        s3 = self.cloud.client("s3")
        resource = self.cloud.client("cloudformation").describe_stack_resource(
            StackName=NAME, LogicalResourceId="BackupBucket"
        )
        bucket = resource["StackResourceDetail"]["PhysicalResourceId"]
        found: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key="etcd/cluster.json")["Body"].read())
        return found

    def _write(self, progress: Progress) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {progress.kind.value:9} {progress.text}\n")


def until(what: Callable[[], object], describe: Callable[[], str], seconds: float = 60.0) -> float:
    """Wait until something is true; return how long that took in real seconds.

    Raises:
        DidNotHappenError: it did not become so; what it is instead, in the words of `describe`.
    """
    begun = time.monotonic()
    while not what():
        if time.monotonic() - begun > seconds:
            raise DidNotHappenError(f"after {seconds:.0f} s: {describe()}")
        time.sleep(0.05)
    return time.monotonic() - begun


@contextmanager
def opened(
    folder: Path,
    build: Path,
    hub: Hub,
    *,
    etcd: tuple[str, ...],
    speed: float,
    volume: int = 0,
    kubernetes: tuple[str, ...] = (),
    volumes: bool = False,
) -> Iterator[Cluster]:
    """Open an empty account in which each of these releases has a machine image; it closes with everything in it.

    Args:
        folder: to be made; the account's own.
        build: the project's build folder.
        hub: the network, built.
        etcd: releases; the first one's image is the configuration's.
        speed: simulated seconds in a real one: AWS's quarter-hours pass while etcd, which lives in real time, has its
            seconds.
        volume: MiB of a data volume of its own for each instance, which then also knows AWS by a name; 0 for neither.
        kubernetes: minors; each has an image with the first of the etcd releases, and the first is the configuration's.
        volumes: those images have what makes EBS volumes for pods.
    """
    (folder / "aws").mkdir(parents=True)
    images = {line: image(build, etcd[0], kubernetes=line, volumes=volumes) for line in kubernetes} or {
        release: image(build, release) for release in etcd
    }
    released: dict[str, str] = {}
    machines = NspawnMachines(
        hub,
        folder.parent.name,
        folder / "instances",
        lambda ami: images[released[ami]],
        named=bool(volume),
        volume=volume,
    )
    cloud = EmbeddedAws(
        region=REGION, clock=ScaledClock(speed), workdir=folder / "aws", machines=machines, host=hub.gate
    )
    with cloud, _pointed_at(cloud), ExitStack() as ending:
        given: Records = {(AWS, "A"): (5, (hub.gate,))}
        given |= {(name, "A"): (60, (PUBLIC,)) for name in names(REGION)} if kubernetes else {}
        asked = [cloud.client(name) for name in ("route53", "elbv2", "ec2")]
        resolver = Resolver(
            hub.resolver,
            Remembered(lambda: records_of(*asked, hub.balancer), 1.0) if kubernetes else lambda: records_of(*asked),
            given,
        )
        ending.callback(resolver.close)
        ending.callback(machines.end)
        cluster = Cluster(cloud, machines, resolver, folder)
        for label in images:
            cluster.images[label] = _register(cloud, label)
            released[cluster.images[label]] = label
        if kubernetes:
            _surround(cluster, build, hub, speed, ending)
            cluster.use_kubernetes(kubernetes[0])
        else:
            cluster.use(etcd[0])
        yield cluster


def _surround(cluster: Cluster, build: Path, hub: Hub, speed: float, ending: ExitStack) -> None:
    """Stand the load balancer and AWS's public names into the network."""
    cloud = cluster.cloud
    cluster.front = Front(hub.balancer, cloud.client("elbv2"), cloud.client("ec2"), speed)
    ending.callback(cluster.front.close)
    shows = trusted_authority(build).server(*names(REGION))
    gate = urlsplit(cloud.endpoint)
    cluster.sts = Sts((PUBLIC, 443), shows, cloud.account, (str(gate.hostname), gate.port or 80))
    ending.callback(cluster.sts.close)


def _register(cloud: EmbeddedAws, label: str) -> str:
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}
    made = cloud.client("ec2").register_image(
        Name=f"kubecfn-node-{label}",
        Architecture="x86_64",
        RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[disk],
    )
    return str(made["ImageId"])


@contextmanager
def _pointed_at(cloud: EmbeddedAws) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(cloud.environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def network() -> Hub:
    """Return the hub of the configuration's VPC."""
    return Hub(ipaddress.IPv4Network(NETWORK))
