"""The loop that answers kubelets' requests for certificates; every controller may run it, the first answer counts."""

from __future__ import annotations

import base64
import binascii
import threading
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, Mapping, Optional

from kubecfn.etcd.journal import say
from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.node.approval import CLIENT, SERVING, Instance, Request, Say, Verdict, decide, wanted

from . import csr
from .ec2 import NotAskedError, Registry

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_ALIVE = 40.0  # seconds without a renewed lease after which the node controller, too, gives a node up
_IDLE, _WAITING, _WATCHED = 10.0, 1.0, 1.0  # seconds between looks at everything, and of one watch
_TROUBLE = 1.0
_CONFLICT, _NOT_FOUND = 409, 404
_CONDITIONS = {Say.APPROVE: ("Approved", "KubecfnApproved"), Say.DENY: ("Denied", "KubecfnDenied")}
_UTC = timezone.utc


@dataclass(frozen=True)
class Round:
    """What a look at all requests found.

    Attributes:
        answered: what was said, by the request's name.
        waiting: why others wait, by the request's name; empty: another controller answers, or is about to.
        version: of the list that was read.
    """

    answered: Mapping[str, Verdict]
    waiting: Mapping[str, str]
    version: str


class Approver:
    """Approves or denies what kubelets ask for, see `kubecfn.node.approval`.

    Args:
        client: of the API server; may list and watch requests and update their approval, and read nodes and leases.
        ec2: a boto3 client.
        autoscaling: a boto3 client.
        cluster: its name, as its groups' tag has it.
        account: of AWS, twelve digits.
        clock: has ``time`` and ``monotonic``.
    """

    def __init__(self, client: Client, ec2: Any, autoscaling: Any, *, cluster: str, account: str, clock: Any) -> None:
        self._client, self._account, self._clock = client, account, clock
        self._registry = Registry(ec2, autoscaling, cluster, clock.monotonic)
        self._told: Dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Answer requests as they come, until told to stop, which takes a second; an API server that is away is waited for.

        It ends for no other reason: without it no worker would ever join again.
        """
        trouble = ""
        while not stop.is_set():
            try:
                found = self.round()
                trouble = ""
                self._news(found, stop)
            except KubernetesError as error:
                # An answer that is too old to go on from only means: list again.
                if error.reason not in {"Expired", "Gone"}:
                    why = f"the API server does not tell who asks for certificates: {error.message}"
                    trouble = self._trouble(trouble, error.reason, why, stop)
            except Exception as error:  # noqa: BLE001  whatever it is, the next request may be another
                why = f"{type(error).__name__}: {error}"
                trouble = self._trouble(trouble, why, f"a look at requests for certificates failed: {why}", stop)

    def _trouble(self, before: str, now: str, why: str, stop: threading.Event) -> str:
        """Say what goes wrong, once for each kind, and wait a little."""
        if now != before:
            say("no-requests", why)
        stop.wait(_TROUBLE)
        return now

    def round(self) -> Round:
        """Answer every request that has no answer yet.

        Raises:
            KubernetesError: the API server did not say which there are.
        """
        listed = self._client.get(REQUESTS)
        answered: Dict[str, Verdict] = {}
        waiting: Dict[str, str] = {}
        for one in listed.get("items") or ():
            if not _open(one):
                continue
            name = one["metadata"]["name"]
            verdict = self._verdict(one["spec"])
            if verdict.say is Say.WAIT:
                waiting[name] = verdict.reason
            elif verdict.say is not Say.LEAVE:
                refused = self._answer(one, verdict)
                if refused is None:
                    answered[name] = verdict
                else:
                    waiting[name] = refused
        self._tell(waiting)
        return Round(answered, waiting, listed["metadata"]["resourceVersion"])

    def _news(self, found: Round, stop: threading.Event) -> None:
        """Return as soon as there is a new request, or it is time to look at all of them."""
        until = self._clock.monotonic() + (_WAITING if found.waiting else _IDLE)
        version = found.version
        while not stop.is_set() and self._clock.monotonic() < until:
            # Short ones, one after the other: whoever is told to stop notices it between them.
            for event in self._client.watch(REQUESTS, seconds=_WATCHED, resourceVersion=version):
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] == "ADDED" and _open(event["object"]):
                    return

    def _verdict(self, spec: Mapping[str, Any]) -> Verdict:
        if spec["signerName"] not in {CLIENT, SERVING}:
            return Verdict(Say.LEAVE, "")
        try:
            request = _request(spec)
        except ValueError as error:
            return Verdict(Say.DENY, f"the request cannot be read: {error}")
        # Most of what is wrong shows without asking anybody.
        first = decide(request, self._account, None, asked=False, alive=None)
        if first.say is not Say.WAIT:
            return first
        name = wanted(request)
        try:
            instance: Optional[Instance] = self._registry.instance(name)
        except NotAskedError as error:
            return Verdict(Say.WAIT, str(error))
        registers = request.signer == CLIENT and request.username != request.common_name
        alive = self._alive(name) if registers else None
        return decide(request, self._account, instance, asked=True, alive=alive)

    def _alive(self, name: str) -> Optional[bool]:
        """Say whether a node is there, ready, and its kubelet renews its lease; None when that cannot be asked."""
        try:
            node = self._client.get(f"/api/v1/nodes/{name}")
            lease = self._client.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
        except KubernetesError as error:
            return False if error.status == _NOT_FOUND else None
        conditions = node.get("status", {}).get("conditions") or ()
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
        renewed = (lease.get("spec") or {}).get("renewTime")
        return bool(ready and renewed and self._clock.time() - _moment(renewed) <= _ALIVE)

    def _answer(self, one: Dict[str, Any], verdict: Verdict) -> Optional[str]:
        """Write the condition; return why that was refused, None when it is done."""
        kind, reason = _CONDITIONS[verdict.say]
        at = datetime.fromtimestamp(self._clock.time(), _UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {"type": kind, "status": "True", "reason": reason, "message": verdict.reason, "lastUpdateTime": at}
        status = one.get("status") or {}
        conditions = [*(status.get("conditions") or ()), condition]
        name, spec = one["metadata"]["name"], one["spec"]
        try:
            self._client.replace(f"{REQUESTS}/{name}/approval", {**one, "status": {**status, "conditions": conditions}})
        except KubernetesError as error:
            # Another controller was quicker, or it was withdrawn: the next look shows it.
            return "" if error.status in {_CONFLICT, _NOT_FOUND} else f"the answer was not taken: {error.message}"
        who = spec.get("username", "")
        say(kind.lower(), verdict.reason, request=name, signer=spec["signerName"], username=who)
        return None

    def _tell(self, waiting: Dict[str, str]) -> None:
        """Say why requests wait, each reason once."""
        for name, reason in waiting.items():
            if reason and self._told.get(name) != reason:
                say("waits", reason, request=name)
        self._told = waiting


def _open(one: Mapping[str, Any]) -> bool:
    """Say whether nobody has answered a request yet."""
    conditions = one.get("status", {}).get("conditions") or ()
    return not any(each["type"] in {"Approved", "Denied"} for each in conditions)


def _request(spec: Mapping[str, Any]) -> Request:
    try:
        pem = base64.b64decode(spec["request"], validate=True)
    except binascii.Error:
        raise ValueError("it is no base64") from None
    asked = csr.read(pem)
    return Request(
        spec["signerName"],
        spec.get("username", ""),
        frozenset(spec.get("groups") or ()),
        frozenset(spec.get("usages") or ()),
        asked.common_name,
        asked.organizations,
        names=asked.names,
        addresses=asked.addresses,
        others=asked.others,
    )


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()  # noqa: FURB162  Python 3.9 does not read a "Z"
