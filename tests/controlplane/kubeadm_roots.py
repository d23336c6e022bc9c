"""Roots that stand for a node's disk, on which the real kubeadm runs: in a root and a network of its own."""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kubeadm import documents, run

from kubecfn import pki
from kubecfn.node.documents import controller_documents, worker_documents
from kubecfn.node.facts import Cluster
from kubecfn.node.here import Here
from kubecfn.versions import RELEASES
from tests.kubernetes.server import folder

ADDRESS = "10.20.0.7"
API = "api.payments.example.com"
HERE = Here("i-0a", ADDRESS, "eu-central-1", "eu-central-1a", "m7i.large", cpus=2)
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of sched.h
# What a root that is nothing but a node's files lacks: no runtime, no kubelet, none of a distribution's programs.
LACKS = (
    "CRI",
    "ContainerRuntimeVersion",
    "ExternalEtcdClientCertificates",
    "ExternalEtcdVersion",
    "FileContent--proc-sys-net-ipv4-ip_forward",
    "FileExisting-cp",
    "FileExisting-losetup",
    "FileExisting-mount",
    "ImagePull",
    "KubeletVersion",
    "SystemVerification",
)
TIMEOUTS = ("kubeletHealthCheck", "controlPlaneComponentHealthCheck", "discovery", "tlsBootstrap", "kubernetesAPICall")


def kubeadm_of(line: str) -> Path:
    """Return a minor's kubeadm; skips the test where there is none or it cannot be run, and fails it in CI."""
    program = folder(line) / "kubeadm"
    if not program.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"kubeadm {line} is not built: make kubernetes-programs")
    if os.geteuid() != 0:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("kubeadm changes its root directory, which root alone may")
    return program


def lay_node(root: Path, keys: Path, line: str, role: str = "controller", program: Path | None = None) -> Path:
    """Lay a node's files below a root as its bundle and its agent do; kubeadm waits for a moment at most.

    Args:
        root: made when it is missing.
        keys: of the cluster; made when they are missing.
        line: minor of Kubernetes.
        role: ``controller`` or ``worker``.
        program: what is kubeadm there; the real one by default.
    """
    if not keys.exists():
        pki.make(keys, pki.PkiSpec("payments", f"https://{API}:6443"), now=datetime.now(UTC))
    files = {
        path: one.data for path, one in pki.bundle_files(keys, "worker" if role == "worker" else "controller").items()
    }
    release = RELEASES[line]
    cluster = Cluster(
        "payments", "payments.example.com", "eu-central-1", release.kubernetes, release, "10.244.0.0/16", "10.96.0.0/16"
    )
    authority, encryption = files["etc/kubernetes/pki/ca.crt"], files.get("etc/kubernetes/pki/encryption.key", b"")
    made = (
        worker_documents(cluster, authority)
        if role == "worker"
        else controller_documents(cluster, authority, encryption, (), ())
    )
    files |= {path.lstrip("/"): _impatient(one.data) for path, one in made.items()}
    files["etc/hosts"] = f"{ADDRESS} {API} i-0a\n".encode()
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    (root / "dev").mkdir()
    if os.geteuid() == 0:
        os.mknod(root / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))  # mem(4); whatever kubeadm runs is given it
    documents.lay(root, HERE, ("join",) if role == "worker" else ("init", "cluster", "kubelet"))
    (root / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    (root / run.PROGRAM.lstrip("/")).symlink_to(program or kubeadm_of(line))
    return root


def _impatient(document: bytes) -> bytes:
    if not re.search(rb'"kind": "(Init|Join)Configuration"', document):
        return document
    return json.dumps({**json.loads(document), "timeouts": dict.fromkeys(TIMEOUTS, "300ms")}).encode()


def apart(act: Callable[[], Any], *listening: int) -> Any:
    """Return what `act` returns when the machine has no network but this node's address, and these ports are taken.

    A thread has its own network, and so have the programs it starts; the other threads keep theirs.
    """
    found: list[Any] = []

    def alone() -> None:
        try:
            with ExitStack() as stack:
                _leave_the_network()
                for port in listening:
                    taken = stack.enter_context(socket.create_server(("", port)))
                    taken.listen()
                found.append((act(), None))
        except BaseException as error:  # noqa: BLE001  it is raised again where the caller is
            found.append((None, error))

    thread = threading.Thread(target=alone)
    thread.start()
    thread.join()
    ((answer, error),) = found
    if error:
        raise error
    return answer


def _leave_the_network() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        pytest.skip(f"no network of its own is to be had: {os.strerror(ctypes.get_errno())}")
    for command in (("link", "set", "lo", "up"), ("addr", "add", f"{ADDRESS}/32", "dev", "lo")):
        subprocess.run(["ip", *command], check=True, capture_output=True)


class Answers(BaseHTTPRequestHandler):
    """What kubeadm asks before it waits: the health of a kubelet, and one object that is made."""

    def do_GET(self) -> None:
        """Be as healthy as a kubelet; an API server's health is another path."""
        self._answer(200 if self.path == "/healthz" else 500, b"ok")

    def do_POST(self) -> None:
        """Return an object as made."""
        self.rfile.read(int(self.headers["Content-Length"]))
        made = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "some"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "some"},
        }
        self._answer(201, json.dumps(made).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextmanager
def answering(address: str, port: int, pair: tuple[Path, Path] | None = None) -> Iterator[None]:
    """Answer in this thread's network, by TLS when there is a certificate with its key."""
    server = ThreadingHTTPServer((address, port), Answers)
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
