import subprocess
import sys

import botocore.exceptions as aws_errors
import pytest

from kubecfn.deploy.aws import connect, doing
from kubecfn.errors import AwsError


def answer(code, message, status=400):
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return aws_errors.ClientError(response, "CreateChangeSet")


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (aws_errors.NoCredentialsError(), "no usable AWS credentials", "aws sso login"),
        (aws_errors.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "Partial", "AWS_PROFILE"),
        (aws_errors.ProfileNotFound(profile="nobody"), "nobody", "list-profiles"),
        (aws_errors.UnauthorizedSSOTokenError(), "sign-on session has ended", "aws sso login"),
        (aws_errors.SSOTokenLoadError(error_msg="gone"), "sign-on session has ended", "aws sso login"),
        (aws_errors.TokenRetrievalError(provider="sso", error_msg="gone"), "sign-on session has ended", "aws sso login"),
        (aws_errors.EndpointConnectionError(endpoint_url="https://sts.eu-nowhere-1.amazonaws.com"), "cannot be reached", "region"),
        (aws_errors.ConnectionClosedError(endpoint_url="https://x"), "connection was cut", "goes on where it was"),
        (aws_errors.ReadTimeoutError(endpoint_url="https://x"), "connection was cut", "goes on where it was"),
        (aws_errors.InvalidRegionError(region_name="eu central"), "eu central", "region:"),
        (answer("ExpiredToken", "The security token included in the request is expired", 403), "have expired", "Sign in again"),
        (answer("RequestExpired", "Request has expired."), "have expired", "Sign in again"),
        (answer("InvalidClientTokenId", "The security token included in the request is invalid.", 403), "does not know these credentials", "enabled for the account"),
        (answer("AuthFailure", "AWS was not able to validate the provided access credentials", 401), "does not know these credentials", "profile"),
        (answer("AccessDenied", "User: arn:aws:iam::1:user/a is not authorized to perform: cloudformation:CreateChangeSet on resource: x", 403), "is not authorized", "permission cloudformation:CreateChangeSet"),
        (answer("UnauthorizedOperation", "You are not authorized to perform this operation.", 403), "not authorized", "permission CreateChangeSet"),
        (answer("Throttling", "Rate exceeded"), "too many requests", "Nothing was lost"),
        (answer("SlowDown", "Please reduce your request rate.", 503), "too many requests", "Nothing was lost"),
        (answer("InternalFailure", "unknown error", 500), "failed 10 times on its side", "Nothing was lost"),
        (answer("ServiceUnavailable", "busy", 503), "failed 10 times on its side", "Nothing was lost"),
        (answer("LimitExceededException", "ChangeSet limit exceeded"), "limit of the account", "Service Quotas"),
        (answer("SignatureDoesNotMatch", "Signature expired: 20261121T000000Z is now earlier than", 403), "signature", "clock"),
        (answer("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", 403), "signature", "clock"),
        (answer("ValidationError", "Template format error: unsupported structure."), "refused CreateChangeSet", ""),
    ],
)  # fmt: skip
def test_every_failure_of_aws_is_one_sentence_with_its_remedy(error, reason, remedy):
    """What we were doing, what AWS said, what to do: never a traceback, always exit code 1."""
    with pytest.raises(AwsError) as raised, doing("making a change set"):
        raise error

    assert raised.value.message.startswith("While making a change set: ")
    assert raised.value.message.endswith(".")
    assert "\n" not in str(raised.value)
    assert reason in raised.value.message
    assert remedy in raised.value.remedy
    assert raised.value.exit_code == 1


def test_what_is_not_awss_failure_passes_through():
    """A mistake of ours must not be dressed as one of AWS's; neither must Ctrl-C."""
    for error in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(error), doing("making a change set"):
            raise error


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_without_credentials_nothing_is_sent_and_the_remedy_is_named(no_credentials):
    """No credentials is found before the first call."""
    with pytest.raises(AwsError, match="no usable AWS credentials"):
        connect("eu-central-1")


def test_an_unknown_profile_is_named(no_credentials):
    """A profile that does not exist is told by name."""
    with pytest.raises(AwsError, match="nobody") as raised:
        connect("eu-central-1", profile="nobody")

    assert "list-profiles" in raised.value.remedy


def test_the_pure_parts_do_not_load_boto3():
    """Emitting a template must not pay for boto3: importing every module of deploy must not load it."""
    program = (
        "import pkgutil, importlib, sys, kubecfn.deploy as d\n"
        "for m in pkgutil.walk_packages(d.__path__, 'kubecfn.deploy.'): importlib.import_module(m.name)\n"
        "sys.exit(int(bool({'boto3', 'botocore'} & set(sys.modules))))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
