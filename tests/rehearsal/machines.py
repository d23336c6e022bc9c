"""Instances that are containers: systemd as their first process, a disk of their own, one cable into the hub.

Each is started by systemd-nspawn as a booted container from its machine image's layers. It runs its user data because its
image has something that does, not because this module tells it to.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubecfn.local.fleet.imds import Imds
from kubecfn.local.fleet.instance import Instance, TargetState
from kubecfn.local.world import World

from . import groups
from .hub import Hub
from .image import Image
from .kubernetes import machine as containers
from .metadata import Metadata

# Where AWS is when it has a name: then whoever has no DNS has no AWS. One without a dot, and the bucket in the path:
# the embedded S3 takes the first part of a longer name for a bucket.
AWS = "aws"
_PATHS = "[default]\ns3 =\n    addressing_style = path\n"
# An instance that does not end by itself is switched off, as EC2 does after a few minutes (User Guide, "Terminate").
GRACE = 20.0


@dataclass
class _Machine:
    """A container and what belongs to it.

    Attributes:
        name: of its cable, namespace and control groups: at most 15 bytes, as the kernel allows.
        node: it runs containers.
        folder: ``upper`` (what it wrote), ``work``, ``root`` (all layers, while it is on), ``console``, ``volume``.
        nspawn: None while it is off.
    """

    instance: Instance
    imds: Imds
    name: str
    folder: Path
    layers: tuple[Path, ...]
    node: bool = False
    nspawn: subprocess.Popen[bytes] | None = None
    booted: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def root(self) -> Path:
        """Its "/" as seen from outside."""
        return self.folder / "root"

    @property
    def volume(self) -> Path:
        """Its data volume as seen from outside; not there when it has none."""
        return self.folder / "volume"


class NspawnMachines:
    """Runs instances as containers; see `kubecfn.local.fleet.machines.Machines` for the methods of the protocol.

    Args:
        hub: the network they are plugged into.
        run: names the run among others on this machine.
        disks: a folder on a real disk; what instances wrote stays there until the run is over.
        image: what an image id stands for.
        environment: more for every process of every instance, e.g. a shorter patience.
        named: instances know AWS by a name instead of by its address.
        volume: how large a disk of its own /var/lib/etcd is, in MiB; 0 for none.

    Attributes:
        prepare: is given the id and the disk of each instance before it boots for the first time.
    """

    def __init__(
        self,
        hub: Hub,
        run: str,
        disks: Path,
        image: Callable[[str], Image],
        environment: Mapping[str, str] | None = None,
        *,
        named: bool = False,
        volume: int = 0,
    ) -> None:
        self.prepare: Callable[[str, Path], None] = lambda _id, _disk: None
        self._named = named
        self._volume = volume
        self._hub = hub
        self._run = run
        self._disks = disks
        self._image = image
        self._environment = dict(environment or {})
        self._metadata = Metadata()
        self._machines: dict[str, _Machine] = {}
        self._off: set[str] = set()

    def start(self, instance: Instance, world: World, target_state: TargetState) -> None:
        """Give the instance a disk, a cable and its first process."""
        folder = self._disks / instance.id
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        imds = Imds(instance, world, target_state)
        name = f"i{instance.id[-12:]}"
        image = self._image(instance.image_id)
        machine = _Machine(instance, imds, name, folder, image.layers, node=image.store is not None)
        self._machines[instance.id] = machine
        self._configure(machine, world.endpoint())
        if image.store:
            containers.lay(machine.folder, image.store)
        if self._volume:
            _make_volume(machine.volume, self._volume)
        self.prepare(instance.id, folder / "upper")
        self._power_on(machine)

    def address(self, private_ip: str) -> str:
        """Return it unchanged: containers have the addresses of their subnets."""
        return private_ip

    def stop(self, instance_id: str) -> None:
        """Ask systemd to shut down and wait for it."""
        self._off.add(instance_id)
        machine = self._machines.get(instance_id)
        if machine is None:
            return
        with machine.lock:
            if machine.nspawn:
                # systemd-nspawn(1), --kill-signal: SIGTERM becomes the container's orderly shutdown.
                machine.nspawn.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    machine.nspawn.wait(GRACE)
        self._power_off(machine)
        self._scrap(machine)

    def kill(self, instance_id: str) -> None:
        """Cut the power: silence on the network first, as from a machine that is gone, then nothing runs any more."""
        self._off.add(instance_id)
        machine = self._machines.get(instance_id)
        if machine:
            self._power_off(machine)

    def reset(self, instance_id: str) -> None:
        """Cut the power and switch on again: the same disk, as after a host's failure."""
        machine = self._machines[instance_id]
        self._power_off(machine)
        self._off.discard(instance_id)
        self._power_on(machine)

    def pause(self, instance_id: str) -> None:
        """Stop every process where it stands."""
        groups.freeze(self._group(self._machines[instance_id]), frozen=True)

    def resume(self, instance_id: str) -> None:
        """Let a paused instance go on."""
        groups.freeze(self._group(self._machines[instance_id]), frozen=False)

    def cut(self, instance_id: str) -> None:
        """Take it off the network; it goes on."""
        self._hub.cut(self._machines[instance_id].name)

    def heal(self, instance_id: str) -> None:
        """Put it back on the network."""
        self._hub.heal(self._machines[instance_id].name)

    def running(self, instance_id: str) -> bool:
        """Whether it is on; one that switched itself off is not."""
        if instance_id in self._off:
            return False
        machine = self._machines.get(instance_id)
        return machine is None or machine.nspawn is None or machine.nspawn.poll() is None

    def console(self, instance_id: str) -> bytes:
        """What it wrote on its console."""
        machine = self._machines.get(instance_id)
        log = machine.folder / "console" if machine else None
        return log.read_bytes() if log and log.exists() else b""

    def close(self) -> None:
        """Cut the power of all."""
        for machine in list(self._machines.values()):
            self.kill(machine.instance.id)

    def end(self) -> None:
        """Cut the power of all and end the metadata service."""
        self.close()
        self._metadata.close()

    # for whoever looks at a run

    @property
    def alive(self) -> tuple[str, ...]:
        """Ids of the instances whose power is on."""
        return tuple(name for name, each in list(self._machines.items()) if each.nspawn and each.nspawn.poll() is None)

    def address_of(self, instance_id: str) -> str:
        """Its address."""
        return self._machines[instance_id].instance.private_ip

    def booted_at(self, instance_id: str) -> float:
        """When its power was switched on last, on `time.monotonic`."""
        return self._machines[instance_id].booted

    def root(self, instance_id: str) -> Path:
        """Its "/" while it is on."""
        return self._machines[instance_id].root

    def devices(self, instance_id: str) -> Path | None:
        """Its "/dev", which is a file system of its own; None when it is off."""
        nspawn = self._machines[instance_id].nspawn
        first = _first_process(nspawn) if nspawn and nspawn.poll() is None else 0
        return Path("/proc", str(first), "root", "dev") if first else None

    def volume(self, instance_id: str) -> Path:
        """Its data volume, on or off."""
        return self._machines[instance_id].volume

    def memory(self, instance_id: str) -> int:
        """Return the bytes of memory that its processes hold; 0 where that is not counted."""
        return groups.memory(self._group(self._machines[instance_id]))

    def journal(self, instance_id: str, *arguments: str) -> str:
        """Return what journalctl shows of it, dead or alive."""
        logs = self._machines[instance_id].folder / "upper/var/log/journal"
        command = ["journalctl", "--no-pager", "--quiet", "-o", "short-precise", "-D", str(logs), *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout

    def run(self, instance_id: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as an operator with a shell would."""
        nspawn = self._machines[instance_id].nspawn
        assert nspawn is not None
        inside = ["nsenter", "--all", "--target", str(_first_process(nspawn)), *command]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        return subprocess.run(inside, check=False, capture_output=True, text=True, env=environment, timeout=60)

    # how

    def _group(self, machine: _Machine) -> str:
        return f"{self._run}-{machine.name}"

    def _configure(self, machine: _Machine, endpoint: str) -> None:
        """Write what DHCP and the image pipeline would have left on the disk."""
        etc = machine.folder / "upper/etc"
        (etc / "systemd/system.conf.d").mkdir(parents=True)
        (etc / "resolv.conf").write_text(f"nameserver {self._hub.resolver}\noptions timeout:1 attempts:2\n")
        given = {"AWS_ENDPOINT_URL": endpoint, **self._environment}
        if self._named:
            (etc / "aws-paths").write_text(_PATHS)
            given["AWS_ENDPOINT_URL"] = endpoint.replace(self._hub.gate, AWS)
            given["AWS_CONFIG_FILE"] = "/etc/aws-paths"
        # An image without Kubernetes' programs is of a rehearsal of etcd alone.
        given |= containers.configure(etc) if machine.node else {"KUBECFN_ONLY": "etcd"}
        lines = "".join(f'DefaultEnvironment="{name}={value}"\n' for name, value in given.items())
        (etc / "systemd/system.conf.d/10-aws.conf").write_text(f"[Manager]\n{lines}")
        (machine.folder / "upper/var/log/journal").mkdir(parents=True)

    def _power_on(self, machine: _Machine) -> None:
        instance, root = machine.instance, machine.root
        with machine.lock:
            below = ":".join(str(layer) for layer in machine.layers)
            options = f"lowerdir={below},upperdir={machine.folder / 'upper'},workdir={machine.folder / 'work'}"
            subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(root)], check=True)
            namespace = self._hub.plug(machine.name, instance.private_ip, instance.mac)
            self._metadata.serve(instance.private_ip, machine.imds)
            joins = " && ".join(
                f"echo $$ > {path}/cgroup.procs" for path in groups.make(self._group(machine), limits=machine.node)
            )
            command = _nspawn(machine, namespace)
            with (machine.folder / "console").open("ab") as console:
                machine.booted = time.monotonic()
                machine.nspawn = subprocess.Popen(
                    ["/bin/sh", "-c", f'{joins} && exec "$@"', "sh", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env={**os.environ, **(containers.NSPAWN_ENVIRONMENT if machine.node else {})},
                )

    def _power_off(self, machine: _Machine) -> None:
        with machine.lock:
            if machine.nspawn is None:
                return
            with contextlib.suppress(subprocess.CalledProcessError):
                self._hub.cut(machine.name)
            with contextlib.suppress(OSError):
                groups.freeze(self._group(machine), frozen=False)  # a frozen process does not end
            first = _first_process(machine.nspawn)
            for pid in (first, machine.nspawn.pid if machine.nspawn.poll() is None else 0):
                with contextlib.suppress(ProcessLookupError):
                    if pid:
                        os.kill(pid, signal.SIGKILL)
            machine.nspawn.wait()
            machine.nspawn = None
            self._metadata.forget(machine.instance.private_ip)
            self._hub.unplug(machine.name)
            _patiently(lambda: not groups.remove(self._group(machine)))
            subprocess.run(["umount", "--lazy", str(machine.root)], check=False, capture_output=True)

    def _scrap(self, machine: _Machine) -> None:
        """Throw away the data of a terminated instance, as EC2 does with its volumes; its logs stay."""
        if machine.volume.exists():
            subprocess.run(["umount", "--lazy", str(machine.volume)], check=False, capture_output=True)
            machine.volume.with_suffix(".ext4").unlink(missing_ok=True)
        shutil.rmtree(machine.folder / "upper/var/lib", ignore_errors=True)
        if machine.node:
            containers.scrap(machine.folder)


def _make_volume(target: Path, size: int) -> None:
    """Make a small file system of its own, in a file that takes only what is written on it."""
    file = target.with_suffix(".ext4")
    with file.open("wb") as made:
        made.truncate(size << 20)
    target.mkdir()
    # Nothing is kept back for root: etcd is root.
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(file)], check=True)
    subprocess.run(["mount", "-o", "loop", str(file), str(target)], check=True)


def _nspawn(machine: _Machine, namespace: str) -> list[str]:
    instance = machine.instance
    return [
        "systemd-nspawn",
        "--quiet",
        f"--directory={machine.root}",
        "--boot",
        # There may be no systemd on this machine that could register it or make a unit for it.
        "--register=no",
        "--keep-unit",
        f"--network-namespace-path={namespace}",
        f"--machine={instance.id}",
        f"--hostname={instance.id}.{instance.region}.compute.internal",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        # Not "pipe": without a terminal there is no /dev/console, and what units write on it is lost.
        "--console=read-only",
        *([f"--bind={machine.volume}:/var/lib/etcd"] if machine.volume.exists() else []),
        *(containers.nspawn(machine.folder) if machine.node else ()),
    ]


def _first_process(nspawn: subprocess.Popen[bytes]) -> int:
    """Return the container's first process as this machine numbers it; 0 when there is none."""
    with contextlib.suppress(OSError, IndexError):
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text(encoding="ascii").split()
        return int(children[0])
    return 0


def _patiently(done: Callable[[], bool], seconds: float = 3.0) -> None:
    """Wait until the kernel has let go of what ends by itself."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
