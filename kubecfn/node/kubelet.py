"""How every kubelet is set up, but for what only the instance knows (see `kubecfn.node.here`)."""

from __future__ import annotations

from typing import Any

from kubecfn.node import facts
from kubecfn.node.facts import Cluster

# Kubernetes: "Graceful node shutdown"; etcd and the API server are among the critical pods' neighbours.
SHUTDOWN, SHUTDOWN_CRITICAL = 60, 30


def kubelet_configuration(cluster: Cluster) -> dict[str, Any]:
    """Return the KubeletConfiguration; the instance adds providerID, address and reservations.

    Source: Kubernetes, "Kubelet Configuration (v1beta1)"; CIS Kubernetes Benchmark 4.2 for who may ask a kubelet.
    """
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{facts.PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "systemd",
        "clusterDNS": [cluster.dns_address],
        "clusterDomain": facts.CLUSTER_DOMAIN,
        "containerLogMaxFiles": 5,
        "containerLogMaxSize": "10Mi",
        "eventRecordQPS": 50,
        "protectKernelDefaults": True,
        "readOnlyPort": 0,
        "rotateCertificates": True,
        "serverTLSBootstrap": True,
        "seccompDefault": True,
        "serializeImagePulls": False,
        "maxParallelImagePulls": 4,
        "shutdownGracePeriod": f"{SHUTDOWN}s",
        "shutdownGracePeriodCriticalPods": f"{SHUTDOWN_CRITICAL}s",
        "tlsMinVersion": "VersionTLS12",
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "10%",
            "nodefs.inodesFree": "5%",
            "imagefs.available": "15%",
        },
    }


def credential_providers(cluster: Cluster) -> dict[str, Any]:
    """Return how kubelets come to pull from ECR: cloud-provider-aws's program, with the instance's own role."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1",
        "kind": "CredentialProviderConfig",
        "providers": [
            {
                "name": "ecr-credential-provider",
                "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
                "matchImages": [
                    "*.dkr.ecr.*.amazonaws.com",
                    "*.dkr.ecr.*.amazonaws.com.cn",
                    "*.dkr.ecr-fips.*.amazonaws.com",
                    "*.dkr-ecr.*.on.aws",
                    "*.dkr-ecr.*.on.amazonwebservices.com.cn",
                ],
                "defaultCacheDuration": "12h",
                "args": ["get-credentials"],
                "env": [{"name": "AWS_REGION", "value": cluster.region}],
            }
        ],
    }
