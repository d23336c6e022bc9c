"""The member as the agent runs it: the steps of a controller's boot, then its duty for as long as the node lives."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple

import boto3
from agent import units
from agent.boot import has_kubernetes
from agent.node import Instance, Node
from agent.nodelog import CALLS, NodeLog
from agent.patience import Patience, StoppedError
from agent.steps import StepFailed

from kubecfn.etcd.client import Client, tls
from kubecfn.etcd.journal import say
from kubecfn.etcd.look import Look, Silence, look
from kubecfn.etcd.places import Fleet
from kubecfn.etcd.store import Store, Stored

from . import certificates, identity
from .backups import Backups
from .hands import SAVED, EtcdHands
from .loop import Done, Loop, Place, World
from .outcry import Fail, Gate, Outcry
from .quiet import Own
from .settings import PKI, Me
from .survivors import Copies

if TYPE_CHECKING:
    from controlplane.service import ControlPlane

_DAY = 24 * 3600.0
# Peers that do not trust this member say so to etcd alone: while it does not serve, its certificates may be why.
_SOON = 20.0
# How soon news of another thread's is noticed, in seconds.
_SLICE = 0.25
# What this node does after its boot.
STEP = "serve"


class WallClock:
    """Time as it is, and waiting that a stop ends, and news of another thread's."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.news = threading.Event()

    def now(self) -> datetime:
        """Return the time of day."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait until the time is over or there is news; True when told to stop."""
        end = self.monotonic() + seconds
        while not self._stop.wait(max(0.0, min(_SLICE, end - self.monotonic()))):
            if self.news.is_set() or self.monotonic() >= end:
                self.news.clear()
                return False
        return True


class Service:
    """A controller.

    Args:
        node: what the bundle says.
        instance: how this instance speaks to AWS.
        stop: set when the agent has to end.
        fail: tells the stack why this node is not healthy, once; the loop goes on all the same.
        log: where a person reads why it is not healthy later.
        patience: seconds until the stack is told what a settled cluster lacks.
    """

    def __init__(  # noqa: PLR0917  all that a controller is made of
        self, node: Node, instance: Instance, stop: threading.Event, fail: Fail, log: NodeLog, patience: float
    ) -> None:
        self._node = node
        self._instance = instance
        self._stop = stop
        self._fail = fail
        self._clock = WallClock(stop)
        self._gate = Gate(fail, self._clock.monotonic, patience)
        self._outcry = Outcry(log, self._clock.monotonic)
        self._certified = ""
        self._looked: Optional[float] = None
        self._me: Optional[Me] = None
        self._hands: Optional[EtcdHands] = None
        self._loop: Optional[Loop] = None
        self._control: Optional[ControlPlane] = None

    @property
    def steps(self) -> Tuple[Tuple[str, Callable[[Node], str]], ...]:
        """The steps of the boot, in their order."""
        settled = partial(self._until, "settled", lambda done: self._whole(done).settled)
        return (
            (identity.STEP, self._learn),
            (certificates.STEP, self._certify),
            ("etcd", partial(self._until, "etcd", _is_up)),
            *((("kubernetes", self._begin_kubernetes),) if has_kubernetes(self._node.root) else ()),
            ("settled", settled),
        )

    def stay(self) -> None:
        """Go on until told to stop: serve, back up, heal, renew certificates."""
        assert self._loop
        self._loop.run(self._goes_on)

    def _goes_on(self, done: Done) -> bool:
        """Look at a round after the boot; it is never the last."""
        whole = self._whole(done)
        self._outcry.passed(STEP, whole, well=whole.serves)
        self._look_at_certificates(done)
        return False

    def close(self) -> None:
        """The agent ends. Under systemd etcd goes on, and hands leadership on by itself when the node goes down."""
        if self._hands:
            self._hands.close()

    def _learn(self, node: Node) -> str:
        patience = Patience(float(os.environ.get("KUBECFN_PATIENCE", "120")), self._stop)
        found = identity.learn(node.root, self._instance.id, self._client("ec2"), patience)
        self._me = Me(found.instance, found.address, node.domain, node.etcd)
        self._loop = self._made(node, found, self._me)
        if has_kubernetes(node.root):
            self._control = self._beside(node, found, patience)
            self._control.start()
        return f"{found.address} in {found.group}, whose backups lie in {found.bucket}"

    def _certify(self, node: Node) -> str:
        assert self._me
        return certificates.ensure(node.root, self._me)

    def _look_at_certificates(self, done: Done) -> None:
        """Renew what has to be renewed, every day, and soon while this member does not serve."""
        now = self._clock.monotonic()
        self._looked = now if self._looked is None else self._looked
        if now - self._looked <= (_DAY if done.serves else _SOON):
            return
        self._looked = now
        try:
            told = self._certify(self._node)
            if told != self._certified:
                say("certificates", told)
            self._certified = told
        except (StepFailed, OSError) as error:
            say("no-certificates", str(error))

    def _begin_kubernetes(self, _node: Node) -> str:
        """Let the control plane go on; that the whole is settled is waited for at once, in the same rounds."""
        assert self._control
        self._control.etcd_serves()
        return "this controller's etcd serves it"

    def _whole(self, done: Done) -> Done:
        """Return what etcd and Kubernetes came to together: what is not well stands before what is."""
        return self._control.last if self._control and done.settled and not self._control.last.settled else done

    def _until(self, step: str, wanted: Callable[[Done], bool], _node: Node) -> str:
        assert self._loop

        def there(done: Done) -> bool:
            whole = self._whole(done) if step != "etcd" else done
            self._gate.passed(step, whole)
            # Nothing new when the gate has only just told it: the line was written before the signal.
            self._outcry.passed(step, whole, well=whole.settled)
            self._look_at_certificates(done)
            return wanted(done)

        if not self._loop.run(there):
            raise StoppedError
        return self._loop.last.reason

    def _beside(self, node: Node, found: identity.Identity, patience: Patience) -> "ControlPlane":
        from controlplane.beside import control_plane  # noqa: PLC0415  where etcd is alone nothing of it is needed

        clock = self._clock
        return control_plane(
            node, self._instance, found, self._client, self._stop, patience, clock.news.set, self._outcry.told
        )

    def _client(self, service: Any) -> Any:
        return boto3.client(service, region_name=self._instance.region, config=CALLS)

    def _made(self, node: Node, found: identity.Identity, me: Me) -> Loop:
        root, clock = node.root, self._clock
        folder = root / SAVED
        ask = partial(_ask, root)
        store = Store(self._client("s3"), found.bucket, node.cluster, clock=clock.now, address=found.address)
        hands = EtcdHands(
            root,
            me,
            units.units(root),
            ask,
            keep=lambda path, epoch, revision: backups.keep(path, epoch, revision),  # noqa: PLW0108  made below
            stop=self._stop,
        )
        backups = Backups(
            me,
            store,
            ask,
            hands,
            folder=folder,
            every=float(node.backup_every),
            clock=clock,
        )
        silence = Silence(clock.monotonic)
        world = World(
            hands=hands,
            store=store,
            fleet=Fleet(self._client("autoscaling"), self._client("ec2"), found.group),
            look_at=lambda group: look(group, _asking(root), silence),
            ask=ask,
            own=lambda: Own(ask(me.address), me, _shown(root, "peer")),  # type: ignore[return-value]
            clock=clock,
        )
        self._hands = hands
        copies = Copies(store, folder, float(node.backup_every), clock.monotonic)

        def duty(seen: Look, stored: Stored) -> None:
            backups.duty(seen, stored)
            copies.duty(stored)

        return Loop(Place(me.name, me.address, me.peer_url, folder), world, duty=duty)


def _is_up(done: Done) -> bool:
    """Say whether etcd here serves, or has just acknowledged the first write of a cluster that it made."""
    return done.serves or (done.decision == "establish" and not done.missing)


def _shown(root: Path, name: str) -> Any:
    """Return what trusts etcd's authority and shows one of this node's certificates, as they are now."""
    folder = root / PKI
    return tls(folder / "ca.crt", folder / f"{name}.crt", folder / f"{name}.key")


def _asking(root: Path) -> Callable[[str], Client]:
    """Return what makes clients: the certificate is read once for all of them."""
    shown = _shown(root, certificates.CLIENT)
    return lambda address: Client(address, shown)


def _ask(root: Path, address: str) -> Client:
    return _asking(root)(address)
