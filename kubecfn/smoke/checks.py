"""The list of checks, in the order in which a careful person would look."""

from __future__ import annotations

from collections.abc import Mapping

from kubecfn.smoke import etcd, system
from kubecfn.smoke.certificates import certificates
from kubecfn.smoke.check import Check
from kubecfn.smoke.network import network, volume
from kubecfn.smoke.nodes import controllers, workers
from kubecfn.smoke.subject import Subject


def checks(subject: Subject) -> Mapping[str, Check]:
    """Return the checks of a cluster by name.

    Args:
        subject: its configuration says whether there are workers; a volume is made only when asked for.
    """
    return {
        "controllers": controllers,
        **({"workers": workers} if subject.config.pools else {}),
        "etcd": etcd.members,
        "backups": etcd.backups,
        "SRV records": etcd.records,
        "system pods": system.pods,
        "certificate requests": system.requests,
        "certificates": certificates,
        "storage class": system.storage,
        "pods, service, DNS": network,
        **({"volume": volume} if subject.storage else {}),
    }
