"""boto3 sessions that reach the embedded AWS and nothing else: no profile, no proxy, no file of the person who runs it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader, create_loader

from kubecfn.local.identity import Keys


class GateSession(boto3.Session):
    """A session whose clients are pointed at the gate.

    Args:
        keys: who signs.
        region: default region of its clients.
        endpoint: the gate's address.
    """

    def __init__(self, keys: Keys, region: str, endpoint: str) -> None:
        super().__init__(
            keys.access_key, keys.secret, keys.token or None, region_name=region, botocore_session=bare_session()
        )
        self._endpoint = endpoint

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """Return a client pointed at the gate unless `endpoint_url` says otherwise."""
        kwargs.setdefault("endpoint_url", self._endpoint)
        return super().client(service_name, *args, **kwargs)  # type: ignore[call-overload]  # any service


def bare_session() -> botocore.session.Session:
    """Return a botocore session that reads no profile, no configuration file and no proxy setting."""
    nothing = (None, None, None, None)
    session = botocore.session.Session(
        session_vars=dict.fromkeys(("profile", "config_file", "credentials_file"), nothing)
    )
    session.register_component("data_loader", _loader())
    session.set_default_client_config(Config(proxies={}))
    return session


@functools.cache
def _loader() -> Loader:
    """Return botocore's reader of service models: one for all sessions, because reading EC2's takes 100 ms."""
    return create_loader()


class ServiceClients:
    """Clients the services use among themselves: one per service and region, made once because making is slow.

    Attempts are not repeated: a service of ours that hurts itself should be seen, not smoothed over.

    Args:
        endpoint: the gate's address, known only once it listens.
        keys: the services' own.
    """

    def __init__(self, endpoint: Callable[[], str], keys: Keys) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], Any] = {}
        self._config = Config(retries={"total_max_attempts": 1}, max_pool_connections=50, read_timeout=120, proxies={})

    def __call__(self, service: str, region: str) -> Any:
        """Return the client of a service in a region; it may be used by many threads."""
        with self._lock:
            if (service, region) not in self._made:
                session = GateSession(self._keys, region, self._endpoint())
                self._made[service, region] = session.client(service, config=self._config)
            return self._made[service, region]

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()
