"""What is done to one instance's disk, clock and certificates, from outside or as somebody with a shell would."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .image import CLOCK
from .machines import NspawnMachines

PKI = "/etc/kubernetes/pki/etcd"
CODE = "/usr/local/lib/kubecfn"
YEAR = 365 * 24 * 3600
# What the kernel calls a full disk is found piece by piece: the last ones are smaller than what may be free.
_PIECES = (1 << 20, 1 << 12, 1)
_CLOCK = "etc/clock"
_AGENT, _USER_DATA = "kubecfn-agent.service", "cloud-final.service"


class RefusedError(Exception):
    """A command that somebody typed inside an instance was refused; the message is what it said."""


def inside(machines: NspawnMachines, instance: str, *command: str) -> str:
    """Run a command inside; return what it printed.

    Raises:
        RefusedError: it did not end with 0.
    """
    done = machines.run(instance, *command)
    if done.returncode:
        raise RefusedError(f"{' '.join(command)[:200]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def etcdctl(machines: NspawnMachines, instance: str, *command: str) -> str:
    """Run etcdctl inside, against the member there, with the certificate that lies there; return what it printed.

    Raises:
        RefusedError: etcd refused.
    """
    shown = (f"--cacert={PKI}/ca.crt", f"--cert={PKI}/healthcheck-client.crt", f"--key={PKI}/healthcheck-client.key")
    return inside(machines, instance, "etcdctl", *shown, "--command-timeout=20s", *command)


def fill(volume: Path) -> int:
    """Fill a volume to its last byte with one file, ``filler``; return how large that is."""
    filler = volume / "filler"
    with filler.open("wb", buffering=0) as file:
        for piece in _PIECES:
            while _written(file.fileno(), filler, piece):
                pass
    return filler.stat().st_size


def _written(handle: int, filler: Path, piece: int) -> bool:
    size = filler.stat().st_size
    command = [
        "fallocate",
        "--offset",
        str(size),
        "--length",
        str(piece * 16 if piece > 1 else 1),
        f"/proc/self/fd/{handle}",
    ]
    return not subprocess.run(command, check=False, capture_output=True, pass_fds=(handle,)).returncode


def slow_down(machines: NspawnMachines, instance: str, delay: float, seconds: float) -> int:
    """Let every fsync of its etcd take longer for some seconds; return how many were held up.

    strace stops etcd at each of its system calls and holds those back that flush a file: what etcd sees is a disk that
    takes so long. Its other calls are slowed by some microseconds.

    Raises:
        RefusedError: strace cannot.
    """
    process = inside(machines, instance, "systemctl", "show", "etcd.service", "--property=MainPID", "--value").strip()
    held = f"inject=fsync,fdatasync:delay_enter={round(delay * 1e6)}"
    log = "/run/slowed"
    strace = [
        "strace",
        "--follow-forks",
        "--quiet=all",
        "--output",
        log,
        "--trace=fsync,fdatasync",
        "-e",
        held,
        "-p",
        process,
    ]
    # timeout(1) ends it as Ctrl-C does: then it lets go of etcd and leaves it as it was.
    done = machines.run(instance, "timeout", "--signal=INT", "--kill-after=5", str(seconds), *strace)
    held_up = sum("DELAYED" in line for line in machines.run(instance, "cat", log).stdout.splitlines())
    if not held_up:
        raise RefusedError(f"strace held up nothing ({done.returncode}): {done.stderr.strip()}")
    return held_up


def wrong_clock(disk: Path, seconds: int) -> None:
    """Let user data, the agent and all that they start see another time of day.

    Args:
        disk: "/" of an instance, before it boots or while it runs.
        seconds: how far it is ahead; below 0 behind. Written anew it counts at once.
    """
    for unit in (_AGENT, _USER_DATA):
        folder = disk / "etc/systemd/system" / f"{unit}.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "50-clock.conf").write_text(f"[Service]\nEnvironment=LD_PRELOAD=/{CLOCK}/clock.so\n")
    set_clock(disk, seconds)


def set_clock(disk: Path, seconds: int) -> None:
    """Set a clock that `wrong_clock` took over."""
    (disk / _CLOCK).write_text(f"{seconds}\n")


_FORGED = """
import json, pathlib, sys, time
sys.path.insert(0, "{code}")
from member import certificates
from member.settings import Me
known = json.loads(pathlib.Path("/var/lib/kubecfn/identity.json").read_text())
me = Me(known["instance"], known["address"], "{domain}", "3.6.16")
root = pathlib.Path("{root}")
certificates.ensure(root, me, time.time() + {ahead})
"""


def forge_expired(machines: NspawnMachines, instance: str, domain: str) -> None:
    """Lay certificates of the right authority there that ended a year ago: a peer's, and all that seem to be of a time to come."""
    inside(machines, instance, "rm", f"{PKI}/peer.crt")
    inside(machines, instance, "python3", "-c", _FORGED.format(code=CODE, domain=domain, root="/", ahead=-2 * YEAR))


def forge_stranger(machines: NspawnMachines, instance: str, domain: str) -> None:
    """Lay a peer's certificate there that is right in everything but its authority, which is another one of that name."""
    root = "/run/stranger"
    pki = f"{root}{PKI}"
    inside(machines, instance, "mkdir", "--parents", pki)
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=etcd-ca")
    inside(machines, instance, "openssl", "req", "-x509", *made, "-keyout", f"{pki}/ca.key", "-out", f"{pki}/ca.crt")
    inside(machines, instance, "python3", "-c", _FORGED.format(code=CODE, domain=domain, root=root, ahead=0))
    inside(machines, instance, "cp", f"{pki}/peer.crt", f"{pki}/peer.key", PKI)


def begins(machines: NspawnMachines, instance: str, name: str) -> str:
    """Return from when a certificate is valid, as openssl writes it."""
    text = inside(machines, instance, "openssl", "x509", "-in", f"{PKI}/{name}.crt", "-noout", "-startdate")
    return text.strip().partition("=")[2]
