"""One real API server for all tests of this folder, and workers below roots of their own."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import pytest
from agent.node import Instance, Node
from kubeadm import instance, run
from worker import service

from kubecfn.kubernetes.client import KubernetesError
from tests.controlplane.kubeadm_roots import ADDRESS, HERE, lay_node
from tests.controlplane.played import Units, plays
from tests.kubernetes.server import minors, running

NODE = f"/api/v1/nodes/{HERE.instance}"
QUICK = service.Pace(soon=0.01, ready=0.01, again=0.01, look=0.01, outcry=0.1)


class Log:
    """The log group of nodes: takes down what a person would read, or refuses it."""

    def __init__(self):
        self.said, self.refuses = [], None

    def trouble(self, failed):
        """Write that a step failed."""
        self._take(f"{failed.step}: {failed.reason}")

    def well(self):
        """Write that it is well."""
        self._take("well")

    def _take(self, line):
        if self.refuses:
            raise self.refuses
        if self.said[-1:] != [line]:
            self.said.append(line)


@pytest.fixture(scope="module")
def cluster():
    """A server of the newest minor."""
    with running() as server:
        yield server


@pytest.fixture
def node(cluster):
    """Return what makes the worker's node, or says how it is: a condition Ready of this status."""

    def be(status, message=""):
        try:
            cluster.admin.create("/api/v1/nodes", {"metadata": {"name": HERE.instance}})
        except KubernetesError as error:
            assert error.status == 409
        ready = {"type": "Ready", "status": status, "reason": "Some", "message": message}
        cluster.admin.patch(f"{NODE}/status", {"status": {"conditions": [ready]}})

    yield be
    try:
        cluster.admin.delete(NODE)
    except KubernetesError as error:
        assert error.status == 404


@pytest.fixture
def worker(tmp_path, cluster, monkeypatch):
    """Return what makes a worker whose kubeadm writes the kubelet's kubeconfig for the API server that is there."""
    root = tmp_path / "root"
    lay_node(root, tmp_path / "keys", minors()[0], "worker", tmp_path / "nothing")
    (root / run.PROGRAM.lstrip("/")).unlink()
    cluster.kubeconfig(root / "kubelet.conf", f"system:node:{HERE.instance}", "system:nodes")
    conf, bootstrap = root / service.KUBECONFIG, root / service.BOOTSTRAP
    plays(root, f"cp {root}/kubelet.conf {conf}; touch {bootstrap}")
    placed = {"instance": HERE.instance, "address": ADDRESS, "zone": HERE.zone, "instance_type": HERE.instance_type}
    (root / instance.FILE).parent.mkdir(parents=True, exist_ok=True)
    (root / instance.FILE).write_text(json.dumps(placed))
    facts = Node(root, "payments", "worker", "payments.example.com", "1.36.3", "3.6.16", 300, {})
    signal = {"StackName": "payments", "LogicalResourceId": "Pool", "UniqueId": HERE.instance}

    def make(patience=20.0, pace=QUICK):
        monkeypatch.setenv("KUBECFN_SETTLE_PATIENCE", str(patience))
        units, log, stop = Units((service.CONTAINERD, service.KUBELET)), Log(), threading.Event()
        made = service.Service(facts, Instance(HERE.region, signal, {}), stop, log, units, pace)
        return SimpleNamespace(service=made, units=units, log=log, stop=stop, root=root, node=facts)

    return make
