"""moto's back ends: one WSGI application for every service, and one switch that empties them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app


class _Dispatcher(DomainDispatcherApplication):  # type: ignore[misc]  # moto is untyped here
    """moto's choice of a back end, remembered, and without its line on the terminal when there is none."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._found: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return the name of the back end.

        Raises:
            NotImplementedError: an AWS service that moto does not have.
        """
        if host not in self._found:
            url = f"http://{host}"
            if host and "amazonaws.com" in host and not any(rule.match(url) for _, rule in self.backend_url_patterns):
                raise NotImplementedError(host)
            self._found[host] = super().get_backend_for_host(host)
        return self._found[host]


def application() -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Return moto's application. A service's module is imported when its first call arrives."""
    app: Callable[[dict[str, Any], Any], Iterable[bytes]] = _Dispatcher()
    return app


def reset() -> None:
    """Forget every resource of every account. moto keeps them per process, not per application."""
    BackendDict.reset()
    reset_model_data()
