"""STS as aws-iam-authenticator needs it: it looks at a presigned question's signature, and says who signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl, quote, urlsplit

PREFIX = "k8s-aws-v1."


class RefusedError(Exception):
    """Why a token is not taken."""


def url_of(token):
    """Return the URL in a token."""
    if not token.startswith(PREFIX):
        raise RefusedError("no token of ours")
    body = token.removeprefix(PREFIX)
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()


def signer(url, cluster_id, secrets):
    """Return the access key that signed a question for this cluster.

    Args:
        url: the presigned one.
        cluster_id: what is sent as x-k8s-aws-id.
        secrets: secret keys by access key.

    Raises:
        RefusedError: nobody known did.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, strict_parsing=True))
    signature = query.pop("X-Amz-Signature")
    key, date, region, service, _ = query["X-Amz-Credential"].split("/")
    if key not in secrets:
        raise RefusedError(f"{key} is nobody's")
    headers = {"host": parts.netloc, "x-k8s-aws-id": cluster_id}
    canonical = "\n".join(
        (
            "GET",
            parts.path,
            "&".join(f"{quote(name, '~')}={quote(value, '~')}" for name, value in sorted(query.items())),
            "".join(f"{name}:{headers[name]}\n" for name in query["X-Amz-SignedHeaders"].split(";")),
            query["X-Amz-SignedHeaders"],
            hashlib.sha256(b"").hexdigest(),
        )
    )
    scope = f"{date}/{region}/{service}/aws4_request"
    told = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    secret = f"AWS4{secrets[key]}".encode()
    for word in (date, region, service, "aws4_request"):
        secret = hmac.new(secret, word.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(signature, hmac.new(secret, told.encode(), hashlib.sha256).hexdigest()):
        raise RefusedError("the signature is another question's")
    return key
