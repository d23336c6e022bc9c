"""One look at the whole cluster: every controller is asked at the same time, and the answers become what the rules read.

1. A quorum is proven by a voter's linearizable read; who proved it is asked for the member list and the alarms.
2. A member is healthy only if it answers itself, with the id that the list gives it and the same cluster's id.
3. A member is on the instance whose id is its name; one that has not started, on the instance at its peer address; a
   learner that has not, on the terminated instance that was there, if no other is there now.
4. Who has no address could not be asked; that is not the same as not having answered.
5. Two clusters that both prove a quorum are more than can be judged: then nothing is proven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kubecfn.etcd.client import Client, EtcdError, Listed, Status
from kubecfn.etcd.names import PEER_PORT
from kubecfn.etcd.places import Group, Place
from kubecfn.etcd.view import Cluster, Heard, Machine, Member

Ask = Callable[[str], Client]


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        cluster: for the rules in `quorum`.
        heard: for the rules in `starting`; counts voters only.
        statuses: by instance; by member id for a member on none.
        via: the address that proved a quorum and told the members and alarms; empty when there is no proof.
        cluster_id: hexadecimal; empty when nobody answered, or several clusters did.
        failures: why one did not answer or could not serve, by address.
    """

    cluster: Cluster
    heard: Heard
    statuses: Mapping[str, Status]
    via: str
    cluster_id: str
    failures: Mapping[str, str] = field(default_factory=dict)


class Silence:
    """Remembers since when each member has been seen not healthy: a bound from below of how long it has been silent."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since: dict[str, float] = {}

    def of(self, healthy: Mapping[str, bool]) -> dict[str, float]:
        """Return each listed member's silence in seconds: 0 when it is healthy or was not seen otherwise before."""
        now = self._monotonic()
        self._since = {one: self._since.get(one, now) for one, well in healthy.items() if not well}
        return {one: now - self._since.get(one, now) for one in healthy}


@dataclass(frozen=True)
class _Answer:
    """One address. `status`: None when it did not answer. `serves`: a linearizable read succeeded there."""

    address: str
    status: Status | None
    serves: bool
    failure: str


@dataclass(frozen=True)
class _Told:
    """The members and alarms, and who told them; `proven`: by one that had proven a quorum."""

    by: _Answer | None
    members: tuple[Listed, ...] = ()
    alarms: tuple[str, ...] = ()
    proven: bool = False


@dataclass(frozen=True)
class _Seen:
    """A member of the list, the instance it is on, and what it says itself."""

    listed: Listed
    place: Place | None
    status: Status | None
    healthy: bool


def look(group: Group, ask: Ask, silence: Silence) -> Look:
    """Ask every controller, and every member that they know; see the module for the rules.

    Args:
        group: whom to ask; see `Group.remembering` for members whose instances EC2 has forgotten.
        ask: returns a client of the member at an address.
        silence: kept by the caller from look to look.
    """
    asked = [place.address for place in group.places if place.address and place.machine is not Machine.TERMINATED]
    answers = _ask_all(asked, ask)
    heard = _heard(group, answers.values())
    told = _told(group, answers.values(), ask)
    answers.update(_ask_all({_address(one) for one in told.members} - answers.keys() - {""}, ask))
    by = told.by.status if told.by else None
    seen = [_see(one, group, answers, by.cluster if by else "") for one in told.members]
    silent = silence.of({one.listed.id: one.healthy for one in seen})
    cluster = Cluster(
        members=tuple(_member(one, silent[one.listed.id]) for one in seen),
        size=group.size,
        expected=group.expected,
        linearizable=told.proven,
        leader=by.leader if by and told.proven else "",
        alarms=told.alarms,
    )
    return Look(
        cluster=cluster,
        heard=heard,
        statuses={one.place.instance if one.place else one.listed.id: one.status for one in seen if one.status},
        via=told.by.address if told.by and told.proven else "",
        cluster_id=by.cluster if by else "",
        failures={one.address: one.failure for one in answers.values() if one.failure},
    )


def _ask_all(addresses: Iterable[str], ask: Ask) -> dict[str, _Answer]:
    wanted = sorted(set(addresses))
    if not wanted:
        return {}
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        return {answer.address: answer for answer in pool.map(lambda address: _ask(address, ask(address)), wanted)}


def _ask(address: str, client: Client) -> _Answer:
    status = None
    try:
        status = client.status()
        if not status.learner:
            client.linearizable()
    except EtcdError as error:
        return _Answer(address, status, serves=False, failure=str(error))
    return _Answer(address, status, serves=not status.learner, failure="")


def _heard(group: Group, answers: Iterable[_Answer]) -> Heard:
    voters = [one for one in answers if one.status and not one.status.learner]
    if any(one.serves for one in voters):
        return Heard.LINEARIZABLE
    if voters:
        return Heard.NO_QUORUM
    alive = [place for place in group.places if place.machine is not Machine.TERMINATED]
    return Heard.NOBODY if alive and all(place.address for place in alive) else Heard.NOT_ASKED


def _told(group: Group, answers: Iterable[_Answer], ask: Ask) -> _Told:
    """Return what the first that proves a quorum tells; without any, what the voter that knows most does."""
    voters = [(one.status, one) for one in answers if one.status and not one.status.learner]
    if len({status.cluster for status, one in voters if one.serves}) > 1:
        return _Told(None)
    staying = set(group.expected)
    for _, one in sorted(voters, key=lambda pair: (_instance_at(group, pair[1]) not in staying, pair[1].address)):
        if one.serves:
            client = ask(one.address)
            try:
                return _Told(one, client.members(), _names(client.alarms()), proven=True)
            except EtcdError:
                continue
    for _, one in sorted(voters, key=lambda pair: (-pair[0].raft_term, -pair[0].raft_index, pair[1].address)):
        try:
            return _Told(one, ask(one.address).any_members())
        except EtcdError:
            continue
    return _Told(None)


def _names(alarms: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sorted({name for _, name in alarms}))


def _instance_at(group: Group, answer: _Answer) -> str:
    place = group.at(answer.address)
    return place.instance if place else ""


def _see(listed: Listed, group: Group, answers: Mapping[str, _Answer], cluster: str) -> _Seen:
    """Put a member's own word beside its entry; what answers at its address may be another by now."""
    answer = answers.get(_address(listed))
    status = answer.status if answer else None
    if not answer or not status or (status.member, status.cluster) != (listed.id, cluster):
        return _Seen(listed, _place(listed, group), None, healthy=False)
    return _Seen(listed, _place(listed, group), status, healthy=listed.learner or answer.serves)


def _member(seen: _Seen, silent: float) -> Member:
    listed, place = seen.listed, seen.place
    return Member(
        id=listed.id,
        name=listed.name,
        peer_urls=listed.peer_urls,
        instance=place.instance if place else "",
        learner=listed.learner,
        healthy=seen.healthy,
        machine=place.machine if place else Machine.UNKNOWN,
        silent=silent,
    )


def _place(listed: Listed, group: Group) -> Place | None:
    """Return the instance a member is on. An address alone may be another's since; a name alone may be anyone's.

    A learner that never started has only its address: unless a terminated instance's is believed too, one whose instance
    was ended in these seconds would be nobody's, and no other could ever join.
    """
    address = _address(listed)
    named = group.place(listed.name) if listed.name else None
    if named:
        return named if named.address in ("", address) else None
    if listed.name.startswith("i-"):
        return None
    return group.at(address) or (group.was_at(address) if listed.learner and not listed.name else None)


def _address(listed: Listed) -> str:
    """Return where a member of ours is; empty for one at a port that no controller uses."""
    for url in listed.peer_urls:
        parts = urlsplit(url)
        if parts.port == PEER_PORT and parts.hostname:
            return parts.hostname
    return ""
