"""Leases: one of several acts alone, and leaves a note of what it did; writes are conditional on what was read.

A lease that is held may be taken over once its time is over, by either of two clocks:

1. Who watches it sees it unchanged for its whole time: no clock of another machine is believed (client-go's rule).
2. Its last renewal is older than its time and `SKEW`: for who looks once in a while and never twice in a row.

Source: Kubernetes, "Leases"; client-go, tools/leaderelection.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from kubecfn.kubernetes.client import Client, KubernetesError

# Seconds that clocks of the controllers may differ; Amazon Time Sync keeps them within milliseconds.
SKEW = 60.0
_CONFLICT, _NOT_FOUND = 409, 404
_UTC = timezone.utc  # noqa: UP017  nodes run Python 3.9, which does not know datetime.UTC
_Object = dict[str, Any]


@dataclass(frozen=True)
class Held:
    """A lease as it was read.

    Attributes:
        holder: empty when it was released.
        renewed: when, in seconds since 1970.
        seconds: for which it is held from then on.
        notes: its annotations.
    """

    holder: str
    renewed: float
    seconds: float
    notes: Mapping[str, str] = field(default_factory=dict)


class Lease:
    """One lease, as one holder sees it. Every method raises KubernetesError.

    Args:
        client: may get, create and update it.
        namespace: of the Lease.
        name: of the Lease.
        holder: who acts, e.g. an instance's id.
        seconds: for which it is taken; its holder has to renew it in time.
        clock: has ``time`` and ``monotonic``.
    """

    def __init__(
        self, client: Client, namespace: str, name: str, holder: str, *, seconds: int, clock: Any = time
    ) -> None:
        self._client, self._holder, self._seconds, self._clock = client, holder, seconds, clock
        self._namespace, self._name = namespace, name
        self._list = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._seen: tuple[str, float] = ("", 0.0)  # a version, and when it was first seen

    def read(self) -> Held | None:
        """Return who has it; None when there is no such lease yet."""
        found = self._read()
        return _held(found) if found else None

    def acquire(self) -> bool:
        """Take it, or prolong it when it is this holder's already; say whether this holder has it now."""
        found = self._read()
        if found is None:
            return self._create()
        held = _held(found)
        mine = held.holder == self._holder
        if not mine and not self._over(held, found["metadata"]["resourceVersion"]):
            return False
        return self._write(found, self._spec(found, mine=mine))

    def renew(self, notes: Mapping[str, str] | None = None) -> bool:
        """Prolong it and add notes; False when it is not this holder's any more.

        Args:
            notes: annotations to set; the others stay.
        """
        found = self._read()
        if found is None or _held(found).holder != self._holder:
            return False
        return self._write(found, self._spec(found, mine=True), notes or {})

    def release(self) -> bool:
        """Give it back, notes and all stay; False when it was not this holder's."""
        found = self._read()
        if found is None or _held(found).holder != self._holder:
            return False
        return self._write(found, {**self._spec(found, mine=True), "holderIdentity": "", "leaseDurationSeconds": 1})

    def _over(self, held: Held, version: str) -> bool:
        if not held.holder:
            return True
        now = self._clock.monotonic()
        if self._seen[0] != version:
            self._seen = version, now
        watched = now - self._seen[1]
        return bool(watched > held.seconds or self._clock.time() - held.renewed > held.seconds + SKEW)

    def _read(self) -> _Object | None:
        try:
            return self._client.get(f"{self._list}/{self._name}")
        except KubernetesError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    def _spec(self, found: _Object | None, *, mine: bool) -> _Object:
        before = (found or {}).get("spec") or {}
        now = datetime.fromtimestamp(self._clock.time(), _UTC).isoformat(timespec="microseconds")
        now = now.replace("+00:00", "Z")
        taken = (
            {} if mine else {"acquireTime": now, "leaseTransitions": before.get("leaseTransitions", 0) + bool(found)}
        )
        told = {"holderIdentity": self._holder, "leaseDurationSeconds": self._seconds, "renewTime": now}
        return {**before, **taken, **told}

    def _create(self) -> bool:
        metadata = {"name": self._name, "namespace": self._namespace}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": self._spec(None, mine=False),
        }
        try:
            self._client.create(self._list, body)
        except KubernetesError as error:
            if error.status != _CONFLICT:
                raise
            return False
        return True

    def _write(self, found: _Object, spec: _Object, notes: Mapping[str, str] | None = None) -> bool:
        about = found["metadata"]
        annotations = {**(about.get("annotations") or {}), **(notes or {})}
        body = {**found, "metadata": {**about, "annotations": annotations}, "spec": spec}
        try:
            self._client.replace(f"{self._list}/{self._name}", body)
        except KubernetesError as error:
            if error.status not in {_CONFLICT, _NOT_FOUND}:
                raise
            # Ours, sent twice because the first answer was lost, conflicts with itself.
            now = self._read()
            return now is not None and now.get("spec") == spec
        return True


def _held(found: _Object) -> Held:
    spec = found.get("spec") or {}
    renewed = spec.get("renewTime")
    at = datetime.fromisoformat(renewed.replace("Z", "+00:00")).timestamp() if renewed else 0.0  # noqa: FURB162  Python 3.9 does not read a "Z"
    seconds = float(spec.get("leaseDurationSeconds") or 0)
    return Held(spec.get("holderIdentity") or "", at, seconds, found["metadata"].get("annotations") or {})
