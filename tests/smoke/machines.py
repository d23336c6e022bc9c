"""A cluster without machines: nodes and pods as plain objects, and CoreDNS processes that play a pair's pods."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import subprocess
import threading
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

from kubecfn.config import load_text
from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.local.programs import cache
from kubecfn.smoke.subject import Subject

VERSION = "v1.36.3"
CONFIG = """\
name: payments
region: eu-central-1
kubernetes: 1.36.3
dns: {private: true, domain: payments.k8s.example.com}
controllers: {count: 1}
pools: [{name: general, labels: {team: shop}}]
"""
CONTROLLER, WORKER = "i-0c0000000000000c1", "i-0a0000000000000a1"
ZONE = "eu-central-1a"
LABELS = {
    CONTROLLER: {"node-role.kubernetes.io/control-plane": "", "topology.kubernetes.io/zone": ZONE},
    WORKER: {"topology.kubernetes.io/zone": ZONE, "kubecfn.io/pool": "general", "team": "shop"},
}
_numbers = itertools.count(1)


def subject(client, tmp_path, *, config=CONFIG, **known):
    """Return a cluster to look at; `known` is what AWS would have been asked."""
    kubeconfig = known.pop("kubeconfig", tmp_path / "kubeconfig")
    made = Subject(
        load_text(config), "payments.k8s.example.com", client, SimpleNamespace(), kubeconfig, datetime.now(UTC)
    )
    made.__dict__ |= {"in_service": {"Controllers": {CONTROLLER: ZONE}, "PoolGeneral": {WORKER: ZONE}}, **known}
    return made


def node(client, name, *, ready="True", version=VERSION, labels=None, address="127.0.0.1", cordoned=False):
    """Make a node."""
    spec = {"unschedulable": True} if cordoned else {}
    about = {"name": name, "labels": LABELS.get(name, {}) if labels is None else labels}
    client.create("/api/v1/nodes", {"metadata": about, "spec": spec})
    info = dict.fromkeys(
        ("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "machineID", "operatingSystem"), "x"
    )
    info |= {"kubeletVersion": version, "kubeProxyVersion": "", "osImage": "x", "systemUUID": "x"}
    conditions = [{"type": "Ready", "status": ready, "reason": "KubeletStopped", "message": "kubelet stopped posting"}]
    status = {"conditions": conditions, "nodeInfo": info}
    if address:
        status["addresses"] = [{"type": "InternalIP", "address": address}]
    client.patch(f"/api/v1/nodes/{name}/status", {"status": status})


def pod(client, name, where=CONTROLLER, *, ready=True, waiting=""):
    """Make a pod of kube-system."""
    body = {"containers": [{"name": "c", "image": "x"}], "nodeName": where, "serviceAccountName": "default"}
    client.create("/api/v1/namespaces/kube-system/pods", {"metadata": {"name": name}, "spec": body})
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    if waiting:
        state = {"waiting": {"reason": waiting, "message": "back-off"}}
        status["containerStatuses"] = [
            {"name": "c", "image": "x", "imageID": "x", "ready": False, "restartCount": 3, "state": state}
        ]
    client.patch(f"/api/v1/namespaces/kube-system/pods/{name}/status", {"status": status})


def deployment(client, ready):
    """Make a Deployment of kube-system with two pods, some of them ready."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = "/apis/apps/v1/namespaces/kube-system/deployments"
    client.create(path, {"metadata": {"name": "coredns"}, "spec": spec})
    if ready is not None:
        status = {"observedGeneration": 1, "replicas": 2, "readyReplicas": ready}
        client.patch(f"{path}/coredns/status", {"status": status})


def storage_class(client, name, *, default):
    """Make a storage class."""
    annotation = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    about = {"name": name, "annotations": annotation}
    client.create("/apis/storage.k8s.io/v1/storageclasses", {"metadata": about, "provisioner": "ebs.csi.aws.com"})


def empty(client):
    """Take away what a test made."""
    now = {"gracePeriodSeconds": 0}
    for path in ("/api/v1/namespaces/kube-system/pods", "/apis/apps/v1/namespaces/kube-system/deployments"):
        for one in list(client.list(path)):
            client.delete(f"{path}/{one['metadata']['name']}", now)
    for path in (
        "/api/v1/nodes",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
        "/apis/storage.k8s.io/v1/storageclasses",
    ):
        for one in list(client.list(path)):
            client.delete(f"{path}/{one['metadata']['name']}", now)


class Pods:
    """Schedules and runs the pods of smoke's namespaces: each is a CoreDNS process on a loopback address of its own.

    Args:
        client: an administrator's.
        folder: for Corefiles.
        nodes: on which pods are put, in turns; none when empty.
        service: the address behind a service's; empty: nobody listens there.
        resolver: what the cluster's DNS says about a service, given its address.
    """

    def __init__(self, client, folder, *, nodes=(CONTROLLER, WORKER), service=True, resolver=lambda address: address):
        self.client, self.folder, self.nodes = client, folder, itertools.cycle(nodes) if nodes else None
        self.service, self.resolver = service, resolver
        self.addresses = {}
        self._processes = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        for process in self._processes:
            process.kill()
            process.wait()

    def _run(self):
        while not self._stop.wait(0.02):
            for one in self.client.list("/api/v1/pods"):
                new = self.nodes and not one["spec"].get("nodeName")
                if new and one["metadata"]["namespace"].startswith("kubecfn-smoke-"):
                    # Meanwhile its namespace may go, and with it what was seen in it.
                    with contextlib.suppress(KubernetesError):
                        self._start(one)

    def _start(self, one):
        about = one["metadata"]
        here = f"/api/v1/namespaces/{about['namespace']}"
        path = f"{here}/pods/{about['name']}"
        target = {"metadata": {"name": about["name"]}, "target": {"kind": "Node", "name": next(self.nodes)}}
        self.client.create(f"{path}/binding", {"apiVersion": "v1", "kind": "Binding", **target})
        address = self.addresses[about["name"]] = _address()
        corefile = self.client.get(f"{here}/configmaps/{about['name']}")["data"]["Corefile"]
        self._coredns(self._placed(corefile, here, address), address)
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        status["conditions"] = [{"type": "Ready", "status": "True"}]
        self.client.patch(f"{path}/status", {"status": status})

    def _placed(self, corefile, here, address):
        """Bind a Corefile to an address, and let what it asks be asked on loopback."""
        service = self.client.get(f"{here}/services/answers")["spec"]["clusterIP"]
        behind = f"{self.addresses.get('answers')}:{5353 if self.service else 1}"
        text = re.sub(r"(forward \. )" + re.escape(service), rf"\g<1>{behind}", corefile)
        if "/etc/resolv.conf" in text:
            resolver = _address()
            says = f'answer "{{{{ .Name }}}} 1 IN A {self.resolver(service)}"'
            self._coredns(
                f".:53 {{\n bind {resolver}\n template IN A cluster.local {{\n {says}\n }}\n}}\n", resolver, 53
            )
            text = text.replace("/etc/resolv.conf", resolver)
        return text.replace("{\n", f"{{\n bind {address}\n", 1 if "https" not in text else 3).replace(
            "health :", f"health {address}:"
        )

    def _coredns(self, corefile, address, port=0):
        [program] = cache().glob("coredns-*/coredns")
        path = Path(self.folder, f"Corefile-{address}")
        path.write_text(corefile)
        log = path.with_suffix(".log").open("wb")
        self._processes.append(subprocess.Popen([program, "-conf", path], stdout=log, stderr=log))
        log.close()
        _listening(address, port or (8053 if "https" in corefile else 5353))


def _address():
    return f"127.77.{next(_numbers)}.1"


def _listening(address, port):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"nobody listens on {address}:{port}")


class Proxied(Client):
    """A client whose server's proxy to pods leads to `Pods`: a real one refuses loopback addresses."""

    pods = None

    def read(self, path, **query):
        """Ask a pod."""
        found = re.fullmatch(r".*/pods/http:(\w+):(\d+)/proxy(/.*)", path)
        if not found:
            return super().read(path, **query)
        name, port, rest = found.groups()
        try:
            with urllib.request.urlopen(
                f"http://{self.pods.addresses[name]}:{port}{rest}?{urlencode(query)}"
            ) as answer:
                return answer.read()
        except OSError as error:
            raise KubernetesError(503, "ServiceUnavailable", f"error trying to reach service: {error}") from None
