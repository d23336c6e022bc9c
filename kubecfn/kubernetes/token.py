"""What shows an AWS identity to the API server: a signed question to STS that aws-iam-authenticator puts in our place.

The token is the URL of a GetCallerIdentity call, signed and not sent; STS answers whoever sends it with the signer's
identity. The cluster's id is a signed header of it, so a token for one cluster is worth nothing to another.

Source: kubernetes-sigs/aws-iam-authenticator, README, "API Authorization from Outside a Cluster"; pkg/token/token.go 0.6.13.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest

PREFIX = "k8s-aws-v1."
HEADER = "x-k8s-aws-id"
# What every program of this kind writes. STS itself goes by X-Amz-Date alone: fifteen minutes (token.go, `Verify`).
_EXPIRES = 60
KEPT = 480.0


class NoCredentialsError(Exception):
    """There is nobody to sign as."""


def token(session: Any, cluster_id: str) -> str:
    """Return a bearer token that says who a session is; nothing is sent, and fifteen minutes later it is void.

    Args:
        session: boto3's, with a region.
        cluster_id: what the cluster's aws-iam-authenticator is configured with.

    Raises:
        NoCredentialsError: the session has no credentials, or no region.
    """
    credentials = session.get_credentials()
    region = session.region_name
    if credentials is None or not region:
        raise NoCredentialsError(f"a token needs credentials and a region; the region is {region or 'not set'}")
    query = urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"})
    request = AWSRequest("GET", f"https://{sts_host(region)}/?{query}", headers={HEADER: cluster_id})
    SigV4QueryAuth(credentials.get_frozen_credentials(), "sts", region, expires=_EXPIRES).add_auth(request)
    return PREFIX + base64.urlsafe_b64encode(str(request.url).encode("ascii")).decode("ascii").rstrip("=")


def sts_host(region: str) -> str:
    """Return STS's name in a region: never the global one, which need not be reachable, nor an endpoint of our own.

    Source: AWS General Reference, "AWS Security Token Service endpoints and quotas"; token.go, `stsHostsForPartition`,
    takes no other names.
    """
    return f"sts.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


def kept(
    make: Callable[[], str], seconds: float = KEPT, clock: Callable[[], float] = time.monotonic
) -> Callable[[], str]:
    """Return a function that returns what `make` returned, and asks again when that is `seconds` old."""
    last: list[tuple[str, float]] = []

    def current() -> str:
        now = clock()
        if not last or now - last[0][1] >= seconds:
            last[:] = [(make(), now)]
        return last[0][0]

    return current
