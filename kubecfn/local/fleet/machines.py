"""What runs an instance: the seam, and a small machine that is a process below its own folder.

`ProcessMachines` stands for a virtual server as "EC2 User Guide, Run commands when you launch an EC2 instance with user data
input" describes it: the emitted user data runs once, as it is, with its output on the console. It is no container: the
program sees this machine's files and processes, and is told by its environment where its own "/" is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from kubecfn.local.fleet.addresses import loopback_of
from kubecfn.local.fleet.imds import Imds, MetadataServer
from kubecfn.local.fleet.init import descendants, send
from kubecfn.local.fleet.instance import Instance, TargetState
from kubecfn.local.world import World

INIT = Path(__file__).with_name("init.py")


class Machines(Protocol):
    """Runs instances. Every method may be called from any thread."""

    def start(self, instance: Instance, world: World, target_state: TargetState) -> None:
        """Switch an instance on. Returns when it is on, not when its user data has ended."""

    def stop(self, instance_id: str) -> None:
        """Shut an instance down and wait until nothing of it runs; unknown or off is fine."""

    def address(self, private_ip: str) -> str:
        """Return the address at which an instance with this address of its subnet is reached, which EC2 then shows."""

    def running(self, instance_id: str) -> bool:
        """Whether it is on. An instance that was never started here counts as on: someone else knows."""

    def console(self, instance_id: str) -> bytes:
        """What its user data wrote so far."""

    def close(self) -> None:
        """Cut the power of all that runs."""


class NoMachines:
    """Instances that exist in EC2 only: for rules that need no program to run."""

    def start(self, instance: Instance, world: World, target_state: TargetState) -> None:
        """Do nothing."""

    def stop(self, instance_id: str) -> None:
        """Do nothing."""

    def address(self, private_ip: str) -> str:
        """Return it unchanged."""
        return private_ip

    def running(self, instance_id: str) -> bool:  # noqa: ARG002  the protocol's argument
        """Say yes: EC2 alone knows."""
        return True

    def console(self, instance_id: str) -> bytes:  # noqa: ARG002  the protocol's argument
        """Nothing was written."""
        return b""

    def close(self) -> None:
        """Do nothing."""


@dataclass
class _Machine:
    """A machine that is on: its init process (None: it runs nothing) and its metadata service."""

    init: subprocess.Popen[bytes] | None
    imds: Imds


class ProcessMachines:
    """Each instance is a process group below ``workdir/instances/ID``, with its own loopback address and metadata service.

    Args:
        grace: real seconds between the request to end and SIGKILL.
        image: a folder of programs: what the machine image has. Every instance finds them in its ``/usr/local/bin``.
        environment: more variables for every instance, e.g. where a rehearsal's programs are.
    """

    def __init__(
        self, *, grace: float = 2.0, image: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._grace = grace
        self.image = image
        self._environment = dict(environment or {})
        self._lock = threading.Lock()
        self._machines: dict[str, _Machine] = {}
        self._off: set[str] = set()
        self._roots: dict[str, Path] = {}
        self._server: MetadataServer | None = None

    def start(self, instance: Instance, world: World, target_state: TargetState) -> None:
        """Make the instance's folder, its metadata service and, when its user data is a script, its first process."""
        root = world.workdir / "instances" / instance.id
        console = root / "var/log/cloud-init-output.log"
        for folder in ("etc", "root", "run", "tmp", "usr/local/bin", "var/lib", "var/log"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for program in self.image.iterdir() if self.image else ():
            with contextlib.suppress(FileExistsError):
                (root / "usr/local/bin" / program.name).symlink_to(program.resolve())
        here = replace(instance, private_ip=self.address(instance.private_ip))
        imds = self._metadata().serve(Imds(here, world, target_state), here.private_ip)
        init = None
        with console.open("wb") as out:
            if instance.user_data.startswith(b"#!"):
                init = self._boot(root, instance, world, imds, out.fileno())
            elif instance.user_data.strip() not in {b"", b"#cloud-config"}:
                out.write(b"kubecfn: this user data is not run here; only scripts that begin with #! are.\n")
        with self._lock:
            self._machines[instance.id] = _Machine(init, imds)
            self._roots[instance.id] = root

    def root(self, instance_id: str) -> Path:
        """Return the folder that stands for an instance's "/". It outlives the instance, as a console log does."""
        return self._roots[instance_id]

    def stop(self, instance_id: str) -> None:
        """Ask every process of the instance to end, wait, end what is left by force."""
        machine = self._take(instance_id)
        if machine and machine.init:
            _tell(machine.init, b"stop\n")
            _wait(machine.init, self._grace + 5.0)
        if machine:
            self._metadata().forget(machine.imds)

    def kill(self, instance_id: str) -> None:
        """Cut the power: nothing of the instance runs any more, and no one was told."""
        machine = self._take(instance_id)
        if machine and machine.init:
            _tell(machine.init, b"kill\n")
            _wait(machine.init, 5.0)
        if machine:
            self._metadata().forget(machine.imds)

    def address(self, private_ip: str) -> str:
        """Return the loopback address that stands for a private one."""
        return loopback_of(private_ip)

    def pause(self, instance_id: str) -> None:
        """Stop every process of the instance where it stands, as a hypervisor does with a virtual server.

        It answers nobody and its connections stay open until it is resumed, told to stop or its power is cut.
        """
        stopped: set[int] = set()
        # One that was just about to fork is found with its child in the next round.
        while new := self.processes(instance_id) - stopped:
            _signal_all(new, signal.SIGSTOP)
            stopped |= new

    def resume(self, instance_id: str) -> None:
        """Let a paused instance go on."""
        _signal_all(self.processes(instance_id), signal.SIGCONT)

    def running(self, instance_id: str) -> bool:
        """Whether it is on. An instance whose user data has ended is still on; so is a paused one."""
        with self._lock:
            return instance_id not in self._off

    def console(self, instance_id: str) -> bytes:
        """What its user data wrote so far."""
        root = self._roots.get(instance_id)
        log = root / "var/log/cloud-init-output.log" if root else None
        return log.read_bytes() if log and log.exists() else b""

    def close(self) -> None:
        """Cut the power of all that runs. What is started afterwards begins anew."""
        with self._lock:
            names = list(self._machines)
        for name in names:
            self.kill(name)
        with self._lock:
            server, self._server = self._server, None
        if server:
            server.close()

    def processes(self, instance_id: str) -> set[int]:
        """Return every process of an instance but its init; none when it is off."""
        with self._lock:
            machine = self._machines.get(instance_id)
        return set(descendants(machine.init.pid)) if machine and machine.init else set()

    def _metadata(self) -> MetadataServer:
        with self._lock:
            if self._server is None:
                self._server = MetadataServer()
            return self._server

    def _take(self, instance_id: str) -> _Machine | None:
        with self._lock:
            self._off.add(instance_id)
            return self._machines.pop(instance_id, None)

    def _boot(self, root: Path, instance: Instance, world: World, imds: Imds, out: int) -> subprocess.Popen[bytes]:
        script = root / "var/lib/user-data"
        script.write_bytes(instance.user_data)
        script.chmod(0o700)
        environment = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(root / "root"),
            "TMPDIR": str(root / "tmp"),
            "LANG": "C.UTF-8",
            "KUBECFN_ROOT": str(root),
            "AWS_ENDPOINT_URL": world.endpoint(),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.endpoint,
            **self._environment,
        }
        # -I -S: the first process of an instance is as small as Python can be; it needs no package.
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(INIT), str(self._grace), str(script)],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=root,
            env=environment,
            start_new_session=True,
        )


def _signal_all(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        send(pid, number)


def _tell(init: subprocess.Popen[bytes], word: bytes) -> None:
    """Say a word to an init process; one that has ended hears nothing, and then nothing of its instance is left."""
    assert init.stdin is not None
    with contextlib.suppress(BrokenPipeError, ValueError):
        init.stdin.write(word)
        init.stdin.flush()


def _wait(init: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        init.wait(seconds)
    except subprocess.TimeoutExpired:
        init.kill()
        init.wait()
    if init.stdin:
        with contextlib.suppress(BrokenPipeError):
            init.stdin.close()
