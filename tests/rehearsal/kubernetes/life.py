"""What a Kubernetes cluster goes through in a rehearsal, what must come of each deed, and what each is measured by."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubecfn.care import backup as backups
from kubecfn.care.where import where
from kubecfn.cluster_keys import pki_directory
from kubecfn.deploy.progress import Work, silent
from kubecfn.kubernetes import kubeconfig
from kubecfn.kubernetes.client import Client
from kubecfn.kubernetes.wire import KubernetesError
from tests.rehearsal.cluster import NAME, Cluster, DidNotHappenError, until
from tests.rehearsal.results import Results

from .containers import ANSWER
from .look import CONTROLLER, Look, Milestones
from .writer import ApiWriter, Seen

NODES, PODS, ROLL_GAP, CUT_GAP, FAILED = 25.0, 35.0, 0.5, 2.0, 0
# As long as an instance may take, with all that it waits for, on a machine that is busy with others.
_PATIENCE = 300.0
_WEB = {"app": "answer"}
_KEPT = 20
_CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
_DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
_SERVICES = "/api/v1/namespaces/default/services"
# Asked of the cluster's DNS by a node itself, which has another resolver: one A question in plain bytes.
_ASKS = """
import socket, struct, sys, urllib.request
name, server = sys.argv[1], sys.argv[2]
labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asks.settimeout(3)
asks.sendto(struct.pack("!6H", 7, 256, 1, 0, 0, 0) + labels + bytes([0]) + struct.pack("!HH", 1, 1), (server, 53))
said = asks.recv(512)
address = socket.inet_ntoa(said[-4:])
print(address, urllib.request.urlopen("http://" + address, timeout=3).read().decode().strip())
"""


@dataclass
class KubernetesLife:
    """A cluster and who watches it.

    Attributes:
        look: at its API.
        writer: writes all the time once the API is there.
        file: the administrator's kubeconfig.
    """

    cluster: Cluster
    results: Results
    look: Look
    writer: ApiWriter
    file: Path

    @property
    def authority(self) -> str:
        """The certificate of the cluster's Kubernetes authority, PEM."""
        return kubeconfig.read(self.file).authority

    @property
    def size(self) -> int:
        """How many controllers there are to be."""
        return int(self.cluster.wanted["controllers"]["count"])

    @property
    def workers(self) -> int:
        """How many workers there are to be."""
        return sum(int(pool["min"]) for pool in self.cluster.wanted["pools"])

    @property
    def controller(self) -> str:
        """The one controller there is."""
        [one] = self.instances(controllers=True)
        return one

    def create(self) -> str:
        """Make the stack: every controller runs the API, every worker joins."""
        with Milestones(self.look, self.size + self.workers, self.size) as seen:
            state = self.cluster.apply().state.value
            until(lambda: seen.all, lambda: seen.missing, _PATIENCE)
        began = min(map(self.cluster.machines.booted_at, self.cluster.machines.alive))
        took = {name: at - began for name, at in seen.reached.items()}
        self.writer.__enter__()
        nodes = self.results.measure("boot of five to all nodes ready", took["nodes"], NODES)
        pods = self.results.measure("boot of five to all pods ready", took["pods"], PODS)
        return f"{state}; API after {took['API']:.1f} s; {nodes}; {pods}; {self._memory()}"

    def deploy(self) -> str:
        """Deploy two pods and a service; a worker finds it by its name and is answered."""
        container = {"name": "answer", "image": ANSWER, "imagePullPolicy": "IfNotPresent"}
        spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
        spread["labelSelector"] = {"matchLabels": _WEB}  # type: ignore[assignment]  # a document
        pod = {"metadata": {"labels": _WEB}, "spec": {"containers": [container], "topologySpreadConstraints": [spread]}}
        spec = {"replicas": 2, "selector": {"matchLabels": _WEB}, "template": pod}
        began = time.monotonic()
        self.look.client.create(_DEPLOYMENTS, {"metadata": {"name": "answer"}, "spec": spec})
        ports = [{"port": 80, "targetPort": 8080}]
        self.look.client.create(_SERVICES, {"metadata": {"name": "answer"}, "spec": {"selector": _WEB, "ports": ports}})
        until(asked(lambda: len(self._answering()) == 2), lambda: str(self.look.not_ready()), 60)
        ready = time.monotonic() - began
        return f"two pods ready after {ready:.1f} s; {self.answered()}"

    def answered(self) -> str:
        """Ask the service by its name from every worker; where it was changed just now, a worker takes a moment to know."""
        workers, said = self.instances(controllers=False), list[str]()
        for worker in workers:
            until(
                lambda worker=worker: self._ask_from(worker).returncode == 0,
                lambda worker=worker: f"{worker}: {self._ask_from(worker).stderr[-200:]}",
                30,
            )  # type: ignore[misc]
            said += [self._ask_from(worker).stdout.split()[-1] for _ in range(4)]
        return f"answered on {len(workers)} workers by {len(set(said))} pods"

    def roll(self, line: str, release: str) -> str:
        """Go to another Kubernetes minor: every instance is replaced, and clients notice nothing."""
        before = set(self.cluster.machines.alive)
        self.cluster.use_kubernetes(line)
        with self.written() as seen:
            state = self.cluster.apply().state.value
            self.whole()
        left = before & set(self.cluster.machines.alive)
        versions = {node["status"]["nodeInfo"]["kubeletVersion"] for node in self.look.nodes().values()}
        if left or versions != {f"v{release}"}:
            raise DidNotHappenError(f"{sorted(left) or 'nobody'} survived the roll; kubelets are {sorted(versions)}")
        return f"{state}; {self._judged('version roll', seen(), ROLL_GAP, FAILED)}"

    def cut_power(self) -> str:
        """Cut a controller's power: clients go on with the others, another takes its place."""
        victim = self.instances(controllers=True)[0]
        with self.written() as seen:
            self.cluster.machines.kill(victim)
            until(lambda: victim not in self.cluster.controllers(), lambda: f"{victim} is in service", _PATIENCE)
            self.whole()
        return f"{victim} was replaced; {self._judged('power cut of a controller', seen(), CUT_GAP)}"

    def replace_worker(self) -> str:
        """Take a worker away on which a pod runs: the pod is evicted and starts elsewhere before the worker goes."""
        pods = self._answering()
        victim = min(pods.values())
        moved = {pod for pod, node in pods.items() if node == victim}
        began = time.monotonic()
        self.cluster.cloud.client("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=victim, ShouldDecrementDesiredCapacity=False
        )
        until(asked(lambda: not moved & set(self._answering())), lambda: f"{moved} are on {victim}", _PATIENCE)
        evicted = time.monotonic() - began
        running = victim in self.cluster.machines.alive
        until(lambda: victim not in self.cluster.machines.alive, lambda: f"{victim} is on", _PATIENCE)
        self.whole()
        if not running:
            raise DidNotHappenError(f"{victim} was off before its pods had left it")
        until(asked(lambda: victim not in self.look.nodes()), lambda: f"{victim} is a node", _PATIENCE)
        return f"its pod left {victim} after {evicted:.1f} s, before it was switched off; {self.answered()}"

    def lose_all(self) -> str:
        """Lose every controller at once: the cluster goes on from its last backup, with every object that was in there."""
        client = self.look.client
        for number in range(_KEPT):
            client.create(_CONFIG_MAPS, {"metadata": {"name": f"kept-{number}"}, "data": {"number": str(number)}})
        places = where(self.cluster.aws, NAME)
        backups.backup(self.cluster.aws, places, Work(self.cluster.cloud.clock, silent, "kubecfn status"))
        there, version = self._objects(), client.get(_CONFIG_MAPS)["metadata"]["resourceVersion"]
        lost = self.instances(controllers=True)
        began = time.monotonic()
        for one in lost:
            self.cluster.machines.kill(one)
        self.cluster.cloud.client("ec2").terminate_instances(InstanceIds=list(lost))
        until(client.ready, lambda: "the API is not ready", _PATIENCE)
        serving = time.monotonic() - began
        self.whole()
        whole = time.monotonic() - began
        if missing := there - self._objects():
            raise DidNotHappenError(f"lost though they were in the backup: {sorted(missing)[:5]}")
        self._relisted(version)
        # Controllers and kubelets that had not listed anew would do nothing about it.
        client.patch(f"{_DEPLOYMENTS}/answer", {"spec": {"replicas": 3}})
        until(asked(lambda: len(self._answering()) == 3), lambda: str(self.look.not_ready()), 60)
        return f"API after {serving:.1f} s, all nodes and pods after {whole:.1f} s; {len(there)} objects are there; {self.answered()}"

    # how

    def whole(self) -> None:
        """Wait until every instance in service is a ready node, nothing else is a node, and every pod is ready."""

        def is_whole() -> bool:
            wanted = set(self.instances(controllers=True)) | set(self.instances(controllers=False))
            right = len(wanted) == self.size + self.workers and set(self.look.nodes()) == wanted == self.look.ready()
            return right and not self.look.not_ready()

        until(asked(is_whole), self._said, _PATIENCE)

    def _said(self) -> str:
        try:
            nodes, ready = set(self.look.nodes()), self.look.ready()
            return f"nodes {sorted(nodes)}, not ready {sorted(nodes - ready)}; {'; '.join(self.look.not_ready()[:6])}"
        except KubernetesError as error:
            return str(error)

    def instances(self, *, controllers: bool) -> tuple[str, ...]:
        """Return the controllers in service, or the workers."""
        groups = self.cluster.cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        own = [one for one in groups if (one["AutoScalingGroupName"] == f"{NAME}-controllers") == controllers]
        members = [one for group in own for one in group["Instances"]]
        return tuple(one["InstanceId"] for one in members if one["LifecycleState"] == "InService")

    def _answering(self) -> dict[str, str]:
        return self.look.where("app=answer")

    def _ask_from(self, instance: str) -> subprocess.CompletedProcess[str]:
        """Ask for the service by its name; the last word is the pod that answered."""
        name = "answer.default.svc.cluster.local"
        return self.cluster.machines.run(instance, "python3", "-c", _ASKS, name, self.cluster_dns)

    @property
    def cluster_dns(self) -> str:
        """The address of the cluster's own DNS."""
        return str(self.look.client.get("/api/v1/namespaces/kube-system/services/kube-dns")["spec"]["clusterIP"])

    def _objects(self) -> set[str]:
        paths = (_CONFIG_MAPS, _DEPLOYMENTS, _SERVICES, "/api/v1/namespaces", "/api/v1/serviceaccounts")
        return {
            f"{path} {one['metadata']['name']} {one['metadata']['uid']}" for path in paths for one in self._listed(path)
        }

    def _listed(self, path: str) -> Iterator[dict[str, Any]]:
        yield from self.look.client.list(path)

    def _relisted(self, version: str) -> None:
        """Whoever watches from a version of before the loss is told to list anew, and not that nothing happened."""
        try:
            for _ in self.look.client.watch(_CONFIG_MAPS, seconds=2, resourceVersion=version):
                break
        except KubernetesError as error:
            if error.status == 410:
                return
            raise
        raise DidNotHappenError("a watch from before the loss went on as if nothing had happened")

    @contextmanager
    def written(self) -> Iterator[Callable[[], Seen]]:
        """Yield what says, afterwards, what the writer met inside."""
        began = time.monotonic()
        ended = 0.0
        yield lambda: self.writer.seen(began, ended)
        ended = time.monotonic()

    def _judged(self, name: str, seen: Seen, gap: float, failed: int | None = None) -> str:
        words = [str(seen), self.results.measure(f"longest gap: {name}", seen.gap, gap), self._around(seen.at)]
        if failed is not None:
            words.append(self.results.measure(f"failed requests: {name}", seen.failed, failed, ""))
        return "; ".join(words)

    def _around(self, moment: float) -> str:
        """Say what the load balancer did last before a moment."""
        assert self.cluster.front
        assert self.cluster.front.balancer
        before = [one for one in self.cluster.front.balancer.history if one[0] <= moment]
        if not before:
            return "which began before the load balancer had a target"
        at, target, state = before[-1]
        return f"which began {moment - at:.1f} s after {target} was {state.value}"

    def _memory(self) -> str:
        nodes = self.look.nodes()
        of = {name: self.cluster.machines.memory(name) >> 20 for name in nodes if name in self.cluster.machines.alive}
        controllers = [str(of[one]) for one in of if CONTROLLER in nodes[one]["metadata"]["labels"]]
        workers = [str(of[one]) for one in of if CONTROLLER not in nodes[one]["metadata"]["labels"]]
        most = max(int(one) for one in controllers)
        self.results.measure("memory of a controller, the most of three", most, None, "MiB")
        return f"memory of controllers {', '.join(controllers)} MiB, of workers {', '.join(workers)} MiB"


def asked(what: Callable[[], object]) -> Callable[[], object]:
    """Return what is asked of the API as something that is not so while nobody answers."""

    def answered() -> object:
        try:
            return what()
        except KubernetesError:
            return False

    return answered


@contextmanager
def lived(cluster: Cluster, results: Results, balancer: tuple[str, int]) -> Iterator[KubernetesLife]:
    """Watch a cluster until the end of the `with`."""
    cluster.ready()  # the keys, with which the watcher speaks to the API
    file = pki_directory(cluster.folder / "build", cluster.config) / "kubeconfig"
    name = f"api.{cluster.wanted['dns']['domain']}"
    writer = ApiWriter(balancer, name, kubeconfig.read(file).context())
    life = KubernetesLife(cluster, results, Look(Client.from_kubeconfig(file, timeout=5.0)), writer, file)
    try:
        yield life
    finally:
        writer.stop()
