"""What the instance metadata service says, asked as its version 2 wants to be asked."""

from __future__ import annotations

import os
import urllib.request

_TIMEOUT = 3.0
_TTL = "60"


def read(*paths: str) -> "tuple[str, ...]":
    """Return what stands at these paths below ``/latest/meta-data/``.

    Source: EC2 User Guide, "Use the Instance Metadata Service to access instance metadata".

    Raises:
        OSError: the service does not answer, or has no such path.
    """
    endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
    headers = {"X-aws-ec2-metadata-token-ttl-seconds": _TTL}
    token = _ask(urllib.request.Request(f"{endpoint}/latest/api/token", method="PUT", headers=headers))  # noqa: S310
    shown = {"X-aws-ec2-metadata-token": token}
    return tuple(
        _ask(urllib.request.Request(f"{endpoint}/latest/meta-data/{path}", headers=shown))  # noqa: S310
        for path in paths
    )


def _ask(request: urllib.request.Request) -> str:
    # No proxy of the machine's stands between an instance and its own metadata.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_TIMEOUT) as answer:
        text: str = answer.read().decode()
        return text
