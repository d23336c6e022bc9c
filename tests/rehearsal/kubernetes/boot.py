"""How long a node takes from power-on until it serves, against plain kubeadm on the same machine, image and network."""

from __future__ import annotations

import ipaddress
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kubecfn.cluster_keys import pki_directory
from kubecfn.kubernetes.client import Client
from kubecfn.node.facts import API_PORT
from kubecfn.versions import RELEASES
from tests.rehearsal import isolation
from tests.rehearsal.cluster import NAME, NETWORK, Cluster, DidNotHappenError, opened, until

from .bare import Bare
from .life import asked
from .look import Look, is_true

if TYPE_CHECKING:
    from tests.rehearsal.scenarios import Stage

LINE = "1.36"
CONTROLLER, WORKER = 1.2, 1.5
ROUNDS, WORKERS = 1, 3
_PATIENCE = 180.0
_CONTROL_PLANE = 3
# Its first look at the nodes takes half a minute, in which it does nothing.
_SLOW = "kube-system/metrics-server-"

WANTED = {
    "kubernetes": LINE,
    "pools": [{"name": "small", "min": 0, "max": 4, "signal_timeout": "1h"}],
    "addons": {"ebs_csi": False, "cluster_autoscaler": False},
}


class Boots:
    """Boots nodes of both kinds and keeps how many seconds each took.

    Args:
        cluster: an account with nothing in it.

    Attributes:
        took: seconds, by what booted.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys = pki_directory(cluster.folder / "build", cluster.config) / "kubeconfig"
        self._bare = Bare(cluster, cluster.images[LINE])
        self._next = iter(range(1, 1000))
        self.took: dict[str, list[float]] = {}

    def bare(self, workers: int) -> str:
        """Boot a control plane made by plain kubeadm, and plain workers one after another."""
        controller, address = self._place()
        self._bare.controller(controller, address)
        look = Look(self._client(address))
        self._note("bare kubeadm init", controller, self._serves(address))
        self._whole(look, lambda: self._ended(controller) and self._is_open(look))
        for _ in range(workers):
            worker, own = self._place()
            self._bare.worker(worker, own, address)
            self._note("bare kubeadm join", worker, lambda worker=worker: self._is_ready(look, worker))  # type: ignore[misc]
            self._whole(look, lambda worker=worker: self._ended(worker))  # type: ignore[misc]
            self._cluster.machines.kill(worker)
            look.client.delete(f"/api/v1/nodes/{worker}")
        self._cluster.machines.kill(controller)
        return self._said("bare kubeadm init", "bare kubeadm join")

    def ours(self, workers: int) -> str:
        """Found a cluster of one controller from the emitted user data; let its pool grow by one worker after another."""
        machines = self._cluster.machines
        with self._applied() as applied:
            until(lambda: machines.alive, lambda: "no instance was started", _PATIENCE)
            (controller,) = machines.alive
            address = machines.address_of(controller)
            self._note("a controller of ours", controller, self._serves(address))
            until(applied, lambda: "the stack is not made", _PATIENCE)
        look = Look(self._client(address))
        (group,) = (one["AutoScalingGroupName"] for one in self._groups() if one["DesiredCapacity"] == 0)
        for number in range(1, workers + 1):
            before = set(machines.alive)
            self._cluster.cloud.client("autoscaling").set_desired_capacity(
                AutoScalingGroupName=group, DesiredCapacity=number
            )
            until(lambda before=before: set(machines.alive) - before, lambda: "no worker was started", _PATIENCE)  # type: ignore[misc]
            (worker,) = set(machines.alive) - before
            self._note("a worker of ours", worker, lambda worker=worker: self._is_ready(look, worker))  # type: ignore[misc]
            if number < workers:
                self._whole(look, lambda: True)
        return self._said("a controller of ours", "a worker of ours")

    def median(self, what: str) -> float:
        """Return the median of what was booted."""
        return statistics.median(self.took[what])

    # how

    def _note(self, what: str, machine: str, there: Callable[[], bool]) -> None:
        try:
            until(asked(there), lambda: f"{what} does not come up", _PATIENCE)
        except DidNotHappenError as error:
            words = self._cluster.machines.console(machine).decode(errors="replace")[-600:]
            raise DidNotHappenError(f"{error}; its console: {words}") from None
        self.took.setdefault(what, []).append(time.monotonic() - self._cluster.machines.booted_at(machine))

    def _serves(self, address: str) -> Callable[[], bool]:
        client = self._client(address, timeout=1.0)
        return client.ready

    @staticmethod
    def _is_ready(look: Look, name: str) -> bool:
        return is_true(look.client.get(f"/api/v1/nodes/{name}"), "Ready")

    @staticmethod
    def _whole(look: Look, ended: Callable[[], bool]) -> None:
        """Wait until nothing is left to do that the next boot would have to share the machine with."""

        def whole() -> bool:
            nodes = set(look.nodes())
            # A control plane's three, every node's kube-proxy, and at least one of CoreDNS.
            there = len(look.pods()) > _CONTROL_PLANE + len(nodes)
            unready = [one for one in look.not_ready() if not one.startswith(_SLOW)]
            return ended() and there and nodes == look.ready() and not unready

        until(asked(whole), lambda: "; ".join(look.not_ready()[:4]) or "nodes or pods are missing", _PATIENCE)

    @staticmethod
    def _is_open(look: Look) -> bool:
        """Whether a bootstrap token finds the cluster: kubeadm looks for its signature every five seconds only."""
        told = look.client.get("/api/v1/namespaces/kube-public/configmaps/cluster-info")["data"]
        return any(name.startswith("jws-kubeconfig-") for name in told)

    def _ended(self, machine: str) -> bool:
        return b"user data ended with 0" in self._cluster.machines.console(machine)

    def _client(self, address: str, timeout: float = 5.0) -> Client:
        return Client.from_kubeconfig(self._keys, server=f"https://{address}:{API_PORT}", timeout=timeout)

    def _place(self) -> tuple[str, str]:
        """Return the next bare machine's name and its address, in a part of the network that no subnet has."""
        number = next(self._next)
        return f"bare-{number:012}", str(ipaddress.IPv4Network(NETWORK)[-20 - number])

    def _groups(self) -> list[dict[str, object]]:
        found = self._cluster.cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return [one for one in found if one["AutoScalingGroupName"] != f"{NAME}-controllers"]

    @contextmanager
    def _applied(self) -> Iterator[Callable[[], bool]]:
        """Make the stack beside what is done inside."""
        failed: list[BaseException] = []

        def work() -> None:
            try:
                self._cluster.apply()
            except BaseException as error:  # noqa: BLE001  told by the thread that waits
                failed.append(error)

        thread = threading.Thread(target=work, name="apply", daemon=True)

        def applied() -> bool:
            if failed:
                raise failed[0]
            return not thread.is_alive()

        thread.start()
        try:
            yield applied
        finally:
            thread.join()

    def _said(self, *names: str) -> str:
        lists = ((name, ", ".join(f"{one:.1f}" for one in self.took[name])) for name in names)
        return "; ".join(f"{name} {seconds} s" for name, seconds in lists)


def kubernetes_boot(stage: Stage) -> None:
    """A controller and workers from plain kubeadm, and ours, by turns; each must not take much longer than the plain one."""
    isolation.resolve_at(stage.hub.resolver, stage.run)
    folder: Path = stage.run / stage.name
    etcd = (str(RELEASES[LINE].etcd),)
    with opened(folder, stage.build, stage.hub, etcd=etcd, speed=stage.speed, kubernetes=(LINE,)) as cluster:
        cluster.wanted |= WANTED
        cluster.wanted["controllers"]["count"] = 1
        cluster.ready()  # the authorities
        boots = Boots(cluster)
        for number in range(1, ROUNDS + 1):
            with stage.step(f"plain kubeadm, round {number}") as say:
                say(boots.bare(WORKERS))
            with stage.step(f"ours, round {number}") as say:
                say(boots.ours(WORKERS))
                if number < ROUNDS:
                    cluster.delete()
        with stage.step("compare") as say:
            pairs = (
                ("boot of a controller to its /readyz", "a controller of ours", "bare kubeadm init", CONTROLLER),
                ("boot of a worker to Ready", "a worker of ours", "bare kubeadm join", WORKER),
            )
            say(
                "; ".join(
                    f"{stage.results.measure(f'{name}, of {plain}', boots.median(own) / boots.median(plain), most, 'x')}"
                    f" ({boots.median(own):.1f} s / {boots.median(plain):.1f} s)"
                    for name, own, plain, most in pairs
                )
            )
