"""kube-proxy on every node: from a service's address to one of its pods."""

from __future__ import annotations

import json
from typing import Literal

from kubecfn.addons import rights
from kubecfn.addons.images import image
from kubecfn.addons.manifest import Object, config_map
from kubecfn.addons.workloads import (
    ON_EVERY_NODE,
    container,
    daemon_set,
    of_host,
    pod,
    privileged,
    probe,
    restarted_with,
)
from kubecfn.node.facts import API_PORT, Cluster
from kubecfn.node.joining import BOOTSTRAPPERS

_NAME = "kube-proxy"
_FOLDER = "/var/lib/kube-proxy"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_HEALTH = 10256
# kubeadm's names: `kubeadm join` reads them.
_CONFIGURATION, _KUBECONFIG = "config.conf", "kubeconfig.conf"


def objects(cluster: Cluster, mode: Literal["nftables", "iptables"], *, own_pods: bool = True) -> list[Object]:
    """Return kube-proxy.

    Args:
        cluster: whose.
        mode: how rules are written.
        own_pods: whether pods have addresses of the cluster's pod network; else no source tells a pod from others.
    """
    read = config_map(
        _NAME,
        {
            _CONFIGURATION: json.dumps(configuration(cluster, mode, own_pods=own_pods), indent=1),
            _KUBECONFIG: json.dumps(_kubeconfig(cluster), indent=1),
        },
    )
    return [
        rights.account(_NAME),
        rights.cluster_binding("kubeadm:node-proxier", "system:node-proxier", rights.account_subject(_NAME)),
        rights.role(_NAME, [rights.rule("", "configmaps", "get", _NAME)]),
        rights.binding(_NAME, _NAME, rights.group_subject(BOOTSTRAPPERS)),
        read,
        restarted_with(daemon_set(_NAME, _pod(cluster, mode)), read),
    ]


def configuration(cluster: Cluster, mode: str, *, own_pods: bool) -> Object:
    """Return the KubeProxyConfiguration.

    Connections that may be tracked are left to the kernel, which has one for each 16 KiB of memory up to 262,144 (Linux:
    "Netfilter Conntrack Sysfs variables"); kube-proxy would lower it on a small machine, and cannot set it in a container.
    """
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": mode,
        "clusterCIDR": cluster.pod_cidr if own_pods else "",
        "clientConnection": {"kubeconfig": f"{_FOLDER}/{_KUBECONFIG}"},
        "conntrack": {"maxPerCore": 0, "min": 0},
        "nodePortAddresses": ["primary"],
        "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": f"0.0.0.0:{_HEALTH}",
    }


def _kubeconfig(cluster: Cluster) -> Object:
    """Return how it reaches the API before there are services: by the API's own name, as its service account."""
    server = f"https://{cluster.api}:{API_PORT}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default", "cluster": {"server": server, "certificate-authority": f"{_ACCOUNT}/ca.crt"}}],
        "users": [{"name": "default", "user": {"tokenFile": f"{_ACCOUNT}/token"}}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
        "current-context": "default",
    }


def _pod(cluster: Cluster, mode: str) -> Object:
    """Return the pod: its first container sets the kernel up with all rights and ends, the one that stays has one.

    Source: kube-proxy, flag --init-only.
    """
    program = ["/usr/local/bin/kube-proxy"]
    flags = [f"--config={_FOLDER}/{_CONFIGURATION}", "--hostname-override=$(NODE_NAME)"]
    node_name = {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    mounts = [
        {"name": "config", "mountPath": _FOLDER, "readOnly": True},
        {"name": "modules", "mountPath": "/lib/modules", "readOnly": True},
    ]
    volumes = [
        {"name": "config", "configMap": {"name": _NAME}},
        {"name": "modules", "hostPath": {"path": "/lib/modules"}},
    ]
    if mode == "iptables":
        mounts.append({"name": "lock", "mountPath": "/run/xtables.lock"})
        volumes.append({"name": "lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}})
    stays = container(
        _NAME,
        image(cluster, "kube-proxy"),
        args=flags,
        cpu="50m",
        memory="64Mi",
        may=["NET_ADMIN"],
        # Its image chooses at the first call which iptables there is, and keeps that as a link.
        writes=True,
        command=program,
        env=[node_name],
        volumeMounts=mounts,
        readinessProbe=probe("/healthz", _HEALTH, host="127.0.0.1"),
    )
    begins = {key: value for key, value in stays.items() if key != "readinessProbe"}
    first = privileged({**begins, "name": "set-up", "args": [*flags, "--init-only"]})
    return pod(
        _NAME,
        [stays],
        user=None,
        initContainers=[first],
        tolerations=list(ON_EVERY_NODE),
        volumes=volumes,
        **of_host(),
    )
