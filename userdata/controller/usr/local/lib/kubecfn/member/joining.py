"""How this node comes into a cluster that lives: added as a learner, and started with the list of that moment."""

from __future__ import annotations

from typing import Iterable, Tuple

from kubecfn.etcd.journal import say
from kubecfn.etcd.view import Cluster

from .seams import Peer


def initial_cluster(peer: Peer, cluster: Cluster, me: str, peer_url: str) -> str:
    """Add this node unless it is in the list; return etcd's ``--initial-cluster``, or nothing when it has to ask again.

    Only what the quorum itself answers is taken: started with any other list, a joiner exits or seeds its own cluster.

    Args:
        peer: the member that proved the quorum.
        cluster: as it was seen.
        me: this node's name.
        peer_url: and address.

    Raises:
        EtcdError: refused, or it may have been done: the next look tells.
    """
    mine = next((one for one in cluster.members if one.instance == me), None)
    if mine and mine.name:
        # Its log is gone, and raft never sends again what this member once acknowledged. A learner has no vote to lose.
        peer.remove(mine.id)
        return ""
    if mine:
        return _text(((one.id, one.name, one.peer_urls) for one in cluster.members), mine.id, me)
    added, members = peer.add_learner(peer_url)
    say("added", "as a learner", instance=me, member=added)
    return _text(((one.id, one.name, one.peer_urls) for one in members), added, me)


def _text(members: Iterable[Tuple[str, str, Tuple[str, ...]]], added: str, me: str) -> str:
    """Return ``NAME=URL`` of every member: etcd compares the addresses; one that has not started has no name yet."""
    named = [(me if one == added else name or f"member-{one}", urls) for one, name, urls in members]
    return ",".join(f"{name}={url}" for name, urls in named for url in urls)
