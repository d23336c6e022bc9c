"""What runs in every cluster beside Kubernetes itself: pod network, services, DNS, and what speaks to AWS."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kubecfn.config.types import Domain, Part, refusal
from kubecfn.errors import Problem

# Kubernetes' own; the kubelets' clusterDomain (kubecfn.node.facts).
_EVERY_CLUSTERS = "cluster.local"
_HIGHEST_PORT = 65535
# CoreDNS: "forward", section "Syntax": at most 15 upstreams.
_MOST_SERVERS = 15


def _a_dns_server(value: str) -> str:
    address, _, port = value.partition(":")
    try:
        ipaddress.IPv4Address(address)
    except ValueError as error:
        raise refusal("is not the IPv4 address of a DNS server", "Write it as 10.30.0.10 or 10.30.0.10:53.") from error
    if value.endswith(":") or (port and not (port.isdecimal() and 1 <= int(port) <= _HIGHEST_PORT)):
        raise refusal(f"has no port of 1 to {_HIGHEST_PORT} after the ':'", "Leave it out for port 53.")
    return value


DnsServer = Annotated[str, AfterValidator(_a_dns_server)]


class ForwardedZone(Part):
    """A zone that other DNS servers answer, such as another cluster's own domain."""

    zone: Domain
    """Its name; names in it are asked of `servers` alone."""
    servers: tuple[DnsServer, ...] = Field(max_length=_MOST_SERVERS)
    """Who answers: IPv4 addresses, with a port where it is not 53."""


class ClusterDns(Part):
    """What the cluster's DNS answers beside cluster.local."""

    domain: Domain | None = None
    """Services are found under it as under cluster.local, and other clusters can forward it; default NAME.local."""
    zones: tuple[ForwardedZone, ...] = Field(default=(), max_length=50)
    """Zones that other DNS servers answer: other clusters' domains, a company's own."""

    def domain_of(self, name: str) -> str:
        """Return the domain that is answered like cluster.local in the cluster of this name."""
        return self.domain or f"{name}.local"


class AddOns(Part):
    """What is applied to every cluster; what is turned off later is deleted from it."""

    cni: Literal["flannel", "cilium", "vpc-cni", "none"] = "flannel"
    """Pod network; with none, nodes are not ready until one of your own is applied."""
    kube_proxy: Literal["nftables", "iptables", "none"] = "nftables"
    """How services are reached; none where the pod network does it itself (Cilium)."""
    dns: ClusterDns = Field(default_factory=ClusterDns)
    """CoreDNS, always there."""
    cloud_controller: bool = True
    """AWS cloud controller manager: addresses of nodes, load balancers of services, dead nodes' objects deleted."""
    ebs_csi: bool = True
    """EBS volumes for pods, and the default storage class (gp3, encrypted)."""
    metrics_server: bool = True
    """CPU and memory in use, for kubectl top and horizontal autoscaling."""
    cluster_autoscaler: bool = True
    """Pools grow and shrink between their min and max with what pods request."""


def addon_problems(addons: AddOns, name: str, domain: str | None) -> Iterator[Problem]:
    """Yield what in a cluster's add-ons does not fit together.

    Args:
        addons: what was asked for.
        name: of the cluster.
        domain: of its hosted zone, where that is known; its names are AWS's to answer.
    """
    if addons.kube_proxy == "none" and addons.cni in {"flannel", "vpc-cni"}:
        reason = f"leaves nobody to reach services: {addons.cni} does not"
        yield Problem("addons.kube_proxy", "none", reason, "Write nftables, or cni: cilium.")
    own = addons.dns.domain_of(name)
    taken: dict[str, str] = {}
    if addons.dns.domain is not None and own == _EVERY_CLUSTERS:
        reason = "is every cluster's own and cannot tell one from another"
        yield Problem("addons.dns.domain", own, reason, f"Leave it out for {name}.local.")
    if domain is not None and f"{domain}.".endswith(f"{own}."):
        reason = f"covers the hosted zone {domain}: pods would no longer find the API's own name"
        yield Problem("addons.dns.domain", own, reason, f"Leave it out for {name}.local.")
    for position, forwarded in enumerate(addons.dns.zones):
        place, zone = f"addons.dns.zones[{position}]", forwarded.zone
        if zone in {own, _EVERY_CLUSTERS}:
            yield Problem(
                f"{place}.zone", zone, "is answered by this cluster itself", "Name a zone of somebody else's."
            )
        if zone in taken:
            yield Problem(
                f"{place}.zone", zone, f"is forwarded by {taken[zone]} already", "Keep one, with all its servers."
            )
        if not forwarded.servers:
            yield Problem(f"{place}.servers", "", "names nobody to ask", "Write [10.30.0.10].")
        taken.setdefault(zone, place)
