"""The control plane's own certificates: renewed before their last quarter, one controller at a time, and how long each lasts.

kubeadm issues them for a year and renews them only when asked. Kubelets renew theirs by themselves, etcd's are
`member.certificates`' to renew, and authorities are replaced by a person.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, List, Tuple

from agent.steps import StepFailed
from agent.units import Units
from botocore.exceptions import BotoCoreError, ClientError
from kubeadm.run import kubeadm, why
from member.certificates import in_last_quarter, lifetime

from kubecfn.etcd.journal import say
from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.kubernetes.leases import Lease

from . import authenticator

STEP = "renew-certificates"
_FOLDER = "etc/kubernetes"
_ISSUED = ("pki/apiserver.crt", "pki/apiserver-kubelet-client.crt", "pki/front-proxy-client.crt")
_KUBECONFIGS = ("admin.conf", "controller-manager.conf", "scheduler.conf")
# What is not kubeadm's to renew but ends as well.
_OTHERS = (
    "pki/ca.crt",
    "pki/front-proxy-ca.crt",
    "pki/etcd/ca.crt",
    "pki/etcd/server.crt",
    "pki/etcd/peer.crt",
    "pki/etcd/apiserver-client.crt",
)
_KUBELETS = "var/lib/kubelet/pki"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_CERTIFICATE = "client-certificate-data:"
# Longer than an API server takes to go, with its delay for the load balancer, and to come back.
_BACK = 180.0
EVERY = 3600.0


@dataclass(frozen=True)
class Life:
    """A certificate's. Times in seconds since 1970."""

    name: str
    begins: float
    ends: float
    ours: bool

    def due(self, now: float) -> bool:
        """Say whether kubeadm has to renew it."""
        return self.ours and in_last_quarter(self.begins, self.ends, now)


def lives(root: Path) -> Tuple[Life, ...]:
    """Return every certificate of this controller that is there, the one that ends first before the others.

    Raises:
        StepFailed: a file is no certificate.
    """
    folder, kubelets = root / _FOLDER, root / _KUBELETS
    pems = [(folder / name, name in _ISSUED) for name in (*_ISSUED, *_OTHERS)]
    pems += [(kubelets / name, False) for name in ("kubelet-client-current.pem", "kubelet-server-current.pem")]
    found = [Life(path.name, *lifetime(path.read_bytes()), ours=ours) for path, ours in pems if path.exists()]
    shown = [folder / name for name in _KUBECONFIGS]
    found += [Life(path.name, *lifetime(_shown(path)), ours=True) for path in shown if path.exists()]
    return tuple(sorted(found, key=lambda one: one.ends))


def _shown(kubeconfig: Path) -> bytes:
    """Return the certificate that a kubeconfig shows; kubeadm writes it into the file."""
    for line in kubeconfig.read_text(encoding="utf-8").splitlines():
        name, _, data = line.strip().partition(" ")
        if name == _CERTIFICATE:
            return base64.b64decode(data)
    raise StepFailed(STEP, f"{kubeconfig} holds no client certificate")


class Components:
    """The processes of the control plane's components, which run in containers and are this machine's all the same.

    Args:
        proc: where the kernel shows processes.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def running(self) -> Dict[int, str]:
        """Return the component's name by the process's id."""
        found: Dict[int, str] = {}
        for folder in self._proc.glob("[0-9]*"):
            try:
                told = (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended
            program = told.split(b"\0", 1)[0].decode(errors="replace").rsplit("/", 1)[-1]
            if program in PROGRAMS:
                found[int(folder.name)] = program
        return found

    def end(self, process: int) -> None:
        """Ask it to end; the kubelet starts another."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)


class Renewal:
    """This controller's certificates.

    Args:
        root: what stands for ``/``.
        client: of this controller's own API server.
        me: this instance.
        units: to restart the authenticator, which shows the API server's certificate.
        components: what reads certificates when it starts.
        clock: has ``time``, ``monotonic`` and ``sleep``.
    """

    def __init__(  # noqa: PLR0917  all that it renews with
        self, root: Path, client: Client, me: str, units: Units, components: Components, clock: Any = time
    ) -> None:
        self._root, self._client, self._units, self._clock = root, client, units, clock
        self._components = components
        self._lease = Lease(client, "kube-system", "kubecfn-renewal", me, seconds=int(2 * _BACK), clock=clock)

    def look(self) -> Tuple[Tuple[Life, ...], str]:
        """Renew what is due, if no other controller is renewing; return every certificate, and what was done.

        Raises:
            StepFailed: kubeadm refuses, or the API server does not come back.
            KubernetesError: the API server does not answer.
        """
        now = self._clock.time()
        found = [one for one in lives(self._root) if one.due(now)]
        due = [one.name for one in found]
        if not due:
            return lives(self._root), ""
        # With a certificate that has ended there is nobody here to ask, and nothing that others would miss.
        if all(one.ends > now for one in found) and not self._lease.acquire():
            return lives(self._root), "another controller renews its certificates"
        self._renew()
        self._await(self._restart())
        # Where that failed the others wait until the lease ends by itself: this one may not be whole.
        with contextlib.suppress(KubernetesError):
            self._lease.release()
        return lives(self._root), f"renewed, because of {', '.join(due)}"

    def lives(self) -> Tuple[Life, ...]:
        """Return every certificate, the one that ends first before the others.

        Raises:
            StepFailed: a file is no certificate.
        """
        return lives(self._root)

    def _renew(self) -> None:
        done = kubeadm(self._root, ["certs", "renew", "all"], STEP)
        if done.returncode:
            raise StepFailed(STEP, why(done.stderr) or f"kubeadm ended with {done.returncode}")

    def _restart(self) -> FrozenSet[int]:
        """End the components, which the kubelet starts again; return their processes."""
        ended = frozenset(self._components.running())
        for process in ended:
            self._components.end(process)
        self._units.stop(authenticator.UNIT)
        self._units.start(authenticator.UNIT)
        return ended

    def _await(self, ended: FrozenSet[int]) -> None:
        """Wait until other processes of all components run, and the API server is ready."""
        end = self._clock.monotonic() + _BACK
        while True:
            new = {name for process, name in self._components.running().items() if process not in ended}
            if new >= set(PROGRAMS) and self._client.ready():
                return
            if self._clock.monotonic() >= end:
                missing = ", ".join(sorted(set(PROGRAMS) - new)) or "the API server's /readyz"
                raise StepFailed(STEP, f"after new certificates this did not come back in {_BACK:.0f} s: {missing}")
            self._clock.sleep(1.0)


def look_after(
    renewal: Renewal, publish: Callable[[Tuple[Life, ...]], None], outcry: Callable[[StepFailed], None], stop: Any
) -> None:
    """Look every hour, and publish what was found, until told to stop.

    Args:
        renewal: of this controller's certificates.
        publish: is told every certificate.
        outcry: is told what a person might have to mend.
        stop: an event.
    """
    while True:
        # What could not be renewed is published all the more: that is when somebody has to look.
        for act in (lambda: _renewed(renewal), lambda: publish(renewal.lives())):
            try:
                act()
            except StepFailed as failed:
                say("no-certificates", str(failed))
                outcry(failed)
            except (KubernetesError, BotoCoreError, ClientError, OSError) as error:
                say("no-certificates", str(error))
        if stop.wait(EVERY):
            return


def _renewed(renewal: Renewal) -> None:
    told = renewal.look()[1]
    if told:
        say(STEP, told)


def metrics(cluster: str, found: Tuple[Life, ...], now: float) -> List[Dict[str, Any]]:
    """Return what CloudWatch is told: how many days the certificate lasts that ends first."""
    if not found:
        return []
    days = (found[0].ends - now) / 86400
    dimensions = [{"Name": "Cluster", "Value": cluster}]
    return [{"MetricName": "CertificateDaysLeft", "Value": days, "Unit": "None", "Dimensions": dimensions}]
