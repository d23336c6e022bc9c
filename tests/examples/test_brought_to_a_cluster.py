"""What operators bring, at the real API server of each minor: examples are taken, labels of namespaces refuse pods."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kubecfn.charts import extra_objects
from kubecfn.charts.objects import read_objects
from kubecfn.charts.scopes import in_no_namespace
from kubecfn.config import load_text
from kubecfn.kubernetes.applying import apply_all
from kubecfn.kubernetes.client import KubernetesError
from kubecfn.kubernetes.objects import Kinds, name_of, ordered

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.rglob("*.yaml"))
LEVELS = ("privileged", "baseline", "restricted")
PLAIN = {"containers": [{"name": "a", "image": "a"}]}
PRIVILEGED = {"containers": [{"name": "a", "image": "a", "securityContext": {"privileged": True}}]}


def objects_in(path: Path):
    return read_objects(path.read_text(), str(path))


@pytest.fixture(scope="module")
def brought(cluster):
    """Apply every example, strictly: a field that the API server does not know is an error."""
    kinds = Kinds(cluster.admin)
    for one in ordered(one for path in FILES for one in objects_in(path)):
        cluster.admin.apply(kinds.path(name_of(one)), one, manager="test", fieldValidation="Strict")
    for level in LEVELS:  # the controller manager would make it
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        cluster.admin.create(f"/api/v1/namespaces/example-{level}/serviceaccounts", account)
    return cluster


def hardened():
    (deployment,) = objects_in(EXAMPLES / "pod-security/hardened-deployment.yaml")
    return deployment["spec"]["template"]["spec"]


def verdict(cluster, level, spec) -> str:
    """Return why a pod is refused in the example's namespace of this level; empty when it is taken."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}
    try:
        cluster.admin.create(f"/api/v1/namespaces/example-{level}/pods", pod, dryRun="All")
    except KubernetesError as error:
        return error.message
    return ""


def test_every_example_is_taken_by_the_real_api_server(brought) -> None:
    """Each object is there as the file says, and no field of it was unknown."""
    kinds = Kinds(brought.admin)

    assert len(FILES) == 11
    for path in FILES:
        for one in objects_in(path):
            there = brought.admin.get(kinds.path(name_of(one)))
            assert there["metadata"]["name"] == one["metadata"]["name"]


def test_a_field_that_nobody_knows_is_refused(brought) -> None:
    """The look above can fail: one letter too many and the server says so."""
    (policy,) = objects_in(EXAMPLES / "network-policies/deny-all.yaml")
    policy["spec"]["policyTypess"] = policy["spec"].pop("policyTypes")

    with pytest.raises(KubernetesError, match="policyTypess"):
        brought.admin.apply(
            Kinds(brought.admin).path(name_of(policy)), policy, manager="test", fieldValidation="Strict"
        )


@pytest.mark.parametrize(
    ("level", "spec", "refused_for"),
    [
        ("privileged", PRIVILEGED, ""),
        ("baseline", PRIVILEGED, "privileged"),
        ("restricted", PRIVILEGED, "privileged"),
        ("privileged", {**PLAIN, "hostNetwork": True}, ""),
        ("baseline", {**PLAIN, "hostNetwork": True}, "host namespaces"),
        ("baseline", PLAIN, ""),
        ("restricted", PLAIN, "runAsNonRoot"),
    ],
)
def test_a_namespaces_label_refuses_pods_that_its_standard_forbids(brought, level, spec, refused_for) -> None:
    """The API server itself judges: privileged pods run where that is said, and nowhere else."""
    said = verdict(brought, level, spec)

    assert refused_for in said if refused_for else said == ""
    assert not refused_for or f'violates PodSecurity "{level}:latest"' in said


@pytest.mark.parametrize("level", LEVELS)
def test_the_hardened_example_runs_everywhere(brought, level) -> None:
    """What restricted takes, every other standard takes too."""
    assert verdict(brought, level, hardened()) == ""


def test_a_namespace_of_the_configuration_refuses_as_the_examples_do(brought, tmp_path) -> None:
    """`namespaces` writes the same labels: what it says is enforced."""
    config = load_text(
        "name: a\nregion: eu-central-1\ndns: {private: true, domain: a.b}\nnamespaces: [{name: own, pod_security: restricted}]"
    )
    (manifest,) = extra_objects(config, tmp_path)
    apply_all(brought.admin, manifest.objects, inventory="own-namespaces", report=lambda _text: None)
    brought.admin.create(
        "/api/v1/namespaces/own/serviceaccounts",
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}},
    )
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": PRIVILEGED}

    with pytest.raises(KubernetesError, match='violates PodSecurity "restricted:latest"'):
        brought.admin.create("/api/v1/namespaces/own/pods", pod)


def test_what_lies_in_no_namespace_is_what_the_api_server_says(cluster) -> None:
    """Of all built-in kinds: those that are given no namespace are those that have none."""
    served = list(Kinds(cluster.admin).everything())
    wrong = [
        kind for kind, how in served if in_no_namespace({"apiVersion": how.version, "kind": kind}) is how.namespaced
    ]

    assert len(served) > 50
    assert wrong == []


def test_a_cluster_wide_custom_resource_with_a_namespace_is_taken_as_having_none(cluster) -> None:
    """What a chart brings of a kind that is defined elsewhere is given a namespace; the server takes it away again."""
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.test.example.com"},
        "spec": {
            "group": "test.example.com",
            "scope": "Cluster",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    thing = {"apiVersion": "test.example.com/v1", "kind": "Thing", "metadata": {"name": "a", "namespace": "default"}}

    apply_all(cluster.admin, [definition, thing], inventory="things", report=lambda _text: None)

    assert "namespace" not in cluster.admin.get("/apis/test.example.com/v1/things/a")["metadata"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_example_says_on_top_what_it_is_for_and_stands_in_the_list(path) -> None:
    """A comment opens the file, and the page of examples leads to it."""
    assert re.match(r"# [A-Z].*\.\n", path.read_text())
    assert f"({path.relative_to(EXAMPLES)})" in (EXAMPLES / "README.md").read_text()
