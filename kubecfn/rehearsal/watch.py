"""What every instance is to its cluster now, judged from looks at it, and a thread that keeps looking and records it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Self

from kubecfn.etcd.look import Look
from kubecfn.etcd.places import Group, Place
from kubecfn.etcd.view import Machine, Member
from kubecfn.rehearsal.record import Phase, Recorder

# Seconds between two looks: finer than a person sees, coarse enough to disturb nobody.
EVERY = 0.25
_WAS_MEMBER = (Phase.LEARNER, Phase.VOTER, Phase.LEADER, Phase.DEAD)
Seen = tuple[Group, Look]


def phases(group: Group, look: Look, before: Mapping[str, Phase]) -> dict[str, Phase]:
    """Return what every instance is now; one that is over and no member any more is left out.

    Args:
        group: where instances are, those that EC2 still remembers as terminated too.
        look: at the same moment.
        before: what this function said last time.
    """
    members = {member.instance: member for member in look.cluster.members if member.instance}
    now = {
        place.instance: _phase(place, members.get(place.instance), look, before.get(place.instance))
        for place in group.places
    }
    return {instance: phase for instance, phase in now.items() if phase is not Phase.GONE}


def _phase(place: Place, member: Member | None, look: Look, before: Phase | None) -> Phase:
    if member is not None and place.instance in look.statuses:
        return _serving(place, member, look)
    if member is not None and member.name and (not member.learner or before in _WAS_MEMBER):
        return Phase.DEAD
    if not look.cluster.members and before in _WAS_MEMBER:
        return Phase.DEAD
    if place.machine is Machine.TERMINATED:
        return Phase.GONE
    return Phase.LEAVING if place.machine is Machine.LEAVING else Phase.BOOTING


def _serving(place: Place, member: Member, look: Look) -> Phase:
    if member.id == look.cluster.leader:
        return Phase.LEADER
    if place.machine is Machine.LEAVING:
        return Phase.LEAVING
    return Phase.LEARNER if member.learner else Phase.VOTER


class Watcher:
    """Looks again and again in a thread of its own from `with` until its end.

    Args:
        look: one look at the group and its cluster. What it raises means "could not look", and it is asked again.
        recorder: takes the phases.
        every: seconds between two looks.
    """

    def __init__(self, look: Callable[[], Seen], recorder: Recorder, *, every: float = EVERY) -> None:
        self._look, self._recorder, self._every = look, recorder, every
        self.latest: Seen | None = None
        self.phases: Mapping[str, Phase] = {}
        self.failure = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def look(self) -> None:
        """Look once and record what was seen."""
        try:
            seen = self._look()
        except Exception as error:  # noqa: BLE001  whatever AWS or etcd refuses now, there will be another look
            self.failure = str(error)
            return
        self.phases = phases(*seen, self.phases)
        self._recorder.phases(dict(self.phases))
        # Last: whoever has waited for this look reads the phases next.
        self.failure, self.latest = "", seen

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(self._every)
