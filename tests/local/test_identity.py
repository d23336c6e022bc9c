import http.client
import json
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from xml.etree import ElementTree as ET

import boto3
import botocore.auth
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.sts.models import sts_backends

from kubecfn.local.identity import Keys, operator_keys
from kubecfn.local.sessions import GateSession

ONCE = Config(retries={"total_max_attempts": 1})


def fetch(url, headers=()):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path or '/'}?{parts.query}", headers=dict(headers))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {element.tag.split("}")[-1]: element.text for element in ET.fromstring(body).iter()}


def with_query(url, **changed):
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changed}
    return urlunsplit(parts._replace(query=urlencode(query)))


def test_the_operator_is_known_by_its_fixed_keys(aws):
    """The operator's keys are the same in every run, and mean a user of the account they are for."""
    assert aws.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/operator"
    other = aws.client("sts", account="999999999999").get_caller_identity()
    assert (other["Arn"], other["Account"]) == ("arn:aws:iam::999999999999:user/operator", "999999999999")


def test_the_partition_follows_the_region(aws):
    """In GovCloud the same operator is an ARN of that partition."""
    found = aws.client("sts", region="us-gov-west-1").get_caller_identity()

    assert found["Arn"] == "arn:aws-us-gov:iam::123456789012:user/operator"


def test_accounts_do_not_see_each_other(aws):
    """A resource of one account is not another account's."""
    aws.client("ssm").put_parameter(Name="ours", Value="1", Type="String")

    assert [one["Name"] for one in aws.client("ssm").describe_parameters()["Parameters"]] == ["ours"]
    assert aws.client("ssm", account="999999999999").describe_parameters()["Parameters"] == []


def test_a_role_session_is_the_role_and_its_session_name(aws, role):
    """Credentials of AssumeRole belong to assumed-role/ROLE/SESSION, and calls are recorded under it."""
    session = role({"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"}, session="i-0abc")

    session.client("ec2").describe_vpcs()

    arn = "arn:aws:sts::123456789012:assumed-role/node/i-0abc"
    assert session.client("sts").get_caller_identity()["Arn"] == arn
    assert aws.recorder.by("DescribeVpcs")[0].call.caller == arn


STRANGERS = [
    ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
    ("ec2", "describe_vpcs", "AuthFailure", 401),
    ("s3", "list_buckets", "InvalidAccessKeyId", 403),
    ("logs", "describe_log_groups", "UnrecognizedClientException", 400),
]


@pytest.mark.parametrize(("service", "method", "code", "status"), STRANGERS)
def test_keys_that_nobody_issued_are_refused(aws, service, method, code, status):
    """Unknown keys get each service's own refusal."""
    session = GateSession(Keys("AKIAIOSFODNN7EXAMPLE", "nobody"), "eu-central-1", aws.endpoint)

    with pytest.raises(ClientError) as caught:
        getattr(session.client(service, config=ONCE), method)()

    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert aws.recorder.calls[0].outcome == code


LIARS = [
    ("sts", "get_caller_identity", {}, "SignatureDoesNotMatch"),
    ("s3", "put_object", {"Bucket": "b", "Key": "a/ü &=+.txt", "Body": b"1"}, "SignatureDoesNotMatch"),
    ("ssm", "describe_parameters", {}, "InvalidSignatureException"),
    ("lambda", "get_function", {"FunctionName": "arn:aws:lambda:eu-central-1:123456789012:function:f"}, "InvalidSign"),
]


@pytest.mark.parametrize(("service", "method", "arguments", "code"), LIARS)
def test_a_key_with_a_wrong_secret_is_refused(aws, service, method, arguments, code):
    """Signatures are really verified, whatever the protocol and the path; with the right secret the call gets further."""
    keys = operator_keys("123456789012")
    outcomes = []
    for secret in (keys.secret, "guessed"):
        session = GateSession(Keys(keys.access_key, secret), "eu-central-1", aws.endpoint)
        try:
            getattr(session.client(service, config=ONCE), method)(**arguments)
            outcomes.append("ok")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    assert outcomes[0] in {"ok", "NoSuchBucket", "ResourceNotFoundException"}
    assert outcomes[1].startswith(code)


CLOCKS = [
    ("sts", "get_caller_identity", 4, "ok"),
    ("sts", "get_caller_identity", 6, "SignatureDoesNotMatch"),
    ("sts", "get_caller_identity", -6, "SignatureDoesNotMatch"),
    ("ssm", "describe_parameters", 6, "InvalidSignatureException"),
    ("s3", "list_buckets", 14, "ok"),
    ("s3", "list_buckets", 16, "RequestTimeTooSkewed"),
    ("ec2", "describe_vpcs", -14, "ok"),
    ("ec2", "describe_vpcs", -16, "RequestExpired"),
]


@pytest.mark.parametrize(("service", "method", "minutes", "code"), CLOCKS)
def test_a_signer_whose_clock_is_too_far_off_is_refused(aws, monkeypatch, service, method, minutes, code):
    """A request's date may be five minutes off, at S3 and EC2 fifteen; ahead is no better than behind."""
    right = botocore.auth.get_current_datetime
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: right() + timedelta(minutes=minutes))
    outcome = "ok"
    try:
        getattr(aws.client(service), method)()
    except ClientError as error:
        outcome = error.response["Error"]["Code"]

    assert outcome == code


def credentials(session):
    found = session.get_credentials().get_frozen_credentials()
    return Keys(found.access_key, found.secret_key, found.token)


def test_a_session_key_without_its_own_token_is_refused(aws, role):
    """The keys of a session are worth nothing without the token issued with them."""
    keys = credentials(role())
    forged = GateSession(Keys(keys.access_key, keys.secret, "another"), "eu-central-1", aws.endpoint)

    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        forged.client("sts").get_caller_identity()


def test_a_session_that_has_ended_is_expired(aws, role):
    """After its expiration a session's calls end in ExpiredToken, before it they do not."""
    session = role()
    sts = session.client("sts")
    sts.get_caller_identity()

    kept = sts_backends["123456789012"]["aws"].get_assumed_role_from_access_key(credentials(session).access_key)
    kept.expiration -= timedelta(hours=2)

    with pytest.raises(ClientError, match="ExpiredToken"):
        sts.get_caller_identity()


def test_a_user_s_keys_are_that_user(aws):
    """Keys made by CreateAccessKey belong to their user, and are judged by the user's policies."""
    iam = aws.client("iam")
    iam.create_user(UserName="auditor")
    iam.put_user_policy(
        UserName="auditor",
        PolicyName="look",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"}}
        ),
    )
    made = iam.create_access_key(UserName="auditor")["AccessKey"]
    session = GateSession(Keys(made["AccessKeyId"], made["SecretAccessKey"]), "eu-central-1", aws.endpoint)

    assert session.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/auditor"
    session.client("ec2").describe_vpcs()
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        session.client("ec2").describe_subnets()


def presigned(aws, session, cluster="payments"):
    """What aws-iam-authenticator makes: a presigned GetCallerIdentity with the cluster's name in a signed header."""
    client = session.client("sts")
    client.meta.events.register(
        "before-sign.sts.GetCallerIdentity", lambda request, **_: request.headers.add_header("x-k8s-aws-id", cluster)
    )
    return client.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")


def test_a_presigned_caller_identity_names_its_signer(aws, role):
    """The token aws-iam-authenticator hands to an API server proves who made it, for which cluster."""
    url = presigned(aws, role(session="i-0abc"))

    status, found = fetch(url, {"x-k8s-aws-id": "payments"})

    assert status == 200
    assert found["Arn"] == "arn:aws:sts::123456789012:assumed-role/node/i-0abc"


BROKEN = [
    pytest.param(lambda url: url, {"x-k8s-aws-id": "another"}, "SignatureDoesNotMatch", id="for another cluster"),
    pytest.param(lambda url: url, {}, "SignatureDoesNotMatch", id="without the signed header"),
    pytest.param(
        lambda url: with_query(url, **{"X-Amz-Signature": "0" * 64}),
        {"x-k8s-aws-id": "payments"},
        "SignatureDoesNotMatch",
        id="with a made-up signature",
    ),
    pytest.param(
        lambda url: with_query(url, **{"X-Amz-Expires": "604800"}),
        {"x-k8s-aws-id": "payments"},
        "SignatureDoesNotMatch",
        id="with a longer life than was signed",
    ),
    pytest.param(
        lambda url: with_query(url, **{"X-Amz-Date": "20200101T000000Z"}),
        {"x-k8s-aws-id": "payments"},
        "ExpiredToken",
        id="too old",
    ),
    pytest.param(
        lambda url: with_query(
            url, **{"X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE/20261121/eu-central-1/sts/aws4_request"}
        ),
        {"x-k8s-aws-id": "payments"},
        "InvalidClientTokenId",
        id="by keys nobody issued",
    ),
]


@pytest.mark.parametrize(("change", "headers", "code"), BROKEN)
def test_a_presigned_caller_identity_that_was_tampered_with_proves_nothing(aws, change, headers, code):
    """Every part of the token is signed: changing one makes it worthless."""
    url = presigned(aws, aws.session())
    assert fetch(url, {"x-k8s-aws-id": "payments"})[0] == 200

    status, found = fetch(change(url), headers)

    assert (status, found["Code"]) == (403, code)


def test_any_aws_program_is_pointed_here_by_its_environment(aws, monkeypatch):
    """The variables of `environment` are all a boto3 program needs."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)

    session = boto3.Session()

    assert session.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/operator"
    assert session.region_name == "eu-central-1"


def test_a_person_s_own_profile_and_proxy_have_no_say(aws, monkeypatch):
    """Sessions of the embedded AWS ignore AWS_PROFILE and HTTP_PROXY, which would lead elsewhere."""
    monkeypatch.setenv("AWS_PROFILE", "does-not-exist")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    session = GateSession(operator_keys("123456789012"), "eu-central-1", aws.endpoint)

    assert session.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_a_role_is_assumed_only_by_whom_it_trusts(aws, role):
    """AssumeRole needs a role that exists and whose trust policy names the caller; our services act as EC2 does."""
    role(name="node")
    aws.client("iam").create_role(
        RoleName="admin",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                    "Action": "sts:AssumeRole",
                },
            }
        ),
    )
    sts = aws.client("sts")

    assume = {
        name: {"RoleArn": f"arn:aws:iam::123456789012:role/{name}", "RoleSessionName": "me"}
        for name in ("admin", "node", "missing")
    }
    assert sts.assume_role(**assume["admin"])["AssumedRoleUser"]["Arn"].endswith(":assumed-role/admin/me")
    for name in ("node", "missing"):
        with pytest.raises(ClientError, match=f"not authorized to perform: sts:AssumeRole on resource: .*role/{name} "):
            sts.assume_role(**assume[name])
