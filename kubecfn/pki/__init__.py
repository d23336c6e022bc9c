"""The authorities, keys and client certificates of one cluster, made offline and kept as files.

Reading order: `profiles` (what a certificate may do), `layout` (which files there are and who may read them),
`keys` and `certificates` (values), `store` (the disk), `soundness` and `stock` (what is there and whether it can be
used), then what a caller does: `making` (make, replace), `table` (show), `export`, `restore`.
"""

from kubecfn.pki.certificates import Authority, issue_server_leaf
from kubecfn.pki.export import LambdaClient, bundle_files, lambda_client
from kubecfn.pki.keys import KeyType, PemFile
from kubecfn.pki.making import Replacement, Report, make, replace, replacement_plan
from kubecfn.pki.manifest import PkiSpec
from kubecfn.pki.restore import restore
from kubecfn.pki.table import Row, State, show

__all__ = [
    "Authority",
    "KeyType",
    "LambdaClient",
    "PemFile",
    "PkiSpec",
    "Replacement",
    "Report",
    "Row",
    "State",
    "bundle_files",
    "issue_server_leaf",
    "lambda_client",
    "make",
    "replace",
    "replacement_plan",
    "restore",
    "show",
]
