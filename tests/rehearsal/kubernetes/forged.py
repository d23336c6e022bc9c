"""Requests for certificates that nobody should get: sent by whoever got hold of what a node has."""

from __future__ import annotations

import base64
import ipaddress
import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubecfn.kubernetes.client import Client
from kubecfn.node.approval import CLIENT, NODES, SERVING
from tests.rehearsal import harm
from tests.rehearsal.cluster import DidNotHappenError
from tests.rehearsal.machines import NspawnMachines

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_KUBELET = "/var/lib/kubelet/pki/kubelet-client-current.pem"
_PURPOSE = {CLIENT: "client auth", SERVING: "server auth"}
_ANSWERED = 20.0


@dataclass(frozen=True)
class Door:
    """Where a cluster's API is, and whom it trusts.

    Attributes:
        domain: the cluster's.
        authority: PEM.
    """

    domain: str
    region: str
    authority: str

    def by_role(self, machines: NspawnMachines, instance: str) -> Client:
        """Return a client that shows an instance's role, as kubeadm on it would."""
        told = ("AWS_STS_REGIONAL_ENDPOINTS=regional", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true")
        program = ("aws-iam-authenticator", "token", "-i", self.domain)
        said = harm.inside(machines, instance, "env", f"AWS_REGION={self.region}", *told, *program)
        shown = json.loads(said)["status"]["token"]
        return Client(self._server, self._trusting(), token=lambda: shown)

    def by_kubelet(self, machines: NspawnMachines, instance: str, folder: Path) -> Client:
        """Return a client that shows what an instance's kubelet shows, from its disk."""
        stolen = folder / f"{instance}.pem"
        stolen.write_text(harm.inside(machines, instance, "cat", _KUBELET), encoding="ascii")
        context = self._trusting()
        context.load_cert_chain(stolen)
        stolen.unlink()
        return Client(self._server, context)

    @property
    def _server(self) -> str:
        return f"https://api.{self.domain}:6443"

    def _trusting(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.authority)
        return context


def asked(client: Client, signer: str, node: str, addresses: Sequence[str] = ()) -> str:
    """Ask for a certificate of a node's name; return the request's name."""
    usages = ["digital signature", _PURPOSE[signer]]
    spec = {"request": _request(node, addresses), "signerName": signer, "usages": usages}
    made = client.create(REQUESTS, {"metadata": {"generateName": "rehearsal-"}, "spec": spec})
    return str(made["metadata"]["name"])


def verdict(administrator: Client, request: str) -> tuple[str, str]:
    """Wait for the answer; return the condition and its words.

    Raises:
        DidNotHappenError: nobody answers.
    """
    end = time.monotonic() + _ANSWERED
    while time.monotonic() < end:
        if said := condition(administrator.get(f"{REQUESTS}/{request}")):
            return said
        time.sleep(0.1)
    raise DidNotHappenError(f"nobody answered the request {request} in {_ANSWERED:.0f} s")


def condition(request: dict[str, Any]) -> tuple[str, str] | None:
    """Return what a request was answered, and why; None while it was not."""
    for one in request.get("status", {}).get("conditions", ()):
        return one["type"], one["message"]
    return None


def _request(node: str, addresses: Sequence[str]) -> str:
    """Return a request for a node as kubelets write it, with these addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, NODES),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
    ]
    # Apart, as Go writes a subject: one set for each.
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(named))
    if addresses:
        others = [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        made = made.add_extension(x509.SubjectAlternativeName(others), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode("ascii")
