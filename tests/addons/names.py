"""A question to a DNS server, and a real CoreDNS on a loopback address."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from contextlib import contextmanager

from kubecfn.local.programs import cache
from tests.rehearsal import programs

PORT = 5300
_PATIENCE = 20.0
_TRIES = 50
_A, _PTR, _IN = 1, 12, 1
_POINTER = 0xC0


def coredns():
    """Return the path of the real program."""
    recipe = programs.coredns()
    return cache() / f"{recipe.name}-{recipe.version}" / "coredns"


@contextmanager
def served(corefile, folder, address):
    """Run CoreDNS with this configuration until the end; wait until it is ready at ADDRESS:8181."""
    file = folder / f"Corefile-{address}"
    file.write_text(corefile)
    with (folder / f"log-{address}").open("wb") as log:
        process = subprocess.Popen([coredns(), "-conf", file], stdout=log, stderr=log, cwd=folder)
    try:
        _wait(address, process, folder / f"log-{address}")
        yield
    finally:
        process.kill()
        process.wait()


def _wait(address, process, log):
    end = time.monotonic() + _PATIENCE
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        try:
            with socket.create_connection((address, 8181), timeout=1) as web:
                web.sendall(b"GET /ready HTTP/1.0\r\n\r\n")
                if b" 200 " in web.recv(64):
                    return
        except OSError:
            pass
        time.sleep(0.05)


def asked(address, name, kind=_A):
    """Return the answers to a question as text: addresses, or names for a reverse look-up; none when there is no such name."""
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split(".")) + b"\0"
    question = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!2H", kind, _IN)
    # It says that it is ready a moment before it listens, and a datagram to nobody is lost.
    told = next(filter(None, (_once(question, address) for _ in range(_TRIES))))
    count, at = struct.unpack_from("!H", told, 6)[0], 12 + len(labels) + 4
    found = []
    for _ in range(count):
        at = _after_name(told, at)
        which, length = struct.unpack_from("!H6xH", told, at)
        at += 10
        if which == _A:
            found.append(socket.inet_ntoa(told[at : at + 4]))
        elif which == _PTR:
            found.append(_name(told, at))
        at += length
    return found


def _once(question, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(0.2)
        wire.sendto(question, (address, PORT))
        try:
            return wire.recv(4096)
        except TimeoutError:
            return b""


def who(address, of):
    """Return the names of an address."""
    return asked(address, ".".join([*reversed(of.split(".")), "in-addr.arpa"]), _PTR)


def _after_name(told, at):
    while told[at] and told[at] < _POINTER:
        at += told[at] + 1
    return at + (2 if told[at] >= _POINTER else 1)


def _name(told, at):
    words = []
    while told[at]:
        if told[at] >= _POINTER:
            at = struct.unpack_from("!H", told, at)[0] & 0x3FFF
            continue
        words.append(told[at + 1 : at + 1 + told[at]].decode())
        at += told[at] + 1
    return ".".join(words)
