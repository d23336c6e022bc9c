"""May this worker leave? Nothing here reads a clock or the network.

1. A stack that is deleted, whose creation is rolled back, or that is gone takes its workers with it: continue at once
   (`hooks.leaving.is_going`; nothing here is asked).
2. Without a node in the cluster nothing runs there: continue.
3. An API server that cannot be asked is waited for. Workers hold nothing that only they have: when the budget is over,
   they go all the same, and that is said.
4. A node takes no new pods from the moment it is seen; those that are there are asked to leave as `drain.plan` says.
5. Who may not leave now is asked again, until the budget is over; then the worker goes with it, and that is said.
6. A kubelet that is silent ends no pod any more: nobody waits for it longer than `SILENT` seconds.
7. The node's object is deleted only when the node is empty: deleting it says that its pods have ended, and where one of
   them still runs it would run twice (Kubernetes: "Nodes", section "Management"; "Force Delete StatefulSet Pods").
8. Nor while volumes of pods that have left are attached: of a node that is gone nobody says any more that it has unmounted
   them, and no other gets them for six minutes (Kubernetes: "Node Shutdowns", section "Forced storage detach on timeout").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from .drain import Plan, Pod, plan

SILENT = 120.0
_NAMED = 5


@dataclass(frozen=True)
class Sight:
    """One look at a worker that is to leave.

    Attributes:
        instance: its id, which is its node's name.
        seconds: since it was first seen to be leaving.
        budget: seconds that its pods have.
        silence: why the API server could not be asked; empty when it was.
        there: the cluster has a node of that name.
        speaks: its kubelet tells the API server that it is well.
        pods: what runs there.
        volumes: that are attached though no pod that is there needs them; looked for when the others have left.
    """

    instance: str
    seconds: float = 0.0
    budget: float = 900.0
    silence: str = ""
    there: bool = True
    speaks: bool = True
    pods: tuple[Pod, ...] = ()
    volumes: tuple[str, ...] = ()


# After this part of its budget a worker's critical pods are asked to leave though others are still there.
LATE = 0.8


class Do(Enum):
    """What is to be done about one worker."""

    LET_GO = "let-go"
    FORGET = "forget"
    EVICT = "evict"
    GIVE_UP = "give-up"
    WAIT = "wait"


@dataclass(frozen=True)
class Step:
    """One thing to do, and why.

    Attributes:
        plan: of `EVICT` and `GIVE_UP`, the pods it is about.
        loud: a person should hear of it.
    """

    do: Do
    reason: str
    plan: Plan = field(default_factory=lambda: Plan((), ()))
    loud: bool = False


def decide(sight: Sight) -> Step:
    """Return what to do about a worker of a stack that lives."""
    if sight.silence:
        return _unseen(sight)
    if not sight.there:
        return Step(Do.LET_GO, f"the cluster has no node {sight.instance}: nothing runs there")
    made = plan(sight.pods, late=sight.seconds >= LATE * sight.budget)
    if made.empty:
        return _detaching(sight) if sight.volumes else Step(Do.FORGET, "nothing is left on it that could move")
    if sight.seconds >= sight.budget:
        return Step(Do.GIVE_UP, f"after {sight.budget:.0f} s it goes with", made, loud=True)
    if not sight.speaks and sight.seconds >= min(SILENT, sight.budget):
        return Step(Do.GIVE_UP, "its kubelet is silent and ends no pod any more; it goes with", made, loud=True)
    return Step(Do.EVICT, f"{len(made.evict)} pods are asked to leave, {len(made.awaited)} are on the way", made)


def _detaching(sight: Sight) -> Step:
    more = len(sight.volumes) - _NAMED
    names = ", ".join([*sight.volumes[:_NAMED], *([f"and {more} more"] if more > 0 else [])])
    if sight.seconds >= sight.budget:
        words = f"after {sight.budget:.0f} s it goes with volumes that are still attached: {names}"
        return Step(Do.LET_GO, words, loud=True)
    if not sight.speaks and sight.seconds >= min(SILENT, sight.budget):
        words = f"its kubelet is silent and unmounts nothing any more; it goes with attached volumes: {names}"
        return Step(Do.LET_GO, words, loud=True)
    return Step(Do.WAIT, f"volumes of pods that have left it are still attached: {names}")


def _unseen(sight: Sight) -> Step:
    if sight.seconds < sight.budget:
        return Step(Do.WAIT, f"the API server cannot be asked: {sight.silence}")
    reason = f"it goes undrained: for {sight.budget:.0f} s the API server could not be asked: {sight.silence}"
    return Step(Do.LET_GO, reason, loud=True)


def told(pods: Sequence[Pod], refused: Mapping[str, str]) -> str:
    """Return pods with what keeps each of them, those first about which somebody can do something.

    Args:
        pods: that are still there.
        refused: why a pod was not let go, by its name with namespace.
    """
    ranked = sorted(pods, key=lambda pod: (str(pod) not in refused, not pod.held, str(pod)))
    words = [f"{pod} ({refused.get(str(pod)) or _on_the_way(pod)})" for pod in ranked[:_NAMED]]
    more = len(ranked) - _NAMED
    return ", ".join([*words, *([f"and {more} more"] if more > 0 else [])])


def _on_the_way(pod: Pod) -> str:
    if pod.leaving and pod.held:
        return f"its finalizers keep it: {', '.join(pod.held)}"
    return "it was asked to end and has not" if pod.leaving else "it was not asked before"
