"""Faults of a node's surroundings, each to end in a settled cluster again: DNS, disk, clock, certificates, an operator's hand.

What cannot be shown here: the functions ask the embedded AWS by its address, so that DNS is gone for the instances alone.
All containers share the kernel's clock, and Go reads it without asking anybody: a wrong clock is the one that user data and
the agent see (AWS's signatures, certificates), never etcd's own.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from kubecfn.care.ask import function
from kubecfn.care.report import Report
from kubecfn.care.status import look
from kubecfn.care.where import where
from kubecfn.errors import KubecfnError

from . import harm
from .cluster import NAME, Cluster, DidNotHappenError, until
from .life import Life

AGENT, ETCD = "kubecfn-agent.service", "etcd.service"
# Of the volumes in this scenario, in MiB: a member needs 192 free to join.
VOLUME = 320
# Nothing in the VPC has this address.
STRANGER = "https://10.20.255.254:2380"
SKEW = 600
BACKDATED = 3600  # member.certificates
_LARGE = 1 << 20
_ROOM = 16 << 20


@dataclass
class Faults:
    """What is done to a cluster that lives, and what has to come of it."""

    life: Life

    @property
    def _cluster(self) -> Cluster:
        return self.life.cluster

    def dns_gone(self) -> str:
        """Replace a controller while nobody is answered any name, which is how instances find AWS here."""
        resolver = self._cluster.resolver
        before = self.life.eyes.voters()
        victim = self._follower()
        with self._hurt("DNS gone") as stall:
            resolver.dead = True
            try:
                self._terminate(victim)
                [new] = self._newcomers(before)
                heard = resolver.unheard
                until(lambda: resolver.unheard > heard + 5, lambda: f"nobody asks: {resolver.unheard}")
                time.sleep(10.0)
                during = self.life.eyes.voters()
                self._serves("while DNS is gone")
            finally:
                resolver.dead = False
            back = time.monotonic()
            self.life.eyes.wait_until_settled(without=frozenset({victim}))
        if new in during or new not in self.life.eyes.voters():
            raise DidNotHappenError(f"{new} was to wait for DNS and to join then: {sorted(during)} voted without DNS")
        return f"{new} waited for DNS, {len(during)} served; settled {time.monotonic() - back:.1f} s after it came back; {stall()}"

    def disk_full(self) -> str:
        """Fill a follower's volume to the last byte, while writes go on; then make room."""
        machines, victim = self._cluster.machines, self._follower()
        before = self.life.eyes.voters()
        volume = machines.volume(victim)
        with self._hurt("disk full") as stall:
            filled = harm.fill(volume)
            for _ in range(20):
                self._write_large()
            report = self._reported("the member is missed", lambda one: not one.settled and not _row(one, victim))
            said = self._said(victim, lambda line: "no-space" in line["reason"])
            self._serves("beside a full disk")
            (volume / "filler").unlink()
            self.life.eyes.wait_until_settled()
        self._same(before)
        return f"{filled >> 20} MiB filled; status: {report.reason}; agent: {said}; {stall()}"

    def slow_disk(self, whom: str, delay: float) -> str:
        """Let every fsync of one member take long for a while: nobody is to be replaced."""
        machines = self._cluster.machines
        one = self.life.eyes.leader() if whom == "leader" else self._follower()
        before = self.life.eyes.voters()
        with self._hurt(f"slow disk of the {whom}") as stall:
            held = harm.slow_down(machines, one, delay, 10)
            self.life.eyes.wait_until_settled()
        self._same(before)
        return f"{held} fsyncs took {delay:g} s longer; the same members; {stall()}"

    def clock_at_boot(self) -> str:
        """Boot a controller ten minutes ahead: AWS refuses it until somebody puts its clock right."""
        machines, before = self._cluster.machines, self.life.eyes.voters()
        victim = self._follower()
        with self._hurt("clock ahead at boot") as stall:
            machines.prepare = lambda _id, disk: harm.wrong_clock(disk, SKEW)
            try:
                self._terminate(victim)
                [new] = self._newcomers(before)
            finally:
                machines.prepare = lambda _id, _disk: None
            refused = self._refused_for_its_clock()
            until(lambda: self._refused_for_its_clock() > refused, lambda: "AWS refuses nobody for the clock")
            during = self.life.eyes.voters()
            harm.set_clock(machines.root(new), 0)
            self.life.eyes.wait_until_settled(without=frozenset({victim}))
        if new in during:
            raise DidNotHappenError(f"{new} voted while its clock was wrong")
        return f"AWS refused {new} until its clock was put right; {stall()}"

    def clocks_apart(self) -> str:
        """Let two agents be twenty minutes apart and issue certificates anew: members go on trusting each other."""
        machines, before = self._cluster.machines, self.life.eyes.voters()
        ahead, behind = sorted(before)[:2]
        with self._hurt("clocks apart") as stall:
            for one, seconds in ((ahead, SKEW), (behind, -SKEW)):
                harm.wrong_clock(machines.root(one), seconds)
                harm.inside(machines, one, "systemctl", "daemon-reload")
                # Stopped first: it looks at its certificates itself while its member does not serve.
                harm.inside(machines, one, "systemctl", "stop", AGENT)
                harm.inside(machines, one, "sh", "-c", f"rm {harm.PKI}/peer.crt {harm.PKI}/server.crt")
                harm.inside(machines, one, "systemctl", "start", AGENT)
                self._issued_at(one, time.time() + seconds - BACKDATED)
                harm.inside(machines, one, "systemctl", "restart", ETCD)
                self.life.eyes.wait_until_settled()
            said = self._said(ahead, lambda line: "Signature" in line["reason"])
            self._serves("with clocks apart")
            self._since = datetime.now(UTC).timestamp()
            for one in (ahead, behind):
                harm.set_clock(machines.root(one), 0)
            for one in (ahead, behind):
                self._said(one, lambda line: line["decision"] == "settled")
            self.life.eyes.wait_until_settled()
        self._same(before)
        return f"certificates 20 minutes apart are trusted; an agent says: {said}; {stall()}"

    def bad_certificate(self, kind: str) -> str:
        """Give a follower a peer's certificate that nobody accepts, and start its etcd again."""
        machines, victim = self._cluster.machines, self._follower()
        before = self.life.eyes.voters()
        forge = {"expired": harm.forge_expired, "of another authority": harm.forge_stranger}[kind]
        with self._hurt(f"certificate {kind}") as stall:
            forge(machines, victim, self._cluster.wanted["dns"]["domain"])
            hurt = time.monotonic()
            harm.inside(machines, victim, "systemctl", "restart", "--no-block", ETCD)
            report = self._reported("the member is missed", lambda one: not one.settled and not _row(one, victim))
            self._serves("beside a member that nobody trusts")
            self.life.eyes.wait_until_settled()
            healed = time.monotonic() - hurt
            said = self._said(victim, lambda line: line["decision"] == "certificates" and "peer (" in line["reason"])
        self._same(before)
        return f"status: {report.reason}; healed after {healed:.1f} s, {said}; {stall()}"

    def added_by_hand(self, kind: str) -> str:
        """Let an operator add a member that never starts: it is shown, left alone, and the operator takes it out."""
        machines, before = self._cluster.machines, self.life.eyes.voters()
        one = self._follower()
        learner = ("--learner",) if kind == "learner" else ()
        with self._hurt(f"{kind} added by hand") as stall:
            made = self._add(one, *learner)
            report = self._reported("it is shown", lambda said: not said.settled and made in said.reason)
            [row] = [row for row in report.members if row.id == made]
            if row.instance or row.learner != bool(learner):
                raise DidNotHappenError(f"status shows it as {row}")
            self._collect(made)
            self._serves("beside a member that never starts")
            listed = [row.id for row in self._report().members]
            if made not in listed:
                raise DidNotHappenError(f"{made} was removed by somebody; the list was {listed}")
            harm.etcdctl(machines, one, "member", "remove", made)
            self.life.eyes.wait_until_settled()
        self._same(before)
        return f"status: {report.reason}; nothing of ours removed it; {stall()}"

    def no_space(self) -> str:
        """Fill a small quota: etcd raises NOSPACE and refuses writes; compacted, defragmented and disarmed it is well."""
        machines, before = self._cluster.machines, self.life.eyes.voters()
        one = self._follower()
        with self._hurt("quota reached") as stall:
            # Not a byte less than what is there: a member that starts full raises the alarm before anything is written.
            self._quotas(_ROOM + max(row.db_size or 0 for row in self._report().members))
            refused = ""
            while not refused:
                refused = self._write_large()
            report = self._reported("the alarm is shown", lambda said: any("NOSPACE" in alarm for alarm in said.alarms))
            told = json.loads(harm.etcdctl(machines, one, "endpoint", "status", "-w=json"))
            revision = told[0]["Status"]["header"]["revision"]
            harm.etcdctl(machines, one, "compact", str(revision))
            harm.etcdctl(machines, one, "defrag", "--cluster")
            harm.etcdctl(machines, one, "alarm", "disarm")
            self.life.eyes.wait_until_settled()
            self._serves("after the alarm")
            self._quotas(0)
            self.life.eyes.wait_until_settled()
        self._same(before)
        return f"etcd: {refused}; status: ALARM {', '.join(report.alarms)}, {report.reason}; {stall()}"

    # how

    def _add(self, at: str, *flags: str) -> str:
        """Add a member that nobody will start, as an operator who is told to try again; return its id."""
        end = time.monotonic() + 15
        while True:
            try:
                told = harm.etcdctl(
                    self._cluster.machines, at, "member", "add", "by-hand", *flags, f"--peer-urls={STRANGER}", "-w=json"
                )
                return f"{json.loads(told)['member']['ID']:x}"
            except harm.RefusedError as error:
                # For five seconds after members have found each other again etcd takes no new one.
                if "unhealthy cluster" not in str(error) or time.monotonic() > end:
                    raise
            time.sleep(0.5)

    def _follower(self) -> str:
        return min(self.life.eyes.voters() - {self.life.eyes.leader()})

    def _terminate(self, instance: str) -> None:
        """Do as a person does in the console of the group."""
        group = self._cluster.cloud.client("autoscaling")
        group.terminate_instance_in_auto_scaling_group(InstanceId=instance, ShouldDecrementDesiredCapacity=False)

    def _newcomers(self, before: frozenset[str]) -> list[str]:
        """Return the instances that were started since, once there is one."""
        alive = self._cluster.machines
        until(lambda: set(alive.alive) - before, lambda: "the group starts nobody")
        return sorted(set(alive.alive) - before)

    def _serves(self, when: str) -> None:
        """See that a write that begins now is acknowledged."""
        writer = self.life.eyes.writer
        had = writer.numbers().acknowledged
        until(lambda: writer.numbers().acknowledged > had + 1, lambda: f"nobody can write {when}", 30)

    def _same(self, before: frozenset[str]) -> None:
        now = self.life.eyes.voters()
        if now != before:
            raise DidNotHappenError(f"the voters were {sorted(before)}, now {sorted(now)}")

    def _report(self) -> Report:
        """Return what ``kubecfn status`` shows."""
        places = where(self._cluster.aws, NAME)
        return look(function(self._cluster.aws, places.function, NAME))

    def _reported(self, what: str, holds: Callable[[Report], bool], seconds: float = 60.0) -> Report:
        """Ask for the status until it says so."""
        end = time.monotonic() + seconds
        last = "nothing was said"
        while time.monotonic() < end:
            try:
                report = self._report()
            except KubecfnError as error:
                last = str(error)
            else:
                if holds(report):
                    return report
                last = f"{report.reason} {report.alarms}"
            time.sleep(0.5)
        raise DidNotHappenError(f"{what}: not within {seconds:.0f} s; the status says: {last}")

    def _said(self, instance: str, wanted: Callable[[dict[str, str]], bool], seconds: float = 60.0) -> str:
        """Wait for a line of an agent's that was written since the fault; return its reason."""
        found: list[str] = []

        def there() -> bool:
            since = ("--unit", AGENT, "--output=cat", f"--since=@{self._since:.6f}")
            lines = self._cluster.machines.journal(instance, *since).splitlines()
            told = [json.loads(line) for line in lines if line.startswith("{")]
            found.extend(line["reason"] for line in told if "decision" in line and wanted(line))
            return bool(found)

        until(there, lambda: f"the agent of {instance} does not say so", seconds)
        return found[-1]

    def _issued_at(self, instance: str, wanted: float) -> None:
        """See that an agent dated a certificate by its own clock."""

        def dated() -> float:
            try:
                return float(ssl.cert_time_to_seconds(harm.begins(self._cluster.machines, instance, "peer")))
            except harm.RefusedError:
                return 0.0

        until(lambda: abs(dated() - wanted) < 60, lambda: f"the certificate begins {dated() - wanted:.0f} s off", 30)

    def _refused_for_its_clock(self) -> int:
        return len([one for one in self._cluster.cloud.recorder.calls if one.outcome == "SignatureDoesNotMatch"])

    def _collect(self, member: str) -> None:
        """Have the function that removes members look now, as its schedule does, and see that it saw this one."""
        cloud = self._cluster.cloud
        resource = cloud.client("cloudformation").describe_stack_resource(
            StackName=NAME, LogicalResourceId="ControllerLifecycle"
        )
        name = resource["StackResourceDetail"]["PhysicalResourceId"]
        since = len(self._logged(name, member))

        def seen() -> bool:
            answer = cloud.client("lambda").invoke(FunctionName=name, Payload=b"{}")
            if answer.get("FunctionError"):
                raise DidNotHappenError(answer["Payload"].read().decode(errors="replace"))
            return len(self._logged(name, member)) > since

        until(seen, lambda: f"{name} did not say that it leaves {member} alone")

    def _logged(self, function_name: str, member: str) -> list[str]:
        cloud = self._cluster.cloud
        kept = cloud.client("lambda").get_function_configuration(FunctionName=function_name)["LoggingConfig"][
            "LogGroup"
        ]
        events = cloud.client("logs").filter_log_events(logGroupName=kept)["events"]
        return [one["message"] for one in events if "leave-alone" in one["message"] and member in one["message"]]

    def _write_large(self) -> str:
        """Write the same large key once more; return why etcd refuses, or nothing."""
        machines = self._cluster.machines
        script = f"head --bytes={_LARGE} /dev/zero | tr '\\0' x | "
        flags = f"--cacert={harm.PKI}/ca.crt --cert={harm.PKI}/healthcheck-client.crt --key={harm.PKI}/healthcheck-client.key"
        try:
            harm.inside(
                machines, self.life.eyes.leader(), "sh", "-c", f"{script} etcdctl {flags} put filler >/dev/null"
            )
        except harm.RefusedError as error:
            if "database space exceeded" in str(error):
                return "database space exceeded"
            raise
        return ""

    def _quotas(self, size: int) -> None:
        """Start every etcd again with this quota, one after another, or with what the agent writes."""
        machines = self._cluster.machines
        option = "quota-backend-bytes"
        for one in sorted(self.life.eyes.voters()):
            text = (machines.root(one) / "etc/etcd/etcd.yaml").read_text(encoding="utf-8")
            had = next(line for line in text.splitlines() if line.startswith(option))
            kept = machines.root(one) / "etc/etcd/quota-before"
            if size:
                kept.write_text(had)
            new = f"{option}: {size}" if size else kept.read_text()
            (machines.root(one) / "etc/etcd/etcd.yaml").write_text(text.replace(had, new))
            harm.inside(machines, one, "systemctl", "restart", ETCD)
            self.life.eyes.wait_until_settled()

    @contextmanager
    def _hurt(self, name: str) -> Iterator[Callable[[], str]]:
        self._since = datetime.now(UTC).timestamp()
        with self.life.operation(name, "fault") as stall:
            yield lambda: f"longest stall {stall():.2f} s"


def _row(report: Report, instance: str) -> bool:
    """Say whether an instance's member is well by the status."""
    return any(row.instance == instance and row.healthy for row in report.members)
