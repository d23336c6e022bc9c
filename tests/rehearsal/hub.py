"""The network of a rehearsal: one bridge that stands for a VPC, and a network namespace with one cable for each instance."""

from __future__ import annotations

import contextlib
import ipaddress
import subprocess
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "vpc"
# A bridge without an address of its own takes the lowest of its ports', which changes as instances come and go: whoever
# had learnt the old one then loses its resolver for half a minute.
MAC = "02:00:0a:14:00:01"
METADATA = "169.254.169.254"
# AWS's public addresses, of which one is enough: nobody's (RFC 5737).
PUBLIC = "192.0.2.10"


@dataclass(frozen=True)
class Hub:
    """The bridge and who answers on it.

    Attributes:
        network: the VPC's.
    """

    network: ipaddress.IPv4Network

    # VPC User Guide, "Subnet CIDR blocks": the first four addresses are the router's, the resolver's, and reserved.
    @property
    def router(self) -> str:
        """Every instance's default route."""
        return str(self.network[1])

    @property
    def resolver(self) -> str:
        """Where names are asked for."""
        return str(self.network[2])

    @property
    def gate(self) -> str:
        """Where the embedded AWS listens."""
        return str(self.network[3])

    @property
    def balancer(self) -> str:
        """Where the API's load balancer stands, in a part of the network that no subnet has."""
        return str(self.network[-6])

    def build(self) -> None:
        """Make the bridge in this process's network namespace, which is the run's own and ends with it."""
        length = self.network.prefixlen
        _ip("link set lo up", f"link add {BRIDGE} address {MAC} type bridge", f"link set {BRIDGE} up")
        addresses = [
            f"{self.router}/{length}",
            *(f"{one}/32" for one in (self.resolver, self.gate, self.balancer, METADATA, PUBLIC)),
        ]
        _ip(*(f"addr add {one} dev {BRIDGE}" for one in addresses))
        # What goes from one instance to another over the bridge is no business of this machine's own rules.
        with contextlib.suppress(OSError):
            Path("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("0")

    def plug(self, name: str, address: str, mac: str) -> str:
        """Make a namespace with one interface in the VPC; return the path that names it."""
        length = self.network.prefixlen
        _ip(
            f"netns add {name}",
            f"link add {name} type veth peer name eth0 address {mac} netns {name}",
            f"link set {name} master {BRIDGE} up",
        )
        inside = ("link set lo up", f"addr add {address}/{length} dev eth0", "link set eth0 up")
        _ip(*inside, f"route add default via {self.router}", namespace=name)
        return f"/run/netns/{name}"

    def unplug(self, name: str) -> None:
        """Take the interface and its namespace away."""
        _ip(f"link del {name}", f"netns del {name}")

    def cut(self, name: str) -> None:
        """Take the cable out of the bridge: what is sent is lost, and nobody is told."""
        _ip(f"link set {name} nomaster")

    def heal(self, name: str) -> None:
        """Put the cable back."""
        _ip(f"link set {name} master {BRIDGE}")


def _ip(*commands: str, namespace: str = "") -> None:
    where = ["-n", namespace] if namespace else []
    subprocess.run(["ip", *where, "-batch", "-"], check=True, input="\n".join(commands), text=True)
