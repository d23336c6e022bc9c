"""What becomes of a pod's volume: the real EBS CSI driver makes it, attaches it, formats, mounts, grows, moves and deletes it.

Real are the driver, provisioner, attacher and resizer; a program of ours stands for node-driver-registrar and livenessprobe
(`tests.rehearsal.programs.csi_beside`), the embedded AWS for EC2, and `tests.rehearsal.disks` for its hypervisor.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubecfn.kubernetes.wire import KubernetesError
from kubecfn.local.recorder import Recorded
from tests.rehearsal.cluster import NAME, REGION, DidNotHappenError, until
from tests.rehearsal.disks import Disks, seen

from .containers import KEEP
from .life import KubernetesLife, asked
from .machine import has_resource

ZONE = f"{REGION}a"
READY, MOVED, GONE = 30.0, 60.0, 60.0
_PATIENCE = 240.0
_CLAIM = "/api/v1/namespaces/default/persistentvolumeclaims"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
_KEEPS = {"app": "keep"}
_NOBODY = 65534
# Done on a node: what is told is written through the pod, what lies there is hashed.
_SPEAKS = """
import hashlib, sys, urllib.request
url, size = sys.argv[1], int(sys.argv[2])
if size:
    block = hashlib.sha512(sys.argv[3].encode()).digest()
    told = urllib.request.Request(url, data=block * (size // len(block)), method="PUT")
    urllib.request.urlopen(told, timeout=20).read()
print(hashlib.sha256(urllib.request.urlopen(url, timeout=20).read()).hexdigest())
"""
_SIZE = 8 << 20


@dataclass
class Volumes:
    """A cluster with the driver, and what its pods keep.

    Attributes:
        disks: the hypervisor's part.
        wrote: the hash of what the pod wrote.
    """

    life: KubernetesLife
    disks: Disks
    wrote: str = ""

    def steps(self) -> dict[str, Callable[[], str]]:
        """Return what happens, in its order."""
        return {
            "create one and two with the EBS CSI driver": self.create,
            "a claim becomes a volume: made, attached, formatted, mounted": self.claim,
            "its pod writes": self.write,
            "its worker is drained: the pod reads on the other what it wrote": self.move,
            "the claim grows under it": self.grow,
            "the claim is deleted: the volume is gone from EC2": self.delete,
            "nobody was refused": self.refusals,
        }

    def create(self) -> str:
        """Make the stack: the driver's halves are ready, and every node knows how many volumes it takes."""
        state = self.life.cluster.apply().state.value
        until(asked(self.life.look.client.ready), lambda: "the API is not ready", _PATIENCE)
        self.life.whole()
        until(asked(lambda: len(self._takes()) == self.life.size + self.life.workers), self._why, _PATIENCE)
        return (
            f"{state}; {len(self.life.look.pods())} pods are ready; a node takes {set(self._takes().values())} volumes"
        )

    def claim(self) -> str:
        """Deploy a pod that asks for 1 GiB of the default class."""
        began = time.monotonic()
        self._deploy()
        self._until(self._volumes)
        made = time.monotonic() - began
        self._until(lambda: any(one["Attachments"] for one in self._volumes()))
        attached = time.monotonic() - began
        self._until(self._where)
        took = self.life.results.measure("a pod with a new volume is ready", time.monotonic() - began, READY)
        [volume] = self._volumes()
        _must(volume, {"VolumeType": "gp3", "Encrypted": True, "Size": 1, "AvailabilityZone": ZONE})
        tags = {tag["Key"]: tag["Value"] for tag in volume["Tags"]}
        _must(tags, {f"kubernetes.io/cluster/{NAME}": "owned", "kubernetes.io/created-for/pvc/name": "kept"})
        return (
            f"{volume['VolumeId']} made after {made:.1f} s, attached after {attached:.1f} s; {took}; {self._mounted()}"
        )

    def write(self) -> str:
        """Write through the pod."""
        self.wrote = self._speak(_SIZE)
        if self.wrote != _expected():
            raise DidNotHappenError(f"the pod read {self.wrote}, and {_expected()} was written")
        return f"{_SIZE >> 20} MiB are written"

    def move(self) -> str:
        """Take the pod's worker away: the volume follows the pod."""
        victim = self._where()
        began = time.monotonic()
        self.life.cluster.cloud.client("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=victim, ShouldDecrementDesiredCapacity=False
        )
        self._until(lambda: self._where() not in {"", victim})
        took = self.life.results.measure("a pod with a volume moves", time.monotonic() - began, MOVED)
        there = self._speak(0)
        if there != self.wrote:
            raise DidNotHappenError(f"on {self._where()} it reads {there}, and {self.wrote} was written on {victim}")
        until(lambda: victim not in self.life.cluster.machines.alive, lambda: f"{victim} is on", _PATIENCE)
        self.life.whole()
        return f"{victim} to {self._where()}: {took}; it reads what was written; {self._mounted()}"

    def grow(self) -> str:
        """Ask for 2 GiB: the volume grows, and the file system on it while it is in use."""
        began, pods = time.monotonic(), set(self.life.look.where("app=keep"))
        wanted = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        self.life.look.client.patch(f"{_CLAIM}/kept", wanted)
        if has_resource():
            self._until(lambda: self._claimed()["status"]["capacity"]["storage"] == "2Gi")
            words = self._mounted()
        else:
            # All but the kernel's part: it lets nobody here grow a file system that is mounted.
            self._until(lambda: self._warned("Permission denied to resize filesystem"))
            words = "the kernel of this machine lets nobody grow what is mounted, as the driver told the claim"
        if [one["Size"] for one in self._volumes()] != [2] or set(self.life.look.where("app=keep")) != pods:
            raise DidNotHappenError(f"EC2 has {self._volumes()}; the pods were {pods}")
        return f"2 GiB after {time.monotonic() - began:.1f} s; {words}; the pod stayed"

    def delete(self) -> str:
        """Delete pod and claim."""
        client, began = self.life.look.client, time.monotonic()
        client.delete(f"{_DEPLOYMENTS}/keep", propagationPolicy="Foreground")
        client.delete(f"{_CLAIM}/kept")
        self.nothing_left()
        return self.life.results.measure("a volume is deleted with its claim", time.monotonic() - began, GONE)

    def nothing_left(self) -> str:
        """Wait until neither EC2 nor its hypervisor has a volume of a pod's."""
        self._until(lambda: not self._volumes() and not self.disks.files)
        return f"{sum('thrown away' in one for one in self.disks.happened)} volumes were made and deleted"

    def refusals(self) -> str:
        """Look at every call about volumes that the controllers' role made: its rights were enough."""
        calls = [one for one in self.life.cluster.cloud.recorder.calls if _is_about_volumes(one)]
        refused = {f"{one.call.operation}: {one.reason}" for one in calls if one.outcome == "UnauthorizedOperation"}
        if refused:
            raise DidNotHappenError(f"refused: {sorted(refused)}")
        kinds = sorted({one.call.operation for one in calls})
        return f"{len(calls)} calls about volumes, none of them refused: {', '.join(kinds)}"

    def leave_behind(self) -> str:
        """Deploy another pod with a volume, and leave both to whoever deletes the cluster."""
        self._deploy()
        self._until(self._where)
        return f"{[one['VolumeId'] for one in self._volumes()]} is there"

    # how

    def _deploy(self) -> None:
        wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        self.life.look.client.create(_CLAIM, {"metadata": {"name": "kept"}, "spec": wanted})
        self.life.look.client.create(_DEPLOYMENTS, _deployment())

    def _takes(self) -> dict[str, int]:
        """Return how many volumes each node takes, once the driver has told its kubelet."""
        nodes = self.life.look.client.list("/apis/storage.k8s.io/v1/csinodes")
        drivers = ((one["metadata"]["name"], each) for one in nodes for each in one["spec"].get("drivers") or ())
        return {name: int(each["allocatable"]["count"]) for name, each in drivers if "allocatable" in each}

    def _volumes(self) -> list[dict[str, Any]]:
        """Return the volumes that no instance boots from."""
        found = self.life.cluster.cloud.client("ec2").describe_volumes()["Volumes"]
        return [one for one in found if one["VolumeId"] in seen([one])]

    def _where(self) -> str:
        """Return the node of the pod that is ready; nothing while none is."""
        return next(iter(self.life.look.where("app=keep").values()), "")

    def _claimed(self) -> dict[str, Any]:
        return self.life.look.client.get(f"{_CLAIM}/kept")

    def _warned(self, words: str) -> bool:
        return any(words in one for one in self._warnings())

    def _warnings(self) -> list[str]:
        """Return what the cluster warns of about pods and claims, the oldest first."""
        events = self.life.look.client.list("/api/v1/namespaces/default/events", fieldSelector="type=Warning")
        about = [(one["involvedObject"]["kind"], one["message"]) for one in events]
        return [f"{kind}: {words}" for kind, words in about if kind != "Node"]

    def _mounted(self) -> str:
        """Return what the pod's node says of the file system."""
        mounts = self._run("cat", "/proc/mounts").splitlines()
        [line] = [one for one in mounts if "/pods/" in one and one.split()[2] == "ext4"]
        device, path, kind = line.split()[:3]
        size = self._run("df", "--block-size=1M", "--output=size", path).split()[-1]
        return f"{kind} on {device}, {size} MiB"

    def _speak(self, size: int) -> str:
        [pod] = [one for one in self.life.look.pods() if one["metadata"].get("labels", {}).get("app") == "keep"]
        url = f"http://{pod['status']['podIP']}:8080/file"
        return self._run("python3", "-c", _SPEAKS, url, str(size), NAME).strip()

    def _run(self, *command: str) -> str:
        done: subprocess.CompletedProcess[str] = self.life.cluster.machines.run(self._where(), *command)
        if done.returncode:
            raise DidNotHappenError(f"{command[0]} on {self._where()}: {done.stderr[-300:]}")
        return done.stdout

    def _until(self, what: Callable[[], object]) -> None:
        until(asked(what), self._why, _PATIENCE)

    def _why(self) -> str:
        try:
            told = self._warnings()[-4:]
            words = [self.disks.error, *self.life.look.not_ready()[:4], *told, *self.disks.happened[-3:]]
            return "; ".join(filter(None, words)) or f"it has not come; CSI nodes: {self._takes()}"
        except KubernetesError as error:
            return str(error)


def _is_about_volumes(one: Recorded) -> bool:
    return "Volume" in one.call.operation and ":assumed-role/" in one.call.caller


def _expected() -> str:
    block = hashlib.sha512(NAME.encode()).digest()
    return hashlib.sha256(block * (_SIZE // len(block))).hexdigest()


def _must(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    wrong = {key: found.get(key) for key, value in wanted.items() if found.get(key) != value}
    if wrong:
        raise DidNotHappenError(f"the volume has {wrong}, and not {[wanted[key] for key in wrong]}")


def _deployment() -> dict[str, Any]:
    container = {
        "name": "keep",
        "image": KEEP,
        "args": ["/kept"],
        "imagePullPolicy": "IfNotPresent",
        "volumeMounts": [{"name": "kept", "mountPath": "/kept"}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    pod = {
        "containers": [container],
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"fsGroup": _NOBODY},
        "volumes": [{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}],
    }
    # A volume is one node's at a time: the next pod begins when the last one has ended.
    spec = {"replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": _KEEPS}}
    return {
        "metadata": {"name": "keep"},
        "spec": {**spec, "template": {"metadata": {"labels": _KEEPS}, "spec": pod}},
    }
