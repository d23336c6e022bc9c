"""The metadata service at its real address: one listener on the bridge, which knows an instance by whence it calls."""

from __future__ import annotations

import contextlib
import socket
import threading

from kubecfn.local.fleet.imds import Imds, answer_one

from .hub import METADATA


class Metadata:
    """Listens at 169.254.169.254; `close` ends it."""

    def __init__(self) -> None:
        self._known: dict[str, Imds] = {}
        self._listener = socket.create_server((METADATA, 80), backlog=64)
        threading.Thread(target=self._run, name="metadata", daemon=True).start()

    def serve(self, address: str, imds: Imds) -> None:
        """Answer whoever calls from this address with this instance's data."""
        self._known[address] = imds

    def forget(self, address: str) -> None:
        """Answer that address no more."""
        self._known.pop(address, None)

    def _run(self) -> None:
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            imds = self._known.get(peer[0])
            if imds is None:
                connection.close()
                continue
            threading.Thread(target=answer_one, args=(connection, peer, imds), daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
