"""aws-iam-authenticator's files: the bundle's document with the ARNs that this instance's tags hold, and its environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Mapping

from agent import disk
from kubeadm.documents import read

from kubecfn.node.here import SHARE, authenticator

UNIT = "aws-iam-authenticator.service"
FOLDER = "etc/kubernetes/aws-iam-authenticator"


def lay(root: Path, region: str, tags: Mapping[str, str]) -> str:
    """Write them; return what the authenticator knows.

    Args:
        root: what stands for ``/``.
        region: AWS's, whose STS is asked.
        tags: of this instance.

    Raises:
        StepFailed: the bundle has no such document.
        OSError: the disk refused.
    """
    made = authenticator(read(root / SHARE.lstrip("/") / "authenticator.json"), tags)
    roles = [one["roleARN"] for one in made["server"]["mapRoles"]]
    disk.write(root / FOLDER / "config.json", json.dumps(made, indent=2) + "\n", 0o644)
    environment = {
        "AWS_REGION": region,
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "PARTITION": roles[0].split(":")[1] if roles else "aws",
    }
    lines = "".join(f"{name}={value}\n" for name, value in environment.items())
    disk.write(root / FOLDER / "environment", lines, 0o644)
    return f"{len(roles)} roles are known"
