"""The second half of what is rehearsed: a whole Kubernetes cluster from the emitted user data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kubecfn.versions import RELEASES
from tests.rehearsal import isolation
from tests.rehearsal.cluster import DidNotHappenError, opened

from .life import lived

if TYPE_CHECKING:
    from tests.rehearsal.scenarios import Stage

FROM, TO = "1.35", "1.36"
PORT = 6443
# What cannot be here: volumes need EBS, and a pool grows at AWS's own pace.
WANTED = {
    "kubernetes": FROM,
    "pools": [{"name": "small", "min": 2, "max": 4, "signal_timeout": "1h"}],
    "addons": {"ebs_csi": False, "cluster_autoscaler": False},
}


def kubernetes(stage: Stage) -> None:
    """Three controllers and two workers: created, used, rolled to the next minor, hurt, lost, restored, deleted."""
    etcd = str(RELEASES[FROM].etcd)
    isolation.resolve_at(stage.hub.resolver, stage.run)
    folder = stage.run / stage.name
    with opened(folder, stage.build, stage.hub, etcd=(etcd,), speed=stage.speed, kubernetes=(FROM, TO)) as cluster:
        cluster.wanted |= WANTED

        def do(name: str, act: Callable[[], str]) -> None:
            with stage.step(name) as say:
                say(act())

        with lived(cluster, stage.results, (stage.hub.balancer, PORT)) as life:
            do(f"create three and two with {FROM}", life.create)
            do("a deployment answers through its service", life.deploy)
            do(f"roll from {FROM} to {TO}", lambda: life.roll(TO, str(RELEASES[TO].kubernetes)))
            do("power cut of a controller", life.cut_power)
            do("a worker is drained and replaced", life.replace_worker)
            do("all controllers are lost for good", life.lose_all)

        def delete() -> str:
            cluster.delete()
            if cluster.machines.alive:
                raise DidNotHappenError(f"still on: {cluster.machines.alive}")
            return "nothing left in the account, nothing runs"

        do("delete", delete)
