"""What the documents of a cluster's nodes are made of, and where they lie on a node."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from kubecfn.versions import Release, Version

API_PORT = 6443
CRI_SOCKET = "unix:///run/containerd/containerd.sock"
CLUSTER_DOMAIN = "cluster.local"
REGISTRY = "registry.k8s.io"
# Paths on a node.
AUDIT = "/etc/kubernetes/audit"
AUDIT_LOG = "/var/log/kubernetes/audit"
AUTHENTICATOR = "/etc/kubernetes/aws-iam-authenticator"
AUTHENTICATION = "/etc/kubernetes/authentication"
ENCRYPTION = "/etc/kubernetes/encryption"
PKI = "/etc/kubernetes/pki"
DISCOVERY = "/etc/kubernetes/discovery.conf"
PATCHES = "/etc/kubernetes/patches"


@dataclass(frozen=True)
class Cluster:
    """A cluster as its nodes' documents need it.

    Attributes:
        name: of the cluster.
        domain: of its zone, without a trailing dot.
        region: AWS's.
        kubernetes: the release that runs.
        release: the version table's row of its minor.
        pod_cidr: IPv4 addresses of pods.
        service_cidr: IPv4 addresses of services.
        extra_sans: further names in the API server's certificate.
        cloud: a cloud controller manager tells of each node what AWS knows; without one nobody would.
        api_server_flags: more of kube-apiserver's, none of those that kubecfn sets.
        kubelet_flags: more of every kubelet's, none of those that kubecfn sets.
        repository: where the images of Kubernetes come from.
    """

    name: str
    domain: str
    region: str
    kubernetes: Version
    release: Release
    pod_cidr: str
    service_cidr: str
    extra_sans: tuple[str, ...] = ()
    cloud: bool = True
    api_server_flags: Mapping[str, str] = field(default_factory=dict)
    kubelet_flags: Mapping[str, str] = field(default_factory=dict)
    repository: str = REGISTRY

    @property
    def api(self) -> str:
        """The name of the API's load balancer."""
        return f"api.{self.domain}"

    @property
    def dns_address(self) -> str:
        """The address of the cluster's DNS service: the tenth of the services', as kubeadm has it."""
        return str(ipaddress.ip_network(self.service_cidr)[10])
