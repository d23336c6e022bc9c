"""This node's own etcd as it can be asked before it has a quorum.

After a start etcd serves no client until a leader was elected (measured, 3.5.35 and 3.6.16: embed.Etcd waits for the
server's ReadyNotify). Its peers' port answers the member list and its metrics port what it applied; both from the start.
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.request
from dataclasses import replace
from typing import Any, Callable, Dict, Tuple

from kubecfn.etcd.client import Client, Listed, Status
from kubecfn.etcd.gateway import UNAVAILABLE, EtcdError

from .settings import METRICS_PORT, Me

_APPLIED = "etcd_server_proposals_applied_total"
_REVISION = "etcd_debugging_mvcc_current_revision"
_LEARNER = "etcd_server_is_learner"
_LARGEST = 4 * 1024 * 1024


class Own:
    """This node's etcd: asked as any other, and where it does not serve yet, quietly.

    Args:
        client: of its clients' port.
        me: which member it is.
        tls: as a peer.
        timeout: seconds for each quiet question.
    """

    def __init__(self, client: Client, me: Me, tls: ssl.SSLContext, timeout: float = 2.0) -> None:
        self._client = client
        self._me = me
        self._tls = tls
        self._timeout = timeout

    def __getattr__(self, name: str) -> Any:
        """Everything else needs a quorum or a member that serves."""
        return getattr(self._client, name)

    def status(self) -> Status:
        """Return what the member says about itself; `raft_index` is that of the last entry it knows to be committed.

        Without a quorum nothing is committed any more, and what was committed is applied at once.

        Raises:
            EtcdError: it does not answer at all.
        """
        return self._either(self._hasty().status, self._quiet_status)

    def any_members(self) -> Tuple[Listed, ...]:
        """Return the member list as it has it; it may be old, and proves nothing.

        Raises:
            EtcdError: it does not answer at all.
        """
        return self._either(self._hasty().any_members, lambda: self._members()[0])

    def _hasty(self) -> Client:
        """One that does not serve takes the connection and says nothing; one that does answers these at once."""
        return replace(self._client, timeout=min(1.0, self._client.timeout))

    def _either(self, served: Callable[[], Any], quiet: Callable[[], Any]) -> Any:
        try:
            return served()
        except EtcdError as error:
            try:
                return quiet()
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError) as another:
                message = f"{error}; and before it serves: {another}"
                raise EtcdError(UNAVAILABLE, message, definite=True) from None

    def _quiet_status(self) -> Status:
        told = metrics(self._me, self._timeout)
        members, cluster = self._members()
        mine = next(one.id for one in members if self._me.peer_url in one.peer_urls)
        return Status(
            member=mine,
            cluster=cluster,
            leader="",
            version=self._me.version,
            revision=int(told[_REVISION]),
            raft_index=int(told[_APPLIED]),
            raft_term=0,
            db_size=0,
            db_in_use=0,
            learner=told[_LEARNER] == 1,
            errors=("etcdserver: no leader",),
        )

    def _members(self) -> Tuple[Tuple[Listed, ...], str]:
        text, headers = self._get(f"{self._me.peer_url}/members")
        return tuple(_listed(one) for one in json.loads(text)), headers["X-Etcd-Cluster-Id"].lower()

    def _get(self, url: str) -> Tuple[str, Any]:
        return _get(url, self._timeout, urllib.request.HTTPSHandler(context=self._tls))


def applied(me: Me) -> int:
    """Return the last index that this node's etcd took in; 0 while it has none, or does not answer."""
    try:
        return int(metrics(me, 1.0).get(_APPLIED, 0))
    except (OSError, http.client.HTTPException, ValueError):
        return 0


def metrics(me: Me, timeout: float) -> Dict[str, float]:
    """Return what this node's etcd tells of itself, by name and labels.

    Raises:
        OSError: it does not answer.
        HTTPException: it answers something else.
        ValueError: likewise.
    """
    address = me.address if me.loopback else "127.0.0.1"
    text, _ = _get(f"http://{address}:{METRICS_PORT}/metrics", timeout)
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("etcd_"))
    return {name: float(value) for name, value in lines}


def _get(url: str, timeout: float, *handlers: urllib.request.BaseHandler) -> Tuple[str, Any]:
    # No proxy: what this node is told of proxies is not for its own ports.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    with opener.open(url, timeout=timeout) as answer:
        return answer.read(_LARGEST).decode(), answer.headers


def _listed(one: Dict[str, Any]) -> Listed:
    return Listed(
        id=f"{int(one['id']):x}",
        name=one.get("name", ""),
        peer_urls=tuple(one.get("peerURLs") or ()),
        client_urls=tuple(one.get("clientURLs") or ()),
        learner=bool(one.get("isLearner", False)),
    )
