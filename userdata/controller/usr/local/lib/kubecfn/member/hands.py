"""What is done to this node's etcd once it is decided. Every method can be killed anywhere and called again.

1. The marker of an epoch is on the disk before data of that epoch can be.
2. Data is never written over: founding, joining and restoring begin where there is none, or go on with their own.
3. --force-new-cluster is in the configuration only while `survive` runs: whatever starts etcd later starts it without.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Callable, Optional, Tuple

from agent.patience import StoppedError
from agent.steps import StepFailed
from agent.units import Units

from kubecfn.etcd.client import Client, EtcdError
from kubecfn.etcd.journal import say

from . import autopsy, comes_up, quiet, settings, tools
from .data import Data
from .settings import Begin, Me

UNIT = "etcd.service"
SAVED = "var/lib/kubecfn"
_POLL = 0.05

# Keeps a verified snapshot of this epoch and revision elsewhere; returns where, or raises nothing and returns "".
Keep = Callable[[Path, int, int], str]


class EtcdHands:
    """This node's etcd.

    Args:
        root: what stands for ``/``.
        me: which member this node is.
        runs: what runs units.
        ask: makes a client of the member at an address.
        keep: brings a survivor's snapshot to the bucket when that is possible.
        stop: set when the agent has to end.
        patience: seconds for which a survivor's etcd may take to answer.
        written: seconds after which its database has whatever it applied.
    """

    def __init__(
        self,
        root: Path,
        me: Me,
        runs: Units,
        ask: Callable[[str], Client],
        *,
        keep: Optional[Keep] = None,
        stop: Optional[threading.Event] = None,
        patience: float = 120.0,
        written: float = 0.5,
    ) -> None:
        self._root = root
        self._me = me
        self._units = runs
        self._ask = ask
        self._keep = keep
        self._stop = stop or threading.Event()
        self._patience = patience
        self._written = written
        self._data = Data(root)

    def data_epoch(self) -> int:
        """Return the epoch of the data here, 0 for none.

        Raises:
            StepFailed: there is data, and nothing says of which epoch.
        """
        return self._data.epoch()

    def running(self) -> bool:
        """Say whether etcd runs, or will without anyone's doing and to some use."""
        return self._units.state(UNIT).running and not self.ended()

    def ended(self) -> str:
        """Return why etcd does not run, its kind first (see `autopsy`); empty when it runs or was told to end.

        One that was removed is not waited for until systemd has tried often enough: it exits with 0 or with 1,
        whichever of its parts ends first (measured).
        """
        state = self._units.state(UNIT)
        if state.running and not state.again:
            return ""
        why = autopsy.why(state, self._units.log(UNIT, autopsy.LINES))
        return "" if state.again and why.startswith("failed") else why

    def resume(self) -> None:
        """Start etcd on the data that is here.

        Raises:
            StepFailed: there is none, or etcd cannot be started.
        """
        if not self._data.epoch():
            raise StepFailed("resume", f"there is no data in {self._data.folder} to start on")
        self._start(Begin(self._me.alone))

    def found(self, epoch: int, token: str) -> None:
        """Start an empty cluster of one.

        Raises:
            StepFailed: there is data of another epoch, too little room, or etcd cannot be started.
        """
        self._begin(epoch, "found", Begin(self._me.alone, "new", token))

    def join(self, epoch: int, initial_cluster: str) -> None:
        """Start as the learner that was added.

        Args:
            epoch: of the cluster that answers.
            initial_cluster: ``NAME=URL`` of every member and this one, joined by commas.

        Raises:
            StepFailed: there is data of another epoch, too little room, or etcd cannot be started.
        """
        if self._begin(epoch, "join", Begin(initial_cluster)):
            comes_up.await_ready(
                ready=lambda: self._units.state(UNIT).active == "active",
                ended=lambda: bool(self.ended()),
                applied=lambda: quiet.applied(self._me),
                again=self._again,
                wait=self._stop.wait,
            )

    def restore(self, epoch: int, token: str, snapshot: Path) -> None:
        """Start a cluster of one from a snapshot, its revisions far above all that were ever given out.

        Raises:
            StepFailed: the snapshot is damaged, there is data of another epoch, too little room, or etcd cannot be
                started.
        """
        if self._begun(epoch, "restore"):
            return
        self._units.stop(UNIT)
        self._data.clear()
        self._data.need(snapshot.stat().st_size, "to restore")
        try:
            tools.restore(self._root, self._me, snapshot, self._data.coming, token)
        except StepFailed:
            self._data.clear()
            raise
        self._data.mark(epoch, "restore", snapshot=snapshot.name)
        self._data.take()
        self._start(Begin(self._me.alone))

    def survive(self, epoch: int) -> None:
        """Go on alone with what is here, once it is saved: for when quorum is gone for good.

        Returns when this member serves by itself and nothing would make it drop other members again.

        Raises:
            StepFailed: there is no data, it cannot be saved, or etcd does not come to serve.
            StoppedError: the agent has to end.
        """
        before = self._data.epoch()
        if not before:
            raise StepFailed("survive", f"there is no data in {self._data.folder} to go on with")
        marker = self._data.marker()
        if (marker["epoch"], marker.get("forced")) == (epoch, True):
            self.resume()
            return
        # What an attempt that was cut off had saved was saved before anything was forced: it stays.
        begun = marker["epoch"] == epoch and "from" in marker
        of = int(marker["from"]) if begun else before
        # Without a quorum etcd takes seconds to end by itself. What it acknowledged is on the disk; that it may vote, and
        # what else it applied last, is in its database after a tenth of a second (etcd: backend-batch-interval).
        self._stop.wait(self._written)
        self._units.stop(UNIT, hard=True)
        self._save(of, anew=not begun)
        self._data.mark(epoch, "survive", **{"from": of})
        try:
            self._start(Begin(self._me.alone, force=True))
            self._await("survive", lambda: self._client().linearizable())
            others = [one.name or one.id for one in self._client().members() if one.peer_urls != (self._me.peer_url,)]
            if others:
                raise StepFailed("survive", f"etcd was forced to go on alone and still lists {', '.join(others)}")
            self._data.mark(epoch, "survive", **{"from": of, "forced": True})
        finally:
            settings.write(self._me, self._root, Begin(self._me.alone))

    def ask_to_vote(self) -> None:
        """Remember, before this learner is promoted, that its data may be a voter's from now on.

        Killed right after its promotion, a member may not know of it when it starts again (measured).
        """
        marker = self._data.marker()
        if not marker.get("voting"):
            self._data.mark(**{**marker, "voting": True})

    def may_vote(self) -> bool:
        """Say whether this member is or may be a voter, whatever it says of itself."""
        marker = self._data.marker()
        return marker["way"] != "join" or bool(marker.get("voting"))

    def stop(self) -> None:
        """Hand leadership on if this member has it, then stop etcd."""
        if self.running():
            try:
                self._hand_on()
            except EtcdError as error:
                say("stop-etcd", f"leadership was not handed on: {error}")
        self._units.stop(UNIT)

    def wipe(self) -> None:
        """Stop etcd and remove its data."""
        self._units.stop(UNIT)
        self._data.wipe()

    def aside(self) -> None:
        """Stop etcd and set its data aside, whole, beside what was set aside before."""
        self._units.stop(UNIT)
        self._data.aside()

    def discard(self) -> None:
        """Remove whatever was set aside; a cluster serves without it."""
        self._data.discard()

    def verify(self, snapshot: Path) -> Tuple[int, int]:
        """Return a snapshot's revision and hash.

        Raises:
            StepFailed: it is damaged.
        """
        return tools.verify(self._root, snapshot)

    def close(self) -> None:
        """The agent ends: where there is no systemd, etcd ends with it."""
        self._units.close()

    def _begin(self, epoch: int, way: str, begin: Begin) -> bool:
        """Start etcd where there is no data, unless it is already at making it: not a file is touched below it then.

        Returns whether it was started.
        """
        if self._begun(epoch, way):
            return False
        if self.running() and settings.is_there(self._me, self._root, begin):
            return False
        self._units.stop(UNIT)
        self._data.need(0, f"to {way}")
        self._data.clear()
        self._data.mark(epoch, way)
        self._start(begin)
        return True

    def _again(self) -> None:
        self._units.stop(UNIT)
        self.resume()

    def _begun(self, epoch: int, way: str) -> bool:
        """Go on with what was begun, when there is data of this epoch; there must not be any other."""
        have = self._data.epoch()
        if have and have != epoch:
            raise StepFailed(way, f"there is data of epoch {have} in {self._data.folder}: it is never written over")
        if have:
            self.resume()
        return bool(have)

    def _start(self, begin: Begin) -> None:
        settings.write(self._me, self._root, begin)
        self._units.start(UNIT)

    def _save(self, epoch: int, *, anew: bool) -> None:
        """Keep what this member has: on this disk always, in the bucket when possible."""
        target = self._root / SAVED / f"survivor-of-{epoch}.db"
        if anew or not target.exists():
            store = self._data.store
            self._data.need(store.stat().st_size, "to save what is here")
            target.parent.mkdir(parents=True, exist_ok=True)
            tools.as_snapshot(store, target)
        revision, _ = self.verify(target)
        kept = self._keep(target, epoch, revision) if self._keep else ""
        say("saved", f"this is what went on: {kept or 'on this disk only'}", path=str(target), revision=revision)

    def _await(self, step: str, act: "Callable[[], object]") -> None:
        """Do what etcd has to answer, again until it does."""
        end = time.monotonic() + self._patience
        while True:
            try:
                act()
            except EtcdError as error:
                ended = self.ended()
                if ended or time.monotonic() > end:
                    raise StepFailed(step, ended or f"etcd does not answer: {error}") from error
            else:
                return
            if self._stop.wait(_POLL):
                raise StoppedError

    def _client(self) -> Client:
        return self._ask(self._me.address)

    def _hand_on(self) -> None:
        status = self._client().status()
        if status.leader != status.member:
            return
        for one in self._client().any_members():
            if one.id == status.member or one.learner or not one.client_urls:
                continue
            try:
                self._ask(_host(one.client_urls[0])).linearizable()
                self._client().move_leader(one.id)
            except EtcdError as error:
                say("move-leader", f"not to {one.name}: {error}")
            else:
                say("move-leader", f"this node goes down; {one.name} leads", to=one.id)
                return


def _host(url: str) -> str:
    return url.split("//", 1)[-1].rsplit(":", 1)[0]
