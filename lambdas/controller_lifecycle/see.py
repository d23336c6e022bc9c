"""One look at everything that the decision needs; what it does not need is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from etcd_access.reach import Reach, must_trust
from hooks.aws import RETAINED, WAITING, Aws

from kubecfn.etcd import report, store
from kubecfn.etcd.look import Look, Silence, look
from kubecfn.etcd.places import Group
from kubecfn.etcd.store import Snapshot, Stored
from kubecfn.etcd.view import Heard, Machine, Member

from .facts import Facts, Leaver
from .settings import Settings


@dataclass(frozen=True)
class Seen:
    """The facts, and where to find whom they are about."""

    facts: Facts
    look: Look
    group: Group

    def address(self, instance: str) -> str:
        """Return an instance's address; empty when EC2 has not told it."""
        place = self.group.place(instance)
        return place.address if place else ""

    def other_than(self, member: str) -> str:
        """Return the address of a healthy voter that is not this one, the leader's if it can be; empty for none."""
        cluster = self.look.cluster
        healthy = [one for one in cluster.voters if one.healthy and one.id != member]
        ranked = sorted(healthy, key=lambda one: (one.id != cluster.leader, one.id))
        return next((found for found in (self.address(one.instance) for one in ranked) if found), "")


@dataclass(frozen=True)
class Eyes:
    """Looks with a memory of who has been silent since when, and of instances that EC2 has forgotten by now."""

    aws: Aws
    reach: Reach
    settings: Settings
    silence: Silence
    forgotten: Mapping[str, Machine]

    def see(self) -> Seen:
        """Look at the group, at etcd, and as far as it matters at the bucket.

        Raises:
            CertificateError: nobody answers, because certificates do not match.
            ClientError: AWS refused.
        """
        states = self.aws.states_in(self.settings.group)
        group = self.reach.fleet.group().remembering(self.forgotten)
        found = look(group, self.reach.ask, self.silence)
        must_trust(found)
        if any(one.learner and not one.name and not one.instance for one in found.cluster.members):
            had = self.reach.addresses(group)
            group = group.remembering({**self.forgotten, **dict.fromkeys(had, Machine.TERMINATED)}, had)
            found = look(group, self.reach.ask, self.silence)
        leaving = {one: state for one, state in sorted(states.items()) if state in (WAITING, RETAINED)}
        if not leaving:
            return Seen(Facts(found.cluster), found, group)
        return Seen(self._facts(leaving, group, found), found, group)

    def _facts(self, leaving: Mapping[str, str], group: Group, found: Look) -> Facts:
        bucket = self.reach.store
        stored, snapshots = bucket.read(), bucket.snapshots()
        at = store.now()
        spoke = self._spoke(found, at)
        leavers = tuple(
            Leaver(
                one,
                (at - bucket.leaving(one)).total_seconds(),
                retained=state == RETAINED,
                known=_known(group, one),
                speaks=one in spoke,
            )
            for one, state in leaving.items()
        )
        return Facts(
            found.cluster,
            leavers,
            nothing=_nothing(found, stored, snapshots),
            enlisted=self._enlisted(found, stored, at),
            saved=bool(snapshots),
            unsaved=_unsaved(found, stored, snapshots, (at, self.settings.backup_every)),
            budget=self.settings.budget,
        )

    def _spoke(self, found: Look, at: datetime) -> frozenset[str]:
        """Return the instances that were heard: by their etcd now, or by their agent's word within the budget."""
        if found.cluster.linearizable:
            return frozenset(found.statuses)
        words = self.reach.store.words()
        late = self.settings.budget
        said = {one for one, word in words.items() if (at - store.moment(word["at"])).total_seconds() < late}
        return frozenset(found.statuses) | said

    def _enlisted(self, found: Look, stored: Stored | None, at: datetime) -> tuple[Member, ...]:
        if found.cluster.linearizable or stored is None:
            return ()
        since = {one: store.moment(text) for one, text in stored.instances.items()}
        machines = self.reach.fleet.machines(since, at)
        return tuple(Member(one, one, instance=one, machine=machine) for one, machine in sorted(machines.items()))


def _known(group: Group, instance: str) -> bool:
    place = group.place(instance)
    return place is not None and (bool(place.address) or place.machine is Machine.TERMINATED)


def _nothing(found: Look, stored: Stored | None, snapshots: tuple[Snapshot, ...]) -> str:
    if found.heard is not Heard.NOBODY or snapshots:
        return ""
    if stored is None:
        return "no cluster was ever founded"
    return "" if stored.established else f"epoch {stored.epoch} was never established"


def _unsaved(found: Look, stored: Stored | None, snapshots: tuple[Snapshot, ...], when: tuple[datetime, float]) -> str:
    """Return why the newest backup is not fresh; empty when it is young, or the revision has not moved since."""
    at, every = when
    if not snapshots:
        return "there is no backup yet"
    newest = snapshots[0]
    age = (at - newest.at).total_seconds()
    revision = report.revision(found)
    if age < 2 * every or (stored and newest.epoch == stored.epoch and newest.revision >= revision):
        return ""
    return f"the newest backup is {age:.0f} s old, and revision {revision} has moved on from {newest.revision}"
