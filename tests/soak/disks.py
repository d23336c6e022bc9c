"""Disks that are slow for one process: its fsync and fdatasync are held by the kernel until the time that each takes is over.

A process starts through this file, which asks the kernel to tell of these calls (seccomp_unotify(2)), sends the end that is
told to whoever listens at a socket, and becomes the program. No root is needed. Run by itself it is that first step:
``python disks.py SOCKET NAME PROGRAM ARGUMENTS``.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

# Numbers of seccomp, fsync and fdatasync: asm/unistd.h.
_CALLS = {"x86_64": (317, 74, 75), "aarch64": (277, 82, 83)}
# linux/seccomp.h, linux/filter.h, linux/prctl.h
_FILTER, _LISTENER, _UNINTERRUPTED, _NO_NEW_PRIVILEGES = 1, 8, 32, 38
_LOAD, _EQUAL, _RETURN, _ALLOW, _NOTIFY = 0x20, 0x15, 0x06, 0x7FFF0000, 0x7FC00000
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_NOTICE = 80


class Disks:
    """Listens from `start` to `stop` for processes and holds their syncs as they are told to.

    Args:
        folder: for the socket.
    """

    def __init__(self, folder: Path) -> None:
        self.syncs = Counter[str]()
        self.held = Counter[str]()
        self._path = folder / "disks"
        self._slow: dict[str, float] = {}
        self._listening = socket.socket(socket.AF_UNIX)

    def start(self) -> None:
        """Begin."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._listening.bind(str(self._path))
        self._listening.listen()
        threading.Thread(target=self._accept, name="disks", daemon=True).start()

    def stop(self) -> None:
        """Listen no more; those who run go on at full speed until they end."""
        self._slow.clear()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def before(self, name: str) -> tuple[str, ...]:
        """Return what stands before a process's command."""
        return (sys.executable, "-S", "-E", __file__, str(self._path), name)

    def slow(self, name: str, seconds: float) -> None:
        """Let every sync of a process take so long from now on; 0: as long as the real disk does."""
        self._slow[name] = seconds

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._listening.accept()
                with link:
                    name, (told, *_), _, _ = socket.recv_fds(link, 100, 1)
                threading.Thread(target=self._hold, args=(name.decode(), told), daemon=True).start()

    def _hold(self, name: str, told: int) -> None:
        """Answer every notice of one process, one after another as a disk does, until it has ended."""
        events = select.poll()
        events.register(told, select.POLLIN)
        with os.fdopen(told, "rb", buffering=0):
            while not any(event & select.POLLHUP for _, event in events.poll()):
                with suppress(FileNotFoundError):  # a signal took the thread away meanwhile: it asks anew, or is dead
                    self._answer(name, told)

    def _answer(self, name: str, told: int) -> None:
        notice = bytearray(_NOTICE)
        fcntl.ioctl(told, _RECEIVE, notice)
        seconds = self._slow.get(name, 0.0)
        self.syncs[name] += 1
        if seconds:
            self.held[name] += 1
            time.sleep(seconds)
        fcntl.ioctl(told, _SEND, struct.pack("=QqiI", struct.unpack_from("=Q", notice)[0], 0, 0, _CONTINUE))


def _become(path: str, name: str, command: list[str]) -> None:
    number, *syncs = _CALLS[platform.machine()]
    program = b"".join(
        struct.pack("=HBBI", *line)
        for line in (
            (_LOAD, 0, 0, 0),
            (_EQUAL, 2, 0, syncs[0]),
            (_EQUAL, 1, 0, syncs[1]),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _NOTIFY),
        )
    )
    lines = ctypes.create_string_buffer(program, len(program))
    described = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(lines)))
    kernel = ctypes.CDLL(None, use_errno=True)
    kernel.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    # Uninterrupted as by a real disk: without that, known since Linux 5.19, a signal makes a held call begin anew.
    flags = (_LISTENER | _UNINTERRUPTED, _LISTENER)
    told = next((file for one in flags if (file := kernel.syscall(number, _FILTER, one, described)) >= 0), -1)
    if told < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not tell of system calls (seccomp)")
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(path)
        socket.send_fds(link, [name.encode()], [told])
    os.close(told)
    os.execv(command[0], command)


if __name__ == "__main__":
    _become(sys.argv[1], sys.argv[2], sys.argv[3:])
