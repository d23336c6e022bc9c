"""Real etcd members with TLS, each on a loopback address of its own, from the pinned builds.

with EtcdCluster(folder, version="3.6.16") as cluster:
    cluster.found("i-a", "i-b", "i-c")
    cluster["i-a"].client().linearizable()
    cluster["i-b"].kill()
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from kubecfn.etcd.client import Client, EtcdError, tls
from kubecfn.etcd.names import CLIENT_PORT, PEER_PORT
from kubecfn.etcd.places import Group, Place
from kubecfn.etcd.view import Machine
from kubecfn.local import programs
from kubecfn.pki import Authority, KeyType, issue_server_leaf, profiles
from kubecfn.pki.certificates import Leaf, certificate_file, new_authority, new_leaf

VERSIONS = tuple(programs.releases())  # 3.6 first
_PATIENCE = 20.0


def binaries(version: str = VERSIONS[0]) -> Path:
    """Return the folder with etcd, etcdctl and etcdutl; built when missing."""
    return programs.etcd(version, lambda text: print(text, file=sys.stderr))  # noqa: T201  some minutes, once


def until(what: str, ready: Callable[[], object], patience: float = _PATIENCE) -> None:
    """Wait until `ready` is true and raises no EtcdError."""
    end = time.monotonic() + patience
    while True:
        try:
            if ready():
                return
            last = "not yet"
        except EtcdError as error:
            last = str(error)
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {patience} s: {last}")
        time.sleep(0.02)


class Trust:
    """One etcd authority and what it issued, as files below a folder."""

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.now = now or datetime.now(UTC)
        self.authority: Authority = new_authority(profiles.ETCD_AUTHORITY, "test", KeyType.P256, self.now)
        self.ca = folder / "ca.crt"
        self.ca.write_bytes(certificate_file(self.authority.certificate).data)

    def member(self, address: str) -> tuple[Path, Path]:
        """Issue what a member at this address shows; return the certificate's and the key's path."""
        # Members check who connects to them, and on loopback that is 127.0.0.1, wherever it listens itself.
        names = tuple(dict.fromkeys((address, "127.0.0.1")))
        return self._laid(address, issue_server_leaf(self.authority, names, now=self.now))

    def client(self, name: str = "client") -> tuple[Path, Path]:
        """Issue a client's certificate."""
        return self._laid(name, new_leaf(profiles.LAMBDA_ETCD_CLIENT, self.authority, KeyType.P256, self.now))

    def context(self) -> ssl.SSLContext:
        """Return what a client of these members uses."""
        return tls(self.ca, *self.client())

    def _laid(self, name: str, leaf: Leaf) -> tuple[Path, Path]:
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        for path, file in zip(paths, (leaf.certificate, leaf.key), strict=True):
            path.write_bytes(file.data)
            path.chmod(0o600)
        return paths


@dataclass
class EtcdMember:
    """One etcd: its name, address, data and, while it runs, its process. `before`: what stands before its command."""

    name: str
    address: str
    folder: Path
    version: str
    trust: Trust
    context: ssl.SSLContext
    process: subprocess.Popen[bytes] | None = None
    strict: bool = False
    paused: bool = False
    before: tuple[str, ...] = ()

    @property
    def peer_url(self) -> str:
        """Where its peers find it."""
        return f"https://{self.address}:{PEER_PORT}"

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What etcd wrote so far."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def id(self) -> str:
        """Its member id, asked of itself."""
        return self.client().status().member

    def client(self, timeout: float = 3.0) -> Client:
        """Return the project's client of it."""
        return Client(self.address, self.context, timeout=timeout)

    def start(
        self, initial_cluster: str = "", *, state: str = "new", token: str = "test", more: tuple[str, ...] = ()
    ) -> None:
        """Start etcd on its data, or with this initial cluster; does not wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        cert, key = self.trust.member(self.address)
        client_url = f"https://{self.address}:{CLIENT_PORT}"
        flags = {
            "name": self.name,
            "data-dir": self.data,
            "listen-client-urls": client_url,
            "advertise-client-urls": client_url,
            "listen-peer-urls": self.peer_url,
            "initial-advertise-peer-urls": self.peer_url,
            "initial-cluster": initial_cluster or f"{self.name}={self.peer_url}",
            "initial-cluster-state": state,
            "initial-cluster-token": token,
            "client-cert-auth": "true",
            "peer-client-cert-auth": "true",
            **{f"{who}trusted-ca-file": self.trust.ca for who in ("", "peer-")},
            **{f"{who}cert-file": cert for who in ("", "peer-")},
            **{f"{who}key-file": key for who in ("", "peer-")},
            # The tests' own haste: a leader is found in a fifth of the usual time, and no disk is waited for.
            "heartbeat-interval": "40",
            "election-timeout": "400",
            "unsafe-no-fsync": "true",
            # On, every change of members waits five seconds for the one before.
            "strict-reconfig-check": str(self.strict).lower(),
            "logger": "zap",
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.before,
                    binaries(self.version) / "etcd",
                    *(f"--{flag}={value}" for flag, value in flags.items()),
                    *more,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )

    def ready(self) -> None:
        """Wait until it says its status."""
        until(f"{self.name} answering", lambda: self._alive() and self.client().status())

    def _alive(self) -> bool:
        ended = self.process.poll() if self.process else "not started"
        assert ended is None, f"etcd {self.name} ended ({ended}):\n{self.log[-2000:]}"
        return True

    def kill(self) -> None:
        """End it without a word, as a machine that loses power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it hang: connections are accepted and nothing is answered."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)  # until its last thread has stopped
        self.paused = True

    def resume(self) -> None:
        """Let it go on."""
        assert self.process
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def wipe(self) -> None:
        """Lose its data."""
        shutil.rmtree(self.data, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self.process:
            self.process.send_signal(how)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait(_PATIENCE)
            self.process, self.paused = None, False


@dataclass
class EtcdCluster:
    """Members on 127.x.y.1, .2 and so on; x and y are drawn anew, so that several clusters live side by side."""

    folder: Path
    version: str = VERSIONS[0]
    strict: bool = False
    members: dict[str, EtcdMember] = field(default_factory=dict)
    addresses: int = 0

    def __post_init__(self) -> None:
        draw = random.SystemRandom()
        self.network = f"127.{draw.randint(100, 250)}.{draw.randint(1, 250)}"
        self.trust = Trust(self.folder / "pki")
        self.context = self.trust.context()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members.values():
            member.kill()
        shutil.rmtree(self.folder, ignore_errors=True)  # a log ahead of writing is 64 MB per member

    def __getitem__(self, name: str) -> EtcdMember:
        return self.members[name]

    def __iter__(self) -> Iterator[EtcdMember]:
        return iter(self.members.values())

    def new(self, name: str) -> EtcdMember:
        """Give an instance its address and folder; nothing is started."""
        # Never one again: a member's id is made of its URL and the second, and a removed id is refused.
        self.addresses += 1
        address = f"{self.network}.{self.addresses}"
        self.members[name] = EtcdMember(
            name, address, self.folder / address, self.version, self.trust, self.context, strict=self.strict
        )
        return self.members[name]

    def found(self, *names: str) -> None:
        """Start a new cluster of these voters and wait until each serves."""
        for name in names:
            self.new(name)
        initial = ",".join(f"{name}={self[name].peer_url}" for name in names)
        for name in names:
            self[name].start(initial)
        for name in names:
            self.serves(name)

    def serves(self, name: str) -> None:
        """Wait until a linearizable read succeeds there."""
        member = self[name]
        until(f"{name} serving", lambda: member._alive() and member.client(1).linearizable() is None)

    def learner(self, name: str, *, through: str) -> EtcdMember:
        """Add and start a learner; return it when it answers."""
        member = self.new(name)
        own, listed = self[through].client().add_learner(member.peer_url)
        known = [(name if one.id == own else one.name, url) for one in listed for url in one.peer_urls]
        member.start(",".join(f"{who}={url}" for who, url in known), state="existing")
        member.ready()
        return member

    def join(self, name: str, *, through: str) -> EtcdMember:
        """Add, start and promote a member; return it when it serves."""
        member = self.learner(name, through=through)
        until(f"{name} promoted", lambda: self[through].client().promote(member.id) is None)
        self.serves(name)
        return member

    @property
    def leader(self) -> EtcdMember:
        """Who leads, by what the first that answers says; waits for an election to end."""
        found: list[EtcdMember] = []

        def elected() -> bool:
            statuses = {one.name: one.client(1).status() for one in self if one.process and one.process.poll() is None}
            leaders = {status.leader for status in statuses.values() if not status.learner}
            found[:] = [self[name] for name, status in statuses.items() if status.member in leaders]
            return len(leaders) == 1 and len(found) == 1

        until("an election", elected)
        return found[0]

    def group(self, size: int = 3, **machines: Machine) -> Group:
        """Return the group as EC2 would: every member there and staying, but those named (``i_b=Machine.LEAVING``)."""
        said = {name.replace("_", "-"): machine for name, machine in machines.items()}
        places = (
            Place(one.name, one.address, said.get(one.name, Machine.RUNNING), staying=one.name not in said)
            for one in self
        )
        return Group("controllers", size, tuple(places))
