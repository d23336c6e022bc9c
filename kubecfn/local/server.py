"""The loopback HTTP server the embedded AWS listens on: threaded, HTTP/1.1, silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from kubecfn.errors import KubecfnError

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Handler(MotoRequestHandler):  # type: ignore[misc]  # moto is untyped here
    """One connection, kept open between calls, about which nothing is printed."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  werkzeug's name
        """Say nothing: the recorder keeps every call."""


class Server:
    """A running server; `close` ends it.

    Args:
        app: what answers.
        port: 0 takes a free one.
        host: an address of this machine.

    Raises:
        KubecfnError: the port is taken.
    """

    def __init__(self, app: Wsgi, port: int = 0, host: str = "127.0.0.1") -> None:
        try:
            listening = socket.create_server((host, port))
        except OSError as error:
            raise KubecfnError(
                f"Port {port} on {host} cannot be listened on.", remedy="Choose another port, or 0 for any free one."
            ) from error
        with listening:  # werkzeug works on a copy; given a taken port itself, it would print and exit
            self._server = make_server(host, port, app, threaded=True, request_handler=_Handler, fd=listening.fileno())
        self.endpoint = f"http://{host}:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="gate", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop accepting and wait for the accepting thread to end."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
