"""CoreDNS: cluster.local, the same under the cluster's own domain, and other clusters' domains asked of them.

Source: CoreDNS, plugins "kubernetes" (several zones answer alike) and "forward"; the rest is as kubeadm's own.
"""

from __future__ import annotations

from kubecfn.addons import rights
from kubecfn.addons.images import image
from kubecfn.addons.manifest import Object, config_map, service
from kubecfn.addons.workloads import ON_ANY_NODE, container, deployment, pod, probe
from kubecfn.config.addons import ClusterDns, ForwardedZone
from kubecfn.node.facts import CLUSTER_DOMAIN, Cluster

_NAME = "coredns"
# What the rest of the world selects the cluster's DNS by.
_LABELS = {"k8s-app": "kube-dns"}
_PORTS = (("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP"))
_HEALTH, _READY = 8080, 8181
_SERVED = """\
.:53 {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes {domains} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus :9153
    forward . /etc/resolv.conf {{
        max_concurrent 1000
    }}
    cache 30 {{
{uncached}
    }}
    loop
    reload
    loadbalance
}}
"""
_FORWARDED = """\
{zone}:53 {{
    errors
    forward . {servers} {{
        max_concurrent 1000
    }}
    cache 30
}}
"""


def objects(cluster: Cluster, dns: ClusterDns, where: tuple[Object, ...] = ON_ANY_NODE) -> list[Object]:
    """Return DNS for the whole cluster at the address that every kubelet tells its pods.

    Args:
        cluster: whose.
        dns: what it answers beside cluster.local.
        where: taints of nodes that its pods tolerate.
    """
    rules = [
        rights.rule("", "endpoints services pods namespaces", "list watch"),
        rights.rule("discovery.k8s.io", "endpointslices", "list watch"),
    ]
    ports = [{"name": name, "port": port, "targetPort": name, "protocol": how} for name, port, how in _PORTS]
    return [
        rights.account(_NAME),
        rights.cluster_role("system:coredns", rules),
        rights.cluster_binding("system:coredns", "system:coredns", rights.account_subject(_NAME)),
        config_map(_NAME, {"Corefile": corefile(dns.domain_of(cluster.name), dns.zones)}),
        service("kube-dns", _LABELS, ports, clusterIP=cluster.dns_address),
        *deployment(_NAME, _pod(cluster, where), labels=_LABELS),
    ]


def corefile(own: str, forwarded: tuple[ForwardedZone, ...]) -> str:
    """Return CoreDNS's configuration, which it reads again by itself when it changes.

    Args:
        own: the domain that is answered like cluster.local.
        forwarded: zones that others answer.
    """
    domains = tuple(dict.fromkeys((CLUSTER_DOMAIN, own)))
    # The kubernetes plugin answers from memory: caching it would only make answers old.
    uncached = "\n".join(f"        disable {what} {' '.join(domains)}" for what in ("success", "denial"))
    blocks = [_FORWARDED.format(zone=one.zone, servers=" ".join(one.servers)) for one in forwarded]
    return "".join([_SERVED.format(domains=" ".join(domains), uncached=uncached), *blocks])


def _pod(cluster: Cluster, where: tuple[Object, ...]) -> Object:
    server = container(
        _NAME,
        image(cluster, "coredns"),
        args=["-conf", "/etc/coredns/Corefile"],
        cpu="100m",
        memory="70Mi",
        # The program asks for it in its file's capabilities, and would not start without.
        may=["NET_BIND_SERVICE"],
        ports=[{"name": name, "containerPort": port, "protocol": how} for name, port, how in _PORTS],
        livenessProbe=probe("/health", _HEALTH, initialDelaySeconds=60, timeoutSeconds=5, failureThreshold=5),
        readinessProbe=probe("/ready", _READY),
        volumeMounts=[{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    )
    made = pod(
        _NAME,
        [server],
        tolerations=list(where),
        dnsPolicy="Default",
        volumes=[{"name": "config", "configMap": {"name": _NAME}}],
    )
    low_ports = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "53"}
    return {**made, "securityContext": {**made["securityContext"], "sysctls": [low_ports]}}
