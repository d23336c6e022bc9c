"""A bearer token is a signed question to STS: aws-iam-authenticator puts it, and takes the answer for the caller's name."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.credentials import Credentials

from kubecfn.kubernetes.token import NoCredentialsError, kept, sts_host, token
from kubecfn.local.programs import cache
from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import certificate_file, new_authority, new_leaf
from tests.kubernetes.sts import RefusedError, signer, url_of

KEY, SECRET, REGION, CLUSTER = "AKIDEXAMPLE", "wJalrXUtnFEMI", "eu-central-1", "payments.k8s.example.com"
# aws-iam-authenticator 0.6.13, pkg/token/token.go, parameterWhitelist, in lower case.
TAKEN = {"action", "version", *(f"x-amz-{one}" for one in ("algorithm", "credential", "date", "expires"))} | {
    f"x-amz-{one}" for one in ("security-token", "signature", "signedheaders")
}


def session(region=REGION, token="a/b+c="):
    return boto3.Session(KEY, SECRET, token, region)


@pytest.mark.parametrize("given", [None, "a/b+c="])
def test_a_token_is_what_the_authenticator_documents(given):
    """base64url without padding of an https URL: GetCallerIdentity, whitelisted parameters, the cluster's id signed."""
    made = token(session(token=given), CLUSTER)

    parts = urlsplit(url_of(made))
    query = {name.lower(): values for name, values in parse_qs(parts.query).items()}
    assert re.fullmatch(r"k8s-aws-v1\.[A-Za-z0-9_-]+", made)
    assert len(made) <= 4096
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "sts.eu-central-1.amazonaws.com", "/")
    assert set(query) == TAKEN - (set() if given else {"x-amz-security-token"})
    assert all(len(values) == 1 for values in query.values())
    assert query["action"] == ["GetCallerIdentity"]
    assert query["x-amz-expires"] == ["60"]
    assert query["x-amz-signedheaders"] == ["host;x-k8s-aws-id"]
    assert abs((_date(query) - datetime.now(UTC)).total_seconds()) < 60


def _date(query):
    return datetime.strptime(query["x-amz-date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def test_its_signature_is_the_sessions_and_for_one_cluster():
    """Whoever recomputes it finds the session's key; for another cluster, or with another secret, it is no signature."""
    url = url_of(token(session(), CLUSTER))

    assert signer(url, CLUSTER, {KEY: SECRET}) == KEY
    for cluster, secret in (("other.example", SECRET), (CLUSTER, "another")):
        with pytest.raises(RefusedError, match="another question's"):
            signer(url, cluster, {KEY: secret})


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "sts.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_sts_is_asked_in_the_own_region(region, host, monkeypatch):
    """Neither the global name nor an endpoint of one's own is in a token: the authenticator takes neither."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert sts_host(region) == host == urlsplit(url_of(token(session(region), CLUSTER))).netloc


@pytest.mark.parametrize(
    "nobody",
    [
        SimpleNamespace(region_name=REGION, get_credentials=lambda: None),
        SimpleNamespace(region_name=None, get_credentials=lambda: Credentials(KEY, SECRET)),
    ],
)
def test_without_credentials_or_a_region_there_is_no_token(nobody):
    """It is said what is missing."""
    with pytest.raises(NoCredentialsError, match="credentials and a region"):
        token(nobody, CLUSTER)


def test_a_token_is_made_anew_before_it_ends():
    """The same one is shown for eight minutes of its fifteen, then another."""
    now, made = [0.0], iter(("one", "two"))
    current = kept(lambda: next(made), clock=lambda: now[0])

    shown = []
    for now[0] in (0.0, 479.0, 480.0):
        shown.append(current())

    assert shown == ["one", "one", "two"]


class Sts(BaseHTTPRequestHandler):
    """STS behind a proxy: CONNECT is answered, TLS with an authority of our own, then one question."""

    context = None

    def do_CONNECT(self):
        """Become the host that is asked for."""
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError), self.context.wrap_socket(self.connection, server_side=True) as plain:
            request = plain.recv(65536).decode()
            target, headers = request.split(" ", 2)[1], request.lower()
            asked = re.search(r"x-k8s-aws-id: (\S+)", headers)[1]
            status, body = self.answer(f"https://{self.path.removesuffix(':443')}{target}", asked)
            plain.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            with contextlib.suppress(OSError):
                plain.shutdown(socket.SHUT_WR)
        self.close_connection = True

    def answer(self, url, cluster):
        """Say who signed."""
        try:
            signer(url, cluster, {KEY: SECRET})
        except RefusedError as error:
            return 403, str(error)
        who = {
            "Account": "123456789012",
            "Arn": "arn:aws:sts::123456789012:assumed-role/drain/f",
            "UserId": "AROA:f",
        }
        return 200, json.dumps({"GetCallerIdentityResponse": {"GetCallerIdentityResult": who}})

    def log_message(self, *_):
        """Be quiet."""


@pytest.fixture
def verify(tmp_path):
    """Let the real aws-iam-authenticator verify a token; STS is this process."""
    [program] = [*cache().glob("aws-iam-authenticator-*/aws-iam-authenticator")] or [None]
    if program is None:
        missing = "aws-iam-authenticator is not built on this machine: make kubernetes-programs builds it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    now = datetime.now(UTC)
    authority = new_authority(profiles.ETCD_AUTHORITY, "sts", KeyType.P256, now)
    leaf = new_leaf(profiles.ETCD_MEMBER, authority, KeyType.P256, now, (sts_host(REGION),))
    pair, trusted = tmp_path / "pair.pem", tmp_path / "ca.pem"
    pair.write_bytes(leaf.certificate.data + leaf.key.data)
    trusted.write_bytes(certificate_file(authority.certificate).data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    handler = type("Handler", (Sts,), {"context": context})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        env = {
            "HTTPS_PROXY": f"http://127.0.0.1:{server.server_port}",
            "SSL_CERT_FILE": str(trusted),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

        def run(made, cluster):
            command = [program, "verify", "--token", made, "--cluster-id", cluster, "--output", "json"]
            return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=20)

        yield run
        server.shutdown()
        thread.join()


def test_the_real_authenticator_takes_a_token_for_its_cluster_and_no_other(verify):
    """It checks the form, asks STS, and names the role; what is signed for another cluster STS refuses."""
    made = token(session(), CLUSTER)

    taken, refused = verify(made, CLUSTER), verify(made, "other.example")

    assert json.loads(taken.stdout[taken.stdout.index("{") :])["ARN"].endswith(":assumed-role/drain/f"), taken.stderr
    assert refused.returncode == 1
    assert "expected 200, got 403" in refused.stderr
