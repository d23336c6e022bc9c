"""What nodes and functions are made of: archives named by the SHA-256 of their bytes.

The same inputs give the same bytes on every machine, so a name changes exactly when something inside does.
"""

from kubecfn.artifacts.build import (
    Artifact,
    NodeFacts,
    Role,
    bundle_parameter,
    controller_bundle,
    etcd_client,
    lambda_zips,
    worker_bundle,
)
from kubecfn.artifacts.functions import FUNCTIONS
from kubecfn.artifacts.sources import data_root
from kubecfn.artifacts.store import write

__all__ = [
    "FUNCTIONS",
    "Artifact",
    "NodeFacts",
    "Role",
    "bundle_parameter",
    "controller_bundle",
    "data_root",
    "etcd_client",
    "lambda_zips",
    "worker_bundle",
    "write",
]
