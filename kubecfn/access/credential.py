"""What kubectl is handed for an IAM role: a token that says who one is, made on this machine and sent by nobody but kubectl."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from kubecfn.deploy.aws import Aws, doing
from kubecfn.kubernetes.token import token

# STS takes such a request for fifteen minutes (aws-iam-authenticator: pkg/token/token.go, `Verify`); one is for slow clocks.
_LASTS = timedelta(minutes=14)
_LONGEST_SESSION, _SHORTEST_SESSION = 64, 2


def exec_credential(aws: Aws, domain: str, role_arn: str, now: datetime) -> dict[str, Any]:
    """Return an ExecCredential with a token of the role.

    Source: Kubernetes, "client-go credential plugins", section "Input and output formats".

    Args:
        aws: who assumes the role.
        domain: of the cluster; the token is worth nothing to another.
        role_arn: the role.
        now: with its zone; from when the token counts.

    Raises:
        AwsError: the role cannot be assumed.
    """
    import boto3  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"assuming {role_arn}"):
        assumed = aws.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session_name(aws.caller))
    keys = assumed["Credentials"]
    session = boto3.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name=aws.region,
    )
    ends = (now + _LASTS).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {"interactive": False},
        "status": {"expirationTimestamp": ends, "token": token(session, domain)},
    }


def session_name(caller: str) -> str:
    """Return whom the audit log shall show: the user's or the session's own name, as STS takes it.

    Args:
        caller: ARN of who signs.
    """
    own = re.split(r"[/:]", caller)[-1]
    return re.sub(r"[^A-Za-z0-9_+=,.@-]", "-", own)[:_LONGEST_SESSION].ljust(_SHORTEST_SESSION, "-")
