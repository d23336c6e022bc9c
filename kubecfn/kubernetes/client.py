"""Everything that is asked of an API server: objects are plain dictionaries, as JSON has them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubecfn.kubernetes import kubeconfig
from kubecfn.kubernetes.wire import KubernetesError, Wire

__all__ = ["Client", "KubernetesError"]

Object = dict[str, Any]
_PAGE = 500  # objects; what kubectl asks for at once
_PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
# Kubernetes, "Server-Side Apply": the type is called YAML, and JSON is YAML.
_APPLY = "application/apply-patch+yaml"


class Client:
    """One API server, as one identity. Safe for threads; every method raises KubernetesError.

    A query's names are Kubernetes' own (``labelSelector``, ``fieldManager``); True is written ``true``.

    Args:
        server: ``https://HOST:PORT``.
        context: trusts the cluster's authority and shows a client's certificate if there is one; or what returns it,
            asked for each new connection.
        token: returns a bearer token, asked for each request; it stands in no error.
        timeout: seconds for one request as a whole.
    """

    def __init__(
        self,
        server: str,
        context: ssl.SSLContext | Callable[[], ssl.SSLContext],
        *,
        token: Callable[[], str] | None = None,
        timeout: float = 10.0,
    ) -> None:
        made = context if callable(context) else lambda: context
        self._wire = Wire(server, made, timeout)
        self._token = token

    @classmethod
    def from_kubeconfig(cls, path: Path, *, server: str = "", timeout: float = 10.0) -> Client:
        """Return a client with a kubeconfig's current user, by its client certificate.

        The file, and those that it names, are read again for a new connection when they have changed.

        Args:
            path: as kubeadm or we write it.
            server: another address than the one that stands there.
            timeout: seconds for one request as a whole.
        """
        found = server or kubeconfig.read(path).server
        try:
            return cls(found, kubeconfig.Contexts(path), timeout=timeout)
        except ValueError as error:
            raise KubernetesError(0, "Identity", f"{path} cannot be used as a kubeconfig: {error}") from None

    @property
    def address(self) -> str:
        """Where the server is: ``HOST:PORT``."""
        return self._wire.address

    def get(self, path: str, **query: Any) -> Object:
        """Return one object; a list's path returns the list, with its ``resourceVersion``."""
        return self._ask("GET", path, query)

    def read(self, path: str, **query: Any) -> bytes:
        """Return an answer that is no object: a health check's words, or what a pod says through the server's proxy."""
        status, text = self._wire.ask("GET", _target(path, query), None, self._headers(), again=True)
        if status >= 400:  # noqa: PLR2004  HTTP's first error
            self._understand(status, text, path)
        return text

    def list(self, path: str, **query: Any) -> Iterator[Object]:
        """Yield a list's objects, page by page; each tells its kind."""
        query.setdefault("limit", _PAGE)
        while True:
            page = self.get(path, **query)
            kind = {"apiVersion": page.get("apiVersion"), "kind": str(page.get("kind", "")).removesuffix("List")}
            for one in page.get("items") or ():
                yield {**kind, **one}
            query["continue"] = page.get("metadata", {}).get("continue")
            if not query["continue"]:
                return

    def create(self, path: str, body: Object, **query: Any) -> Object:
        """Make an object below its list's path."""
        return self._ask("POST", path, query, body, again=False)

    def apply(self, path: str, body: Object, *, manager: str, force: bool = True, **query: Any) -> Object:
        """Make an object, or make its fields what `body` says (server-side apply); other managers' fields stay.

        Args:
            path: the object's own.
            body: with apiVersion, kind and name.
            manager: whose these fields are from now on.
            force: take them from whom they belong to; else that is a conflict.
            query: e.g. ``dryRun="All"``.
        """
        return self._ask("PATCH", path, {**query, "fieldManager": manager, "force": force}, body, _APPLY)

    def patch(self, path: str, body: Any, kind: str = "merge", **query: Any) -> Object:
        """Change an object: ``merge`` (RFC 7386), ``strategic``, or ``json`` (RFC 6902), which is not sent twice."""
        return self._ask("PATCH", path, query, body, _PATCHES[kind], again=kind != "json")

    def replace(self, path: str, body: Object, **query: Any) -> Object:
        """Write an object whole; with a ``resourceVersion`` in it, only over that version."""
        return self._ask("PUT", path, query, body)

    def delete(self, path: str, body: Object | None = None, **query: Any) -> Object:
        """Delete an object; `body`: DeleteOptions, e.g. with preconditions."""
        return self._ask("DELETE", path, query, body)

    def watch(self, path: str, *, seconds: float, **query: Any) -> Iterator[Object]:
        """Yield a list's events, ``type`` and ``object``, as they come; it ends after so many seconds.

        Args:
            path: the list's.
            seconds: when it ends; the server may end it before.
            query: ``resourceVersion`` of the list that was read before; without it, everything there comes first.

        Raises:
            KubernetesError: also in the middle; 410 ``Expired``: list again.
        """
        query = {**query, "watch": True, "timeoutSeconds": max(1, int(seconds)), "allowWatchBookmarks": True}
        rest = b""
        for status, piece in self._wire.stream(_target(path, query), self._headers(), seconds):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines if status < 400 else ():  # noqa: PLR2004  HTTP's first error
                event = self._understand(status, line, path)
                if event.get("type") == "ERROR":
                    raise _refusal(event.get("object", {}).get("code", 0), event.get("object", {}))
                yield event
            if status >= 400:  # noqa: PLR2004
                rest = b"\n".join((*lines, rest))
        if rest.strip():
            self._understand(status, rest, path)

    def ready(self, path: str = "/readyz") -> bool:
        """Say whether the server answers its health check; never raises."""
        try:
            status, _ = self._wire.ask("GET", path, None, self._headers(), again=True)
        except KubernetesError:
            return False
        return status == 200  # noqa: PLR2004

    def close(self) -> None:
        """Close this thread's connection; the client can be used on."""
        self._wire.close()

    def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, Any],
        body: Any = None,
        kind: str = "application/json",
        *,
        again: bool = True,
    ) -> Object:
        headers = {**self._headers(), **({"Content-Type": kind} if body is not None else {})}
        told = None if body is None else json.dumps(body).encode()
        status, text = self._wire.ask(method, _target(path, query), told, headers, again=again)
        return self._understand(status, text, path)

    def _headers(self) -> dict[str, str]:
        shown = {"Authorization": f"Bearer {self._token()}"} if self._token else {}
        return {"Accept": "application/json", "User-Agent": "kubecfn", **shown}

    def _understand(self, status: int, text: bytes, path: str) -> Object:
        """Return what was answered, or raise what it says is wrong."""
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            short = repr(text[:80].decode("utf-8", "replace"))
            strange = f"{self.address} answered {path} not as an API server does: HTTP {status} {short}"
            raise KubernetesError(status, "Unknown", strange)
        if status >= 400:  # noqa: PLR2004  HTTP's first error
            raise _refusal(status, answer)
        return answer


def _refusal(status: int, told: Object) -> KubernetesError:
    """Return a Status as an error (Kubernetes API conventions, section "Response Status Kind")."""
    message = told.get("message") or f"HTTP {status} without a word"
    return KubernetesError(status, str(told.get("reason") or "Unknown"), str(message), told.get("details"))


def _target(path: str, query: dict[str, Any]) -> str:
    told = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
    text = urlencode({name: value for name, value in told.items() if value is not None})
    return f"{path}?{text}" if text else path
