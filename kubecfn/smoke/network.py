"""Do pods find a node, each other, a service and the cluster's DNS? Two pods in a namespace of their own say so.

Both run CoreDNS, since its image is the one that every cluster has and that speaks over the network by itself: no shell is
needed, and none is there. ``answers`` answers questions below smoke.test; ``asks``, on another node where there is one, is
asked by us through the API server (its proxy to pods) with DNS over HTTP (RFC 8484), and asks on for us from where it is:
names below pod.smoke.test at the address of the other pod, names below service.smoke.test at the address of its service,
and all others where every pod asks, by its own resolv.conf: the cluster's DNS. So each answer that we get has gone all the
way: API server, pod, the network between nodes or the service's rules on that node, and back.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubecfn.errors import KubecfnError
from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.smoke import dns
from kubecfn.smoke.check import Found, found
from kubecfn.smoke.pods import WORD, asking, namespace_of, objects_of
from kubecfn.smoke.seen import CONTROL_PLANE, Pod, pod
from kubecfn.smoke.subject import Subject
from kubecfn.versions import release_of

PREFIX = "kubecfn-smoke-"
_PAUSE = 0.5
_NOT_FOUND = 404


@dataclass(frozen=True)
class Patience:
    """How long things may take, and what waits: tests bring their own.

    Attributes:
        running: seconds until pods run; an image may have to be pulled.
        answering: seconds until an answer comes: services' rules and DNS follow within seconds.
        bound: seconds until a volume is made and bound.
        sleep: waits so many seconds.
        monotonic: seconds that never jump.
    """

    running: float = 120.0
    answering: float = 20.0
    bound: float = 180.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def until(self, seconds: float, ready: Callable[[], str]) -> str:
        """Wait until `ready` returns nothing; return what it returned last when it takes longer."""
        end = self.monotonic() + seconds
        while True:
            trouble = ready()
            if not trouble or self.monotonic() >= end:
                return trouble
            self.sleep(_PAUSE)


PATIENCE = Patience()


def network(subject: Subject, patience: Patience = PATIENCE) -> Found:
    """Pods are scheduled and run; one reaches the other, its service, and the cluster's DNS."""
    with namespace(subject.client) as name:
        problems, where = _pair(subject, name, patience)
    return found(problems, f"asked from {where}: the other pod, its service and the cluster's DNS answer")


@contextmanager
def namespace(client: Client) -> Iterator[str]:
    """Make a namespace for a moment; whatever happens, it is deleted, and with it all that is in it."""
    name = f"{PREFIX}{secrets.token_hex(4)}"
    client.create("/api/v1/namespaces", namespace_of(name))
    try:
        yield name
    finally:
        _removed(client, name)


def _removed(client: Client, name: str) -> None:
    try:
        client.delete(f"/api/v1/namespaces/{name}")
    except KubernetesError as error:
        if error.status != _NOT_FOUND:
            raise KubecfnError(
                f"The namespace {name} could not be deleted: {error.message}",
                remedy=f"Delete it with: kubectl delete namespace {name}",
            ) from error


def _pair(subject: Subject, name: str, patience: Patience) -> tuple[list[str], str]:
    client, image = subject.client, _image(subject)
    tolerations = _tolerations(subject)
    here = f"/api/v1/namespaces/{name}"
    for path, one in objects_of(image, tolerations):
        client.create(f"{here}/{path}", one)
    trouble = patience.until(patience.running, lambda: _not_well(client, here, "answers"))
    if trouble:
        return [f"the first pod: {trouble}"], ""
    answering = _pod(client, here, "answers")
    service = client.get(f"{here}/services/answers")["spec"]["clusterIP"]
    for path, one in asking(image, tolerations, answering.address, service, answering.node):
        client.create(f"{here}/{path}", one)
    trouble = patience.until(patience.running, lambda: _not_well(client, here, "asks"))
    if trouble:
        return [f"the second pod: {trouble}"], ""
    asked = _pod(client, here, "asks")
    way = "another node" if asked.node != answering.node else "the same node"
    questions = {
        f"from {asked.node} the pod on {answering.node} at {answering.address}": ("a.pod.smoke.test", dns.TXT, WORD),
        f"from {asked.node} the service at {service}": ("a.service.smoke.test", dns.TXT, WORD),
        f"from {asked.node} the cluster's DNS": (f"answers.{name}.svc.cluster.local", dns.A, service),
    }
    problems = [
        f"{what} does not answer: {why}"
        for what, asked in questions.items()
        if (why := _why(client, here, asked, patience))
    ]
    return problems, way


def _why(client: Client, here: str, asked: tuple[str, int, str], patience: Patience) -> str:
    """Return why a question is not answered as it should be; empty when it is."""
    name, kind, wanted = asked

    def ready() -> str:
        try:
            told = client.read(f"{here}/pods/http:asks:8053/proxy/dns-query", dns=dns.question(name, kind))
            got = dns.answers(told, kind)
        except (KubernetesError, dns.AnswerError) as error:
            return str(error)
        return "" if wanted in got else f"it says {', '.join(got)}, not {wanted}"

    return patience.until(patience.answering, ready)


def _image(subject: Subject) -> str:
    """Return the image that the cluster's own DNS runs; without one, the version table's."""
    try:
        own = subject.client.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")
    except KubernetesError as error:
        if error.status != _NOT_FOUND:
            raise
        return release_of(subject.config.kubernetes).images["coredns"]
    return str(own["spec"]["template"]["spec"]["containers"][0]["image"])


def _tolerations(subject: Subject) -> list[dict[str, Any]]:
    """Return what lets the pods onto workers of every pool, and onto controllers where there are no workers."""
    taints = {(one.key, one.effect) for pool in subject.config.pools for one in pool.taints}
    taints.add((CONTROL_PLANE, "NoSchedule"))
    return [{"key": key, "operator": "Exists", "effect": effect} for key, effect in sorted(taints)]


def _pod(client: Client, here: str, name: str) -> Pod:
    return pod(client.get(f"{here}/pods/{name}"))


def _not_well(client: Client, here: str, name: str) -> str:
    one = _pod(client, here, name)
    return one.trouble or ("" if one.address else "it has no address")


def volume(subject: Subject, patience: Patience = PATIENCE) -> Found:
    """A claim of the default storage class is bound when a pod uses it."""
    image = _image(subject)
    with namespace(subject.client) as name:
        here = f"/api/v1/namespaces/{name}"
        for path, one in objects_of(image, _tolerations(subject), claim="volume"):
            subject.client.create(f"{here}/{path}", one)
        trouble = patience.until(patience.bound, lambda: _unbound(subject.client, here))
        trouble = trouble or patience.until(patience.running, lambda: _not_well(subject.client, here, "answers"))
    return found([trouble] if trouble else [], "a volume was made, bound, mounted, and is given back")


def _unbound(client: Client, here: str) -> str:
    claim: Mapping[str, Any] = client.get(f"{here}/persistentvolumeclaims/volume")
    phase = claim.get("status", {}).get("phase", "Pending")
    if phase == "Bound":
        return ""
    events = client.list(f"{here}/events", fieldSelector="involvedObject.name=volume")
    words = [str(one.get("message", "")) for one in events]
    return f"the claim is {phase}{f': {words[-1]}' if words else ''}"
