"""A group of controllers in a time of its own: EC2, hooks, etcd's membership as etcd itself guards it, and what may never be.

Nothing here decides: agents and the function do, through the rules (see `interleavings`). Programs are generators that yield
the seconds they wait; whatever two of them do may come in any order.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import lru_cache

from kubecfn.etcd.quorum import SILENCE, quorum
from kubecfn.etcd.view import Cluster, Machine, Member

Program = Generator[float, None, None]
# HeartbeatTimeout of AWS::AutoScaling::LifecycleHook in this world, seconds.
HEARTBEAT = 900.0


class Refused(Exception):  # noqa: N818  etcd's word, not a failure of ours
    """Etcd refused, or did not answer."""


@dataclass
class Instance:
    """One instance. `state`: running, waiting (in its hook), retained, terminated; `entry`: none, learner, voter.

    `synced`: when a learner has what the leader has; `told`: its agent sent the success signal; `signalled`: CloudFormation
    received one.
    """

    name: str
    state: str = "running"
    entry: str = "none"
    named: bool = False
    up: bool = False
    down_since: float = 0.0
    synced: float = 0.0
    hook_since: float = -1.0
    beat: float = 0.0
    told: bool = False
    signalled: bool = False
    ended_at: float = 0.0

    @property
    def machine(self) -> Machine:
        """What EC2 and the group say."""
        if self.state == "terminated":
            return Machine.TERMINATED
        return Machine.RUNNING if self.state == "running" else Machine.LEAVING


@dataclass
class Fleet:
    """The whole truth, and the queue of what happens next. `flaw`: the first thing that may never be; empty while good.

    `learners`: etcd's --max-learners.
    """

    chance: random.Random
    size: int
    learners: int = 1
    now: float = 0.0
    wanted: int = 0
    instances: dict[str, Instance] = field(default_factory=dict)
    leader: str = ""
    flaw: str = ""
    trace: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    _queue: list[tuple[float, float, int, Program]] = field(default_factory=list)
    _number: int = 0

    # time

    def start(self, program: Program, after: float = 0.0) -> None:
        """Let a program begin."""
        self._number += 1
        heapq.heappush(self._queue, (self.now + after, self.chance.random(), self._number, program))

    def run(self, until: float) -> None:
        """Let everything happen that is due; stop at the first flaw."""
        while self._queue and self._queue[0][0] <= until and not self.flaw:
            self.now, _, _, program = heapq.heappop(self._queue)
            for wait in program:
                self.start(program, wait)
                break
        self.now = max(self.now, until)

    def note(self, what: str, kind: str = "") -> None:
        """Keep the last things that happened."""
        self.trace.append(f"{self.now:.0f} s: {what}")
        del self.trace[:-14]
        if kind:
            self.count(kind)

    def count(self, kind: str, times: int = 1) -> None:
        """Count what happened, silently."""
        self.counts[kind] = self.counts.get(kind, 0) + times

    def wrong(self, what: str) -> None:
        """Note what may never be."""
        self.flaw = self.flaw or what

    # etcd

    @property
    def voters(self) -> list[Instance]:
        """Everyone in the list who counts."""
        return [one for one in self.instances.values() if one.entry == "voter"]

    @property
    def healthy(self) -> int:
        """Voters whose etcd runs."""
        return sum(one.up for one in self.voters)

    @property
    def has_quorum(self) -> bool:
        """Raft's own definition."""
        return bool(self.voters) and self.healthy >= quorum(len(self.voters))

    def add(self, name: str, looked: float) -> None:
        """Add a learner, as etcd allows it (server.go, mayAddMember: only while every voter is connected).

        Args:
            name: whom.
            looked: when whoever asks looked; judged by what was so then.
        """
        learners = sum(one.entry == "learner" for one in self.instances.values())
        if learners >= self.learners or not self.has_quorum or self.healthy < len(self.voters):
            raise Refused("unhealthy cluster or too many learners")
        self._stays(name, "added", looked)
        self.instances[name].entry = "learner"
        self.note(f"{name} is added as a learner", "added")

    def promote(self, name: str, looked: float) -> None:
        """Let a learner vote; judged as in `add`."""
        one = self.instances[name]
        if not self.has_quorum or one.entry != "learner" or not one.up or self.now < one.synced:
            raise Refused("not in sync")
        self._stays(name, "promoted", looked)
        one.entry = "voter"
        self.note(f"{name} is promoted", "promoted")
        self._judge(f"the promotion of {name}")

    def remove(self, name: str, looked: float, saw: Member) -> None:
        """Remove a member, as etcd allows it (server.go, mayRemoveMember).

        Args:
            name: whom.
            looked: when whoever asks looked; judged by what was so then.
            saw: what it saw of this member; it cannot know that one which it could not reach served others.
        """
        one = self.instances[name]
        if not self.has_quorum:
            raise Refused("no quorum")
        left = [other for other in self.voters if other is not one]
        if one.entry == "voter" and one.up and sum(other.up for other in left) < 1 + (len(self.voters) - 1) // 2:
            raise Refused("unhealthy cluster")
        stay = sum(other.up or other.down_since >= looked for other in left)
        # One that was promoted since it was seen takes nothing away that was there when it was decided.
        if one.entry == "voter" and saw.healthy and not saw.learner and stay < self.size:
            self.wrong(f"the removal of {name} leaves {stay} of {self.size} healthy voters")
        if one.entry == "voter" and not saw.learner and not saw.healthy and saw.silent < SILENCE:
            self.wrong(f"{name} is removed after {saw.silent:.0f} s of silence")
        if one.state == "running":
            self.wrong(f"{name} is removed although it is to stay")
        one.entry, one.up, one.named = "none", False, False
        self.note(f"{name} is removed", "removed")
        self._judge(f"the removal of {name}")
        self.elect()

    def _stays(self, name: str, what: str, looked: float) -> None:
        one = self.instances[name]
        if one.state != "running" and 0 <= one.hook_since < looked:
            self.wrong(f"{name} is {what} although it was told to leave")

    def _judge(self, what: str) -> None:
        if not self.has_quorum:
            self.wrong(f"{what} ends quorum: {self.healthy} of {len(self.voters)} voters are healthy")

    def elect(self) -> None:
        """Let whoever can lead when the leader is gone."""
        able = [one.name for one in self.voters if one.up]
        if self.leader not in able:
            self.leader = self.chance.choice(able) if able and self.has_quorum else ""

    def serves(self, name: str) -> None:
        """Let an etcd process run."""
        one = self.instances[name]
        one.up = True
        if one.entry == "learner":
            one.synced = self.now + self.chance.choice([0.0, 0.0, 30.0, 300.0])
        self.elect()

    def dies(self, name: str) -> None:
        """End an etcd process."""
        one = self.instances[name]
        one.up, one.down_since = False, self.now
        self.elect()

    # EC2 and the group

    def launch(self) -> Instance:
        """Start an instance."""
        one = Instance(f"i-{len(self.instances) + 1:08x}")
        self.instances[one.name] = one
        self.note(f"{one.name} is launched", "launched")
        return one

    def tell_to_leave(self, name: str) -> None:
        """Let an instance wait in its hook."""
        one = self.instances[name]
        if one.state == "running":
            one.state, one.hook_since, one.beat = "waiting", self.now, self.now
            self.note(f"{name} waits in its hook", "hooks")

    def complete(self, name: str, result: str) -> None:
        """Answer a hook: CONTINUE ends the instance, ABANDON retains it."""
        one = self.instances[name]
        if one.state != "waiting":
            return
        self.note(f"the hook of {name} is answered: {result}", result.lower())
        if result == "ABANDON":
            one.state = "retained"
        else:
            self.end(name, by="its hook")

    def end(self, name: str, by: str) -> None:
        """Terminate an instance. Nothing of ours may end one that the cluster still counts on."""
        one = self.instances[name]
        if one.state == "terminated":
            return
        if by != "EC2" and one.entry == "voter":
            self.wrong(f"{name} is ended by {by} while it is a voter")
        one.state, one.ended_at = "terminated", self.now
        self.dies(name)
        self.note(f"{name} is terminated by {by}")

    # what others see

    def view(self, silence: dict[str, float], *, blur: float, lag: float) -> Cluster:
        """Return one look: with chance `blur` a member's answer is missing; EC2's word may be `lag` seconds old.

        Nobody lists the members when no voter answers, and how long each was silent is forgotten then.
        """
        members, linearizable, serving, told = list[Member](), False, self.has_quorum, False
        for one in self.instances.values():
            if one.entry == "none":
                continue
            answers = one.up and (not blur or self.chance.random() >= blur)
            told = told or (answers and one.entry == "voter")
            well = answers and (serving or one.entry == "learner")
            linearizable = linearizable or (well and one.entry == "voter")
            since = silence.pop(one.name, self.now)
            if not well:
                silence[one.name] = since
            machine = one.machine
            if machine is Machine.TERMINATED and self.now - one.ended_at < lag:
                machine = Machine.RUNNING
            members.append(_member(one.name, one.named, one.entry, well, machine, 0.0 if well else self.now - since))
        if not told:
            members = []
            silence.clear()
        expected = tuple(one.name for one in self.instances.values() if one.state == "running")
        return Cluster(tuple(members), self.size, expected, linearizable, self.leader)

    @property
    def could_be_settled(self) -> bool:
        """Whether all is in order: enough voters, all of them running, nobody joining, and they are the group's instances."""
        entries = [one for one in self.instances.values() if one.entry != "none"]
        staying = [one for one in self.instances.values() if one.state == "running"]
        well = all(one.up and one.entry == "voter" for one in entries)
        return well and len(entries) >= self.size and entries == staying

    @property
    def well(self) -> bool:
        """Whether nothing is left to do: the group's instances are the voters, all healthy; nobody waits or is retained."""
        states = [one.state for one in self.instances.values()]
        staying = sorted(one.name for one in self.instances.values() if one.state == "running")
        voters = sorted(one.name for one in self.voters if one.up)
        calm = "waiting" not in states and "retained" not in states
        listed = [one for one in self.instances.values() if one.entry != "none"]
        return calm and staying == voters and len(voters) == self.size == len(listed)


@lru_cache(maxsize=4096)
def _member(name: str, named: bool, entry: str, well: bool, machine: Machine, silent: float) -> Member:
    return Member(
        name,
        name if named else "",
        instance=name,
        learner=entry == "learner",
        healthy=well,
        machine=machine,
        silent=silent,
    )
