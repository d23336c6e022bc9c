"""What the template tells this function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """One field per environment variable.

    Attributes:
        cluster: the cluster's name, as its pools' groups carry it in the tag ``kubecfn:cluster``.
        hook: name of every pool's terminating lifecycle hook.
        stack: name or id of the cluster's stack.
        domain: the cluster's, which is what tokens are made for.
        api: ``https://HOST:PORT`` of the Kubernetes API.
        artifact_bucket: where the certificate of its authority lies.
        kubernetes_ca_key: its key there.
        node_log: the log group that people read about nodes.
        budget: seconds after which a worker goes with the pods that could not move.
    """

    cluster: str
    hook: str
    stack: str
    domain: str
    api: str
    artifact_bucket: str
    kubernetes_ca_key: str
    node_log: str
    budget: int
