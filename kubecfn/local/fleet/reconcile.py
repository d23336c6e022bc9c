"""The one thread that brings groups to what they should be: it launches, lets hooks wait, replaces, rebalances, terminates.

All states change here, except that the API may mark an instance as terminating. Nothing polls while nothing waits: the
thread sleeps until the next hook runs out, the next launch is retried or the next health check is due.

Sources: Auto Scaling User Guide, "Amazon EC2 Auto Scaling instance lifecycle", "How lifecycle hooks work in Auto Scaling
groups", "Health checks for instances in an Auto Scaling group", "Amazon EC2 Auto Scaling rebalancing activities".
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.local.api import ServiceError
from kubecfn.local.clock import Clock
from kubecfn.local.fleet import lifecycle, notices
from kubecfn.local.fleet.hands import Hands
from kubecfn.local.fleet.members import in_grace, start_terminating
from kubecfn.local.fleet.model import LAUNCHING, TERMINATING, Activity, Book, Group, Member
from kubecfn.local.fleet.pace import simulated_seconds
from kubecfn.local.fleet.placement import next_subnet, unbalanced, victims

LOG = logging.getLogger("kubecfn.local")
# AWS says "every few minutes" or less; never more often than twice a real second, which costs the machine too much.
HEALTH_EVERY = 15.0
HEALTH_AT_MOST_EVERY_REAL = 0.5
FIRST_RETRY, LAST_RETRY = 20.0, 300.0
LAUNCH_ABANDONED = "an instance's launching lifecycle action was abandoned"
RETAINED = "Lifecycle action abandoned; instance retained."
OUT_OF_SERVICE = "an instance was taken out of service in response to"
FOUND_DEAD = f"{OUT_OF_SERVICE} an EC2 health check indicating it has been terminated or stopped"
FOUND_UNHEALTHY = f"{OUT_OF_SERVICE} a user health-check"
FAILURES = (ClientError, BotoCoreError, ServiceError)


@dataclass
class Reconciler:
    """The thread and what it needs.

    Attributes:
        book: the groups.
        hands: does what an instance needs done in other services.
        notices: tells EventBridge.
    """

    book: Book
    hands: Hands
    notices: notices.Notices

    def __post_init__(self) -> None:
        self._closed = threading.Event()
        self._health_due = 0.0
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what is under way in another service is waited for."""
        self._closed.set()
        self.book.changed.set()
        if self._thread.ident:
            self._thread.join()

    @property
    def clock(self) -> Clock:
        """The world's clock."""
        return self.book.world.clock

    def _run(self) -> None:
        while not self._closed.is_set():
            self.book.changed.clear()
            self._check_health()
            with self.book.lock:
                groups = list(self.book.groups.values())
            for group in groups:
                try:
                    self.reconcile(group)
                except Exception:
                    LOG.exception("group %s could not be reconciled", group.name)
                    group.retry_at = self.clock.monotonic() + FIRST_RETRY
            self.clock.wait(self.book.changed, self._pause(groups))

    def _pause(self, groups: list[Group]) -> float:
        """Return the simulated seconds until something is due."""
        now = self.clock.monotonic()
        with self.book.lock:
            dues = [due for group in groups if (due := lifecycle.next_deadline(group)) is not None]
            dues += [group.retry_at for group in groups if group.retry_at > now]
            if any(group.members for group in groups):
                dues.append(self._health_due)
        return max(0.0, min(dues, default=now + 3600.0) - now)

    def reconcile(self, group: Group) -> None:
        """Take every step that a group can take now."""
        with self.book.lock:
            members = list(group.members.values())
        for member in members:
            self._advance(group, member)
        self._replace_unhealthy(group)
        self._fit_size(group)
        self._fit_targets(group)
        with self.book.lock:
            if group.deleting and not group.members:
                self.book.groups.pop((group.region, group.name), None)

    # states

    def _advance(self, group: Group, member: Member) -> None:
        match member.state:
            case "Pending":
                if member.on or self._power_on(group, member):
                    self._enter(group, member, LAUNCHING)
            case "Terminating":
                self._leave_service(group, member)
                self._enter(group, member, TERMINATING)
            case "Pending:Wait" | "Terminating:Wait" as state:
                with self.book.lock:
                    outcome = lifecycle.outcome(member, self.clock.monotonic())
                if outcome:
                    self._after_wait(group, member, state, outcome)
            case "Terminating:Retained" if member.gone:
                with self.book.lock:
                    group.members.pop(member.id, None)

    def _enter(self, group: Group, member: Member, transition: str) -> None:
        """Begin a transition: wait for its hooks, or go through at once."""
        before = member.state
        with self.book.lock:
            if member.state != before:
                return
            waits = [] if member.final else lifecycle.begin(group, member, transition, self.clock.monotonic())
            if waits:
                member.state = f"{before}:Wait"
                if member.activity:
                    member.activity.status = "MidLifecycleAction"
        for action in waits:
            self.notices.lifecycle_action(group, member, action)
        if not waits:
            self._proceed(group, member, before)

    def _after_wait(self, group: Group, member: Member, state: str, outcome: str) -> None:
        """Act on the end of a wait, unless the API has terminated the instance meanwhile."""
        if outcome == "CONTINUE":
            self._proceed(group, member, state)
        elif state == "Pending:Wait":
            with self.book.lock:
                if member.state == state:
                    start_terminating(group, member, self._activity(LAUNCH_ABANDONED))
            self._advance(group, member)
        elif group.retains and not member.gone:
            with self.book.lock:
                if member.state == state:
                    member.state = "Terminating:Retained"
                    if member.activity:
                        member.activity.finish("Cancelled", self.clock.now(), RETAINED)
        else:
            self._proceed(group, member, state)

    def _proceed(self, group: Group, member: Member, before: str) -> None:
        """Go from Pending into service, from Terminating to the end."""
        launching = before.startswith("Pending")
        with self.book.lock:
            if member.state != before:
                return
            member.actions = []
            member.state = "Pending:Proceed" if launching else "Terminating:Proceed"
        if not launching:
            self.hands.power_off(group, member, lambda: self._ended(group, member))
            return
        self._register(group, member)
        with self.book.lock:
            if member.state != "Pending:Proceed":
                return
            member.state = "InService"
            if member.activity:
                member.activity.finish("Successful", self.clock.now())
        self.notices.launched(group, member)

    def _ended(self, group: Group, member: Member) -> None:
        """The machine is off and EC2 says terminated; called from the thread that did it."""
        with self.book.lock:
            member.state = "Terminated"
            group.members.pop(member.id, None)
            if member.activity:
                member.activity.finish("Successful", self.clock.now())
        self.notices.terminated(group, member)
        self.book.changed.set()

    # health

    def _check_health(self) -> None:
        """Ask EC2 and the machines who still runs, when a check is due."""
        now = self.clock.monotonic()
        if now < self._health_due:
            return
        self._health_due = now + max(HEALTH_EVERY, simulated_seconds(self.clock, HEALTH_AT_MOST_EVERY_REAL))
        with self.book.lock:
            groups = list(self.book.groups.values())
        for group in groups:
            with self.book.lock:
                asked = [m.id for m in group.members.values() if m.state != "Terminating:Proceed" and not m.gone]
            try:
                dead = self.hands.not_running(group, asked)
            except FAILURES as error:
                LOG.warning("health of group %s unknown: %s", group.name, error)
                continue
            for instance_id, certain in dead.items():
                self._mark_gone(group, instance_id, certain=certain)
                if certain:
                    self._unplug(group, instance_id)

    def _mark_gone(self, group: Group, instance_id: str, *, certain: bool) -> None:
        with self.book.lock:
            member = group.members.get(instance_id)
            if member is None or (not certain and in_grace(self.book, group, member)):
                return
            if member.state == "Terminating:Retained" or group.runs("HealthCheck"):
                member.gone = True
                member.health = "Unhealthy"

    def _unplug(self, group: Group, instance_id: str) -> None:
        """End the machine of an instance that EC2 already calls terminated or stopped, hooks or not."""
        with self.book.lock:
            member = group.members.get(instance_id)
            if member is None or not member.on:
                return
            member.on = False
        self.hands.unplug(instance_id)

    def _replace_unhealthy(self, group: Group) -> None:
        if not group.runs("ReplaceUnhealthy", "Terminate"):
            return
        with self.book.lock:
            for member in group.counted():
                if member.health == "Unhealthy" and member.state != "Pending:Proceed":
                    cause = FOUND_DEAD if member.gone else FOUND_UNHEALTHY
                    start_terminating(group, member, self._activity(cause))
        self._advance_terminating(group)

    # size

    def _fit_size(self, group: Group) -> None:
        extra = 1 if self._rebalances(group) else 0
        while not self._closed.is_set() and len(group.counted()) < group.desired + extra and group.runs("Launch"):
            # Sizes and deletion are read anew each time: the API changes them while an instance starts.
            if group.deleting or self.clock.monotonic() < group.retry_at or not self._launch(group):
                return
            group.rebalancing = bool(extra)
        with self.book.lock:
            counted = group.counted()
            if group.rebalancing and any(member.state != "InService" for member in counted):
                return  # the new one first; then the richest zone has one too many
            group.rebalancing = False
        surplus = len(counted) - group.desired
        if surplus > 0 and group.runs("Terminate"):
            self._shrink(group, surplus)

    def _rebalances(self, group: Group) -> bool:
        with self.book.lock:
            counted = group.counted()
            settled = len(counted) == group.desired and all(member.state == "InService" for member in counted)
            return (
                settled
                and not group.deleting
                and group.runs("AZRebalance", "Launch", "Terminate")
                and unbalanced(group)
            )

    def _shrink(self, group: Group, surplus: int) -> None:
        with self.book.lock:
            size = len(group.counted())
            for number, member in enumerate(victims(group, surplus)):
                cause = f"{OUT_OF_SERVICE} a difference between desired and actual capacity, shrinking the capacity from {size - number} to {size - number - 1}"
                start_terminating(group, member, self._activity(cause))
        self._advance_terminating(group)

    def _advance_terminating(self, group: Group) -> None:
        with self.book.lock:
            members = [member for member in group.members.values() if member.state == "Terminating"]
        for member in members:
            self._advance(group, member)

    def _launch(self, group: Group) -> bool:
        """Start one instance; a failure is an activity, an event and a later try."""
        size = len(group.counted())
        cause = f"an instance was started in response to a difference between desired and actual capacity, increasing the capacity from {size} to {size + 1}"
        activity = self._activity(cause)
        subnet = next_subnet(group)
        try:
            member = self.hands.launch(group, subnet)
        except FAILURES as error:
            self._launch_failed(group, activity, str(error))
            return False
        activity.description = f"Launching a new EC2 instance: {member.id}"
        activity.details = f'{{"Subnet ID":"{subnet}","Availability Zone":"{member.zone}"}}'
        member.activity = activity
        with self.book.lock:
            group.failures = 0
            group.members[member.id] = member
            group.activities.appendleft(activity)
            if group.deleting:
                member.state, member.final = "Terminating", True
        self._advance(group, member)
        return True

    def _power_on(self, group: Group, member: Member) -> bool:
        try:
            self.hands.power_on(group, member)
        except (*FAILURES, OSError) as error:
            LOG.warning("instance %s cannot be switched on yet: %s", member.id, error)
            group.retry_at = self.clock.monotonic() + FIRST_RETRY
            return False
        member.on = True
        return True

    def _launch_failed(self, group: Group, activity: Activity, words: str) -> None:
        activity.description = "Launching a new EC2 instance.  Status Reason: " + words
        activity.finish("Failed", self.clock.now(), words)
        with self.book.lock:
            group.activities.appendleft(activity)
            group.retry_at = self.clock.monotonic() + min(LAST_RETRY, FIRST_RETRY * 2**group.failures)
            group.failures += 1
        self.notices.launch_failed(group, activity)

    def _activity(self, why: str) -> Activity:
        now = self.clock.now()
        return Activity("", f"At {now:%Y-%m-%dT%H:%M:%SZ} {why}.", now)

    # target groups

    def _register(self, group: Group, member: Member) -> None:
        if not group.runs("AddToLoadBalancer"):
            return
        for arn in group.settings["TargetGroupARNs"]:
            if arn not in member.targets and self.hands.register(group, member, arn):
                member.targets.add(arn)

    def _leave_service(self, group: Group, member: Member) -> None:
        for arn in list(member.targets):
            self.hands.deregister(group, member, arn)
            member.targets.discard(arn)

    def _fit_targets(self, group: Group) -> None:
        """Follow target groups that were attached or detached meanwhile."""
        with self.book.lock:
            serving = [member for member in group.members.values() if member.state == "InService"]
            wanted = set(group.settings["TargetGroupARNs"])
        for member in serving:
            for arn in member.targets - wanted:
                self.hands.deregister(group, member, arn)
                member.targets.discard(arn)
            if wanted - member.targets:
                self._register(group, member)
