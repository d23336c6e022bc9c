"""A network between members that can be cut: what is on its way is held, not refused, and goes on when the cut is healed.

Every member advertises an address where this listens, and itself listens on an inner one. Who opened a connection is found
as ss finds it: by the socket's number, asked of the kernel, and in /proc/PID/fd; no root is needed.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from socket import AF_INET, AF_NETLINK, IPPROTO_TCP, SOCK_DGRAM, inet_aton, socket

_SLICE = 65536
# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _REQUEST = 4, 20, 1
_NO_COOKIE = (0xFFFFFFFF, 0xFFFFFFFF)
_INODE_AT = 16 + 4 + 48 + 16


class Network:
    """Runs in a thread of its own from `start` to `stop`.

    Args:
        processes: the process of each member that runs now, by name.

    Attributes:
        held: how often something was held because of a member that is cut off.
    """

    def __init__(self, processes: Callable[[], Mapping[str, int]]) -> None:
        self._processes = processes
        self.held = Counter[str]()
        self._cut: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._healed = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lead(self, name: str, outer: str, inner: str, port: int, *, peers: bool) -> None:
        """Listen on a member's outer address for its inner one; `peers`: who connects is a member too."""
        asyncio.run_coroutine_threadsafe(self._listen(name, outer, inner, port, peers=peers), self._loop).result(5)

    def cut(self, name: str) -> None:
        """Let nothing pass to or from a member."""
        self._loop.call_soon_threadsafe(self._cut.add, name)

    def heal(self, name: str) -> None:
        """Let everything pass again, first what was held."""
        self._loop.call_soon_threadsafe(self._heal, name)

    def _heal(self, name: str) -> None:
        self._cut.discard(name)
        self._healed.set()
        self._healed = asyncio.Event()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # what was closed is let go of in the next rounds of the loop

    async def _listen(self, name: str, outer: str, inner: str, port: int, *, peers: bool) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            with suppress(OSError, asyncio.CancelledError):
                ends = (writer.get_extra_info("sockname"), writer.get_extra_info("peername"))
                source = opener(*ends, self._processes()) if peers else ""
                await self._carry(reader, writer, (name, source), inner, port)
            writer.close()

        self._servers.append(await asyncio.start_server(accept, outer, port))

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: tuple[str, str], inner: str, port: int
    ) -> None:
        await self._passage(ends)
        there, back = await asyncio.open_connection(inner, port)
        try:
            pumps = [
                asyncio.ensure_future(self._pump(reader, back, ends)),
                asyncio.ensure_future(self._pump(there, writer, ends)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            back.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: tuple[str, str]) -> None:
        while data := await reader.read(_SLICE):
            await self._passage(ends)
            writer.write(data)
            await writer.drain()

    async def _passage(self, ends: tuple[str, str]) -> None:
        self.held.update(self._cut.intersection(ends))
        while self._cut.intersection(ends):
            await self._healed.wait()


def opener(ours: tuple[str, int], theirs: tuple[str, int], processes: Mapping[str, int]) -> str:
    """Return which member's process opened a connection; empty when none did.

    Args:
        ours: the address and port of the end that accepted it.
        theirs: of the end that opened it.
        processes: of the members, by name.
    """
    wanted = f"socket:[{_inode(theirs, ours)}]"
    for name, process in processes.items():
        with suppress(OSError):
            for file in Path(f"/proc/{process}/fd").iterdir():
                with suppress(OSError):
                    if str(file.readlink()) == wanted:
                        return name
    return ""


def _inode(local: tuple[str, int], remote: tuple[str, int]) -> int:
    """Return the number of one TCP socket, asked of the kernel (sock_diag(7)); 0 when there is none."""
    ends = struct.pack("!HH4s12x4s12x", local[1], remote[1], inet_aton(local[0]), inet_aton(remote[0]))
    wanted = struct.pack("=BBBxI", AF_INET, IPPROTO_TCP, 0, 0xFFFFFFFF) + ends + struct.pack("=III", 0, *_NO_COOKIE)
    header = struct.pack("=IHHII", 16 + len(wanted), _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0)
    with socket(AF_NETLINK, SOCK_DGRAM, _SOCK_DIAG) as link:
        link.send(header + wanted)
        answer = link.recv(_SLICE)
    kind = struct.unpack_from("=H", answer, 4)[0]
    return int(struct.unpack_from("=I", answer, _INODE_AT)[0]) if kind == _SOCK_DIAG_BY_FAMILY else 0
