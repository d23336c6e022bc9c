"""How long certificates last, by real handshakes: the API server's, a kubelet's on loopback, the administrator's."""

from __future__ import annotations

import contextlib
import ssl
import threading
from datetime import UTC, datetime, timedelta
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from kubecfn.kubernetes.client import KubernetesError
from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import new_authority, new_leaf
from kubecfn.smoke import certificates
from kubecfn.smoke.certificates import Shown
from tests.smoke.machines import WORKER, node, subject

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lived", "left", "trouble"),
    [
        (30, 335, ""),
        (328, 37, ""),
        (329, 36, "x's certificate ends in 36 days and was not renewed"),
        (366, -1, "x's certificate ended 2026-11-21"),
    ],
)
def test_a_certificate_is_renewed_before_its_last_tenth(lived, left, trouble):
    """Whoever renews by itself has long done so; one that ended is another matter."""
    made = Shown("x", NOW - timedelta(days=lived), NOW + timedelta(days=left))

    assert made.trouble(NOW) == trouble


@pytest.fixture
def kubelet(tmp_path, monkeypatch):
    """Serve TLS on loopback in a kubelet's place."""
    with contextlib.ExitStack() as ending:

        def serve(authority, address="127.0.0.1"):
            leaf = new_leaf(profiles.ETCD_MEMBER, authority, KeyType.P256, datetime.now(UTC), (address,))
            pair = tmp_path / "pair.pem"
            pair.write_bytes(leaf.certificate.data + leaf.key.data)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair)

            class Shaking(BaseRequestHandler):
                def handle(self):
                    with contextlib.suppress(OSError), context.wrap_socket(self.request, server_side=True) as secure:
                        secure.recv(1)

            server = ending.enter_context(ThreadingTCPServer(("127.0.0.1", 0), Shaking))
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            ending.callback(thread.join)
            ending.callback(server.shutdown)
            monkeypatch.setattr(certificates, "KUBELET", server.server_address[1])

        yield serve


@pytest.fixture
def look(client, server, tmp_path, monkeypatch):
    """Look at a cluster with one node; `proxied` is what its API server says of the kubelet."""
    file = server.kubeconfig(tmp_path / "kubeconfig", "kubernetes-admin", "system:masters")

    def look(proxied=None, **about):
        node(client, WORKER, **about)

        def read(_path):
            if proxied:
                raise KubernetesError(503, "ServiceUnavailable", proxied)
            return b"ok"

        monkeypatch.setattr(client, "read", read)
        found = certificates.certificates(subject(client, tmp_path, kubeconfig=file))
        return list(found.problems), found.words

    return look


def own(problems):
    """The test's own administrator's certificate lasts a day of three, more than a tenth of it."""
    return [one for one in problems if "kubeconfig" not in one]


def test_a_kubelet_that_can_be_reached_shows_its_certificate(look, kubelet, server):
    """The API server's, the kubelet's and the administrator's are told with the days that are left."""
    kubelet(server.authority)

    problems, words = look()

    assert problems == []
    assert "the API server 36" in words
    assert "kubelets 36" in words


def test_a_kubelet_of_another_authority_is_said(look, kubelet):
    """Whoever shows what the cluster does not trust is no kubelet of it."""
    kubelet(new_authority(profiles.ETCD_AUTHORITY, "other", KeyType.P256, datetime.now(UTC)))

    problems, _ = look()

    [problem] = problems
    assert problem.startswith(f"the kubelet of {WORKER}: its certificate is not trusted")


def test_a_kubelet_behind_a_private_network_is_asked_through_the_api_server(look, monkeypatch):
    """It trusts the kubelet's certificate, or does not answer for it."""
    monkeypatch.setattr(certificates, "KUBELET", 1)

    assert look()[1].endswith("kubelets trusted by the API server")


def test_a_kubelet_that_the_api_server_does_not_trust_is_said(look, monkeypatch):
    """The twin: the same way, with a certificate that the API server refuses."""
    monkeypatch.setattr(certificates, "KUBELET", 1)

    problems, _ = look("tls: failed to verify certificate")

    assert problems == [
        f"the kubelet of {WORKER} does not answer the API server: tls: failed to verify certificate",
    ]


def test_a_node_that_is_not_ready_is_another_checks_business(look, monkeypatch):
    """Its kubelet is silent; that is said where nodes are looked at."""
    monkeypatch.setattr(certificates, "KUBELET", 1)

    assert look("no", ready="Unknown")[0] == []
