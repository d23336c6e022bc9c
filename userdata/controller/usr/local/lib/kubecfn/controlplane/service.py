"""The control plane's own life beside etcd's: made as soon as etcd serves, then looked at for as long as the node lives.

It runs in a thread of its own, since etcd's loop must never wait for it: a member that looks after its peers only when
its API server is well would bring both down.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Tuple

from agent import disk
from agent.node import Instance, Node
from agent.patience import Patience, StoppedError
from agent.steps import StepFailed
from agent.units import CONTAINERD, KUBELET, Units
from botocore.exceptions import BotoCoreError, ClientError
from kubeadm import documents, instance, run, upkeep
from member import certificates
from member.identity import Identity
from member.loop import Done

from kubecfn.etcd.journal import say
from kubecfn.kubernetes.client import Client, KubernetesError

from . import authenticator, configuration, hosts

STEP = "kubernetes"
ADMIN = "etc/kubernetes/admin.conf"
# It is above every right that could be taken back: kubeadm alone needs it, and only to begin.
SUPER_ADMIN = "etc/kubernetes/super-admin.conf"
OWN_API = "https://127.0.0.1:6443"
_AUTHORITIES = (
    ("etc/kubernetes/pki/ca.crt", "kubernetes", "kubernetes-ca"),
    ("etc/kubernetes/pki/front-proxy-ca.crt", "front-proxy", "front-proxy-ca"),
)
UNITS = (CONTAINERD, KUBELET, authenticator.UNIT)


@dataclass(frozen=True)
class Pace:
    """How long to wait, in seconds: for what comes soon, after a failure, between looks when all is well.

    `away`: for so long an API server that was ready may be restarting, with new certificates or by itself; `again`: before
    what ended by mistake beside it goes on.
    """

    soon: float = 0.2
    failed: float = 3.0
    serving: float = 5.0
    away: float = 120.0
    again: float = 60.0


@dataclass(frozen=True)
class Around:
    """What the control plane is handed.

    Attributes:
        news: called when another thread should look.
        guards: what runs beside it.
        api: this controller's own API server.
    """

    root: Path
    node: Node
    instance: Instance
    found: Identity
    units: Units
    stop: threading.Event
    patience: Patience
    news: Callable[[], None]
    guards: Tuple[Callable[[Client], None], ...] = ()
    api: str = OWN_API


class ControlPlane:
    """One controller's control plane; `start` begins, `etcd_serves` lets it go on, `last` says how it is."""

    def __init__(self, around: Around, pace: Pace = Pace()) -> None:
        self._around = around
        self._pace = pace
        self._etcd = threading.Event()
        self._prepared = self._guarded = False
        self._runtime = upkeep.Upkeep(around.units, (CONTAINERD,), pace.failed)
        self._upkeep = upkeep.Upkeep(around.units, UNITS, pace.failed)
        self._away = upkeep.Away(pace.away)
        self._client: Optional[Client] = None
        self._configuration: Optional[configuration.Configuration] = None
        self._said = ("", "")
        self.last = Done("begin", "nothing was done yet", missing="Kubernetes was not begun")
        self._thread = threading.Thread(target=self._live, name="control-plane", daemon=True)

    def start(self) -> None:
        """Begin with what needs no etcd."""
        self._thread.start()

    def etcd_serves(self) -> None:
        """Go on: this controller's etcd answers linearizable reads."""
        self._etcd.set()

    def _live(self) -> None:
        while not self._around.stop.is_set():
            try:
                done = self._once()
            except StoppedError:
                return
            except StepFailed as failed:
                done = Done("failed", str(failed), missing=str(failed))
            except configuration.Wait as wait:
                done = Done("wait", str(wait), missing=str(wait))
            except (KubernetesError, BotoCoreError, ClientError, OSError) as error:
                done = Done("wait", str(error), missing=f"{STEP}: {error}")
            except Exception as error:  # noqa: BLE001  a thread that ended would say nothing to anybody
                traceback.print_exc()
                done = Done("failed", f"something went wrong that nobody foresaw: {error!r}", missing=f"{error!r}")
            self._tell(done)
            self._around.stop.wait(self._wait(done))

    def _wait(self, done: Done) -> float:
        return {"serve": self._pace.serving, "failed": self._pace.failed}.get(done.decision, self._pace.soon)

    def _tell(self, done: Done) -> None:
        changed = (done.decision, done.reason) != self._said
        self._said, self.last = (done.decision, done.reason), done
        if changed:
            say(done.decision, done.reason, step=STEP)
            self._around.news()

    def _once(self) -> Done:
        around = self._around
        if not self._prepared:
            self._prepare()
        if not self._etcd.wait(self._pace.soon):
            return Done("wait", "etcd does not serve yet", missing="etcd does not serve here yet")
        if not run.is_done(around.root):
            flaw = self._runtime.look()
            if flaw:
                # kubeadm would only say that nobody answers.
                return Done("failed", flaw, missing=flaw)
            say("kubeadm-init", run.ensure(around.root, "init"))
        disk.remove(around.root / SUPER_ADMIN)
        flaw = self._upkeep.look()
        if self._client is None:
            self._client = Client.from_kubeconfig(around.root / ADMIN, server=around.api)
            self._configuration = configuration.Configuration(around.root, self._client, around.found.instance)
        unready = upkeep.unready(self._client)
        away = self._away.passed(well=not unready)
        if unready:
            if away:
                # Its certificates may have ended while this node was off.
                self._guard(self._client)
            why = f"the API server of this controller is not ready: {unready}{f'; {flaw}' if flaw else ''}"
            return Done("failed" if away else "wait", why, missing=why)
        # Before the configuration: one that is refused must not keep nodes of this cluster from their certificates.
        self._guard(self._client)
        assert self._configuration
        told = self._configuration.ensure()
        if flaw:
            return Done("failed", flaw, missing=flaw)
        return Done("serve", f"the API server is ready; the configuration: {told}", settled=True)

    def _prepare(self) -> None:
        """Lay down what kubeadm and the units read, as often as it takes."""
        around = self._around
        for certificate, what, item in _AUTHORITIES:
            certificates.authority(around.root / certificate, what, item, time.time())
        here = instance.learn(around.root, around.instance, around.patience)
        documents.lay(around.root, here, ("init", "cluster", "kubelet"))
        hosts.name_api(around.root, f"api.{around.node.domain}", here.address)
        authenticator.lay(around.root, here.region, around.found.tags)
        # Not the kubelet: at a later boot it would start an API server before there is an etcd.
        for unit in (CONTAINERD, authenticator.UNIT):
            around.units.enable(unit)
        around.units.start(CONTAINERD)
        self._prepared = True

    def _guard(self, client: Client) -> None:
        """Start what looks after the cluster from this controller, once."""
        if self._guarded:
            return
        self._guarded = True
        for guard in self._around.guards:
            name = getattr(guard, "__name__", "guard")
            threading.Thread(target=self._stand, args=(guard, client), name=name, daemon=True).start()

    def _stand(self, guard: Callable[[Client], None], client: Client) -> None:
        """Let a guard go on, whatever happens to it; it ends when it is told to."""
        stop = self._around.stop
        while not stop.is_set():
            try:
                guard(client)
            except Exception as error:  # noqa: BLE001  a thread that ended would guard nothing any more
                traceback.print_exc()
                say("failed", f"something went wrong that nobody foresaw: {error!r}", step=STEP)
            stop.wait(self._pace.again)
