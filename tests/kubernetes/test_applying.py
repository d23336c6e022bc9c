"""What a cluster is made of reaches a real API server: in order, again without a change, and away when it is no longer wanted."""

from __future__ import annotations

import itertools
import time

import pytest

from kubecfn.kubernetes.applying import ApplyError, apply_all
from kubecfn.kubernetes.client import KubernetesError
from kubecfn.kubernetes.objects import Kinds, Name, flat, name_of, ordered, rank
from kubecfn.kubernetes.pruning import Pruned

_LISTS = itertools.count(1)
GROUP = itertools.count(1)


def thing(kind, name, space="", version="v1", **rest):
    """Return an object."""
    metadata = {"name": name, **({"namespace": space} if space else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def config_map(name, space, **data):
    """Return a ConfigMap."""
    return thing("ConfigMap", name, space, data=data)


def deployment(name, space, image="registry.invalid/a"):
    """Return a Deployment."""
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": image}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod}
    return thing("Deployment", name, space, "apps/v1", spec=spec)


def definition(group, kind="Widget"):
    """Return a CustomResourceDefinition whose objects may hold anything."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    return thing("CustomResourceDefinition", f"{plural}.{group}", version="apiextensions.k8s.io/v1", spec=spec)


class Applying:
    """One configuration's life: what is applied again and again under one inventory."""

    def __init__(self, cluster, clock=time):
        self.client, self.said, self.inventory, self.clock = cluster.admin, [], f"list-{next(_LISTS)}", clock

    def __call__(self, *objects, patience=20.0):
        """Apply these and nothing else."""
        self.said.clear()
        return apply_all(
            self.client,
            objects,
            inventory=self.inventory,
            report=self.said.append,
            patience=patience,
            clock=self.clock,
        )

    def get(self, one):
        """Return an object as the server has it."""
        return self.client.get(Kinds(self.client).path(name_of(one)))

    def there(self, one):
        """Say whether it is there and stays."""
        try:
            return "deletionTimestamp" not in self.get(one)["metadata"]
        except KubernetesError as error:
            assert error.status == 404
            return False


@pytest.fixture
def applying(cluster):
    """A configuration's life on the newest server."""
    return Applying(cluster)


@pytest.fixture
def group():
    """A group of custom resources that is this test's own."""
    return f"g{next(GROUP)}.example.com"


def its_life(applying, space, group):
    """Go through what every minor has to do alike."""
    wanted = [
        thing("Widget", "one", space, f"{group}/v1", spec={"size": 1}),
        deployment("web", space),
        config_map("settings", space, a="1"),
        definition(group),
        thing("Namespace", space),
    ]
    applying({"apiVersion": "v1", "kind": "List", "items": wanted})
    before = [applying.get(one)["metadata"]["resourceVersion"] for one in wanted]
    applying(*wanted)
    assert before == [applying.get(one)["metadata"]["resourceVersion"] for one in wanted]

    gone = applying(*wanted[2:]).pruned
    assert {str(name) for name in gone.removed} == {f"Widget {space}/one", f"Deployment {space}/web"}
    assert [applying.there(one) for one in wanted] == [False, False, True, True, True]
    assert applying(config_map("settings", space, a="1")).pruned.kept == (Name("v1", "Namespace", "", space),)
    assert [applying.there(one) for one in wanted] == [False, False, True, False, True]
    assert applying().pruned == Pruned((Name("v1", "ConfigMap", space, "settings"), Name("v1", "Namespace", "", space)))
    assert not any(applying.there(one) for one in wanted)


def test_what_is_applied_twice_is_not_changed_and_what_is_no_longer_wanted_goes(applying, group):
    """Whatever order it comes in; its definition, its namespace and the inventory included."""
    its_life(applying, f"life-{group.partition('.')[0]}", group)


def test_older_minors_do_alike(older, group):
    """A cluster is created and rolled on each minor of the table."""
    its_life(Applying(older), f"life-{group.partition('.')[0]}", group)


def test_anothers_field_is_kept(applying, space):
    """An autoscaler's replicas, a person's annotation: what we do not say is not ours."""
    wanted = deployment("web", space)
    del wanted["spec"]["replicas"]
    applying(wanted)
    path = Kinds(applying.client).path(name_of(wanted))
    applying.client.patch(path, {"spec": {"replicas": 5}, "metadata": {"annotations": {"note": "a person's"}}})
    applying(deployment("web", space, image="registry.invalid/b") | {"spec": {**wanted["spec"]}})
    found = applying.get(wanted)
    assert found["spec"]["replicas"] == 5
    assert found["metadata"]["annotations"]["note"] == "a person's"


def test_anothers_value_of_our_field_is_taken_back(applying, space):
    """The configuration is the source: what it says holds again after the next run."""
    applying(config_map("one", space, a="1"))
    applying.client.patch(f"/api/v1/namespaces/{space}/configmaps/one", {"data": {"a": "2", "b": "3"}})
    applying(config_map("one", space, a="1"))
    assert applying.get(config_map("one", space))["data"] == {"a": "1", "b": "3"}


def test_a_field_that_is_no_longer_said_is_removed(applying, space):
    """Within an object as among objects."""
    applying(config_map("one", space, a="1", b="2"))
    applying(config_map("one", space, a="1"))
    assert applying.get(config_map("one", space))["data"] == {"a": "1"}


def test_a_refused_object_is_named_and_nothing_follows_it(applying, space):
    """The roll stops there; nothing is sent after it, and nothing that was there is removed."""
    applying(config_map("old", space))
    bad = thing("Role", "bad", space, "rbac.authorization.k8s.io/v1", rules=[{"verbs": [], "resources": ["pods"]}])
    with pytest.raises(ApplyError) as refused:
        applying(config_map("later", space), bad, thing("ServiceAccount", "before", space))
    assert str(refused.value).startswith(f"Role {space}/bad is refused: ")
    assert "rules[0].verbs: Required value" in refused.value.reason
    assert applying.there(thing("ServiceAccount", "before", space))
    assert not applying.there(config_map("later", space))
    assert applying.there(config_map("old", space))


def test_a_run_that_broke_off_leaves_nothing_unfound(applying, space):
    """What it made before the refusal is removed by the next run, though no run ever ended well."""
    with pytest.raises(ApplyError):
        applying(thing("ServiceAccount", "made", space), thing("Service", "bad", space, spec={"ports": []}))
    assert applying.there(thing("ServiceAccount", "made", space))
    applying()
    assert not applying.there(thing("ServiceAccount", "made", space))


def test_what_cannot_be_changed_in_place_says_what_to_do(applying, space):
    """Kubernetes says only that it is immutable."""
    first = thing("Secret", "one", space, immutable=True, stringData={"a": "1"})
    applying(first)
    with pytest.raises(ApplyError, match="delete it, and it is made anew"):
        applying({**first, "stringData": {"a": "2"}})


@pytest.mark.parametrize(
    "bad",
    [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}},
        {"kind": "ConfigMap", "metadata": {"name": "a"}},
        {"apiVersion": "v1", "metadata": {"name": "a"}},
        {},
    ],
)
def test_what_has_no_name_is_refused_before_anything_is_sent(applying, space, bad):
    """An object that cannot be named could not be removed either."""
    with pytest.raises(ApplyError, match="has no "):
        applying(thing("ServiceAccount", "before", space), bad)
    assert not applying.there(thing("ServiceAccount", "before", space))


def test_one_object_stands_there_once(applying, space):
    """Two manifests that fight over an object would change it at each run."""
    with pytest.raises(ApplyError, match="stands twice"):
        applying(config_map("one", space, a="1"), config_map("one", space, a="2"))


def test_somebody_elses_object_of_the_same_name_stays(applying, space):
    """Who deleted ours and made their own does not lose it."""
    applying(config_map("one", space, a="1"))
    path = f"/api/v1/namespaces/{space}/configmaps"
    applying.client.delete(f"{path}/one")
    applying.client.create(path, {"metadata": {"name": "one"}, "data": {"a": "theirs"}})
    applying()
    assert applying.get(config_map("one", space))["data"] == {"a": "theirs"}


def test_a_definition_with_objects_of_others_stays_until_they_are_gone(applying, space, group):
    """Kubernetes would delete them all with it, and no backup is that quick."""
    applying(definition(group))
    widgets = f"/apis/{group}/v1/namespaces/{space}/widgets"
    applying.client.create(widgets, thing("Widget", "theirs", version=f"{group}/v1"))
    kept = applying().pruned.kept
    assert [name.kind for name in kept] == ["CustomResourceDefinition"]
    assert f"Widget {space}/theirs is there" in applying.said[-1]
    applying.client.delete(f"{widgets}/theirs")
    assert applying().pruned.kept == ()
    assert not applying.there(definition(group))


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "PersistentVolumeClaim"])
def test_a_namespace_with_objects_of_others_stays(applying, kind):
    """A line that is removed from a configuration takes nobody's data along; it says what is there."""
    space = f"theirs-{kind.lower()}"
    applying(thing("Namespace", space))
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    plural = f"{kind.lower()}s"
    applying.client.create(
        f"/api/v1/namespaces/{space}/{plural}", thing(kind, "theirs", **({"spec": claim} if "Claim" in kind else {}))
    )
    assert applying().pruned.kept == (Name("v1", "Namespace", "", space),)
    assert f"{kind} theirs is in it" in applying.said[-1]


def test_kubernetes_own_namespaces_stay(applying):
    """Manifests may name kube-system; that does not make it ours to delete."""
    applying(thing("Namespace", "kube-node-lease"))
    assert [name.name for name in applying().pruned.kept] == ["kube-node-lease"]
    assert applying.there(thing("Namespace", "kube-node-lease"))


def test_what_others_made_of_ours_keeps_no_namespace(applying):
    """Whatever belongs to an object that goes, is derived from it or told of it, is nobody's loss."""
    space = "derived"
    uid = applying(thing("Namespace", space)) and applying.get(thing("Namespace", space))["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": space, "uid": uid}
    owned = config_map("owned", space)
    owned["metadata"]["ownerReferences"] = [owner]
    applying.client.create(f"/api/v1/namespaces/{space}/configmaps", owned)
    path = f"/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices"
    applying.client.create(path, {"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": []})
    applying.client.create(f"/api/v1/namespaces/{space}/serviceaccounts", {"metadata": {"name": "default"}})
    assert applying().pruned.kept == ()


def test_what_goes_already_keeps_no_namespace(applying):
    """An object that waits for its finalizers is told to go; the namespace goes with it."""
    space = "going"
    applying(thing("Namespace", space))
    path = f"/api/v1/namespaces/{space}/configmaps"
    slow = config_map("slow", space)
    slow["metadata"]["finalizers"] = ["example.com/slow"]
    applying.client.create(path, slow)
    applying.client.delete(f"{path}/slow")
    assert applying().pruned.kept == ()
    applying.client.patch(f"{path}/slow", {"metadata": {"finalizers": None}})


def test_a_definition_that_is_never_served_is_refused_by_its_name(applying, group):
    """Another has its kind already; the server takes the object and says so only in its conditions."""
    second = definition(group)
    second["metadata"]["name"] = f"gadgets.{group}"
    second["spec"]["names"] = {**second["spec"]["names"], "plural": "gadgets", "singular": "gadget"}
    applying(definition(group))
    with pytest.raises(ApplyError, match=rf"CustomResourceDefinition gadgets.{group} is refused: .*already in use"):
        Applying(type("Cluster", (), {"admin": applying.client}))(second, patience=1.0)


def test_what_was_applied_in_an_older_version_is_found(applying, space):
    """A group's versions come and go while the object stays; so it is removed as what it is now."""
    applying(deployment("old", space))
    path = f"/api/v1/namespaces/kube-system/configmaps/{applying.inventory}"
    applying.client.patch(path, {"data": {"objects": f"apps/v1beta1 Deployment {space} old\n"}})
    assert [str(name) for name in applying().pruned.removed] == [f"Deployment {space}/old"]
    assert not applying.there(deployment("old", space))


def test_what_passes_is_waited_for(applying, cluster, space, group, clock):
    """A kind that an operator's own pods will serve is there a little later."""
    slept = clock.sleep

    def meanwhile(seconds):
        slept(seconds)
        if len(clock.slept) == 3:
            Applying(cluster)(definition(group))

    clock.sleep = meanwhile
    applying.clock = clock
    applying(thing("Widget", "one", space, f"{group}/v1"))
    assert applying.there(thing("Widget", "one", space, f"{group}/v1"))
    assert any("has to wait: the API server does not serve" in said for said in applying.said)


def test_what_does_not_pass_in_time_is_refused(applying, space, group, clock):
    """The twin: patience ends, and the words say what was waited for, and how long."""
    applying.clock, began = clock, clock.now
    with pytest.raises(ApplyError, match=rf"does not serve {group}/v1 Widget \(for 30 s\)"):
        applying(thing("Widget", "one", space, f"{group}/v1"), patience=30)
    assert 25 < clock.now - began <= 30


def test_a_webhook_without_its_pods_is_waited_for(applying, space, clock):
    """Webhooks come last, so that they cannot stand in the way of what serves them; one of others may."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}
    hook = {
        "name": "a.example.com",
        "rules": [rule],
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}},
    }
    webhooks = thing(
        "ValidatingWebhookConfiguration", space, version="admissionregistration.k8s.io/v1", webhooks=[hook]
    )
    applying(thing("Secret", "before", space), webhooks)
    slept = clock.sleep

    def meanwhile(seconds):
        slept(seconds)
        time.sleep(0.02)  # the server looks for its webhooks in a cache
        applying.client.delete(Kinds(applying.client).path(name_of(webhooks)))
        clock.sleep = lambda seconds: (slept(seconds), time.sleep(0.02))

    clock.sleep = meanwhile
    other = Applying(type("Cluster", (), {"admin": applying.client}), clock)
    time.sleep(0.1)
    other(thing("Secret", "after", space), patience=1000)
    assert any("failed calling webhook" in said for said in other.said)


def test_an_identity_without_rights_is_told_at_once(cluster, space, clock):
    """Forbidden does not pass; nobody waits for it."""
    nobody = Applying(type("Cluster", (), {"admin": cluster.client("nobody")}), clock)
    with pytest.raises(ApplyError, match=r"ConfigMap kube-system/list-\d+ is refused: .*forbidden"):
        nobody(config_map("one", space))
    assert clock.slept == []


def test_an_inventory_that_is_not_ours_is_not_guessed_at(applying, space):
    """A damaged line could name what must not be removed."""
    applying(config_map("one", space))
    path = f"/api/v1/namespaces/kube-system/configmaps/{applying.inventory}"
    applying.client.patch(path, {"data": {"objects": "something else\n"}})
    with pytest.raises(ApplyError, match="a line names no object: 'something else'"):
        applying()
    assert applying.there(config_map("one", space))


def test_the_order_is_that_of_need():
    """Whatever others refer to is first, whatever stands in others' way last, and equals stay as they came."""
    kinds = [
        "ValidatingWebhookConfiguration",
        "Deployment",
        "ConfigMap",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "DaemonSet",
        "Namespace",
    ]
    objects = [thing(kind, "a") for kind in kinds] + [thing("Widget", "a", version="example.com/v1")]
    assert [one["kind"] for one in ordered(objects)] == [
        "Namespace",
        "CustomResourceDefinition",
        "ClusterRoleBinding",
        "ConfigMap",
        "Deployment",
        "DaemonSet",
        "Widget",
        "ValidatingWebhookConfiguration",
    ]
    assert rank(Name("apps/v1", "Deployment", "", "a")) < rank(Name("example.com/v1", "Widget", "", "a"))


def test_lists_are_opened():
    """A manifest file is a List, and a List may hold Lists."""
    inner = {"apiVersion": "v1", "kind": "RoleList", "items": [thing("Role", "b")]}
    opened = flat([{"kind": "List", "items": [thing("Role", "a"), inner]}])
    assert [one["metadata"]["name"] for one in opened] == ["a", "b"]
