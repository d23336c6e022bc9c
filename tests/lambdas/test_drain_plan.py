"""A worker's pods leave in an order in which nobody loses what it needs, and what cannot leave keeps nobody waiting."""

from __future__ import annotations

import pytest
from worker_lifecycle.drain import CRITICAL, plan, read


def pod(name, **about):
    """Return a pod as the API server tells of it."""
    metadata = {"namespace": "shop", "name": name}
    if about.get("owner"):
        metadata["ownerReferences"] = [{"kind": about["owner"], "controller": True}]
    if about.get("mirror"):
        metadata["annotations"] = {"kubernetes.io/config.mirror": "x"}
    if about.get("deleting"):
        metadata["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    if about.get("finalizers"):
        metadata["finalizers"] = about["finalizers"]
    spec = {"priority": about["priority"]} if "priority" in about else {}
    spec["volumes"] = about.get("volumes", [])
    return read({"metadata": metadata, "spec": spec, "status": {"phase": about.get("phase", "Running")}})


def named(pods):
    """Return names."""
    return [one.name for one in pods]


@pytest.mark.parametrize(
    "about", [{"owner": "DaemonSet"}, {"mirror": True}, {"phase": "Succeeded"}, {"phase": "Failed"}]
)
def test_what_comes_back_or_has_ended_keeps_no_node(about):
    """Evicted, a DaemonSet's pod would be on the node again before the node is gone."""
    assert plan([pod("a", **about)]).empty


@pytest.mark.parametrize("about", [{}, {"owner": "ReplicaSet"}, {"owner": "StatefulSet"}, {"phase": "Pending"}])
def test_everything_else_is_asked_to_leave(about):
    """A bare pod too: nobody makes it again, and it ends with its node in any case."""
    made = plan([pod("a", **about)])
    assert named(made.evict) == ["a"]
    assert not made.empty


def test_who_is_on_the_way_is_awaited_and_not_asked_again():
    """It has its own grace period."""
    made = plan([pod("a", deleting=True)])
    assert (named(made.evict), named(made.awaited), made.empty) == ([], ["a"], False)


@pytest.mark.parametrize("other", [{}, {"deleting": True}])
def test_the_critical_leave_last(other):
    """Others may need the cluster's DNS until they are gone."""
    dns = pod("dns", priority=CRITICAL)

    assert "dns" not in named(plan([dns, pod("a", **other)]).evict)
    assert named(plan([dns, pod("a", owner="DaemonSet")]).evict) == ["dns"]


def test_when_little_time_is_left_the_critical_are_asked_too():
    """One ordinary pod that stays must not let the cluster's DNS end unasked with its node."""
    pods = [pod("dns", priority=CRITICAL), pod("stuck")]

    assert named(plan(pods).evict) == ["stuck"]
    assert named(plan(pods, late=True).evict) == ["dns", "stuck"]


def test_an_empty_node_may_go():
    """Nothing is there that could leave."""
    assert plan([]).empty


def test_who_is_not_made_again_and_who_is_held_is_known():
    """Both are told to people: the one is lost with its node, the other keeps it."""
    bare, owned, held = pod("a"), pod("b", owner="ReplicaSet"), pod("c", finalizers=["shop.example/wait"])

    assert (bare.managed, owned.managed) == (False, True)
    assert (held.held, bare.held) == (("shop.example/wait",), ())


@pytest.mark.parametrize(
    ("volumes", "phase", "claims"),
    [
        ([], "Running", 0),
        ([{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/"}}], "Running", 0),
        ([{"name": "a", "persistentVolumeClaim": {"claimName": "a"}}, {"name": "b", "ephemeral": {}}], "Running", 2),
        ([{"name": "a", "persistentVolumeClaim": {"claimName": "a"}}], "Succeeded", 0),
    ],
)
def test_a_pod_keeps_the_volumes_that_it_claims_until_it_ends(volumes, phase, claims):
    """A DaemonSet's pod that stays keeps them attached, and nobody waits for that."""
    assert pod("a", volumes=volumes, phase=phase).claims == claims
