"""EC2's answers with the addresses that instances have here: what EC2 shows is where their programs listen.

moto keeps the subnet's address, so that its interfaces, targets and free addresses stay consistent; a filter by private
address therefore names the subnet's. Names made of addresses (``ip-10-0-0-4``) are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree as ET

from kubecfn.local.api import Views
from kubecfn.local.fleet.machines import Machines

_ADDRESS = re.compile(rb"<privateIpAddress>([0-9.]+)</privateIpAddress>")
_Seen = Callable[[str], str]


def views(machines: Machines) -> Views:
    """Return how EC2's answers change under machines that have addresses of their own."""
    return {
        ("ec2", "RunInstances"): partial(_instances, machines.address),
        ("ec2", "DescribeInstances"): partial(_instances, machines.address),
        ("ec2", "DescribeNetworkInterfaces"): partial(_interfaces, machines.address),
    }


def _instances(seen: _Seen, body: bytes) -> bytes:
    """Every address in an answer about instances is one of an instance."""
    return _ADDRESS.sub(
        lambda found: b"<privateIpAddress>%b</privateIpAddress>" % seen(found[1].decode()).encode(), body
    )


def _interfaces(seen: _Seen, body: bytes) -> bytes:
    """Interfaces of gateways, load balancers and functions keep theirs."""
    root = ET.fromstring(body)  # noqa: S314  moto wrote it
    namespace = root.tag[1:].partition("}")[0]
    names = {"ec2": namespace}
    changed = False
    for interface in root.iterfind("ec2:networkInterfaceSet/ec2:item", names):
        if interface.findtext("ec2:attachment/ec2:instanceId", "", names):
            for element in interface.iterfind(".//ec2:privateIpAddress", names):
                address = seen(element.text or "")
                changed, element.text = changed or address != element.text, address
    return ET.tostring(root, "utf-8", xml_declaration=True, default_namespace=namespace) if changed else body
