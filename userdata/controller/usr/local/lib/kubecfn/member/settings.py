"""etcd's configuration file: what stands in it, and how it reaches the disk."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict

from agent import disk

from kubecfn.etcd.client import QUOTA_BYTES
from kubecfn.etcd.names import CLIENT_PORT, PEER_PORT

FILE = "etc/etcd/etcd.yaml"
DATA = "var/lib/etcd/member-data"
PKI = "etc/kubernetes/pki/etcd"
METRICS_PORT = 2381

_SECOND = 1_000_000_000


@dataclass(frozen=True)
class Me:
    """Which member this node is.

    Attributes:
        name: the instance's id, which is the member's name.
        address: the instance's own IPv4 address.
        domain: of the cluster's zone, without a trailing dot.
        version: etcd's, e.g. ``3.6.16``.
    """

    name: str
    address: str
    domain: str
    version: str

    @property
    def peer_url(self) -> str:
        """Where other members reach this one."""
        return f"https://{self.address}:{PEER_PORT}"

    @property
    def client_url(self) -> str:
        """Where clients reach this member."""
        return f"https://{self.address}:{CLIENT_PORT}"

    @property
    def alone(self) -> str:
        """The initial cluster of a member that founds."""
        return f"{self.name}={self.peer_url}"

    @property
    def loopback(self) -> bool:
        """Whether this instance is a process beside others, with a loopback address of its own."""
        return ipaddress.ip_address(self.address).is_loopback


@dataclass(frozen=True)
class Pace:
    """How patient members are with each other, in milliseconds (etcd documentation, "Tuning": ten times the round trip)."""

    heartbeat: int = 100
    election: int = 1000


@dataclass(frozen=True)
class Begin:
    """How etcd begins where there is no data yet; it reads none of this once there is.

    Attributes:
        cluster: ``NAME=URL`` of every member, this one too, joined by commas.
        state: ``new`` founds, ``existing`` joins.
        token: what keeps members of another cluster away; only a founder's counts.
        force: drop every other member. It is for one start only.
    """

    cluster: str
    state: str = "existing"
    token: str = ""
    force: bool = False


def settings(me: Me, root: Path, begin: Begin, pace: Pace = Pace()) -> Dict[str, Any]:
    """Return the configuration, as etcd's own names and types.

    Args:
        me: which member this is.
        root: what stands for ``/``; a process reads and writes below it.
        begin: how to begin.
        pace: of heartbeats and elections.
    """
    clients = [me.client_url] if me.loopback else [me.client_url, f"https://127.0.0.1:{CLIENT_PORT}"]
    told: Dict[str, Any] = {
        "name": me.name,
        "data-dir": str(root / DATA),
        "listen-peer-urls": me.peer_url,
        "initial-advertise-peer-urls": me.peer_url,
        "listen-client-urls": ",".join(clients),
        "advertise-client-urls": me.client_url,
        # Plain, for this node only: probes without a certificate, and nobody else's business.
        "listen-metrics-urls": f"http://{me.address if me.loopback else '127.0.0.1'}:{METRICS_PORT}",
        "initial-cluster": begin.cluster,
        "initial-cluster-state": begin.state,
        "heartbeat-interval": pace.heartbeat,
        "election-timeout": pace.election,
        "quota-backend-bytes": QUOTA_BYTES,
        # The API server compacts, every five minutes; etcd has to keep what it still watches.
        "auto-compaction-retention": "0",
        "strict-reconfig-check": True,
        "client-transport-security": {**_pair(root, "server"), "client-cert-auth": True},
        "peer-transport-security": {**_pair(root, "peer"), "client-cert-auth": True},
        "tls-min-version": "TLS1.3",
        "logger": "zap",
        "log-outputs": ["stderr"],
        # Forced, it would ask those who are gone for their copies first, for seconds in which nobody can write.
        **_of_version(me.version, check=not begin.force),
    }
    if begin.token:
        told["initial-cluster-token"] = begin.token
    if begin.force:
        told["force-new-cluster"] = True
    return told


def rendered(me: Me, root: Path, begin: Begin) -> str:
    """Return the file: one option a line, each value as JSON, which is YAML too."""
    text = "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings(me, root, begin).items())
    return f"# Written by kubecfn's agent before each start.\n{text}"


def is_there(me: Me, root: Path, begin: Begin) -> bool:
    """Say whether the file on the disk says just this."""
    try:
        return (root / FILE).read_text(encoding="utf-8") == rendered(me, root, begin)
    except (OSError, ValueError):
        return False


def write(me: Me, root: Path, begin: Begin) -> None:
    """Write the file, whole or not at all."""
    disk.write(root / FILE, rendered(me, root, begin))


def _pair(root: Path, name: str) -> Dict[str, Any]:
    return {
        "cert-file": str(root / PKI / f"{name}.crt"),
        "key-file": str(root / PKI / f"{name}.key"),
        "trusted-ca-file": str(root / PKI / "ca.crt"),
    }


def _of_version(version: str, *, check: bool) -> Dict[str, Any]:
    """Return what 3.6 names otherwise than 3.5 (etcd: "Upgrade etcd from 3.5 to 3.6", section "Flags").

    A member compares its data with its peers' before it serves, and the leader everyone's after each compaction: a
    copy that differs raises CORRUPT instead of spreading. Progress of watches is told every 5 s, as kubeadm sets it:
    the API server's consistent reads from its cache wait for that.
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < (3, 6):
        return {
            "experimental-initial-corrupt-check": check,
            "experimental-compact-hash-check-enabled": True,
            "experimental-watch-progress-notify-interval": 5 * _SECOND,
        }
    return {
        "feature-gates": f"InitialCorruptCheck={json.dumps(check)},CompactHashCheck=true",
        "watch-progress-notify-interval": 5 * _SECOND,
    }
