"""Who may ask the API server: anonymous probes of its health, IAM identities; what is written down of it all."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from kubecfn.node.facts import Cluster
from kubecfn.node.here import ACCESS_ROLE_TAG, DRAIN_ROLE_TAG, WORKER_ROLE_TAG
from kubecfn.node.joining import BOOTSTRAPPERS

AUTHENTICATOR_PORT = 21_362
DRAINERS = "kubecfn:drainers"
_PROBES = ("/livez", "/readyz", "/healthz")
# Nobody looks for these later, and together they are most of what an API server is asked.
_NOISE = ("system:kube-proxy", "system:kube-scheduler", "system:kube-controller-manager", "system:apiserver")


def authentication_configuration() -> dict[str, Any]:
    """Return the AuthenticationConfiguration: who shows nothing may ask for the server's health only.

    Source: Kubernetes, "Authenticating", section "Anonymous authenticator configuration"; the load balancer shows nothing.
    """
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": [{"path": path} for path in _PROBES]},
    }


def encryption_configuration(key: bytes) -> dict[str, Any]:
    """Return the EncryptionConfiguration: Secrets are written encrypted, and read whether they are or not.

    Args:
        key: 32 bytes, the same on every controller for as long as anything is stored with it.

    Raises:
        ValueError: it is not 32 bytes long.
    """
    if len(key) != 32:  # noqa: PLR2004  secretbox's
        raise ValueError(f"the encryption key has {len(key)} bytes, not 32")
    named = {"name": "key1", "secret": base64.b64encode(key).decode("ascii")}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [{"secretbox": {"keys": [named]}}, {"identity": {}}]}],
    }


def audit_policy() -> dict[str, Any]:
    """Return the audit policy: who did what, never a Secret's content, nothing of what only looks at health.

    Source: Kubernetes, "Auditing", section "Audit policy"; the first rule that matches counts.
    """
    secret = [{"group": "", "resources": ["secrets", "configmaps", "serviceaccounts/token"]}]
    reviews = [{"group": "authentication.k8s.io", "resources": ["tokenreviews"]}]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "nonResourceURLs": [f"{path}*" for path in (*_PROBES, "/version", "/openapi")]},
            {"level": "None", "users": list(_NOISE), "verbs": ["get", "list", "watch"]},
            {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
            {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
            {"level": "None", "userGroups": ["system:nodes"], "verbs": ["get", "list", "watch"]},
            {"level": "Metadata", "resources": [*secret, *reviews]},
            {"level": "Metadata", "verbs": ["get", "list", "watch"]},
            {"level": "Request"},
        ],
    }


def authenticator_configuration(cluster: Cluster, access: Sequence[str]) -> dict[str, Any]:
    """Return aws-iam-authenticator's configuration, but for the roles' ARNs: an instance finds these in its own tags.

    A worker is the user of its own id, by its role's session name; a function that drains workers, and a person by a role
    of the configuration's, are members of the groups whose rights the manifests give.

    Args:
        cluster: its domain is what tokens are made for.
        access: names of the roles by which people come.
    """
    mapped = [
        _mapped(WORKER_ROLE_TAG, "aws:{{AccountID}}:instance:{{SessionName}}", BOOTSTRAPPERS),
        _mapped(DRAIN_ROLE_TAG, "kubecfn:drain", DRAINERS),
        *(_mapped(f"{ACCESS_ROLE_TAG}{name}", f"{name}:{{{{SessionName}}}}", access_group(name)) for name in access),
    ]
    return {"clusterID": cluster.domain, "server": {"port": AUTHENTICATOR_PORT, "mapRoles": mapped}}


def authenticator_kubeconfig(authority: bytes) -> dict[str, Any]:
    """Return the kubeconfig by which an API server asks the authenticator beside it who shows a token.

    Args:
        authority: certificate of the Kubernetes authority, PEM; the authenticator shows the API server's own certificate.
    """
    trusted = base64.b64encode(authority).decode("ascii")
    server = f"https://127.0.0.1:{AUTHENTICATOR_PORT}/authenticate"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "authenticator", "cluster": {"server": server, "certificate-authority-data": trusted}}],
        "users": [{"name": "api-server", "user": {}}],
        "contexts": [{"name": "webhook", "context": {"cluster": "authenticator", "user": "api-server"}}],
        "current-context": "webhook",
    }


def access_group(name: str) -> str:
    """Return the Kubernetes group of whoever comes by a role of the configuration's."""
    return f"kubecfn:access:{name}"


def _mapped(tag: str, username: str, group: str) -> dict[str, Any]:
    return {"tag": tag, "username": username, "groups": [group]}
