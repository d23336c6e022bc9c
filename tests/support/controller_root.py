"""A controller's disk below a folder, as its bundle and image leave it, with the member package and real programs.

with Rooms(folder) as rooms:
    node = rooms.node("i-0000000a")
    node.hands.found(1, "token")
    node.serves()
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from real_etcd import VERSIONS, binaries, until

from kubecfn.artifacts import data_root
from kubecfn.etcd.client import Client, tls
from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import certificate_file, new_authority
from kubecfn.pki.keys import key_file

for part in ("common", "controller"):
    sys.path.insert(0, str(data_root("userdata") / part / "usr/local/lib/kubecfn"))

from agent import units  # noqa: E402  it is found by the lines above
from member import certificates, hands, quiet, settings  # noqa: E402  it is found by the lines above

UNIT = data_root("userdata") / "controller/etc/systemd/system/etcd.service"
DOMAIN = "payments.example.com"


def authority(root: Path, *, key_type: KeyType = KeyType.P256, now: datetime | None = None) -> Path:
    """Lay an etcd authority where the bundle does; return the folder."""
    made = new_authority(profiles.ETCD_AUTHORITY, "payments", key_type, now or datetime.now(UTC))
    folder = root / settings.PKI
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in (("ca.crt", certificate_file(made.certificate)), ("ca.key", key_file(made.key))):
        (folder / name).write_bytes(file.data)
        (folder / name).chmod(file.mode)
    return folder


@dataclass
class Node:
    """One controller."""

    root: Path
    me: settings.Me
    runs: Any = None
    kept: list[tuple[str, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runs = self.runs or units.units(self.root)
        pki = self.root / settings.PKI
        self.tls = tls(pki / "ca.crt", pki / "healthcheck-client.crt", pki / "healthcheck-client.key")
        self.hands = self.agent()

    def agent(self, **about: Any) -> hands.EtcdHands:
        """Return the hands of an agent that has only just started here."""
        return hands.EtcdHands(self.root, self.me, self.runs, self.ask, keep=self.keep, patience=10.0, **about)

    def ask(self, address: str) -> Client:
        """Make a client as the agent does."""
        return Client(address, self.tls)

    def keep(self, snapshot: Path, epoch: int, revision: int) -> str:
        """Take what a survivor saves."""
        self.kept.append((snapshot.name, epoch, revision))
        return "the bucket"

    @property
    def client(self) -> Client:
        """This member's own client."""
        return self.ask(self.me.address)

    def own(self) -> quiet.Own:
        """This member's own client as the agent has it."""
        pki = self.root / settings.PKI
        return quiet.Own(self.client, self.me, tls(pki / "ca.crt", pki / "peer.crt", pki / "peer.key"))

    @property
    def data(self) -> Path:
        """Its data."""
        return self.root / settings.DATA

    @property
    def configuration(self) -> str:
        """Etcd's configuration as it lies there."""
        return (self.root / settings.FILE).read_text()

    def serves(self) -> None:
        """Wait for a linearizable read."""
        until(f"{self.me.name} serving", lambda: self.client.linearizable() is None)

    def joins(self, through: Node, epoch: int = 1) -> None:
        """Come in as a learner, and vote."""
        until("a learner added", lambda: through.client.add_learner(self.me.peer_url))
        listed = through.client.members()
        urls = [f"{one.name or self.me.name}={one.peer_urls[0]}" for one in listed]
        self.hands.join(epoch, ",".join(urls))
        (own,) = (one.id for one in listed if one.peer_urls == (self.me.peer_url,))
        until("a promotion", lambda: through.client.promote(own) is None)
        self.serves()

    def power_cut(self) -> None:
        """End etcd without a word, and for good."""
        run = self.runs._runs["etcd.service"]
        run._told_to_stop.set()
        run._process.kill()
        run.stop()


@dataclass
class Rooms:
    """Where controllers are made: three addresses whose certificates are issued once, and used again and again."""

    folder: Path
    version: str = VERSIONS[0]
    nodes: list[Node] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        draw = random.SystemRandom()
        self.network = f"127.{draw.randint(2, 99)}.{draw.randint(1, 250)}"
        authority(self.folder / "authority")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.empty()
        shutil.rmtree(self.folder, ignore_errors=True)

    def node(self, name: str, *, runs: Any = None) -> Node:
        """Lay out the next controller's disk."""
        self.count += 1
        root = self.folder / f"root-{self.count}"
        number = len(self.nodes) + 1
        me = settings.Me(name, f"{self.network}.{number}", DOMAIN, self.version)
        issued = self.folder / f"pki-{number}-{name}"
        if not issued.exists():
            shutil.copytree(self.folder / "authority", issued)
            certificates.ensure(issued, me)
        shutil.copytree(issued, root)
        (root / "usr/local/bin").mkdir(parents=True)
        for program in ("etcd", "etcdutl"):
            (root / "usr/local/bin" / program).symlink_to(binaries(self.version) / program)
        (root / "etc/systemd/system").mkdir(parents=True)
        shutil.copy(UNIT, root / "etc/systemd/system")
        self.nodes.append(Node(root, me, runs))
        return self.nodes[-1]

    def empty(self) -> None:
        """Cut everyone's power and give the disks back: a log ahead of writing is 128 MiB for each member."""
        for node in self.nodes:
            node.runs.close()
            shutil.rmtree(node.root, ignore_errors=True)
        self.nodes.clear()


def gone(pid: int, within: float = 5.0) -> bool:
    """Say whether a process ends within a time; one that is only waited for has ended."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False
