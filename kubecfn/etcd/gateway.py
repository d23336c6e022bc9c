"""One call to one member's JSON gateway: TLS, a deadline for the whole call, bounded answers, errors by gRPC code.

The HTTP status decides nothing: a failed precondition is 412 in etcd 3.4 and 400 later, and what lies between may
answer 200 with anything. What counts is the body's gRPC ``code`` and ``message``.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# gRPC, "Status codes and their use in gRPC".
UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND = 2, 3, 4, 5
FAILED_PRECONDITION, UNAVAILABLE, UNAUTHENTICATED = 9, 14, 16
# With these etcd refused before it proposed anything, or says that applying it changed nothing.
_REFUSED = frozenset({INVALID_ARGUMENT, NOT_FOUND, 6, 7, 8, FAILED_PRECONDITION, 11, 12, UNAUTHENTICATED})
# The same, said with a code that otherwise leaves it open (etcd api/v3rpc/rpctypes/error.go).
_REFUSED_WORDS = ("unhealthy cluster", "rpc not supported for learner", "not capable")
# TLS 1.3 tells a client that its certificate is refused only after the handshake, as an alert.
_ALERTS = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE", "PROTOCOL_VERSION", "ACCESS_DENIED")
# The same class only from Python 3.10 on.
_TIMEOUTS = (TimeoutError, socket.timeout)
# Seconds; RFC 6298 section 2.1 lets TCP ask again after one second, so one question may be lost on its way.
CONNECTING = 1.5
_LARGEST = 16 * 1024 * 1024  # of an answer; etcd's own requests end at 1.5 MiB
_LONGEST = 1024 * 1024  # of one line of a stream; etcd sends a snapshot in pieces of 32 KiB


class EtcdError(Exception):
    """A member refused a call, did not answer it, or answered something else.

    Args:
        code: the gRPC status code; of a failure between us and etcd: 14 not reached, 4 too late, 2 not understood.
        message: etcd's own words, or a sentence with the member's address.
        definite: a change was certainly not made; False: it may have been, so look before trying again.
    """

    def __init__(self, code: int, message: str, *, definite: bool) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.definite = definite


def tls(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    """Return a context that trusts only `ca` and shows `cert`.

    Raises:
        EtcdError: a file is missing, unreadable or not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=str(ca))
    except OSError as error:
        raise EtcdError(UNAUTHENTICATED, f"{ca} cannot be used as etcd's authority: {error}", definite=True) from None
    try:
        context.load_cert_chain(str(cert), str(key))
    except OSError as error:
        pair = f"{cert} with {key} cannot be used as a certificate for etcd: {error}"
        raise EtcdError(UNAUTHENTICATED, pair, definite=True) from None
    return context


class Call:
    """One request to one member, over a connection of its own that ends with it.

    Args:
        address: an IP address, or a name that resolves at once: a resolver's own time is not bounded here.
        port: of etcd's clients.
        context: see `tls`.
        timeout: seconds from connecting to the last byte of the answer; connecting alone takes `CONNECTING` at most.
    """

    def __init__(self, address: str, port: int, context: ssl.SSLContext, timeout: float) -> None:
        self._address, self._port, self._context, self._timeout = address, port, context, timeout

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return its answer.

        Raises:
            EtcdError: always with `definite` set.
        """
        with self._answering(path, body) as response:
            text = response.read(_LARGEST + 1)
            if len(text) > _LARGEST:
                raise self._nonsense(path, f"more than {_LARGEST} bytes")
            if response.length:  # a bounded read does not look at what is missing
                raise http.client.IncompleteRead(text, response.length)
            return self._understand(path, text, response.status)

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Send one request and yield each ``result`` of its answer.

        Raises:
            EtcdError: also in the middle. A stream that merely stops is not noticed: its content has to show its end.
        """
        with self._answering(path, body) as response:
            while True:
                line = response.readline(_LONGEST)
                if not line:
                    return
                if line.strip():
                    piece = self._understand(path, line, response.status)
                    if not isinstance(piece.get("result"), dict):
                        raise self._nonsense(path, _short(line))
                    yield piece["result"]

    @contextmanager
    def _answering(self, path: str, body: dict[str, Any]) -> Iterator[http.client.HTTPResponse]:
        until = time.monotonic() + self._timeout
        connection = http.client.HTTPConnection(self._address, self._port)
        sent = False
        try:
            connection.sock = _Deadline(self._connect(until), until)
            sent = True
            # With it etcd gives up when we do (gRPC Gateway, "Customizing": Grpc-Timeout, milliseconds).
            limit = f"{max(1, int(self._timeout * 1000))}m"
            headers = {"Content-Type": "application/json", "Grpc-Timeout": limit}
            connection.request("POST", f"/v3/{path}", json.dumps(body).encode(), headers)
            yield connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(path, error, sent=sent) from None
        finally:
            connection.close()

    def _connect(self, until: float) -> ssl.SSLSocket:
        if not self._address:
            raise OSError("its address is not known")  # "" would be this machine itself
        try:
            plain = socket.create_connection((self._address, self._port), timeout=min(_left(until), CONNECTING))
        except _TIMEOUTS:
            _left(until)
            raise OSError(f"no connection within {CONNECTING:g} s") from None
        try:
            plain.settimeout(_left(until))
            return self._context.wrap_socket(plain, server_hostname=self._address)
        except BaseException:
            plain.close()
            raise

    def _failure(self, path: str, error: Exception, *, sent: bool) -> EtcdError:
        where = f"{self._address}:{self._port}"
        if isinstance(error, _TIMEOUTS):
            late = f"{where} did not answer {path} within {self._timeout:g} s"
            return EtcdError(DEADLINE_EXCEEDED, late, definite=not sent)
        if isinstance(error, ssl.SSLCertVerificationError):
            return EtcdError(
                UNAVAILABLE, f"{where} shows a certificate that is not trusted: {error.verify_message}", definite=True
            )
        if isinstance(error, ssl.SSLError) and any(word in (error.reason or "") for word in _ALERTS):
            refused = f"{where} refuses our certificate: {(error.reason or '').lower().replace('_', ' ')}"
            return EtcdError(UNAVAILABLE, refused, definite=True)
        doing = f"broke off answering {path}" if sent else "cannot be reached"
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return EtcdError(UNAVAILABLE, f"{where} {doing}: {why}", definite=not sent)

    def _understand(self, path: str, text: bytes, status: int) -> dict[str, Any]:
        """Return what was answered, or raise what it says is wrong."""
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            raise self._nonsense(path, f"HTTP {status} {_short(text)}") from None
        if not isinstance(answer, dict):
            raise self._nonsense(path, f"HTTP {status} {_short(text)}")
        # {"error": text, "code", "message"} in 3.5, {"code", "message"} in 3.6; in a stream it is all inside "error".
        found = answer["error"] if isinstance(answer.get("error"), dict) else answer
        code = found.get("code", found.get("grpc_code"))
        if isinstance(code, int) and code:
            message = str(found.get("message", found.get("error", "")))
            definite = code in _REFUSED or any(word in message for word in _REFUSED_WORDS)
            raise EtcdError(code, message, definite=definite)
        if status != http.client.OK or "error" in answer:
            raise self._nonsense(path, f"HTTP {status} {_short(text)}")
        return answer

    def _nonsense(self, path: str, what: str) -> EtcdError:
        return EtcdError(
            UNKNOWN, f"{self._address}:{self._port} answered {path} not as etcd does: {what}", definite=False
        )


class _Deadline:
    """The part of a socket that http.client uses; every wait ends at the same moment, however slowly bytes come."""

    def __init__(self, raw: ssl.SSLSocket, until: float) -> None:
        self._raw, self._until = raw, until

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def receive(self, buffer: Any) -> int:
        self._raw.settimeout(_left(self._until))
        return self._raw.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._raw.settimeout(_left(self._until))
            try:
                view = view[self._raw.send(view) :]
            except (ssl.SSLEOFError, ConnectionError):
                self._raw.recv(1)  # who hangs up on a request may have said why, as an alert
                raise

    def close(self) -> None:
        self._raw.close()


class _Reader(io.RawIOBase):
    def __init__(self, source: _Deadline) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.receive(buffer)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _short(text: bytes) -> str:
    return repr(text[:80].decode("utf-8", "replace"))
