"""What becomes of a worker that is to leave, look by look."""

from __future__ import annotations

import pytest
from worker_lifecycle.decision import SILENT, Do, Sight, decide, told
from worker_lifecycle.drain import Pod

A = Pod("shop", "a", stays=False, leaving=False, critical=False)
GOING = Pod("shop", "going", stays=False, leaving=True, critical=False)
HELD = Pod("shop", "held", stays=False, leaving=True, critical=False, held=("shop.example/wait",))
STAYS = Pod("shop", "ds", stays=True, leaving=False, critical=False)
DNS = Pod("kube-system", "dns", stays=False, leaving=False, critical=True)


def sight(**about):
    return Sight("i-0a", **about)


@pytest.mark.parametrize(
    ("seen", "expected", "loud"),
    [
        (sight(there=False), Do.LET_GO, False),
        (sight(), Do.FORGET, False),
        (sight(pods=(STAYS,)), Do.FORGET, False),
        (sight(pods=(STAYS,), seconds=5000), Do.FORGET, False),
        (sight(pods=(A,)), Do.EVICT, False),
        (sight(pods=(GOING,)), Do.EVICT, False),
        (sight(pods=(A,), seconds=899), Do.EVICT, False),
        (sight(pods=(A,), seconds=900), Do.GIVE_UP, True),
        (sight(pods=(GOING,), seconds=900), Do.GIVE_UP, True),
        (sight(pods=(A,), seconds=100, budget=100), Do.GIVE_UP, True),
        (sight(pods=(A,), speaks=False), Do.EVICT, False),
        (sight(pods=(A,), speaks=False, seconds=SILENT - 1), Do.EVICT, False),
        (sight(pods=(A,), speaks=False, seconds=SILENT), Do.GIVE_UP, True),
        (sight(pods=(A,), speaks=True, seconds=SILENT), Do.EVICT, False),
        (sight(pods=(STAYS,), speaks=False, seconds=SILENT), Do.FORGET, False),
        (sight(volumes=("pvc-1",)), Do.WAIT, False),
        (sight(volumes=("pvc-1",), pods=(STAYS,), seconds=899), Do.WAIT, False),
        (sight(volumes=("pvc-1",), seconds=900), Do.LET_GO, True),
        (sight(volumes=("pvc-1",), speaks=False, seconds=SILENT - 1), Do.WAIT, False),
        (sight(volumes=("pvc-1",), speaks=False, seconds=SILENT), Do.LET_GO, True),
        (sight(silence="no", pods=(A,)), Do.WAIT, False),
        (sight(silence="no", there=False), Do.WAIT, False),
        (sight(silence="no", seconds=900), Do.LET_GO, True),
        (sight(silence="no", seconds=SILENT, speaks=False), Do.WAIT, False),
    ],
)
def test_a_look_decides(seen, expected, loud):
    """Not asked is not "nothing there"; an empty node goes at once; a budget ends; whoever loses something hears of it."""
    step = decide(seen)

    assert (step.do, step.loud) == (expected, loud)


@pytest.mark.parametrize(
    ("seconds", "budget", "asked"),
    [(0, 900, {A}), (719, 900, {A}), (720, 900, {A, DNS}), (900, 900, {A, DNS}), (96, 120, {A, DNS})],
)
def test_in_the_last_fifth_of_the_budget_everyone_is_asked(seconds, budget, asked):
    """What ends unasked with its node is missed by the cluster for as long as its next start takes."""
    step = decide(sight(pods=(A, DNS, STAYS), seconds=seconds, budget=budget))

    assert set(step.plan.evict) == asked


def test_a_node_with_pods_is_never_forgotten():
    """Deleting it would say that they have ended, and they would run twice."""
    for pods in ((A,), (GOING,), (DNS,), (HELD, STAYS)):
        for seconds in (0, SILENT, 900, 5000):
            for speaks in (True, False):
                assert decide(sight(pods=pods, seconds=seconds, speaks=speaks)).do is not Do.FORGET


def test_volumes_that_are_still_attached_are_named():
    """Somebody may have to look at them; many are counted."""
    volumes = tuple(f"pvc-{number}" for number in range(9))

    for seconds in (0, 900):
        assert decide(sight(volumes=volumes, seconds=seconds)).reason.endswith(
            "still attached: pvc-0, pvc-1, pvc-2, pvc-3, pvc-4, and 4 more"
        )


def test_what_keeps_each_pod_is_told_the_mendable_first():
    """A disruption budget and a finalizer are somebody's; who is only slow comes after, and many are counted."""
    words = told([GOING, HELD, A, DNS], {"shop/a": "The disruption budget a needs 1"})

    assert words == (
        "shop/a (The disruption budget a needs 1), shop/held (its finalizers keep it: shop.example/wait), "
        "kube-system/dns (it was not asked before), shop/going (it was asked to end and has not)"
    )
    many = [Pod("shop", f"p{n}", stays=False, leaving=True, critical=False) for n in range(9)]
    assert told(many, {}).endswith("and 4 more")
