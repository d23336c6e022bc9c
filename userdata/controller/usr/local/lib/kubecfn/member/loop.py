"""The one loop of a controller's member: look at everything, decide by the rules, do one thing, say why, look again.

It is told nothing and remembers next to nothing: whatever was cut off, by a crash of this program, of the node or of
AWS, is found as it lies and gone on with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from agent.steps import StepFailed

from kubecfn.etcd import quorum, starting
from kubecfn.etcd.gateway import EtcdError
from kubecfn.etcd.journal import say
from kubecfn.etcd.store import Stored
from kubecfn.etcd.view import Boot, Decision, Epoch, Heard, Known, Machine, Member, Say, Start

from . import claims, joining, restoring, sight
from .seams import Ask, Clock, Duty, Fleet, Hands, LookAt, Peer, Store
from .sight import Sight

ESTABLISHED = b"kubecfn/established"


@dataclass(frozen=True)
class Pace:
    """How long the loop waits, in seconds.

    Attributes:
        acted: after this node did something: what came of it is to be seen at once.
        first: after something else has changed.
        joining: the longest between tries while this node joins: others wait for it.
        most: between looks at what does not change; each wait is a fifth longer than the one before, so that somebody
            looks every few seconds in the first minutes of an outage.
        serving: between looks of a member that serves.
        stopped: between looks when a person has to decide.
        tried: how long etcd may take to find a quorum with the data it has before others are asked for it.
    """

    acted: float = 0.05
    first: float = 0.3
    joining: float = 0.6
    most: float = 5.0
    serving: float = 5.0
    stopped: float = 60.0
    tried: float = 5.0


@dataclass(frozen=True)
class Place:
    """Where this member is.

    Attributes:
        name: the instance's id, which is the member's name.
        address: its own.
        peer_url: where other members reach it.
        folder: for a snapshot that is being restored.
    """

    name: str
    address: str
    peer_url: str
    folder: Path


@dataclass(frozen=True)
class World:
    """Everything outside of the loop. `own`: this node's etcd, asked in a way that it answers without a quorum too."""

    hands: Hands
    store: Store
    fleet: Fleet
    look_at: LookAt
    ask: Ask
    own: Callable[[], Peer]
    clock: Clock


@dataclass(frozen=True)
class Done:
    """What one round came to.

    Attributes:
        decision: in a word: a `Start`'s value, or ``serve``, ``promote``, ``establish``, ``stop``, ``failed``.
        reason: why.
        settled: whether the whole cluster is as it should be, seen by a member that serves.
        missing: what is not, as a clause.
        acted: whether this node changed something.
        near: a cluster serves, and what this node waits for there comes within seconds.
    """

    decision: str
    reason: str
    settled: bool = False
    missing: str = ""
    acted: bool = False
    near: bool = False

    @property
    def serves(self) -> bool:
        """This node is a voter of an established cluster."""
        return self.decision == "serve"

    @property
    def stopped(self) -> bool:
        """A person has to decide."""
        return self.decision in ("stop", "failed")


class Loop:
    """A member's life, one round at a time.

    Args:
        me: where it is.
        world: everything else.
        duty: what a member that serves does in each round, e.g. backups when it leads.
        pace: how long to wait.
    """

    def __init__(
        self, me: Place, world: World, *, duty: Duty = lambda _look, _stored: None, pace: Pace = Pace()
    ) -> None:
        self._me = me
        self._world = world
        self._duty = duty
        self._pace = pace
        self._silent_since: Optional[float] = None
        self._withdrawn = False
        self._said = ("", "")
        self._wait = pace.first
        self.last = Done("begin", "nothing was looked at yet")

    def round(self) -> float:
        """Look, decide, do one thing; return the seconds to wait until the next round."""
        try:
            self.last = self._once()
        except StepFailed as failed:
            self.last = Done("failed", str(failed))
        except (*sight.REFUSED, EtcdError) as error:
            self.last = Done("wait", sight.plainly(error), missing=sight.plainly(error))
        changed = (self.last.decision, self.last.reason) != self._said
        if changed:
            say(self.last.decision, self.last.reason, instance=self._me.name)
            self._said = (self.last.decision, self.last.reason)
        longest = self._pace.joining if self.last.near else self._pace.most
        soon = self._pace.acted if self.last.acted else self._pace.first
        self._wait = soon if changed else min(1.2 * max(self._wait, self._pace.first), longest)
        if self.last.serves and self.last.settled:
            return self._pace.serving
        return self._pace.stopped if self.last.stopped else self._wait

    def run(self, until: Callable[[Done], bool]) -> bool:
        """Go round until a round's outcome is wanted; False when told to stop before."""
        while True:
            wait = self.round()
            if until(self.last):
                return True
            if self._world.clock.wait(wait):
                return False

    def _once(self) -> Done:
        world = self._world
        data = world.hands.data_epoch()
        seen = sight.see(world.store, world.fleet, world.look_at, world.clock.now())
        mine = seen.member(self._me.name)
        if data and not self._has_to_go(seen, data) and mine and mine.name and mine.healthy:
            self._silent_since = None
            return self._learn(seen, mine) if mine.learner else self._serve(seen, data)
        return self._start(seen, data, mine)

    def _has_to_go(self, seen: Sight, data: int) -> bool:
        """Say whether a person's order, or a newer epoch, has made this data a thing of the past."""
        stored = seen.stored
        ordered = stored is not None and stored.ordered and stored.established < stored.epoch
        return stored is not None and data < (stored.epoch if ordered else stored.established)

    # A member that is up.

    def _learn(self, seen: Sight, mine: Member) -> Done:
        assert seen.look is not None
        verdict = quorum.may_promote(seen.look.cluster, mine.id)
        if verdict.say is not Say.YES:
            return Done("promote", verdict.reason, missing=verdict.reason, near=True)
        self._withdraw(seen.stored)
        self._world.hands.ask_to_vote()
        try:
            self._world.ask(seen.look.via).promote(mine.id)
        except EtcdError as error:
            return Done("promote", str(error), missing=str(error), near=True)
        return Done("promoted", verdict.reason, missing="this node was only just promoted", acted=True)

    def _serve(self, seen: Sight, data: int) -> Done:
        assert seen.look is not None
        look, stored, world = seen.look, seen.stored, self._world
        if seen.object is Known.ABSENT:
            return self._write_again(seen, data)
        if stored and claims.ours(stored, self._me.name) and stored.epoch == data:
            world.ask(self._me.address).put(ESTABLISHED, str(data).encode())
            won = claims.establish(world.store, stored, look.cluster_id, me=self._me.name, at=world.clock.now())
            missing = "" if won else "it was not written yet"
            return Done("establish", f"epoch {data} acknowledged a write", missing=missing, acted=True)
        if stored is None:
            return Done("serve", "; ".join(seen.troubles), missing="the cluster object could not be read")
        if stored.established != data:
            why = f"this cluster is of epoch {data}, the object's newest established is {stored.established}"
            return Done("unlike", why, missing=why)
        world.hands.discard()
        self._duty(look, stored)
        verdict = quorum.settled(look.cluster)
        return Done("serve", verdict.reason, settled=verdict.say is Say.YES, missing=verdict.reason)

    def _write_again(self, seen: Sight, data: int) -> Done:
        """Write the object that somebody deleted: a member that serves knows what was in it."""
        assert seen.look is not None
        look, at = seen.look, self._world.clock.now()
        claims.write_again(self._world.store, look, data, me=self._me.name, at=at)
        return Done("write-again", "the cluster object is gone, and this cluster serves", missing="the cluster object")

    # A member that is not.

    def _start(self, seen: Sight, data: int, mine: Optional[Member]) -> Done:
        hands = self._world.hands
        running = hands.running() if data else False
        why = hands.ended() if data and not running else ""
        tried = self._tried(data)
        removed = why.startswith("removed") or self._is_removed(seen, data, mine)
        stale = seen.stored is not None and data < seen.stored.established
        if running and stale:
            hands.stop()
            running = False
        leaving = seen.machines.get(self._me.name) is Machine.LEAVING
        boot = Boot(
            self._me.name,
            seen.heard,
            seen.object,
            None,
            Known.NOT_ASKED,
            data,
            tried=tried,
            removed=removed,
            leaving=leaving,
        )
        if running and tried and boot.heard is Heard.NO_QUORUM:
            boot = replace(boot, heard=sight.heard_of_others(self._world.fleet, self._world.look_at, self._me.name))
        if seen.stored:
            boot = replace(boot, epoch=sight.epoch(seen.stored, seen.machines, {}))
        first = starting.start(boot)
        if first.start in (Start.WAIT, Start.STOP) and boot.heard in (Heard.NOBODY, Heard.NO_QUORUM):
            boot = self._with_words(seen, boot, running=running, counts=bool(data) and not stale and not removed)
            boot = replace(boot, snapshot=self._snapshots())
        decision = starting.start(boot)
        if decision.start in (Start.WAIT, Start.STOP) and data and not stale and not removed and not running:
            hands.resume()
        reason = "; ".join((decision.reason, *((why,) if why else ()), *seen.troubles))
        return self._act(replace(decision, reason=reason), seen, boot)

    def _tried(self, data: int) -> bool:
        """Say whether etcd has had its time to find a quorum with this data."""
        if not data:
            self._silent_since = None
            return False
        now = self._world.clock.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        return now - self._silent_since >= self._pace.tried

    def _is_removed(self, seen: Sight, data: int, mine: Optional[Member]) -> bool:
        """Say whether the very cluster of this data lists its members without this node."""
        stored, look = seen.stored, seen.look
        if not data or mine or stored is None or look is None or not look.cluster.linearizable:
            return False
        return data == stored.epoch and bool(stored.cluster_id) and stored.cluster_id == look.cluster_id

    def _with_words(self, seen: Sight, boot: Boot, *, running: bool, counts: bool) -> Boot:
        """Say one's own word if it has changed, and hear everyone's."""
        if seen.stored is None:
            return boot
        world, me = self._world, self._me
        # The ended say nothing that counts, and of them there are ever more.
        words = world.store.words({*seen.stored.instances, me.name} - seen.ended)
        if not claims.ours(seen.stored, me.name) or seen.stored.ordered:
            peer = world.own() if running else None
            word = sight.own_word(
                seen.stored,
                boot.data if counts else 0,
                peer,
                world.fleet,
                world.clock.now(),
                may_vote=bool(boot.data) and world.hands.may_vote(),
            )
            if any(words.get(me.name, {}).get(name, "") != value for name, value in word.items()):
                self._withdrawn = False
                world.store.say(me.name, word)
                # What was said now is heard in the next round, when everything else was asked again.
                words.pop(me.name, None)
        return replace(boot, epoch=sight.epoch(seen.stored, seen.machines, words))

    def _snapshots(self) -> Known:
        try:
            return Known.PRESENT if self._world.store.snapshots() else Known.ABSENT
        except sight.REFUSED:
            return Known.NOT_ASKED

    def _act(self, decision: Decision, seen: Sight, boot: Boot) -> Done:
        start, reason = decision.start, decision.reason
        hands = self._world.hands
        done = Done(start.value, reason, missing=reason)
        if start is Start.RESUME and not hands.running():
            hands.resume()
        elif start is Start.WIPE:
            hands.wipe()
        elif start is Start.ASIDE:
            hands.aside()
        elif start is Start.ENLIST:
            self._enlist(seen)
            done = replace(done, acted=True)
        elif start is Start.JOIN:
            done = self._join(seen, reason)
        elif start in (Start.FOUND, Start.RESTORE, Start.SURVIVE):
            done = self._make(decision, seen, boot.epoch)
        return replace(done, near=boot.heard is Heard.LINEARIZABLE)

    def _enlist(self, seen: Sight) -> None:
        if seen.stored is None:
            return  # whoever serves writes the object again
        known = sight.epoch(seen.stored, seen.machines, {})
        claims.enlist(self._world.store, seen.stored, known, me=self._me.name, at=self._world.clock.now())

    def _join(self, seen: Sight, reason: str) -> Done:
        assert seen.look is not None
        assert seen.stored is not None
        verdict = quorum.may_add(seen.look.cluster, self._me.name)
        if verdict.say is Say.NO:
            return Done("stop", verdict.reason, missing=verdict.reason)
        if verdict.say not in (Say.YES, Say.DONE):
            return Done("join", verdict.reason, missing=verdict.reason)
        if self._world.hands.data_epoch():
            # It was made while the others were asked: etcd has its log before it can tell the cluster its name.
            return Done("join", "etcd here has only just made its data", missing=reason)
        self._withdraw(seen.stored)
        peer = self._world.ask(seen.look.via)
        try:
            initial = joining.initial_cluster(peer, seen.look.cluster, self._me.name, self._me.peer_url)
        except EtcdError as error:
            return Done("join", str(error), missing=str(error))
        if not initial:
            return Done(
                "join", "this node's learner has run before, and its data is gone: it joins anew", missing=reason
            )
        self._world.hands.join(seen.stored.epoch, initial)
        return Done("join", f"{reason}; {verdict.reason}", missing="this node is joining", acted=True)

    def _make(self, decision: Decision, seen: Sight, known: Optional[Epoch]) -> Done:
        """Make the next epoch, or go on making it."""
        world, me, way = self._world, self._me, decision.start
        lost = Done("wait", "somebody else wrote the cluster object first", missing="an epoch")
        chosen = None
        if way is Start.RESTORE:
            chosen = restoring.choose(world.store, world.hands, seen.stored, me.folder)
            if chosen is None:
                why = f"{decision.reason}, and no snapshot is any good: a person has to choose"
                return Done("stop", why, missing=why)
        key, at = chosen.key if chosen else "", world.clock.now()
        stored: Optional[Stored] = seen.stored
        if not claims.ours(stored, me.name):
            stored = claims.take(world.store, stored, known, me=me.name, way=way, snapshot=key, at=at)
        elif stored and stored.snapshot != key:
            stored = claims.reword(world.store, stored, snapshot=key, me=me.name, at=at)
        if stored is None:
            return lost
        self._withdraw(stored)
        self._silent_since = None
        if way is Start.SURVIVE:
            world.hands.survive(stored.epoch)
        else:
            self._begin(stored, chosen)
        return Done(way.value, decision.reason, missing=f"epoch {stored.epoch} is being made", acted=True)

    def _begin(self, stored: Stored, chosen: Optional[restoring.Chosen]) -> None:
        hands = self._world.hands
        if hands.data_epoch() not in (0, stored.epoch):
            hands.aside()
        if chosen:
            hands.restore(stored.epoch, stored.token, chosen.path)
        else:
            hands.found(stored.epoch, stored.token)

    def _withdraw(self, stored: Optional[Stored]) -> None:
        """Take back that there is no data here, before there can be."""
        if self._withdrawn:
            return
        word: Dict[str, Any] = {"epoch": stored.epoch if stored else 0, "index": None, "data": 0, "lost": False}
        self._world.store.say(self._me.name, word)
        self._withdrawn = True
