"""How this function reaches the API server: by its authority's certificate, and as its own role."""

from __future__ import annotations

import hashlib
import json
import ssl
from functools import cache
from typing import Any

import boto3

from kubecfn.kubernetes.client import Client
from kubecfn.kubernetes.token import kept, token

from .nodes import Nodes
from .settings import Settings

# One question; a run has a minute or two for all of them.
_TIMEOUT = 8.0


class AuthorityError(Exception):
    """The authority's certificate cannot be used: one sentence with the object, what is wrong, and the remedy."""


@cache  # made of what never changes while an environment lives; what it remembers of workers is meant to stay, too
def nodes(settings: Settings) -> Nodes:
    """Return the cluster's nodes.

    Raises:
        AuthorityError: whom to trust cannot be read.
        ClientError: AWS refused.
    """
    session = boto3.Session()
    context = trusting(session.client("s3"), settings.artifact_bucket, settings.kubernetes_ca_key)
    shown = kept(lambda: token(session, settings.domain))
    return Nodes(Client(settings.api, context, token=shown, timeout=_TIMEOUT), settings.budget)


def trusting(s3: Any, bucket: str, key: str) -> ssl.SSLContext:
    """Return a context that trusts the cluster's Kubernetes authority alone.

    Args:
        s3: a boto3 client.
        bucket: of the artifacts.
        key: ends in ``-SHA256.json``, the hash of the object's bytes: PEM text under ``ca``.

    Raises:
        AuthorityError: the object is not what its name says, or no certificate.
        ClientError: S3 refused.
    """
    where = f"s3://{bucket}/{key}"
    data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    remedy = "upload it again with kubecfn upload, and update the stack"
    if not key.endswith(f"-{hashlib.sha256(data).hexdigest()}.json"):
        raise AuthorityError(f"{where} is not what its name says: its SHA-256 differs; {remedy}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=str(json.loads(data)["ca"]))
    except (ValueError, KeyError, TypeError, ssl.SSLError) as error:
        raise AuthorityError(f"{where} holds no certificate ({error!r}); {remedy}") from None
    return context
