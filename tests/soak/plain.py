"""The project's client without TLS: a handshake for every call costs ten times what the call does, and thousands are made."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Any

from kubecfn.etcd.client import Client
from kubecfn.etcd.gateway import Call

# Where members of a soak listen without TLS, beside their ordinary port.
PLAIN_PORT = 2378


class PlainCall(Call):
    """One request over plain TCP; deadlines and errors are those of `Call`."""

    def _connect(self, until: float) -> Any:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return socket.create_connection((self._address, self._port), timeout=left)


@dataclass(frozen=True)
class PlainClient(Client):
    """One member at its plain port."""

    def _call(self, timeout: float | None = None) -> PlainCall:
        return PlainCall(self.address, PLAIN_PORT, self.tls, self.timeout if timeout is None else timeout)
