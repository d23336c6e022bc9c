"""The second half of what is rehearsed: a whole Kubernetes cluster from the emitted user data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kubecfn.versions import RELEASES
from tests.rehearsal import isolation
from tests.rehearsal.cluster import NETWORK, REGION, DidNotHappenError, opened
from tests.rehearsal.disks import Disks

from .life import KubernetesLife, lived
from .outside import Outside
from .people import ACCESS, People
from .smoke import AFTER_LOSS, smoked
from .trouble import steps
from .volumes import ZONE, Volumes

if TYPE_CHECKING:
    from tests.rehearsal.scenarios import Stage

OLDEST, FROM, TO = "1.34", "1.35", "1.36"
# Whose machine images each scenario needs.
MINORS = {
    "kubernetes": (FROM, TO),
    "kubernetes-boot": (TO,),
    "kubernetes-faults": (OLDEST,),
    "kubernetes-volumes": (TO,),
}
# Those whose machine images have what makes EBS volumes for pods.
WITH_VOLUMES = ("kubernetes-volumes",)
PORT = 6443
# What cannot be here: volumes need EBS, and a pool grows at AWS's own pace.
WANTED = {
    "kubernetes": FROM,
    "pools": [{"name": "small", "min": 2, "max": 4, "signal_timeout": "1h"}],
    "addons": {"ebs_csi": False, "cluster_autoscaler": False},
    "access": ACCESS,
}


_ALONE = {
    "kubernetes": OLDEST,
    "controllers": {"count": 1, "instance_type": "m7i.large", "signal_timeout": "1h"},
    "pools": [{"name": "small", "min": 1, "max": 2, "signal_timeout": "1h"}],
    "addons": {"ebs_csi": False, "cluster_autoscaler": False},
}


_KEEPING = {
    **_ALONE,
    "kubernetes": TO,
    # A volume is of one zone, and so is who is to have it.
    "network": {"cidr": NETWORK, "nat_gateways": "one", "zones": [f"{REGION}{zone}" for zone in "abc"]},
    "pools": [{"name": "small", "min": 2, "max": 4, "zones": [ZONE], "signal_timeout": "1h"}],
    "addons": {"ebs_csi": True, "cluster_autoscaler": False},
}


def kubernetes(stage: Stage) -> None:
    """Three controllers and two workers: created, used, rolled to the next minor, hurt, lost, restored, deleted."""
    with _living(stage, WANTED, FROM, TO) as life:
        _do(stage, f"create three and two with {FROM}", life.create)
        _do(stage, "a deployment answers through its service", life.deploy)
        outside = Outside(life)
        _do(stage, "services get load balancers of the account", outside.open)
        _do(stage, "kubecfn smoke", lambda: smoked(life.cluster))
        _do(stage, "people come by IAM roles", People(life.cluster, stage.build, FROM).come)
        _do(stage, f"roll from {FROM} to {TO}", lambda: life.roll(TO, str(RELEASES[TO].kubernetes)))
        _do(stage, "power cut of a controller", life.cut_power)
        _do(stage, "a worker is drained and replaced", life.replace_worker)
        _do(stage, "the load balancer of a service follows", outside.followed)
        _do(stage, "all controllers are lost for good", life.lose_all)
        _do(stage, "kubecfn smoke after all that", lambda: smoked(life.cluster, within=AFTER_LOSS))


def kubernetes_faults(stage: Stage) -> None:
    """One controller and one worker: who is not let in, what is waited for, what is refused in words, what mends itself."""
    with _living(stage, _ALONE, OLDEST) as life:
        for name, act in steps(life).items():
            _do(stage, name, act)


def kubernetes_volumes(stage: Stage) -> None:
    """One controller and two workers with the real EBS CSI driver: a volume made, written, moved, read, grown and deleted."""
    with _living(stage, _KEEPING, TO, volumes=True) as life:
        ec2 = life.cluster.cloud.client("ec2")
        with Disks(ec2, life.cluster.machines, life.cluster.folder / "volumes") as disks:
            kept = Volumes(life, disks)
            for name, act in kept.steps().items():
                _do(stage, name, act)
            _do(stage, "kubecfn smoke --storage", lambda: smoked(life.cluster, storage=True))
            _do(stage, "its volume is gone too", kept.nothing_left)
            _do(stage, "a volume is left to who deletes the cluster", kept.leave_behind)


@contextmanager
def _living(stage: Stage, wanted: dict[str, Any], *lines: str, volumes: bool = False) -> Iterator[KubernetesLife]:
    """Open an account for a cluster with Kubernetes; who leaves without an error has it deleted."""
    etcd = str(RELEASES[lines[0]].etcd)
    isolation.resolve_at(stage.hub.resolver, stage.run)
    folder = stage.run / stage.name
    with opened(
        folder, stage.build, stage.hub, etcd=(etcd,), speed=stage.speed, kubernetes=lines, volumes=volumes
    ) as cluster:
        cluster.wanted |= wanted
        with lived(cluster, stage.results, (stage.hub.balancer, PORT)) as life:
            yield life

        def delete() -> str:
            cluster.delete()
            if cluster.machines.alive:
                raise DidNotHappenError(f"still on: {cluster.machines.alive}")
            return "nothing left in the account, nothing runs"

        _do(stage, "delete", delete)


def _do(stage: Stage, name: str, act: Callable[[], str]) -> None:
    with stage.step(name) as say:
        say(act())
