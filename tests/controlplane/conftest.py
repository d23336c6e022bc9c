"""One real API server for all tests of this folder, roots that stand for a controller's disk, and control planes on them."""

from __future__ import annotations

import json
import shutil
import threading
from types import SimpleNamespace

import pytest
from agent.node import Instance, Node
from agent.patience import Patience
from controlplane.service import Around, ControlPlane
from kubeadm import instance, run
from member.identity import Identity

from kubecfn.kubernetes.client import KubernetesError
from tests.controlplane.kubeadm_roots import ADDRESS, HERE, lay_node
from tests.controlplane.played import QUICK, Cable, Units, plays
from tests.kubernetes.clocks import Clock
from tests.kubernetes.server import PORT, minors, running


@pytest.fixture(scope="package")
def cluster():
    """A server of the newest minor."""
    with running() as server:
        yield server


@pytest.fixture
def clock():
    """A clock that a test sets."""
    return Clock()


@pytest.fixture
def lay(tmp_path):
    """Return what lays a bundle's manifests below a root of that name; each is a list of objects."""

    def laid(name, *manifests):
        folder = tmp_path / name / "usr/local/share/kubecfn/manifests"
        folder.mkdir(parents=True)
        for number, objects in enumerate(manifests):
            listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
            (folder / f"{number:02}-some.json").write_text(json.dumps(listed))
        return tmp_path / name

    return laid


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A controller's disk as its bundle leaves it."""
    home = tmp_path_factory.mktemp("pristine")
    return lay_node(home / "root", home / "keys", minors()[0], program=home / "root/played")


@pytest.fixture
def root(pristine, tmp_path, cluster):
    """A disk of the test's own, whose kubeadm writes the kubeconfigs of the API server that is there."""
    for path in ("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kubecfn-configuration",):
        try:
            cluster.admin.delete(path)
        except KubernetesError as error:
            assert error.status == 404
    made = tmp_path / "root"
    shutil.copytree(pristine, made, symlinks=True, ignore=shutil.ignore_patterns("null"))
    (made / run.PROGRAM.lstrip("/")).unlink()
    cluster.kubeconfig(made / "admin.conf", "kubernetes-admin", "system:masters")
    plays(made, f"cp {made}/admin.conf {made}/etc/kubernetes/admin.conf; touch {made}/etc/kubernetes/super-admin.conf")
    placed = {"instance": HERE.instance, "address": ADDRESS, "zone": HERE.zone, "instance_type": HERE.instance_type}
    (made / instance.FILE).parent.mkdir(parents=True, exist_ok=True)
    (made / instance.FILE).write_text(json.dumps(placed))
    return made


@pytest.fixture
def living(root, cluster):
    """Return what starts a control plane below the root; `etcd_serves` is called for it."""
    stop, started = threading.Event(), []

    def start(*, pace=QUICK, guards=(), units=None, api=cluster.server, etcd=True, tags=None):
        news = threading.Event()
        node = Node(root, "payments", "controller", "payments.example.com", "1.36.3", "3.6.16", 300, {})
        found = Identity(HERE.instance, ADDRESS, "group", "bucket", "123456789012", tags or {})
        signal = {"StackName": "payments", "LogicalResourceId": "Controllers", "UniqueId": HERE.instance}
        around = Around(
            root=root,
            node=node,
            instance=Instance(HERE.region, signal, {}),
            found=found,
            units=units or Units(),
            stop=stop,
            patience=Patience(1.0, stop),
            news=news.set,
            guards=guards,
            api=api,
        )
        control = ControlPlane(around, pace)
        started.append(SimpleNamespace(control=control, units=around.units, news=news, stop=stop))
        control.start()
        if etcd:
            control.etcd_serves()
        return started[-1]

    yield start
    stop.set()
    for one in started:
        one.control._thread.join(10)
        assert not one.control._thread.is_alive()


@pytest.fixture
def cable(cluster):
    """A cable to the API server."""
    made = Cable(cluster.address, PORT)
    yield made
    made.close()
