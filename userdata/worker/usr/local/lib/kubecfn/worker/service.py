"""A worker as the agent runs it: it joins by its instance role, signals when its node is ready, and says when it is not."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import Callable, Optional, Tuple

from agent import disk, units
from agent.node import Instance, Node
from agent.nodelog import NodeLog
from agent.patience import Patience, StoppedError
from agent.steps import StepFailed
from agent.units import CONTAINERD, KUBELET
from botocore.exceptions import BotoCoreError, ClientError
from kubeadm import documents, instance, run, upkeep

from kubecfn.etcd.journal import say
from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.node.here import Here

KUBECONFIG = "etc/kubernetes/kubelet.conf"
# Written by kubeadm while it joins; whoever joined does not need it.
BOOTSTRAP = "etc/kubernetes/bootstrap-kubelet.conf"
# How long it tries to join, and then to be ready, before its stack is told; it goes on after that.
PATIENCE = 10 * 60.0


@dataclass(frozen=True)
class Pace:
    """How long to wait, in seconds: for what comes soon, between looks at the API, before kubeadm is run again, between looks later.

    `outcry`: for so long a node that was ready and is not may be the network's, or an upgrade's.
    """

    soon: float = 0.2
    ready: float = 0.5
    again: float = 3.0
    look: float = 20.0
    outcry: float = 120.0


class Service:
    """A worker.

    Args:
        node: what the bundle says.
        instance: how this instance speaks to AWS.
        stop: set when the agent has to end.
        log: where a person reads why it is not ready later.
        runs: what runs units; systemd by default.
        pace: how long it waits.
    """

    def __init__(  # noqa: PLR0917  all that a worker is made of
        self,
        node: Node,
        instance: Instance,
        stop: threading.Event,
        log: NodeLog,
        runs: Optional[units.Units] = None,
        pace: Pace = Pace(),
    ) -> None:
        self._node = node
        self._instance = instance
        self._stop = stop
        self._log = log
        self._units = runs or units.units(node.root)
        self._pace = pace
        self._upkeep = upkeep.Upkeep(self._units, (CONTAINERD, KUBELET), pace.again)
        self._client: Optional[Client] = None
        self._patience = float(os.environ.get("KUBECFN_SETTLE_PATIENCE", PATIENCE))
        self._here: Optional[Here] = None

    @property
    def steps(self) -> Tuple[Tuple[str, Callable[[Node], str]], ...]:
        """The steps of the boot, in their order."""
        return (
            (instance.STEP, self._learn),
            ("containerd", self._contain),
            ("kubeadm-join", self._join),
            ("node-ready", self._ready),
        )

    def stay(self) -> None:
        """Go on until told to stop; a node that stops being ready is said to be so."""
        away = upkeep.Away(self._pace.outcry)
        while not self._stop.wait(self._pace.look):
            flaw = self._trouble()
            long = away.passed(well=not flaw)
            try:
                if long:
                    self._log.trouble(StepFailed("node-ready", flaw))
                elif not flaw:
                    self._log.well()
            except (BotoCoreError, ClientError, OSError) as error:
                say("no-log", f"the log group did not take it: {error}")

    def close(self) -> None:
        """The agent ends; systemd keeps what it runs."""

    def _learn(self, node: Node) -> str:
        patience = Patience(float(os.environ.get("KUBECFN_PATIENCE", "120")), self._stop)
        self._here = instance.learn(node.root, self._instance, patience)
        return documents.lay(node.root, self._here, ("join",))

    def _run(self, unit: str) -> str:
        self._units.enable(unit)
        if not self._units.state(unit).running:
            self._units.start(unit)
        return f"{unit} was started"

    def _contain(self, _node: Node) -> str:
        """Start the runtime and wait until it says that it is ready: kubeadm asks it first of all."""
        self._run(CONTAINERD)

        runtime = upkeep.Upkeep(self._units, (CONTAINERD,), self._pace.again)

        def active() -> str:
            flaw = runtime.look()
            state = self._units.state(CONTAINERD)
            if state.active != "active":
                raise StepFailed("containerd", flaw or f"{CONTAINERD} is {state.active} ({state.result})")
            return f"{CONTAINERD} is ready"

        return self._until(active)

    def _join(self, node: Node) -> str:
        """Join, however often that takes: the control plane may only just be starting."""
        told = self._until(self._joined)
        disk.remove(node.root / BOOTSTRAP)
        self._run(KUBELET)
        return told

    def _joined(self) -> str:
        root = self._node.root
        if not run.is_done(root) and (root / KUBECONFIG).exists() and not self._flaw():
            # A kubeadm that was cut off had come so far, and no other would ever join: it refuses a name whose node is
            # ready (kubeadm, cmd/phases/join/kubelet.go).
            run.keep_done(root, "join")
            return "had joined when it was cut off"
        return run.ensure(root, "join")

    def _ready(self, _node: Node) -> str:
        def ready() -> str:
            flaw = self._trouble()
            if flaw:
                raise StepFailed("node-ready", flaw)
            return f"the node {self._instance.id} is ready"

        return self._until(ready)

    def _until(self, attempt: Callable[[], str]) -> str:
        end = time.monotonic() + self._patience
        said = ""
        while True:
            try:
                return attempt()
            except StepFailed as failed:
                if time.monotonic() >= end:
                    raise
                if str(failed) != said:
                    said = str(failed)
                    say("wait", failed.reason, step=failed.step)
                pauses = {"kubeadm-join": self._pace.again, "node-ready": self._pace.ready}
                pause = pauses.get(failed.step, self._pace.soon)
            if self._stop.wait(pause):
                raise StoppedError

    def _trouble(self) -> str:
        """Start what does not run; return why this node is not ready, with the unit that may be why; empty when it is."""
        try:
            unit = self._upkeep.look()
        except StepFailed as failed:
            unit = failed.reason
        flaw = self._flaw()
        return f"{flaw}; {unit}" if flaw and unit else flaw

    def _flaw(self) -> str:
        """Return why this node is not ready, as the API server has it; empty when it is."""
        try:
            self._client = self._client or Client.from_kubeconfig(self._node.root / KUBECONFIG)
            node = self._client.get(f"/api/v1/nodes/{self._instance.id}")
        except (KubernetesError, OSError, ValueError) as error:
            return f"the node {self._instance.id} cannot be read: {error}"
        conditions = {one["type"]: one for one in node.get("status", {}).get("conditions", ())}
        ready = conditions.get("Ready", {})
        if ready.get("status") == "True":
            return ""
        return f"the node {self._instance.id} is not ready: {ready.get('message') or 'it has said nothing yet'}"
