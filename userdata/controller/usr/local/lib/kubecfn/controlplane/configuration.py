"""What is applied to the whole cluster, by the first controller of a configuration; the others find it done.

A Lease holds who applies, and the hash of what was applied last. A controller applies once in its life at most: one of an
older configuration that starts again must not bring that back.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

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
# An applier that died is followed after this many seconds.
HELD = 60.0


class Wait(Exception):  # noqa: N818  it is what to do
    """Another controller is about to do it."""


def ensure(root: Path, client: Client, me: str, monotonic: Callable[[], float]) -> str:
    """See to it that the cluster has this configuration; return how.

    Args:
        root: what stands for ``/``.
        client: of this controller's own API server.
        me: this instance.
        monotonic: seconds that never jump.

    Raises:
        Wait: another controller applies it now.
        StepFailed: the API server refuses an object, by name and in its own words.
        KubernetesError: the API server does not answer.
    """
    manifests, wanted = read(root)
    seen = root / SEEN
    if seen.exists():
        return "was applied before"
    lease = Lease(client, NAMESPACE, NAME, me, HELD, monotonic)
    if lease.annotations().get(APPLIED) == wanted:
        disk.write(seen, wanted + "\n")
        return "another controller has applied it"
    if not lease.acquire():
        raise Wait(f"{lease.holder() or 'another controller'} applies the configuration")
    try:
        changed = apply_all(client, manifests, report=lambda line: say(STEP, line), alive=lease.renew)
    except ApplyError as error:
        raise StepFailed(STEP, str(error)) from error
    finally:
        lease.release()
    lease.annotate({APPLIED: wanted})
    disk.write(seen, wanted + "\n")
    return f"applied, {changed}"


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
