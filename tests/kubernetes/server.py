"""A real API server on real etcd, as processes of this machine; its clients show certificates, and RBAC counts.

with running("1.36") as cluster:
    cluster.client("system:node:i-0a", "system:nodes").get("/api/v1/nodes/i-0a")
    cluster.admin.create("/api/v1/namespaces", {...})
"""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from real_etcd import EtcdCluster

from kubecfn.etcd.names import CLIENT_PORT
from kubecfn.kubernetes.client import Client
from kubecfn.local.programs import cache
from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import certificate_file, new_authority, new_leaf
from kubecfn.pki.keys import key_file, new_key, new_service_account_key, public_key_file
from tests.rehearsal import programs

PORT = 6443
_PATIENCE = 60.0
# Go collects its garbage less often and on one core: half of what a start costs is spent on that.
_FRUGAL = {"GOGC": "400", "GOMAXPROCS": "1"}


def minors() -> tuple[str, ...]:
    """Return the Kubernetes minors that are built here, the newest first; at least the newest there is a recipe for."""
    known = programs.lines()
    return tuple(one for one in reversed(known) if folder(one).is_dir()) or known[-1:]


def folder(minor: str) -> Path:
    """Return where a minor's programs lie once they are built."""
    version = programs.pinned(Path(programs.__file__).parent / f"kubernetes-{minor}", "k8s.io/kubernetes")
    return cache() / f"kubernetes-{version}"


@contextmanager
def running(minor: str = "", flags: Mapping[str, object] | None = None) -> Iterator[ApiServer]:
    """Run one; skips the test where the programs are not built, and fails it in CI.

    Args:
        minor: e.g. ``1.36``; the newest that is built by default.
        flags: further ones, without their dashes.
    """
    minor = minor or minors()[0]
    built = folder(minor)
    if not (built / "kube-apiserver").is_file():
        missing = f"kube-apiserver {minor} is not built on this machine: make kubernetes-programs builds it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with tempfile.TemporaryDirectory(prefix="kubecfn-api-") as room, EtcdCluster(Path(room, "etcd")) as etcd:
        etcd.found("i-etcd")
        server = ApiServer(minor, built, Path(room), etcd, flags or {})
        try:
            server.start()
            server.ready()
            yield server
        finally:
            server.end()


class ApiServer:
    """One kube-apiserver with authorities of its own.

    Attributes:
        minor: of Kubernetes.
        server: ``https://ADDRESS:PORT``.
        ca: the path of its authority's certificate.
        folder: below which everything of it lies.
        programs: the folder with the programs of this minor.
        kubectl: the path of one of its release.
        admin: a client who may do everything.
    """

    def __init__(
        self, minor: str, built: Path, room: Path, etcd: EtcdCluster, flags: Mapping[str, object] = MappingProxyType({})
    ) -> None:
        self.minor, self.programs, self.folder, self._etcd = minor, built, room, etcd
        self._more = flags
        self.kubectl = built / "kubectl"
        # An address of its own beside etcd's, so that several live side by side.
        self.address = f"{etcd.network}.200"
        self.server = f"https://{self.address}:{PORT}"
        self._now = datetime.now(UTC)
        self.authority = new_authority(profiles.KUBERNETES_AUTHORITY, "test", KeyType.P256, self._now)
        self.ca = room / "ca.crt"
        self._process: subprocess.Popen[bytes] | None = None
        self._lay()
        self._clients: list[Client] = []
        self.admin = self.client("kubernetes-admin", "system:masters")

    def start(self) -> None:
        """Start it; does not wait."""
        flags = self._flags()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "kube-apiserver", *(f"--{name}={value}" for name, value in flags.items())],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={**os.environ, **_FRUGAL},
            )

    def ready(self) -> None:
        """Wait until it serves, RBAC and all."""
        end = time.monotonic() + _PATIENCE
        while not self.admin.ready():
            assert self._process
            ended = self._process.poll()
            assert ended is None, f"kube-apiserver ended with {ended}:\n{self.log[-3000:]}"
            assert time.monotonic() < end, f"kube-apiserver is not ready:\n{self.log[-3000:]}"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, as power does by default; its data stay."""
        if self._process:
            self._process.send_signal(how)
            self._process.wait(_PATIENCE)
            self._process = None

    def end(self) -> None:
        """End it, and its clients."""
        self.stop()
        for client in self._clients:
            client.close()

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "log").read_text(errors="replace")

    def client(self, user: str, *groups: str, timeout: float = 10.0) -> Client:
        """Return a client that shows a certificate of this user in these groups."""
        made = Client(self.server, self.context(user, *groups), timeout=timeout)
        self._clients.append(made)
        return made

    def context(self, user: str, *groups: str) -> ssl.SSLContext:
        """Return what trusts this server and shows a certificate of this user."""
        certificate, key = self.identity(user, *groups)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=self.ca)
        pair = self._file("client.pem", certificate + key)
        context.load_cert_chain(pair)
        pair.unlink()
        return context

    def identity(self, user: str, *groups: str, lasts: timedelta = timedelta(days=1)) -> tuple[bytes, bytes]:
        """Return a client's certificate and key, PEM."""
        key = new_key(KeyType.P256)
        names = [(NameOID.ORGANIZATION_NAME, one) for one in groups] + [(NameOID.COMMON_NAME, user)]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in names]))
            .issuer_name(self.authority.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - timedelta(days=2))
            .not_valid_after(datetime.now(UTC) + lasts)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        )
        certificate = builder.sign(self.authority.key, hashes.SHA256())
        return certificate_file(certificate).data, key_file(key).data

    def kubeconfig(self, path: Path, user: str, *groups: str) -> Path:
        """Write a kubeconfig as kubeadm does, certificates and all, and return its path."""
        certificate, key = self.identity(user, *groups)
        path.write_text(
            f"""\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {base64.b64encode(self.ca.read_bytes()).decode()}
    server: {self.server}
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: {json.dumps(user)}
  name: {json.dumps(user + "@kubernetes")}
current-context: {json.dumps(user + "@kubernetes")}
kind: Config
preferences: {{}}
users:
- name: {json.dumps(user)}
  user:
    client-certificate-data: {base64.b64encode(certificate).decode()}
    client-key-data: {base64.b64encode(key).decode()}
"""
        )
        path.chmod(0o600)
        return path

    def run_kubectl(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator and return what it said."""
        path = self.folder / "admin.conf"
        if not path.exists():
            self.kubeconfig(path, "kubernetes-admin", "system:masters")
        command = [self.kubectl, f"--kubeconfig={path}", *arguments]
        home = {**os.environ, "HOME": str(self.folder)}
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, env=home)

    def _lay(self) -> None:
        """Write what the server shows and trusts."""
        self._file("ca.crt", certificate_file(self.authority.certificate).data)
        # SAN and purposes are those of an etcd member: a server's, and an address.
        leaf = new_leaf(profiles.ETCD_MEMBER, self.authority, KeyType.P256, self._now, (self.address, "localhost"))
        self._file("server.crt", leaf.certificate.data)
        self._file("server.key", leaf.key.data)
        accounts = new_service_account_key()
        self._file("sa.key", key_file(accounts).data)
        self._file("sa.pub", public_key_file(accounts).data)
        front = new_authority(profiles.FRONT_PROXY_AUTHORITY, "test", KeyType.P256, self._now)
        self._file("front-proxy-ca.crt", certificate_file(front.certificate).data)

    def _flags(self) -> dict[str, object]:
        etcd_cert, etcd_key = self._etcd.trust.client()
        room = self.folder
        return {
            "bind-address": self.address,
            "advertise-address": self.address,
            "secure-port": PORT,
            # Nobody reaches a loopback address as a Service's endpoint.
            "endpoint-reconciler-type": "none",
            "cert-dir": room / "made",
            "tls-cert-file": room / "server.crt",
            "tls-private-key-file": room / "server.key",
            "client-ca-file": self.ca,
            "requestheader-client-ca-file": room / "front-proxy-ca.crt",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "requestheader-allowed-names": "front-proxy-client",
            "etcd-servers": f"https://{self._etcd['i-etcd'].address}:{CLIENT_PORT}",
            "etcd-cafile": self._etcd.trust.ca,
            "etcd-certfile": etcd_cert,
            "etcd-keyfile": etcd_key,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "service-account-key-file": room / "sa.pub",
            "service-account-signing-key-file": room / "sa.key",
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-cluster-ip-range": "10.96.0.0/16",
            "allow-privileged": "true",
            "profiling": "false",
            **self._more,
        }

    def _file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(0o600)
        return path
