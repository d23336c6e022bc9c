"""Connections that are passed on, byte by byte, between whoever called and a target; one thread for all of them."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

_PIECE = 1 << 16
# What one side may be ahead of the other before it is no longer read from.
_AHEAD = 1 << 18
_RESET = struct.pack("ii", 1, 0)
Address = tuple[str, int]


@dataclass(eq=False)
class _End:
    """One side of a connection: `unsent` is what the other side has for it."""

    socket: socket.socket
    target: str
    connected: bool = True
    ended: bool = False
    shut: bool = False
    unsent: bytearray = field(default_factory=bytearray)
    other: _End | None = None


class Flows:
    """Listens and passes on, from the beginning until `close`.

    Args:
        address: where it listens; port 0 takes a free one.
        choose: the name and address of the target for a new connection; None: it is refused.

    Attributes:
        address: where it listens.
    """

    def __init__(self, address: Address, choose: Callable[[], tuple[str, Address] | None]) -> None:
        self._choose = choose
        self._listener = socket.create_server(address, backlog=512)
        self._listener.setblocking(False)
        self.address: Address = self._listener.getsockname()
        self._selector = selectors.DefaultSelector()
        self._awake, self._wake = socket.socketpair()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._awake, selectors.EVENT_READ, self._obey)
        self._orders: list[Callable[[], None]] = []
        self._ends: set[_End] = set()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="balancer", daemon=True)
        self._thread.start()

    def cut(self, target: str) -> None:
        """Reset every connection to a target."""
        self._order(lambda: [self._reset(end) for end in list(self._ends) if end.target == target])

    def count(self, target: str) -> int:
        """Return how many connections a target has."""
        return sum(end.target == target for end in list(self._ends)) // 2

    def close(self) -> None:
        """Refuse and reset everything."""
        self._order(lambda: setattr(self, "_over", True))
        self._thread.join()

    def _order(self, what: Callable[[], object]) -> None:
        self._orders.append(what)
        with contextlib.suppress(OSError):
            self._wake.send(b".")

    def _obey(self) -> None:
        self._awake.recv(64)
        while self._orders:
            self._orders.pop(0)()

    def _run(self) -> None:
        while not self._over:
            for key, events in self._selector.select():
                if isinstance(key.data, _End):
                    self._serve(key.data, events)
                else:
                    key.data()
        for end in list(self._ends):
            self._reset(end)
        for one in (self._listener, self._awake, self._wake):
            one.close()
        self._selector.close()

    def _accept(self) -> None:
        try:
            caller, _ = self._listener.accept()
        except OSError:
            return
        chosen = self._choose()
        if chosen is None:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            caller.close()
            return
        name, address = chosen
        there = socket.socket()
        for one in (caller, there):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = there.connect_ex(address)
        near, far = _End(caller, name), _End(there, name, connected=False)
        near.other, far.other = far, near
        for end in (near, far):
            self._ends.add(end)
            self._selector.register(end.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, end)
        if begun not in {0, errno.EINPROGRESS}:
            self._reset(near)
        else:
            self._watch(near)

    def _serve(self, end: _End, events: int) -> None:
        if end not in self._ends:
            return
        try:
            end.connected = end.connected or _connected(end.socket)
            if events & selectors.EVENT_READ:
                self._read(end)
            for one in (end, end.other):
                if one is not None:
                    self._write(one)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._reset(end)
            return
        self._settle(end)

    def _read(self, end: _End) -> None:
        assert end.other is not None
        if end.ended or len(end.other.unsent) > _AHEAD:
            return
        with contextlib.suppress(BlockingIOError):
            data = end.socket.recv(_PIECE)
            end.other.unsent += data
            end.ended = not data

    def _write(self, end: _End) -> None:
        assert end.other is not None
        if not end.connected:
            return
        if end.unsent:
            with contextlib.suppress(BlockingIOError):
                del end.unsent[: end.socket.send(end.unsent)]
        if end.other.ended and not end.unsent and not end.shut:
            end.shut = True
            end.socket.shutdown(socket.SHUT_WR)

    def _settle(self, end: _End) -> None:
        """Close what both sides have ended, or wait for what comes next."""
        assert end.other is not None
        if end.shut and end.other.shut:
            self._forget(end)
            return
        self._watch(end)
        self._watch(end.other)

    def _watch(self, end: _End) -> None:
        assert end.other is not None
        events = 0
        if end.connected and not end.ended and len(end.other.unsent) <= _AHEAD:
            events |= selectors.EVENT_READ
        if end.unsent or not end.connected:
            events |= selectors.EVENT_WRITE
        known = self._selector.get_map().get(end.socket)
        if known is None and events:
            self._selector.register(end.socket, events, end)
        elif known is not None and not events:
            self._selector.unregister(end.socket)
        elif known is not None and known.events != events:
            self._selector.modify(end.socket, events, end)

    def _reset(self, end: _End) -> None:
        for one in (end, end.other):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._forget(end)

    def _forget(self, end: _End) -> None:
        for one in (end, end.other):
            if one is not None and one in self._ends:
                self._ends.discard(one)
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(one.socket)
                one.socket.close()


def _connected(there: socket.socket) -> bool:
    """Return whether a connection was made that was begun.

    Raises:
        OSError: it was refused.
    """
    if problem := there.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(problem, "connect")
    return True
