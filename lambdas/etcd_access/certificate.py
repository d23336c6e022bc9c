"""The client certificate that functions show to etcd: fetched once per execution environment, never written elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

from kubecfn.etcd.client import EtcdError, tls

_PARTS = ("ca", "cert", "key")
RENEW = "issue the certificate anew, upload it and update the stack"


class CertificateError(Exception):
    """The certificate cannot be used: one sentence with the object, what is wrong, and the remedy."""


def load(s3: Any, bucket: str, key: str) -> ssl.SSLContext:
    """Return a context that trusts the cluster's etcd authority alone and shows the functions' certificate.

    Args:
        s3: a boto3 client.
        bucket: of the artifacts.
        key: ends in ``-SHA256.json``, the hash of the object's bytes: PEM texts under ``ca``, ``cert`` and ``key``.

    Raises:
        CertificateError: the object is not what its name says, or no certificate.
        ClientError: S3 refused.
    """
    where = f"s3://{bucket}/{key}"
    data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    if not key.endswith(f"-{hashlib.sha256(data).hexdigest()}.json"):
        raise CertificateError(f"{where} is not what its name says: its SHA-256 differs; {RENEW}")
    try:
        found = json.loads(data)
        texts = {part: str(found[part]) for part in _PARTS}
    except (ValueError, KeyError, TypeError) as error:
        raise CertificateError(f"{where} holds no certificate ({error!r}); {RENEW}") from None
    # OpenSSL reads keys from files only; these are gone before the first call is made.
    with tempfile.TemporaryDirectory() as folder:
        ca, cert, private = (_written(Path(folder, part), texts[part]) for part in _PARTS)
        try:
            return tls(ca, cert, private)
        except EtcdError as error:
            raise CertificateError(f"{where} holds no certificate that can be used: {error}; {RENEW}") from None


def _written(path: Path, text: str) -> Path:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    return path
