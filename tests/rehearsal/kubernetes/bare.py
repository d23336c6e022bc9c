"""What Kubernetes' boot is measured against: plain kubeadm on the same machine image, started by a script, and nothing of ours.

One etcd as a unit, ``kubeadm init`` with authorities that lie on the disk, ``kubeadm join`` with a bootstrap token: kubeadm's
own way (Kubernetes, "Creating a cluster with kubeadm"). What a person would have prepared lies on the disk before it boots.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from kubecfn.assemble import node_cluster
from kubecfn.cluster_keys import known_domain, pki_directory
from kubecfn.config import Found
from kubecfn.local.fleet.instance import Instance
from kubecfn.local.world import World
from kubecfn.node import facts, runtime
from kubecfn.pki.certificates import Authority, issue_server_leaf
from kubecfn.pki.stock import take_stock
from tests.rehearsal.cluster import REGION, Cluster

_KUBEADM = "kubeadm.k8s.io/v1beta4"
_KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "cgroupDriver": "systemd",
}
# How many connections are tracked is the kernel's own to say, which all containers share.
_PROXY = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "mode": "nftables",
    "conntrack": {"maxPerCore": 0, "min": 0},
}
_UNITS = Path(__file__).parents[3] / "userdata/common/etc/systemd/system"
_TOKEN = "abcdef.0123456789abcdef"
_FILE = "/etc/kubernetes/kubeadm.yaml"
_PODS = "10.244.0.0/16"
# Whoever measures must not be measured by what pulls an image: there is no registry.
_PULL = {"criSocket": facts.CRI_SOCKET, "imagePullPolicy": "IfNotPresent"}
_SECRET, _PUBLIC = 0o600, 0o644
_OWN_UNITS = ("containerd.service", "kubelet.service")
_START = """\
#!/bin/sh
set -e
systemctl enable --now {units}
systemctl enable kubelet
exec kubeadm {command} --config {file} --ignore-preflight-errors="$KUBECFN_KUBEADM_IGNORE"
"""
_ETCD = """\
[Unit]
After=network-online.target
[Service]
Type=notify
ExecStart=/usr/local/bin/etcd --name=bare --data-dir=/var/lib/etcd/data --client-cert-auth --peer-client-cert-auth \\
  --trusted-ca-file={pki}/ca.crt --cert-file={pki}/server.crt --key-file={pki}/server.key \\
  --peer-trusted-ca-file={pki}/ca.crt --peer-cert-file={pki}/server.crt --peer-key-file={pki}/server.key \\
  --listen-client-urls=https://127.0.0.1:2379 --advertise-client-urls=https://127.0.0.1:2379 \\
  --listen-peer-urls=https://127.0.0.1:2380 --initial-advertise-peer-urls=https://127.0.0.1:2380 \\
  --initial-cluster=bare=https://127.0.0.1:2380
Nice=-10
[Install]
WantedBy=multi-user.target
"""
# As a person writes it who needs nothing more than pods with addresses (CNI plugins: "bridge").
_CNI = {
    "cniVersion": "1.0.0",
    "name": "bare",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.244.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


@dataclass(frozen=True)
class Bare:
    """Boots plain machines into the network of a cluster, from its machine image, with its authorities.

    Attributes:
        cluster: whose keys there are.
        image: an id.
    """

    cluster: Cluster
    image: str

    def controller(self, name: str, address: str) -> None:
        """Switch a machine on that makes a control plane."""
        files = self._everywhere() | self._authorities() | self._etcd()
        files[_FILE] = _documents(*self._init(name, address))
        self._start(name, address, files, _START.format(units="containerd etcd", command="init", file=_FILE))

    def worker(self, name: str, address: str, controller: str) -> None:
        """Switch a machine on that joins the controller at an address."""
        token = {
            "apiServerEndpoint": f"{controller}:{facts.API_PORT}",
            "token": _TOKEN,
            "caCertHashes": [_pin(self._authority("kubernetes-ca"))],
        }
        join = {
            **_of("JoinConfiguration"),
            "discovery": {"bootstrapToken": token},
            "nodeRegistration": {"name": name, **_PULL},
            "patches": {"directory": facts.PATCHES},
        }
        files = {**self._everywhere(), _FILE: _documents(join)}
        self._start(name, address, files, _START.format(units="containerd", command="join", file=_FILE))

    def _init(self, name: str, address: str) -> tuple[dict[str, Any], ...]:
        cluster = node_cluster(self.cluster.config, self._domain)
        etcd = {
            "endpoints": ["https://127.0.0.1:2379"],
            "caFile": f"{facts.PKI}/etcd/ca.crt",
            "certFile": f"{facts.PKI}/etcd/server.crt",
            "keyFile": f"{facts.PKI}/etcd/server.key",
        }
        init = {
            **_of("InitConfiguration"),
            "bootstrapTokens": [{"token": _TOKEN, "ttl": "1h"}],
            "localAPIEndpoint": {"advertiseAddress": address},
            "nodeRegistration": {"name": name, **_PULL},
            "patches": {"directory": facts.PATCHES},
        }
        whole = {
            **_of("ClusterConfiguration"),
            "kubernetesVersion": f"v{cluster.kubernetes}",
            # As quick to make as ours.
            "encryptionAlgorithm": "ECDSA-P256",
            "etcd": {"external": etcd},
            "networking": {"podSubnet": _PODS},
        }
        return init, whole, _KUBELET, _PROXY

    @property
    def _domain(self) -> str:
        return known_domain(self.cluster.config, Found())

    @property
    def _keys(self) -> Path:
        return pki_directory(self.cluster.folder / "build", self.cluster.config)

    def _authority(self, name: str) -> Authority:
        return take_stock(self._keys).held[name].authority()

    def _everywhere(self) -> dict[str, tuple[bytes, int]]:
        cluster = node_cluster(self.cluster.config, self._domain)
        units = {f"/etc/systemd/system/{name}": (_UNITS / name).read_bytes() for name in _OWN_UNITS}
        files = {
            **units,
            "/etc/containerd/config.toml": runtime.containerd_configuration(cluster).encode(),
            "/etc/cni/net.d/10-bare.conflist": json.dumps(_CNI).encode(),
        }
        return {path: (data, _PUBLIC) for path, data in files.items()}

    def _authorities(self) -> dict[str, tuple[bytes, int]]:
        """Return what kubeadm takes instead of making its own."""
        names = ("ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub", "etcd/ca.crt")
        return {f"{facts.PKI}/{name}": ((self._keys / name).read_bytes(), _SECRET) for name in names}

    def _etcd(self) -> dict[str, tuple[bytes, int]]:
        leaf = issue_server_leaf(self._authority("etcd-ca"), ("localhost", "127.0.0.1"), now=datetime.now(UTC))
        return {
            f"{facts.PKI}/etcd/server.crt": (leaf.certificate.data, _PUBLIC),
            f"{facts.PKI}/etcd/server.key": (leaf.key.data, _SECRET),
            "/etc/systemd/system/etcd.service": (_ETCD.format(pki=f"{facts.PKI}/etcd").encode(), _PUBLIC),
        }

    def _start(self, name: str, address: str, files: Mapping[str, tuple[bytes, int]], script: str) -> None:
        cloud, machines = self.cluster.cloud, self.cluster.machines
        world = World(
            cloud.clock,
            cloud.account,
            lambda service, _region: cloud.client(service),
            lambda: cloud.endpoint,
            self.cluster.folder / "aws",
        )
        octets = ":".join(f"{int(octet):02x}" for octet in address.split("."))
        instance = Instance(
            id=name,
            region=REGION,
            zone=f"{REGION}a",
            account=cloud.account,
            image_id=self.image,
            instance_type="m7i.large",
            private_ip=address,
            mac=f"02:00:{octets}",
            architecture="x86_64",
            launched=f"{cloud.clock.now():%Y-%m-%dT%H:%M:%SZ}",
            user_data=script.encode(),
        )
        before, machines.prepare = machines.prepare, lambda _id, disk: _lay(disk, files)
        try:
            machines.start(instance, world, lambda: "")
        finally:
            machines.prepare = before


def _of(kind: str) -> dict[str, str]:
    return {"apiVersion": _KUBEADM, "kind": kind}


def _documents(*documents: Mapping[str, Any]) -> tuple[bytes, int]:
    return "---\n".join(json.dumps(one, indent=2) + "\n" for one in documents).encode(), _SECRET


def _pin(authority: Authority) -> str:
    """Return what a joining kubeadm knows an authority by (kubeadm join: --discovery-token-ca-cert-hash)."""
    key = authority.certificate.public_key()
    told = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(told).hexdigest()}"


def _lay(disk: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    for path, (data, mode) in files.items():
        target = disk / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(mode)
