"""A loopback address for every private address, so that instances on one machine keep addresses of their own."""

from __future__ import annotations

import hashlib
import ipaddress

_TEN = ipaddress.ip_network("10.0.0.0/8")


def loopback_of(private_ip: str) -> str:
    """Return the 127/8 address that stands for a private one.

    ``10.a.b.c`` becomes ``127.a.b.c``, each its own. Other addresses are hashed into 127.128.0.0/9, where two may meet.
    A loopback address stands for itself.
    """
    address = ipaddress.ip_address(private_ip)
    if address.is_loopback:
        return private_ip
    if address in _TEN:
        return f"127.{private_ip.split('.', 1)[1]}"
    digest = hashlib.sha256(address.packed).digest()
    return f"127.{128 | digest[0]}.{digest[1]}.{1 + digest[2] % 254}"
