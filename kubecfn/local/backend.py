"""moto's back ends: one WSGI application for every service, and one switch that empties them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app


def application() -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Return moto's application. A service's module is imported when its first call arrives."""
    app: Callable[[dict[str, Any], Any], Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)
    return app


def reset() -> None:
    """Forget every resource of every account. moto keeps them per process, not per application."""
    BackendDict.reset()
    reset_model_data()
