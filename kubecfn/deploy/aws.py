"""The one door to AWS: a session with its account and clients, and every failure as one sentence with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kubecfn.errors import AwsError

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

_ATTEMPTS = 10
# Where an account's calls are limited to a few a second, waiting beforehand beats being refused
# (Route 53 Developer Guide, Quotas; Auto Scaling and CloudFormation share buckets with every other tool).
_ADAPTIVE = frozenset({"route53", "cloudformation"})
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN_KEY = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId", "OptInRequired"}
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"})
_SKEWED = frozenset(
    {"RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException", "RequestInTheFuture"}
)
_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "PriorRequestNotComplete",
        "SlowDown",
        "EC2ThrottledException",
        "BandwidthLimitExceeded",
    }
)
_SERVER_ERRORS = 500
_UNREACHABLE = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "SSLError"})
_CUT = frozenset({"ConnectionClosedError", "ReadTimeoutError", "HTTPClientError", "ResponseStreamingError"})
_ACTION = re.compile(r"perform:? ([a-z0-9-]+:[A-Za-z*]+)")


@dataclass(frozen=True)
class Aws:
    """One account and region.

    Attributes:
        session: a boto3 session.
        account: twelve digits.
        partition: ``aws``, ``aws-us-gov`` or ``aws-cn``.
        caller: ARN that signs the calls.
    """

    session: Any
    region: str
    account: str
    partition: str
    caller: str
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def client(self, service: str) -> Any:
        """Return the client of a service; made once."""
        if service not in self._clients:
            self._clients[service] = make_client(self.session, service, self.region)
        return self._clients[service]


def make_client(session: Any, service: str, region: str) -> Any:
    """Return a client with enough attempts; AWS_ENDPOINT_URL and profiles are boto3's own business."""
    from botocore.config import Config  # noqa: PLC0415  boto3 loads in this module's functions only

    mode = "adaptive" if service in _ADAPTIVE else "standard"
    retries: Any = {"mode": mode, "total_max_attempts": _ATTEMPTS}
    config = Config(retries=retries, connect_timeout=10, read_timeout=60, user_agent_extra="kubecfn")
    with doing(f"setting up the {service} client"):
        return session.client(service, region_name=region, config=config)


def connect(region: str, profile: str | None = None, *, session: Any = None) -> Aws:
    """Return a connection whose credentials were seen to work.

    Args:
        region: e.g. ``eu-central-1``.
        profile: name of a profile; None leaves the choice to boto3 (environment, default profile, SSO, instance role).
        session: a boto3 session to use instead of making one.

    Raises:
        AwsError: no or expired credentials, an unknown profile, a region that does not exist or is not enabled.
    """
    import boto3  # noqa: PLC0415  boto3 loads in this module's functions only

    with doing("setting up the AWS session"):
        chosen = session or boto3.Session(profile_name=profile, region_name=region)
        client = make_client(chosen, "sts", region)
    with doing(f"asking AWS in {region} who you are"):
        identity = client.get_caller_identity()
    arn = str(identity["Arn"])
    return Aws(chosen, region, str(identity["Account"]), arn.split(":")[1], arn)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Turn every failure of AWS inside the block into an AwsError that begins with what was being done.

    Args:
        what: continues "While …": ``uploading the controller bundle``.

    Raises:
        AwsError: with AWS's code and a remedy.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  boto3 loads in functions only

    try:
        yield
    except ClientError as error:
        raise _refused(what, error) from error
    except BotoCoreError as error:
        raise _not_answered(what, error) from error


def is_passing(error: AwsError) -> bool:
    """Return whether a failure is one that goes away by itself: throttling, AWS's own trouble, a cut connection."""
    cause = error.__cause__
    response = getattr(cause, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.code in _THROTTLED or status >= _SERVER_ERRORS
    return error.code in _UNREACHABLE | _CUT


# How S3 says that an object is not there; a HEAD has no body, and so no code but the status.
NO_OBJECT = frozenset({"404", "NoSuchKey", "NotFound"})


def code_of(error: Any) -> str:
    """Return AWS's code of a ClientError."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: Any) -> str:
    """Return AWS's own words of a ClientError."""
    return str(error.response.get("Error", {}).get("Message", "")) or str(error)


def _refused(what: str, error: ClientError) -> AwsError:
    code, words = code_of(error), message_of(error).rstrip(".")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    action = f"{error.operation_name}"
    if code in _EXPIRED:
        reason, remedy = (
            "the credentials have expired",
            "Sign in again (aws sso login, or new session keys), then repeat.",
        )
    elif code in _UNKNOWN_KEY:
        reason = f"AWS does not know these credentials in this region ({words})"
        remedy = "Check the profile and AWS_ACCESS_KEY_ID; a region that is off by default must first be enabled for the account."
    elif code in _SKEWED:
        reason = f"AWS does not accept the signature ({words})"
        remedy = "Set this machine's clock (chronyc makestep, or timedatectl set-ntp true) and check the secret key."
    elif code in _DENIED:
        named = _ACTION.search(words)
        reason = f"it is not allowed: {words}"
        remedy = f"Ask for the permission {named[1] if named else action}, or use another profile."
    elif code in _THROTTLED:
        reason = f"AWS refused {_ATTEMPTS} times because too many requests come from this account ({words})"
        remedy = "Nothing was lost: wait a minute and repeat the command."
    elif "LimitExceeded" in code:
        reason, remedy = (
            f"a limit of the account is reached ({words})",
            "Raise it in Service Quotas, or free something.",
        )
    elif status >= _SERVER_ERRORS:
        reason = f"AWS failed {_ATTEMPTS} times on its side ({code}: {words})"
        remedy = "Nothing was lost: repeat the command; see health.aws.amazon.com if it goes on."
    else:
        reason, remedy = f"AWS refused {action}: {words} ({code})", ""
    return AwsError(f"While {what}: {reason}.", code=code, remedy=remedy)


def _not_answered(what: str, error: BotoCoreError) -> AwsError:
    name = type(error).__name__
    words = str(error).rstrip(".")
    if name in {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "NoAuthTokenError"}:
        reason = "there are no usable AWS credentials" if name == "NoCredentialsError" else words
        remedy = "Set AWS_PROFILE, sign in with aws sso login, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    elif "SSO" in name or name in {"TokenRetrievalError", "UnauthorizedSSOTokenError", "LoginRefreshRequired"}:
        reason, remedy = (
            "the single sign-on session has ended",
            "Run aws sso login (with the same --profile), then repeat.",
        )
    elif name == "ProfileNotFound":
        reason, remedy = words, "Choose one that aws configure list-profiles shows."
    elif name in {"NoRegionError", "InvalidRegionError", "UnknownRegionError"}:
        reason, remedy = words, "Correct region: in the configuration."
    elif name in _UNREACHABLE:
        reason = f"AWS cannot be reached ({words})"
        remedy = "Check that the region exists, and the network, proxy and AWS_ENDPOINT_URL."
    elif name in _CUT:
        reason = f"the connection was cut ({words})"
        remedy = "Nothing was lost: repeat the command; it goes on where it was."
    else:
        reason, remedy = f"{words} ({name})", "Repeat the command; it goes on where it was."
    return AwsError(f"While {what}: {reason}.", code=name, remedy=remedy)
