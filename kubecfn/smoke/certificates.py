"""How long the certificates last that the cluster shows: its API server's, its kubelets', and the administrator's own.

A kubelet that cannot be reached from here (a private network) is asked through the API server, which trusts it or not.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509

from kubecfn.kubernetes import kubeconfig
from kubecfn.kubernetes.client import KubernetesError
from kubecfn.smoke.check import Found, found
from kubecfn.smoke.seen import Node
from kubecfn.smoke.subject import Subject

KUBELET = 10250
# Of a certificate's life: whoever renews by itself has done so long before.
_LAST = 0.1
_CONNECTING = 2.0
_AT_ONCE = 16


@dataclass(frozen=True)
class Shown:
    """A certificate that somebody shows.

    Attributes:
        who: shows it.
        begins, ends: when it is valid.
    """

    who: str
    begins: datetime
    ends: datetime

    def trouble(self, now: datetime) -> str:
        """Return why it should have been renewed; empty when it need not."""
        left = self.ends - now
        if left <= timedelta(0):
            return f"{self.who}'s certificate ended {self.ends:%Y-%m-%d}"
        if left < (self.ends - self.begins) * _LAST:
            return f"{self.who}'s certificate ends in {left.days} days and was not renewed"
        return ""


def certificates(subject: Subject) -> Found:
    """Every certificate is trusted and has more than a tenth of its life before it."""
    file = kubeconfig.read(subject.kubeconfig)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(cadata=file.authority)
    where = urlsplit(file.server)
    api, trouble = shown("the API server", str(where.hostname), where.port or 443, trust)
    nodes = [one for _, one in sorted(subject.nodes.items()) if not one.trouble]
    with ThreadPoolExecutor(_AT_ONCE) as several:
        kubelets = list(several.map(lambda one: _kubelet(subject, one, trust), nodes))
    own = x509.load_pem_x509_certificate(file.certificate)
    admin = Shown(str(file.path), own.not_valid_before_utc, own.not_valid_after_utc)
    seen = [*([api] if api else []), *(one for one, _ in kubelets if one), admin]
    problems = [
        *([f"the API server: {trouble}"] if trouble else []),
        *(why for _, why in kubelets if why),
        *(why for one in seen if (why := one.trouble(subject.now))),
    ]
    return found(problems, _left(seen, subject.now, len(nodes)))


def shown(who: str, host: str, port: int, trust: ssl.SSLContext) -> tuple[Shown | None, str]:
    """Return the certificate of a server, or why there is none.

    Args:
        who: as it is told.
        host: a name or an address; the certificate has to be for it.
        port: where it listens.
        trust: whose certificates count.

    Raises:
        OSError: there is nobody to be reached.
    """
    try:
        with socket.create_connection((host, port), _CONNECTING) as plain:
            try:
                with trust.wrap_socket(plain, server_hostname=host) as secure:
                    return _read(who, secure.getpeercert(binary_form=True) or b""), ""
            except ssl.SSLCertVerificationError as error:
                return None, f"its certificate is not trusted: {error.verify_message}"
    except OSError as error:
        return None, f"{host}:{port} cannot be reached: {error.strerror or error}"


def _read(who: str, der: bytes) -> Shown:
    told = x509.load_der_x509_certificate(der)
    return Shown(who, told.not_valid_before_utc, told.not_valid_after_utc)


def _kubelet(subject: Subject, node: Node, trust: ssl.SSLContext) -> tuple[Shown | None, str]:
    who = f"the kubelet of {node.name}"
    there, trouble = shown(who, node.address, KUBELET, trust) if node.address else (None, "no address")
    if there or "not trusted" in trouble:
        return there, f"{who}: {trouble}" if trouble else ""
    try:
        subject.client.read(f"/api/v1/nodes/{node.name}/proxy/healthz")
    except KubernetesError as error:
        return None, f"{who} does not answer the API server: {error.message}"
    return None, ""


def _left(seen: Iterable[Shown], now: datetime, nodes: int) -> str:
    ends = {one.who: (one.ends - now).days for one in seen}
    kubelets = [days for who, days in ends.items() if who.startswith("the kubelet of ")]
    others = [f"{who} {days} days" for who, days in ends.items() if not who.startswith("the kubelet of ")]
    told = f"kubelets {min(kubelets)} days" if kubelets else "kubelets trusted by the API server"
    seen_of = f" ({len(kubelets)} of {nodes} seen from here)" if 0 < len(kubelets) < nodes else ""
    return f"left: {', '.join([*others, told + seen_of])}"
