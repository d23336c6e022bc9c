"""The names controllers have in DNS. Nothing here reads a clock, a disk or the network.

1. A controller is known by its instance id: ``i-0abc.DOMAIN``.
2. ``etcd.DOMAIN`` has every controller's address.
3. SRV records answer *whom may I ask?*; they are never the member list.
"""

from __future__ import annotations

import re

PEER_PORT = 2380
CLIENT_PORT = 2379

# Amazon EC2 User Guide, "Resource IDs": a prefix and 8 or 17 hexadecimal digits.
_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")


def controller(instance: str, domain: str) -> str:
    """Return one controller's own name."""
    return f"{instance}.{domain}"


def round_robin(domain: str) -> str:
    """Return the name that has every controller's address."""
    return f"etcd.{domain}"


def server_service(domain: str) -> str:
    """Return the SRV name of the peers' TLS port (etcd documentation, "Clustering Guide": DNS discovery)."""
    return f"_etcd-server-ssl._tcp.{domain}"


def client_service(domain: str) -> str:
    """Return the SRV name of the clients' TLS port (etcd documentation, "Clustering Guide": DNS discovery)."""
    return f"_etcd-client-ssl._tcp.{domain}"


def srv_value(port: int, host: str) -> str:
    """Return an SRV record's value: no priority, no weight, a host's absolute name (RFC 2782)."""
    return f"0 0 {port} {host}."


def is_controller(name: str, domain: str) -> bool:
    """Say whether a name is some controller's own, past or present."""
    instance, _, rest = name.partition(".")
    return rest == domain and _INSTANCE.fullmatch(instance) is not None
