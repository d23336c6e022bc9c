"""A kubeconfig's server and client certificate, read without a YAML library: the shape that kubeadm and kubelets write."""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubecfn.kubernetes import plain_yaml
from kubecfn.kubernetes.wire import KubernetesError

# In memory where there is such a place: a key's short stay leaves nothing on a disk.
_MEMORY = Path("/dev/shm")  # noqa: S108  the file gets a name of its own and 0600


@dataclass(frozen=True)
class Kubeconfig:
    """What the current context of a kubeconfig says.

    Attributes:
        path: of the file.
        server: ``https://HOST:PORT``.
        authority: the certificates that are trusted, PEM.
        certificate: what is shown, PEM.
        key: its key, PEM.
        files: the kubeconfig and whatever it names.
    """

    path: Path
    server: str
    authority: str
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    files: tuple[Path, ...] = ()

    def context(self) -> ssl.SSLContext:
        """Return what trusts the cluster and shows the certificate.

        Raises:
            KubernetesError: the certificates are none, or the key is another's.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(cadata=self.authority)
        except (OSError, ValueError) as error:
            raise _unusable(self.path, f"its authority cannot be used: {error}") from None
        try:
            with _shortly(self.certificate + b"\n" + self.key) as pair:
                context.load_cert_chain(str(pair))
        except (OSError, ValueError) as error:
            raise _unusable(self.path, f"its client certificate and key cannot be used: {error}") from None
        return context


class Contexts:
    """Returns a kubeconfig's TLS context when called; it is made anew when one of the files has changed.

    Args:
        path: of the kubeconfig.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made: tuple[object, ssl.SSLContext] | None = None
        self._files: tuple[Path, ...] = (path,)

    def __call__(self) -> ssl.SSLContext:
        """Return the context.

        Raises:
            KubernetesError: see `read`.
        """
        made = self._made
        if made is None or made[0] != _signs(self._files):
            # The signs first: a file that changes meanwhile is read again next time.
            found = read(self._path)
            signs = _signs(found.files)
            made = (signs, read(self._path).context())
            self._files, self._made = found.files, made
        return made[1]


def read(path: Path) -> Kubeconfig:
    """Read a kubeconfig.

    Args:
        path: YAML as kubeadm writes it, or JSON. Certificates stand in it or in files that it names.

    Raises:
        KubernetesError: it cannot be read, is of another shape, or its user is no client certificate.
    """
    try:
        return _understood(path, _parsed(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    except ValueError as error:
        raise _unusable(path, str(error)) from None


def _understood(path: Path, told: dict[str, Any]) -> Kubeconfig:
    context = _named(told, "contexts", told.get("current-context"), "context")
    cluster = _named(told, "clusters", context.get("cluster"), "cluster")
    user = _named(told, "users", context.get("user"), "user")
    server = cluster.get("server")
    if not isinstance(server, str) or not server:
        raise ValueError("its cluster has no server")
    authority, from_authority = _source(path, cluster, "certificate-authority")
    certificate, from_certificate = _source(path, user, "client-certificate")
    key, from_key = _source(path, user, "client-key")
    named = (from_authority, from_certificate, from_key)
    return Kubeconfig(path, server, authority.decode("ascii"), certificate, key, (path, *(one for one in named if one)))


def _parsed(text: str) -> dict[str, Any]:
    told = json.loads(text) if text.lstrip().startswith("{") else plain_yaml.loads(text)
    if not isinstance(told, dict):
        raise ValueError("it is no kubeconfig")  # noqa: TRY004  a file's content, not a caller's mistake
    return told


def _named(told: dict[str, Any], kind: str, name: object, member: str) -> dict[str, Any]:
    """Return what an entry of ``clusters``, ``users`` or ``contexts`` holds."""
    entries = told.get(kind)
    for one in entries if isinstance(entries, list) else ():
        if isinstance(one, dict) and one.get("name") == name and isinstance(one.get(member), dict):
            found: dict[str, Any] = one[member]
            return found
    raise ValueError(f"its {kind} have no {name!r}")


def _source(path: Path, told: dict[str, Any], name: str) -> tuple[bytes, Path | None]:
    """Return the bytes of a certificate or a key, and the file that they came from if there is one."""
    inline, file = told.get(f"{name}-data"), told.get(name)
    if isinstance(inline, str) and inline:
        try:
            return base64.b64decode(inline, validate=True), None
        except binascii.Error:
            raise ValueError(f"its {name}-data is no base64") from None
    if isinstance(file, str) and file:
        # Relative to the kubeconfig, as clients read it (client-go, tools/clientcmd, ResolvePaths).
        target = path.parent / file
        try:
            return target.read_bytes(), target
        except OSError as error:
            raise ValueError(f"its {name} {target}: {error.strerror or error}") from None
    raise ValueError(f"it has neither {name}-data nor {name}; only client certificates are understood here")


def _signs(files: tuple[Path, ...]) -> object:
    """Return what differs as soon as one of the files does."""
    found = []
    for one in files:
        try:
            at = one.stat()
            found.append((at.st_ino, at.st_mtime_ns, at.st_size))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)


@contextmanager
def _shortly(data: bytes) -> Iterator[Path]:
    """Lay bytes into a file of 0600 for as long as it takes: ssl reads certificates from files only."""
    handle, name = tempfile.mkstemp(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        yield Path(name)
    finally:
        Path(name).unlink()


def _unusable(path: Path, why: str) -> KubernetesError:
    return KubernetesError(0, "Identity", f"{path} cannot be used as a kubeconfig: {why}")
