"""What is applied to the whole cluster, by whom, how often: on a real API server."""

from __future__ import annotations

import itertools

import pytest
from agent.steps import StepFailed
from controlplane import configuration
from controlplane.configuration import Configuration, Wait

from kubecfn.kubernetes.client import KubernetesError
from kubecfn.kubernetes.leases import Lease

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kubecfn-configuration"
_NUMBERS = itertools.count(1)


@pytest.fixture(autouse=True)
def fresh(cluster):
    """No configuration was ever applied."""
    for path in (LEASE, "/api/v1/namespaces/kube-system/configmaps/kubecfn-inventory"):
        try:
            cluster.admin.delete(path)
        except KubernetesError as error:
            assert error.status == 404


def setting(name, value="1"):
    """Return an object of a cluster."""
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}}


def value_of(cluster, name):
    """Return what the cluster has of it; nothing when it is not there."""
    try:
        return cluster.admin.get(f"/api/v1/namespaces/default/configmaps/{name}")["data"]["value"]
    except KubernetesError as error:
        assert error.status == 404
        return ""


def test_the_first_controller_applies_and_the_others_find_it_done(cluster, lay):
    """Three controllers of one configuration make one change."""
    roots = [lay(name, [setting("first")]) for name in ("a", "b")]

    assert "1 objects were applied" in Configuration(roots[0], cluster.admin, "i-a").ensure()
    version = cluster.admin.get("/api/v1/namespaces/default/configmaps/first")["metadata"]["resourceVersion"]
    assert Configuration(roots[1], cluster.admin, "i-b").ensure() == "another controller has applied it"
    assert cluster.admin.get("/api/v1/namespaces/default/configmaps/first")["metadata"]["resourceVersion"] == version


def test_a_new_configuration_is_applied_and_takes_away_what_is_no_longer_in_it(cluster, lay):
    """A roll's first new controller brings the new objects."""
    Configuration(lay("old", [setting("kept"), setting("dropped")]), cluster.admin, "i-a").ensure()
    assert value_of(cluster, "dropped") == "1"

    assert "1 removed" in Configuration(lay("new", [setting("kept", "2")]), cluster.admin, "i-b").ensure()
    assert (value_of(cluster, "kept"), value_of(cluster, "dropped")) == ("2", "")


def test_a_controller_of_an_older_configuration_that_starts_again_does_not_bring_it_back(cluster, lay):
    """It applied, or saw applied, what was its own once in its life."""
    old = lay("old", [setting("turned", "old")])
    Configuration(old, cluster.admin, "i-a").ensure()
    Configuration(lay("new", [setting("turned", "new")]), cluster.admin, "i-b").ensure()

    assert Configuration(old, cluster.admin, "i-a").ensure() == "was applied before"
    assert value_of(cluster, "turned") == "new"
    (old / configuration.SEEN).unlink()
    Configuration(old, cluster.admin, "i-a").ensure()
    assert value_of(cluster, "turned") == "old"


def test_while_one_applies_the_others_wait(cluster, lay):
    """Two that apply at once would undo each other; who died is followed."""
    theirs = Lease(cluster.admin, "kube-system", "kubecfn-configuration", "i-other", seconds=600)
    assert theirs.acquire()
    mine = Configuration(lay("a", [setting("waited")]), cluster.admin, "i-a")

    with pytest.raises(Wait, match="i-other applies"):
        mine.ensure()
    assert value_of(cluster, "waited") == ""
    theirs.release()
    mine.ensure()
    assert value_of(cluster, "waited") == "1"


def test_what_the_api_server_refuses_is_named_and_nobody_takes_it_for_applied(cluster, lay):
    """The roll stops with the object's name and the server's words, on every controller that tries."""
    bad = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bad", "namespace": "default"}, "spec": {}}
    bad["spec"] = {"ports": [{"port": 99999}]}
    for name in ("a", "b"):
        root = lay(name, [bad])
        with pytest.raises(StepFailed, match=r"bad.*99999"):
            Configuration(root, cluster.admin, f"i-{name}").ensure()
        assert not (root / configuration.SEEN).exists()
    held = cluster.admin.get(LEASE)
    assert not held["spec"].get("holderIdentity")
    assert configuration.APPLIED not in held["metadata"].get("annotations", {})


def test_the_order_of_files_and_every_byte_of_them_make_the_configuration(lay):
    """Whatever is another configuration has another hash; a file that cannot be read is no configuration."""
    same = [configuration.read(lay(f"same{next(_NUMBERS)}", [setting("a")], [setting("b")]))[1] for _ in range(2)]
    other = configuration.read(lay("other", [setting("b")], [setting("a")]))
    assert same[0] == same[1] != other[1]
    assert [one["metadata"]["name"] for one in other[0]] == ["b", "a"]

    root = lay("torn", [setting("a")])
    (root / "usr/local/share/kubecfn/manifests/00-some.json").write_text("{")
    with pytest.raises(StepFailed, match=r"00-some\.json cannot be read"):
        configuration.read(root)
