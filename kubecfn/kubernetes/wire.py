"""Requests to one API server: TLS, a connection per thread that is used again, deadlines, bounded answers."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

# The same class only from Python 3.10 on.
_TIMEOUTS = (TimeoutError, socket.timeout)
_LARGEST = 64 * 1024 * 1024  # bytes of an answer: thousands of objects
_PIECE = 64 * 1024


class KubernetesError(Exception):
    """The API server refused a request, or no answer came.

    Args:
        status: HTTP's; 0: there was none.
        reason: Kubernetes' word for it (``NotFound``, ``Conflict``, ``AlreadyExists`` …). Of a status of 0:
            ``Unreachable``, nothing was sent; ``Lost``, a change may have been made; ``Identity``, what we would show
            cannot be used.
        message: the server's own words, or a sentence with its address.
        details: what a Status tells beside them, e.g. ``causes``.
    """

    def __init__(self, status: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}


class Wire:
    """Connections to one API server.

    Args:
        server: ``https://HOST`` or ``https://HOST:PORT``.
        context: returns what a new connection trusts and shows, so that renewed certificates count from the next one.
        timeout: seconds from connecting to the last byte of an answer.

    Raises:
        ValueError: `server` is no such address.
    """

    def __init__(self, server: str, context: Callable[[], ssl.SSLContext], timeout: float) -> None:
        parts = urlsplit(server)
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"{server!r} is no API server's address: https://HOST:PORT is one")
        self._host, self._port = parts.hostname, parts.port or 443
        self._context, self._timeout = context, timeout
        self._kept = threading.local()

    @property
    def address(self) -> str:
        """Where the server is: ``HOST:PORT``."""
        return f"{self._host}:{self._port}"

    def ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, again: bool
    ) -> tuple[int, bytes]:
        """Send a request; return the answer's status and body.

        Args:
            method: of HTTP.
            path: with its query.
            body: if any.
            headers: beside what HTTP itself needs.
            again: it may be sent twice: a connection that turns out to be broken is replaced, once.

        Raises:
            KubernetesError: there was no whole answer; its status is 0.
        """
        used = self._open()
        try:
            return self._once(method, path, body, headers)
        except KubernetesError as error:
            # A server that goes away closes what is kept open; a fresh connection finds its successor.
            if not (used and again and error.reason == "Lost"):
                raise
            return self._once(method, path, body, headers)

    def stream(self, path: str, headers: Mapping[str, str], seconds: float) -> Iterator[tuple[int, bytes]]:
        """Ask for what has no end, over a connection of its own; yield the status and a piece as soon as it is there.

        Args:
            path: with its query.
            headers: beside what HTTP itself needs.
            seconds: after which it ends.

        Raises:
            KubernetesError: it broke off before its time.
        """
        until = time.monotonic() + seconds
        connection = self._connect()
        try:
            with _failing(self.address, f"GET {path.partition('?')[0]}"):
                connection.request("GET", path, headers=dict(headers))
                response = connection.getresponse()
                while True:
                    _patience(connection, until)
                    piece = response.read1(_PIECE)
                    if not piece:
                        return
                    yield response.status, piece
        except KubernetesError:
            if time.monotonic() < until:
                raise
        finally:
            connection.close()

    def close(self) -> None:
        """Close this thread's connection; the next request opens another."""
        kept = getattr(self._kept, "connection", None)
        self._kept.connection = None
        if kept:
            kept.close()

    def _open(self) -> bool:
        """Say whether this thread has a connection; one that the other side has closed is none."""
        kept = getattr(self._kept, "connection", None)
        if kept is None or kept.sock is None:
            return False
        # Nothing was asked: what can be read is the end.
        if select.select([kept.sock], [], [], 0)[0]:
            self.close()
            return False
        return True

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        until = time.monotonic() + self._timeout
        kept = getattr(self._kept, "connection", None) or self._connect()
        self._kept.connection = kept
        try:
            with _failing(self.address, f"{method} {path.partition('?')[0]}"):
                _patience(kept, until)
                kept.request(method, path, body, dict(headers))
                response = kept.getresponse()
                text = _whole(kept, response, until)
        except BaseException:
            self.close()
            raise
        # 401: a renewed certificate is shown on the next connection.
        if response.will_close or response.status == http.client.UNAUTHORIZED:
            self.close()
        return response.status, text

    def _connect(self) -> _Connection:
        connection = _Connection(self._host, self._port, timeout=self._timeout, context=self._context())
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise KubernetesError(0, "Unreachable", f"{self.address} cannot be reached: {_why(error)}") from None
        return connection


class _Connection(http.client.HTTPSConnection):
    """One that ends with its thread."""

    def __del__(self) -> None:
        self.close()


class _failing:  # noqa: N801  reads as a statement
    """Tell what breaks off an exchange as a KubernetesError."""

    def __init__(self, address: str, what: str) -> None:
        self._address, self._what = address, what

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, (OSError, http.client.HTTPException)):
            lost = f"{self._address} broke off answering {self._what}: {_why(error)}"
            raise KubernetesError(0, "Lost", lost) from None


def _patience(connection: _Connection, until: float) -> None:
    """Let the next wait end at the deadline."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    connection.sock.settimeout(left)


def _whole(connection: _Connection, response: http.client.HTTPResponse, until: float) -> bytes:
    pieces, size = [], 0
    while True:
        if connection.sock:  # an answer that ends the connection takes it along
            _patience(connection, until)
        piece = response.read1(_PIECE)
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
        if size > _LARGEST:
            raise http.client.HTTPException(f"more than {_LARGEST} bytes")
    if response.length:  # reading piece by piece does not look at what is missing
        raise http.client.IncompleteRead(b"", response.length)
    response.close()  # nor does that end it; while it is open, its connection takes no other request
    return b"".join(pieces)


def _why(error: Exception) -> str:
    if isinstance(error, _TIMEOUTS):
        return "it took too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it hung up"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
