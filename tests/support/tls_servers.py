"""A member that is none: a TLS server on loopback that answers with exactly the bytes a test gives it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Behaviour = Callable[[ssl.SSLSocket], None]


def answer(body: bytes, status: str = "200 OK", *, length: int | None = None) -> Behaviour:
    """Answer with this body; `length`: what is claimed instead of its length."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n".encode()
    return lambda connection: connection.sendall(head + body)


def chunks(*lines: bytes, whole: bool = True) -> Behaviour:
    """Answer with a stream, as the gateway does; not `whole`: break off before its last, empty chunk."""
    text = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in lines)
    end = b"0\r\n\r\n" if whole else b""
    return lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text + end)


def trickle(body: bytes, pause: float) -> Behaviour:
    """Answer byte by byte: each in time, the whole far too late."""

    def behave(connection: ssl.SSLSocket) -> None:
        for one in f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body:
            connection.sendall(bytes([one]))
            time.sleep(pause)

    return behave


def _request(connection: ssl.SSLSocket) -> None:
    """Take the whole request: hanging up on a part of it would lose the answer."""
    with connection.makefile("rb") as file:
        length = 0
        for line in file:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if line == b"\r\n":
                break
        file.read(length)


@contextmanager
def serving(certificate: tuple[Path, Path], ca: Path, behave: Behaviour) -> Iterator[int]:
    """Serve on 127.0.0.1, each connection once its request is there; yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return  # closed
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    connection.settimeout(5)
                    _request(connection)
                    behave(connection)
            except OSError:
                continue  # the client hung up, which is often what a test wants

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
