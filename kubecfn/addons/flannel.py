"""flannel, the pod network by default: an overlay (VXLAN, UDP 8472) that asks nothing of AWS.

The nodes have its CNI plugin beside the others (`Release.flannel_plugin`), so a single image is pulled. NetworkPolicies are not
enforced by it.

Source: flannel-io/flannel, Documentation/kube-flannel.yml and Documentation/kubernetes.md.
"""

from __future__ import annotations

import json

from kubecfn.addons import rights
from kubecfn.addons.images import image
from kubecfn.addons.manifest import Object, config_map
from kubecfn.addons.workloads import (
    ON_EVERY_NODE,
    before_services,
    container,
    daemon_set,
    of_host,
    pod,
    probe,
    restarted_with,
)
from kubecfn.node.facts import Cluster

NAMESPACE = "kube-flannel"
_NAME = "flannel"
_READ = "/etc/kube-flannel"
_CNI = "/etc/cni/net.d"
_RUN = "/run/flannel"
_HEALTH = 8081
_ENVIRONMENT = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace", "NODE_ADDRESS": "status.hostIP"}


def objects(cluster: Cluster, *, nftables: bool) -> list[Object]:
    """Return flannel; every node's part of the pod network is the one that the controller manager gave it.

    Args:
        cluster: whose.
        nftables: write rules with nft, as kube-proxy does in its mode of that name.
    """
    rules = [
        rights.rule("", "pods", "get"),
        rights.rule("", "nodes", "get list watch"),
        rights.rule("", "nodes/status", "patch"),
    ]
    read = config_map(
        "kube-flannel-cfg",
        {
            "cni-conf.json": json.dumps(_cni_configuration(), indent=1),
            "net-conf.json": json.dumps(_network(cluster, nftables=nftables), indent=1),
        },
        NAMESPACE,
    )
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
        },
        rights.account(_NAME, NAMESPACE),
        rights.cluster_role(_NAME, rules),
        rights.cluster_binding(_NAME, _NAME, rights.account_subject(_NAME, NAMESPACE)),
        read,
        restarted_with(daemon_set("kube-flannel-ds", _pod(cluster, nftables=nftables), namespace=NAMESPACE), read),
    ]


def _cni_configuration() -> Object:
    """Return what the node's runtime calls for each pod, in the CNI version that every release of the plugin speaks."""
    bridge = {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"name": "cbr0", "cniVersion": "0.4.0", "plugins": [bridge, ports]}


def _network(cluster: Cluster, *, nftables: bool) -> Object:
    return {"Network": cluster.pod_cidr, "EnableNFTables": nftables, "Backend": {"Type": "vxlan", "Port": 8472}}


def _pod(cluster: Cluster, *, nftables: bool) -> Object:
    paths = {"run": _RUN, "cni": _CNI}
    volumes: list[Object] = [
        {"name": "config", "configMap": {"name": "kube-flannel-cfg"}},
        *({"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}} for name, path in paths.items()),
    ]
    mounts: list[Object] = [
        {"name": "config", "mountPath": _READ, "readOnly": True},
        {"name": "run", "mountPath": _RUN},
    ]
    if not nftables:
        mounts.append({"name": "lock", "mountPath": "/run/xtables.lock"})
        volumes.append({"name": "lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}})
    return pod(
        _NAME,
        [_daemon(cluster, mounts)],
        user=None,
        initContainers=[_installs(cluster)],
        tolerations=list(ON_EVERY_NODE),
        volumes=volumes,
        **of_host(),
    )


def _installs(cluster: Cluster) -> Object:
    """Return what lays the CNI configuration on the node; from then on the node can be ready."""
    return container(
        "install-cni",
        image(cluster, "flannel"),
        command=["/opt/bin/install-conf"],
        args=[f"{_READ}/cni-conf.json", f"{_CNI}/10-flannel.conflist"],
        cpu="10m",
        memory="16Mi",
        volumeMounts=[{"name": "cni", "mountPath": _CNI}, {"name": "config", "mountPath": _READ, "readOnly": True}],
    )


def _daemon(cluster: Cluster, mounts: list[Object]) -> Object:
    made = container(
        "kube-flannel",
        image(cluster, "flannel"),
        command=["/opt/bin/flanneld"],
        args=[
            "--kube-subnet-mgr",
            "--ip-masq",
            # The interface that has the node's address, whatever else there is (a pod network of AWS's own, a bridge).
            "--iface=$(NODE_ADDRESS)",
            "--healthz-ip=127.0.0.1",
            f"--healthz-port={_HEALTH}",
        ],
        cpu="100m",
        memory="50Mi",
        may=["NET_ADMIN", "NET_RAW"],
        # Its image chooses at the first call which iptables there is, and keeps that as a link.
        writes=True,
        env=[{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in _ENVIRONMENT.items()],
        volumeMounts=mounts,
        livenessProbe=probe("/healthz", _HEALTH, host="127.0.0.1", initialDelaySeconds=10, periodSeconds=30),
        readinessProbe=probe("/readyz", _HEALTH, host="127.0.0.1"),
    )
    return before_services(cluster, made)
