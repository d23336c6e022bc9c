"""What kubeadm is told on a controller, but for what only the instance knows (see `kubecfn.node.here`).

Every controller runs ``kubeadm init``: with the authorities made before, it needs no other controller. What kubeadm would
apply to the whole cluster is skipped or kubecfn's own to apply (kubeadm: "Init Configuration", skipPhases).
"""

from __future__ import annotations

from typing import Any

from kubecfn.etcd.names import CLIENT_PORT
from kubecfn.node import facts
from kubecfn.node.facts import Cluster
from kubecfn.node.registration import arguments, registration

_KUBEADM = "kubeadm.k8s.io/v1beta4"
# Its tokens are shared secrets, and nothing here is asked for one; add-ons are applied from the configuration.
SKIPPED = ("bootstrap-token", "show-join-command", "addon/coredns", "addon/kube-proxy")
# A load balancer's target is taken out after two checks of ten seconds; requests are answered until then.
DRAINED_AFTER = 30


def init_configuration(cluster: Cluster) -> dict[str, Any]:
    """Return the InitConfiguration; the instance adds its name, address, labels and flags."""
    return {
        "apiVersion": _KUBEADM,
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"bindPort": facts.API_PORT},
        "nodeRegistration": {
            **registration(cluster),
            "taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}],
        },
        "patches": {"directory": facts.PATCHES},
        "skipPhases": list(SKIPPED),
    }


def cluster_configuration(cluster: Cluster) -> dict[str, Any]:
    """Return the ClusterConfiguration, the same on every controller of one configuration."""
    return {
        "apiVersion": _KUBEADM,
        "kind": "ClusterConfiguration",
        "clusterName": cluster.name,
        "kubernetesVersion": f"v{cluster.kubernetes}",
        "controlPlaneEndpoint": f"{cluster.api}:{facts.API_PORT}",
        "imageRepository": cluster.repository,
        "certificatesDir": facts.PKI,
        "encryptionAlgorithm": "ECDSA-P256",
        "networking": {
            "dnsDomain": facts.CLUSTER_DOMAIN,
            "podSubnet": cluster.pod_cidr,
            "serviceSubnet": cluster.service_cidr,
        },
        "etcd": {
            "external": {
                "endpoints": [f"https://127.0.0.1:{CLIENT_PORT}"],
                "caFile": f"{facts.PKI}/etcd/ca.crt",
                # Issued by the node itself, which renews it; the API server reads both files for each connection.
                "certFile": f"{facts.PKI}/etcd/apiserver-client.crt",
                "keyFile": f"{facts.PKI}/etcd/apiserver-client.key",
            }
        },
        "apiServer": _api_server(cluster),
        "controllerManager": {"extraArgs": arguments(_controller_manager(cluster))},
        "scheduler": {"extraArgs": arguments({"profiling": "false"})},
        "dns": {"disabled": True},
        "proxy": {"disabled": True},
    }


def _api_server(cluster: Cluster) -> dict[str, Any]:
    flags = {
        **cluster.api_server_flags,
        "audit-policy-file": f"{facts.AUDIT}/policy.json",
        "audit-log-path": f"{facts.AUDIT_LOG}/audit.log",
        "audit-log-maxage": "30",
        "audit-log-maxbackup": "10",
        "audit-log-maxsize": "100",
        "authentication-config": f"{facts.AUTHENTICATION}/config.json",
        "authentication-token-webhook-config-file": f"{facts.AUTHENTICATOR}/kubeconfig.json",
        "encryption-provider-config": f"{facts.ENCRYPTION}/config.json",
        "enable-admission-plugins": "NodeRestriction",
        "kubelet-certificate-authority": f"{facts.PKI}/ca.crt",
        "profiling": "false",
        "service-account-issuer": f"https://{cluster.api}:{facts.API_PORT}",
        "shutdown-delay-duration": f"{DRAINED_AFTER}s",
        "shutdown-send-retry-after": "true",
        "goaway-chance": "0.001",
    }
    read_only = {
        "audit": facts.AUDIT,
        "authentication": facts.AUTHENTICATION,
        "aws-iam-authenticator": facts.AUTHENTICATOR,
        "encryption": facts.ENCRYPTION,
    }
    return {
        "certSANs": [cluster.api, "localhost", "127.0.0.1", *cluster.extra_sans],
        "extraArgs": arguments(flags),
        "extraVolumes": [
            *(_volume(name, path, read_only=True) for name, path in read_only.items()),
            _volume("audit-log", facts.AUDIT_LOG, read_only=False),
        ],
    }


def _controller_manager(cluster: Cluster) -> dict[str, str]:
    cloud = {"cloud-provider": "external", "configure-cloud-routes": "false"} if cluster.cloud else {}
    return {
        **cloud,
        "allocate-node-cidrs": "true",
        "cluster-cidr": cluster.pod_cidr,
        "profiling": "false",
        "terminated-pod-gc-threshold": "1000",
    }


def _volume(name: str, path: str, *, read_only: bool) -> dict[str, Any]:
    kind = "Directory" if read_only else "DirectoryOrCreate"
    return {"name": name, "hostPath": path, "mountPath": path, "readOnly": read_only, "pathType": kind}
