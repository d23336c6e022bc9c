"""Where STS is in a rehearsal, only who really signed is known, and under AWS's own name for it."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kubecfn.local.embedded import ACCOUNT, EmbeddedAws
from tests.rehearsal import authority
from tests.rehearsal.sts import Sts, names

REGION = "eu-central-1"
HOST = f"sts.{REGION}.amazonaws.com"
CLUSTER = "k1.example.com"
MADE = authority.new()
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """An account with a worker's role, and nothing else of ours."""
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), services=()) as made:
        made.client("iam").create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(TRUST))
        yield made


@pytest.fixture(scope="module")
def sts(cloud: EmbeddedAws) -> Iterator[Sts]:
    """It, on loopback."""
    gate = urlsplit(cloud.endpoint)
    made = Sts(("127.0.0.1", 0), MADE.server(*names(REGION)), ACCOUNT, (str(gate.hostname), gate.port or 0))
    yield made
    made.close()


@pytest.fixture(scope="module")
def keys(cloud: EmbeddedAws) -> Credentials:
    """An instance's, of its role."""
    session = cloud.role_session(f"arn:aws:iam::{ACCOUNT}:role/worker", "i-0123456789abcdef0")
    frozen = session.get_credentials().get_frozen_credentials()
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def presigned(keys: Credentials, cluster: str = CLUSTER) -> str:
    """The query of a request as aws-iam-authenticator makes it: with the cluster's name signed in."""
    url = f"https://{HOST}/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest("GET", url, headers={"x-k8s-aws-id": cluster})
    SigV4QueryAuth(keys, "sts", REGION, 60).add_auth(request)
    return urlsplit(request.url).query


def ask(sts: Sts, query: str, cluster: str = CLUSTER, accept: str = "application/json") -> tuple[int, Any]:
    """What it says: the status and the JSON, or the text where it is none."""
    headers = {"Host": HOST, "x-k8s-aws-id": cluster, "Accept": accept}
    asked = urllib.request.Request(f"https://127.0.0.1:{sts.address[1]}/?{query}", headers=headers)
    trusting = ssl.create_default_context(cadata=MADE.pem.decode())
    trusting.check_hostname = False  # the name is where the resolver leads, tried below
    try:
        with urllib.request.build_opener(urllib.request.HTTPSHandler(context=trusting)).open(asked) as answer:
            status, said = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, said = error.code, error.read()
    try:
        return status, json.loads(said)
    except ValueError:
        return status, said.decode()


def test_an_instance_is_known_by_its_role_and_its_id(sts: Sts, keys: Credentials) -> None:
    """Who signed is the session of the role, and its name is the instance's id."""
    status, said = ask(sts, presigned(keys))

    assert status == 200
    found = said["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
    assert found["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/i-0123456789abcdef0"
    assert found["Account"] == ACCOUNT
    assert found["UserId"].endswith(":i-0123456789abcdef0")


def test_whoever_does_not_ask_for_json_gets_xml(sts: Sts, keys: Credentials) -> None:
    """STS speaks XML unless it is told otherwise."""
    status, said = ask(sts, presigned(keys), accept="*/*")
    assert (status, "<Arn>arn:aws:sts::" in said) == (200, True)


def forged(query: str) -> str:
    """The same with one digit of the signature changed."""
    pairs = dict(parse_qsl(query))
    last = pairs["X-Amz-Signature"][-1]
    pairs["X-Amz-Signature"] = pairs["X-Amz-Signature"][:-1] + ("0" if last != "0" else "1")
    return urlencode(pairs)


def test_a_changed_signature_is_nobodys(sts: Sts, keys: Credentials) -> None:
    """One digit is enough."""
    status, said = ask(sts, forged(presigned(keys)))
    assert (status, said["Error"]["Code"]) == (403, "SignatureDoesNotMatch")


def test_a_token_for_another_cluster_is_nobodys(sts: Sts, keys: Credentials) -> None:
    """The cluster's name is signed: a token that another cluster was shown is worth nothing here."""
    status, said = ask(sts, presigned(keys, "other.example.com"))
    assert (status, said["Error"]["Code"]) == (403, "SignatureDoesNotMatch")


def test_keys_that_nobody_issued_are_nobodys(sts: Sts, keys: Credentials) -> None:
    """Neither an unknown key nor a known one with another session's token."""
    for strange in (Credentials("ASIAUNKNOWN", "x", "y"), Credentials(keys.access_key, keys.secret_key, "another")):
        status, said = ask(sts, presigned(strange))
        assert (status, said["Error"]["Code"]) == (403, "InvalidClientTokenId")


@pytest.mark.parametrize(("minutes", "expected"), [(14, 200), (16, 403)])
def test_a_token_is_good_for_a_quarter_of_an_hour(
    sts: Sts, keys: Credentials, monkeypatch: pytest.MonkeyPatch, minutes: int, expected: int
) -> None:
    """It says sixty seconds and lives for fifteen minutes, as STS's do."""
    query = presigned(keys)
    later = datetime.now(UTC) + timedelta(minutes=minutes)

    class Later(datetime):
        """A clock that is ahead."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            """Then."""
            return later.astimezone(tz)

    monkeypatch.setattr("tests.rehearsal.sts.datetime", Later)
    monkeypatch.setattr("kubecfn.local.identity.datetime", Later)
    assert ask(sts, query)[0] == expected


def test_its_certificate_is_aws_name_and_nobody_elses(sts: Sts) -> None:
    """Whoever trusts the rehearsal's authority finds STS under its own name, and under no other."""
    trusting = ssl.create_default_context(cadata=MADE.pem.decode())
    for name, good in ((HOST, True), ("sts.us-east-1.amazonaws.com", False)):
        with socket.create_connection(sts.address) as plain:
            if good:
                trusting.wrap_socket(plain, server_hostname=name).close()
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    trusting.wrap_socket(plain, server_hostname=name)


def test_what_is_asked_besides_is_the_embedded_awss_to_answer(sts: Sts, cloud: EmbeddedAws) -> None:
    """Programs that know no other address than AWS's own find it there, as who they are."""
    url = f"https://127.0.0.1:{sts.address[1]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of trusting anybody
        found = cloud.session().client("sts", endpoint_url=url, verify=False).get_caller_identity()
    assert found["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/operator"
