"""What a cluster goes through in a rehearsal: the deeds, what must come of each, and what each is measured by.

A client writes from the founding to the end; every deed is an operation on its timeline. Goals are issue 4's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from kubecfn.care import backup as backups
from kubecfn.care.where import where
from kubecfn.cluster_keys import pki_directory
from kubecfn.demo.eyes import Eyes, eyes
from kubecfn.deploy.progress import Work, silent
from kubecfn.rehearsal.record import Phase

from .cluster import NAME, Cluster, DidNotHappenError
from .results import Results

# A look costs the embedded AWS much of what one agent's round costs it: it shares the machine with what is watched.
LOOK_EVERY = 0.3
OBJECT = "etcd/cluster.json"
GRACEFUL, SILENT, TOTAL, BOOT = 0.6, 3.5, 12.0, 3.0


@dataclass
class Life:
    """A cluster and who watches it.

    Attributes:
        election: seconds for which nobody could write when the leader's etcd alone was killed, the median of several times;
            0 before that was tried.
        restored_from: revisions of the snapshots that were restored.
    """

    cluster: Cluster
    eyes: Eyes
    results: Results
    election: float = 0.0
    restored_from: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many voters there are to be."""
        return int(self.cluster.wanted["controllers"]["count"])

    def found(self) -> str:
        """Make the stack: one controller founds etcd, the others join."""
        state = self.cluster.apply().state.value
        self.eyes.founded()
        voters = self._voters()
        return f"{state}; {len(voters)} voters; {self._booted(voters)}"

    def roll(self, name: str) -> str:
        """Replace every controller, one at a time, as the changed configuration asks for."""
        before = self._voters()
        with self.operation(name, "roll") as stall:
            self.cluster.apply()
            self.eyes.wait_until_settled(without=before)
        after = self._voters()
        if before & after:
            raise DidNotHappenError(f"{sorted(before & after)} survived the roll")
        words = self.results.measure(f"longest stall: {name}", stall(), GRACEFUL)
        # etcd takes in nobody within 5 s of the one before; nodes that take as long to boot as EC2's never meet that.
        times = self._boot_times(after)
        booted = self.results.measure(f"boot to voter, median: {name}", statistics.median(times), BOOT)
        return f"{len(after)} controllers are new; {words}; {booted}, longest {max(times):.1f} s"

    def kill_leaders_etcd(self, times: int = 1) -> str:
        """Kill the leader's etcd, and nothing else: how long etcd's own election takes here, under this load.

        What is reported is the median: one election is short or long by chance, for members wait one to two seconds each.
        """
        took, words = [], []
        for _ in range(times):
            leader = self.eyes.leader()
            with self.operation("election", "kill") as stall:
                killed = self.cluster.machines.run(leader, "systemctl", "kill", "--signal=KILL", "etcd.service")
                if killed.returncode:
                    raise DidNotHappenError(killed.stderr)
                time.sleep(2.0)
                self.eyes.wait_until_settled()
            took.append(stall())
            restarts = self.cluster.machines.run(leader, "systemctl", "show", "etcd.service", "--property=NRestarts")
            words.append(restarts.stdout.strip())
        self.election = median(took)
        each = f", the median of {', '.join(f'{one:.2f}' for one in sorted(took))}" if times > 1 else ""
        return f"nobody could write for {self.election:.2f} s{each}; systemd started it again ({', '.join(words)})"

    def cut_power(self, whom: str) -> str:
        """Cut the power of the leader or of a follower; the others remove it, a new one joins."""
        leader = self.eyes.leader()
        victim = leader if whom == "leader" else min(self._voters() - {leader})
        name = f"power cut of the {whom}"
        with self.operation(name, "kill") as stall:
            self.cluster.machines.kill(victim)
            self.eyes.wait_until_settled(without=frozenset({victim}))
        return f"{victim} was replaced; {self._beyond(name, stall())}"

    def hang(self, how: str) -> str:
        """Cut the leader off the network, or stop it where it stands; then let it go on: nobody is to be replaced."""
        before, leader, machines = self._voters(), self.eyes.leader(), self.cluster.machines
        stop, go_on = (machines.cut, machines.heal) if how == "cut off" else (machines.pause, machines.resume)
        name = f"the leader {how}"
        with self.operation(name, "kill") as stall:
            stop(leader)
            self.eyes.wait_until("Another leads", lambda _: self.eyes.leader() not in {"", leader})
            time.sleep(2.0)
            go_on(leader)
            self.eyes.wait_until_settled()
        if self._voters() != before:
            raise DidNotHappenError(f"the voters were {sorted(before)}, now {sorted(self._voters())}")
        return f"the same members; {self._beyond(name, stall())}"

    def lose(self, count: int) -> str:
        """Lose so many instances for good, at once: a majority, so that one survivor goes on, or all."""
        before = self._voters()
        lost = sorted(before, key=lambda one: one != self.eyes.leader())[:count]
        name = "all lost" if count == len(before) else f"{count} of {len(before)} lost"
        began = time.monotonic()
        with self.operation(name, "restore" if count == len(before) else "kill") as stall:
            for one in lost:
                self.cluster.machines.kill(one)
            self.cluster.cloud.client("ec2").terminate_instances(InstanceIds=lost)
            self.eyes.wait_until_settled(without=frozenset(lost))
        took = time.monotonic() - began
        made = self.cluster.stored()
        way = made["way"]
        if way != ("restore" if count == len(before) else "survive"):
            raise DidNotHappenError(f"epoch {made['epoch']} was made by {way}")
        if way == "restore":
            revision = int(str(made["snapshot"]).rsplit("/", 1)[1].split("-", 1)[0])
            self.restored_from += (revision,)
            self.results.measure("total loss to trio serving", took, TOTAL)
        return f"epoch {made['epoch']} by {way}; settled after {took:.1f} s, stall {stall():.1f} s"

    def reset_all(self) -> str:
        """Cut everyone's power and switch on again: all have their data, and nobody is to found anything."""
        before, epoch = self._voters(), self.cluster.stored()["epoch"]
        with self.operation("reset of all", "kill") as stall:
            for one in before:
                self.cluster.machines.reset(one)
            time.sleep(1.0)
            self.eyes.wait_until_settled()
        if self._voters() != before or self.cluster.stored()["epoch"] != epoch:
            raise DidNotHappenError(f"there were {sorted(before)} of epoch {epoch}; now {self.cluster.stored()}")
        return f"the same members on the same data; stall {stall():.1f} s"

    def back_up(self) -> str:
        """Have the leader's agent take a backup now."""
        cluster = self.cluster
        places = where(cluster.aws, NAME)
        made = backups.backup(cluster.aws, places, Work(cluster.cloud.clock, silent, "kubecfn status"))
        return made.line

    def run_only(self, release: str) -> str:
        """Every member runs this release, and so does the cluster as a whole."""
        seen = self.eyes.watcher.latest
        versions = sorted({status.version for status in seen[1].statuses.values()}) if seen else []
        if versions != [release]:
            raise DidNotHappenError(f"there are members of {versions}")
        return f"all members run {release}"

    def judge(self) -> str:
        """Read everything back; count how often the cluster was founded."""
        checked = self.eyes.check(self.restored_from)
        lost = self.results.measure("acknowledged writes lost", len(checked.lost), 0, "")
        founded = self.results.measure("foundings", self._foundings(), 1, "")
        if checked.lost or checked.unexplained or self._foundings() != 1:
            raise DidNotHappenError(f"{lost}; {founded}; unexplained {checked.unexplained[:3]}")
        return (
            f"{checked.acknowledged:,} acknowledged, {lost}, {len(checked.given_up)} newer than the snapshot; {founded}"
        )

    @contextmanager
    def operation(self, name: str, kind: str) -> Iterator[_Stall]:
        """Record what happens inside as one operation; what it yields says how long nobody could write in it."""
        stall = _Stall(self.eyes, name)
        with self.eyes.recorder.operation(name, kind):
            yield stall

    def _beyond(self, name: str, stall: float) -> str:
        """Measure how much longer nobody could write than etcd's own election takes here."""
        beyond = max(0.0, stall - self.election)
        return f"stall {stall:.2f} s; " + self.results.measure(
            f"longest stall beyond an election: {name}", beyond, SILENT
        )

    def _voters(self) -> frozenset[str]:
        return self.eyes.voters()

    def _foundings(self) -> int:
        """How often someone was allowed to make the cluster object where there was none."""
        writes = self.cluster.cloud.recorder.by("s3:PutObject")
        made = [one for one in writes if one.call.params.get("Key") == OBJECT and one.call.params.get("IfNoneMatch")]
        return sum(one.outcome in {"ok", "lost-answer"} for one in made)

    def _booted(self, instances: Iterable[str]) -> str:
        times = self._boot_times(instances)
        return f"boot to voter {', '.join(f'{one:.1f}' for one in times)} s"

    def _boot_times(self, instances: Iterable[str]) -> list[float]:
        """Seconds from an instance's power to its vote, as it was first seen."""
        recorder = self.eyes.recorder
        voting = {}
        for change in recorder.run().changes:
            if change.phase in {Phase.VOTER, Phase.LEADER}:
                voting.setdefault(change.instance, recorder.begun + change.at)
        booted = self.cluster.machines.booted_at
        return sorted(voting[one] - booted(one) for one in instances if one in voting)


@dataclass(frozen=True)
class _Stall:
    """How long nobody could write while an operation went on; asked when it is over."""

    eyes: Eyes
    name: str

    def __call__(self) -> float:
        operation = next(one for one in reversed(self.eyes.run().operations) if one.name == self.name)
        found = self.eyes.writer.stall(operation.begun, operation.ended)
        return found.seconds if found else 0.0


@contextmanager
def lived(cluster: Cluster, results: Results) -> Iterator[Life]:
    """Watch a cluster until the end of the `with`."""
    cluster.ready()  # the keys, with which the watcher speaks to etcd
    keys = pki_directory(cluster.folder / "build", cluster.config)
    with eyes(cluster.cloud, cluster.machines, keys, f"{NAME}-controllers", LOOK_EVERY) as seen:
        yield Life(cluster, seen, results)
