"""Signature Version 4 as a server sees it: who claims to have signed, and whether they really did.

Source: IAM User Guide, "Create a signed AWS API request" and "AWS API request signing with query parameters".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]+)"
)
# date/region/service/aws4_request
_SCOPE_PARTS = 4
_STAMP = "%Y%m%dT%H%M%SZ"
# How far a request's date may be off. IAM User Guide, "Create a signed AWS API request": in most cases five minutes. Amazon
# S3 API Reference, "Authenticating Requests", and EC2 "Error codes", RequestExpired: fifteen.
_OFF = timedelta(minutes=5)
# aws-iam-authenticator, pkg/token: a presigned request to STS is good for fifteen minutes, whatever X-Amz-Expires says.
_PRESIGNED = timedelta(minutes=15)
_FURTHER_OFF = {"s3": timedelta(minutes=15), "ec2": timedelta(minutes=15)}


@dataclass(frozen=True)
class Signature:
    """What a signed request claims.

    Attributes:
        key: access key id.
        date: eight digits of the credential scope.
        region: region of the credential scope.
        service: signing name, e.g. ``elasticloadbalancing``.
        headers: names of the signed headers, lower case, in their order.
        digest: the signature itself.
        token: session token; empty when there is none.
        presigned: the signature is in the query string.
    """

    key: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    digest: str
    token: str
    presigned: bool


def signature_of(environ: Mapping[str, Any]) -> Signature | None:
    """Return what the request claims about its signer, or None for an unsigned request."""
    if found := _HEADER.match(environ.get("HTTP_AUTHORIZATION", "")):
        credential, headers, digest = found["credential"], found["headers"], found["signature"]
        token, presigned = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""), False
    else:
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        if "X-Amz-Credential" not in query:
            return None
        credential, headers = query["X-Amz-Credential"], query.get("X-Amz-SignedHeaders", "")
        digest, token, presigned = query.get("X-Amz-Signature", ""), query.get("X-Amz-Security-Token", ""), True
    key, *scope = credential.rsplit("/", _SCOPE_PARTS)
    if len(scope) != _SCOPE_PARTS:
        return None
    date, region, service, _ = scope
    return Signature(key, date, region, service, tuple(headers.split(";")), digest, token, presigned)


def is_expired(environ: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a presigned request is outside of its own X-Amz-Date + X-Amz-Expires, which STS does not read."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    lives = None if query.get("X-Amz-Credential", "").endswith("/sts/aws4_request") else query.get("X-Amz-Expires")
    try:
        signed = datetime.strptime(query["X-Amz-Date"], _STAMP).replace(tzinfo=UTC)
        return now > signed + (_PRESIGNED if lives is None else timedelta(seconds=int(lives)))
    except (KeyError, ValueError):
        return True


def is_skewed(environ: Mapping[str, Any], signature: Signature, now: datetime) -> bool:
    """Return whether the signer's clock is too far off. A request that is dated by another header is not judged."""
    try:
        signed = datetime.strptime(environ.get("HTTP_X_AMZ_DATE", ""), _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(now - signed) > _FURTHER_OFF.get(signature.service, _OFF)


def is_genuine(environ: Mapping[str, Any], signature: Signature, secret: str, body: bytes) -> bool:
    """Return whether the holder of `secret` signed exactly this request."""
    stamp = environ.get("HTTP_X_AMZ_DATE", "")
    if signature.presigned:
        stamp = dict(parse_qsl(environ.get("QUERY_STRING", ""))).get("X-Amz-Date", "")
    scope = f"{signature.date}/{signature.region}/{signature.service}/aws4_request"
    canonical = hashlib.sha256(_canonical(environ, signature, body).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{canonical}"
    key = f"AWS4{secret}".encode()
    for part in (signature.date, signature.region, signature.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature.digest)


def _canonical(environ: Mapping[str, Any], signature: Signature, body: bytes) -> str:
    path = str(environ.get("RAW_URI") or environ.get("PATH_INFO") or "/").split("?")[0] or "/"
    if signature.service != "s3":  # S3 alone signs the path as sent; every other service encodes it once more
        path = quote(path, safe="/~-_.")
    pairs = [
        (quote(unquote(name), safe="~-_."), quote(unquote(value), safe="~-_."))
        for name, _, value in (item.partition("=") for item in environ.get("QUERY_STRING", "").split("&") if item)
        if name != "X-Amz-Signature"
    ]
    query = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    headers = "".join(f"{name}:{_header(environ, name)}\n" for name in signature.headers)
    payload = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
    if not payload:
        unsigned = signature.presigned and signature.service == "s3"
        payload = "UNSIGNED-PAYLOAD" if unsigned else hashlib.sha256(body).hexdigest()
    return "\n".join(
        [environ["REQUEST_METHOD"], path, query, headers, ";".join(signature.headers), payload],
    )


def _header(environ: Mapping[str, Any], name: str) -> str:
    plain = name.upper().replace("-", "_")
    value = environ.get(plain if plain in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{plain}", "")
    return " ".join(str(value).split())
