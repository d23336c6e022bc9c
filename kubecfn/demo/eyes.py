"""How the demo sees etcd: a client that writes all the time, a look at every member, and what the controllers say."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from kubecfn import pki
from kubecfn.errors import KubecfnError
from kubecfn.etcd import places
from kubecfn.etcd.client import Client, tls
from kubecfn.etcd.look import Silence, look
from kubecfn.etcd.quorum import settled
from kubecfn.etcd.view import Machine, Say
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.rehearsal.live import Screen, last_decision
from kubecfn.rehearsal.record import Operation, Phase, Recorder, Run
from kubecfn.rehearsal.watch import Seen, Watcher
from kubecfn.rehearsal.writer import Checked, Writer

TITLE = "kubecfn demo: the life of an etcd cluster"
# So long, in real seconds, the demo waits for what a cluster does by itself. A dead voter alone is left in peace for 20.
PATIENCE = 180.0
_LOOK_EVERY = 0.1
_TIMEOUT = 1.5
_SERVING = (Phase.LEARNER, Phase.VOTER, Phase.LEADER, Phase.LEAVING)


class Consoles(Protocol):
    """What is asked of the machines."""

    def console(self, instance_id: str) -> bytes:
        """What an instance wrote so far."""


class Eyes:
    """Watches from the moment it is made, writes once there is somebody to write to, until `close`.

    Args:
        cloud: the account.
        machines: what runs its instances.
        keys: the folder with the cluster's authorities and client certificates.
        group: name of the controllers' group.
        every: real seconds between two looks; each asks EC2 and every member.
    """

    def __init__(
        self, cloud: EmbeddedAws, machines: Consoles, keys: Path, group: str, every: float = _LOOK_EVERY
    ) -> None:
        self._machines = machines
        self._tls = _identity(keys)
        self._fleet = places.Fleet(cloud.client("autoscaling"), cloud.client("ec2"), group)
        self._silence = Silence(time.monotonic)
        self.recorder = Recorder(TITLE, time.monotonic)
        self.watcher = Watcher(self._look, self.recorder, every=every)
        self.writer = Writer(self._addresses, self._client, self.recorder.now)
        self._founding = threading.Thread(target=self._see_founding, name="founding", daemon=True)
        self._failure: KubecfnError | None = None
        self.watcher.__enter__()
        self._founding.start()

    def close(self) -> None:
        """Stop writing and watching."""
        self.writer.stop()
        self.watcher.__exit__()

    def founded(self) -> None:
        """Wait until the cluster was founded and has grown.

        Raises:
            KubecfnError: it did not come to that.
        """
        self._founding.join()
        if self._failure:
            raise self._failure

    def voters(self) -> frozenset[str]:
        """Return the instances that vote, as was last seen."""
        return frozenset(one for one, phase in self.watcher.phases.items() if phase in {Phase.VOTER, Phase.LEADER})

    def leader(self) -> str:
        """Return the leader's instance, as was last seen; empty when there is none."""
        return next((one for one, phase in self.watcher.phases.items() if phase is Phase.LEADER), "")

    def wait_until(self, what: str, holds: Callable[[Seen], bool]) -> None:
        """Wait until a look says so that began after now: the last one may be from before what was just done.

        Raises:
            KubecfnError: it does not come to that.
        """
        end = time.monotonic() + PATIENCE
        last, looks = self.watcher.latest, 0
        while True:
            seen = self.watcher.latest
            if seen is not last:
                last, looks = seen, looks + 1
            # The first to end may have begun before.
            if seen and looks > 1 and not self.watcher.failure and holds(seen):
                return
            if time.monotonic() > end:
                raise KubecfnError(f"{what}: it did not come to that within {PATIENCE:.0f} s.", remedy=self._said(seen))
            time.sleep(_LOOK_EVERY)

    def wait_until_settled(self, *, without: frozenset[str] = frozenset()) -> None:
        """Wait until the voters are exactly the group's instances, all healthy, and none of those that died.

        Raises:
            KubecfnError: it does not come to that.
        """

        def holds(seen: Seen) -> bool:
            group, view = seen
            return settled(view.cluster).say is Say.YES and not without & set(group.expected)

        self.wait_until("The cluster settles", holds)

    def check(self, restored_from: tuple[int, ...]) -> Checked:
        """Stop writing, read everything back and compare."""
        self.writer.stop()
        return self.writer.check(restored_from)

    def run(self, facts: tuple[tuple[str, str], ...] = ()) -> Run:
        """Return what was recorded so far."""
        return self.recorder.run(self.writer.writes, facts)

    def screen(self) -> Screen:
        """Return what there is to see now."""
        current: Operation | None = self.recorder.current()
        seen = self.watcher.latest
        statuses = seen[1].statuses if seen else {}
        return Screen(
            title=TITLE,
            operation=current.name if current else "",
            since=self.recorder.now() - current.begun if current else 0.0,
            phases=dict(self.watcher.phases),
            details={one: f"revision {status.revision:,}" for one, status in statuses.items()},
            numbers=self.writer.numbers(),
            decision=self._last_decision(),
        )

    def consoles(self) -> Iterator[tuple[str, str]]:
        """Yield what each controller that was seen wrote, by its id."""
        for instance in dict.fromkeys(change.instance for change in self.run().changes):
            yield instance, self._machines.console(instance).decode(errors="replace")

    def _look(self) -> Seen:
        group = self._fleet.group()
        return group, look(group, lambda address: self._client(address, _TIMEOUT), self._silence)

    def _client(self, address: str, timeout: float) -> Client:
        return Client(address, self._tls, timeout=timeout)

    def _addresses(self) -> list[str]:
        """Return whom to write to: whoever served when last looked at, then whoever else is there."""
        seen = self.watcher.latest
        if not seen:
            return []
        alive = [place for place in seen[0].places if place.address and place.machine is not Machine.TERMINATED]
        phases = self.watcher.phases
        return [place.address for place in alive if phases.get(place.instance) in _SERVING]

    def _see_founding(self) -> None:
        try:
            self.wait_until("A first controller appears", lambda seen: bool(seen[0].places))
            with self.recorder.operation("found", "found"):
                self.wait_until("A first member serves", lambda seen: seen[1].cluster.linearizable)
            self.writer.__enter__()
            with self.recorder.operation("grow", "grow"):
                self.wait_until_settled()
        except KubecfnError as error:
            self._failure = error

    def _last_decision(self) -> str:
        newest = [text.splitlines()[-20:] for _, text in self.consoles()]
        return last_decision(line for lines in newest for line in lines)

    def _said(self, seen: Seen | None) -> str:
        """Return what was seen instead, for a person who has to find out why."""
        if not seen:
            return f"Nothing was seen: {self.watcher.failure or 'there is no group'}. Please report it."
        return f"{settled(seen[1].cluster).reason}; {self._last_decision()}. Please report it."


@contextmanager
def eyes(cloud: EmbeddedAws, machines: Consoles, keys: Path, group: str, every: float = _LOOK_EVERY) -> Iterator[Eyes]:
    """Watch until the end of the `with`."""
    opened = Eyes(cloud, machines, keys, group, every)
    try:
        yield opened
    finally:
        opened.close()


def _identity(keys: Path) -> ssl.SSLContext:
    """Return the functions' identity: on this machine their certificate is there, and etcd is on loopback."""
    pki.lambda_client(keys)  # refuses what is missing, not sound or has ended
    folder = keys / "etcd"
    return tls(folder / "ca.crt", folder / "lambda-client.crt", folder / "lambda-client.key")
