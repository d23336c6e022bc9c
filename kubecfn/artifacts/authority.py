"""Whom a function trusts to be the Kubernetes API: a public certificate, sent like everything else by its hash."""

from __future__ import annotations

import hashlib
import json

from kubecfn.artifacts.build import Artifact


def kubernetes_authority(certificate: bytes) -> Artifact:
    """Return the certificate of the Kubernetes authority as functions read it: PEM text under ``ca``."""
    data = json.dumps({"ca": certificate.decode("ascii")}).encode()
    return Artifact("client", "kubernetes-ca", data, secret=False, sha256=hashlib.sha256(data).hexdigest())
