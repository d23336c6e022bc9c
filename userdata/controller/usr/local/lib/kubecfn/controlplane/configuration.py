"""What is applied to the whole cluster, by the first controller of a configuration; the others find it done.

A Lease holds who applies, and the hash of what was applied last. A controller applies once in its life at most: one of an
older configuration that starts again must not bring that back.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

from agent import disk
from agent.steps import StepFailed

from kubecfn.etcd.journal import say
from kubecfn.kubernetes.applying import ApplyError, apply_all
from kubecfn.kubernetes.client import Client
from kubecfn.kubernetes.leases import Lease
from kubecfn.node.here import SHARE

STEP = "configuration"
NAMESPACE, NAME = "kube-system", "kubecfn-configuration"
APPLIED = "kubecfn.io/configuration"
SEEN = "var/lib/kubecfn/configuration-seen"
# For how long passing refusals are tried again; an applier that died is followed after more than that.
PATIENCE = 90.0
HELD = 120


class Wait(Exception):  # noqa: N818  it is what to do
    """Another controller is about to do it."""


class Configuration:
    """This controller's part in it.

    Args:
        root: what stands for ``/``.
        client: of this controller's own API server.
        me: this instance.
    """

    def __init__(self, root: Path, client: Client, me: str) -> None:
        self._root = root
        self._client = client
        self._lease = Lease(client, NAMESPACE, NAME, me, seconds=HELD)

    def ensure(self) -> str:
        """See to it that the cluster has this configuration; return how.

        Raises:
            Wait: another controller applies it now.
            StepFailed: the API server refuses an object, by name and in its own words.
            KubernetesError: the API server does not answer.
        """
        seen = self._root / SEEN
        if seen.exists():
            return "was applied before"
        objects, wanted = read(self._root)
        held = self._lease.read()
        if held and held.notes.get(APPLIED) == wanted:
            disk.write(seen, wanted + "\n")
            return "another controller has applied it"
        if not self._lease.acquire():
            raise Wait(f"{held.holder if held else 'another controller'} applies the configuration")
        try:
            told = self._apply(objects, wanted)
        finally:
            self._lease.release()
        disk.write(seen, wanted + "\n")
        return told

    def _apply(self, objects: List[Dict[str, Any]], wanted: str) -> str:
        try:
            applied = apply_all(self._client, objects, report=lambda line: say(STEP, line), patience=PATIENCE)
        except ApplyError as error:
            raise StepFailed(STEP, str(error)) from error
        if not self._lease.renew({APPLIED: wanted}):
            raise Wait("this controller took too long, and another applies the configuration")
        return f"{len(applied.applied)} objects were applied, {len(applied.pruned.removed)} removed"


def read(root: Path) -> Tuple[List[Dict[str, Any]], str]:
    """Return the bundle's objects in their order, and the hash of all.

    Raises:
        StepFailed: a file cannot be read.
    """
    objects: List[Dict[str, Any]] = []
    digest = hashlib.sha256()
    for path in sorted((root / SHARE.lstrip("/") / "manifests").glob("*.json")):
        try:
            data = path.read_bytes()
            objects.extend(json.loads(data)["items"])
        except (OSError, ValueError, KeyError) as error:
            raise StepFailed(STEP, f"{path} cannot be read: {error}") from error
        digest.update(path.name.encode() + b"\0" + data)
    return objects, digest.hexdigest()
