"""An operator's namespaces and files: what is read, in which form it is applied, what is refused before anything is sent."""

from __future__ import annotations

import pytest

from kubecfn.charts import extra_objects
from kubecfn.charts.objects import read_objects
from kubecfn.errors import ConfigError, FileError, WrongUseError

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n"


def named(name: str) -> str:
    return CONFIG_MAP.replace("NAME", name)


def names(manifests):
    return {manifest.name: [one["metadata"]["name"] for one in manifest.objects] for manifest in manifests}


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_objects(text, "web.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_a_cluster_that_brings_nothing_needs_no_helm_and_no_file(configured, tmp_path) -> None:
    """Without namespaces, manifests and charts there is nothing to apply, and no program is looked for."""
    assert extra_objects(configured(""), tmp_path / "nowhere") == ()


def test_a_namespace_enforces_its_pod_security_and_warns_of_it(configured, tmp_path) -> None:
    """pod_security is enforced, audited and warned of; what is not said is baseline."""
    lines = (
        "namespaces: [{name: shop, labels: {team: a}, annotations: {note: b c}, pod_security: restricted}, {name: x}]"
    )

    (manifest,) = extra_objects(configured(lines), tmp_path)

    shop, other = (one["metadata"] for one in manifest.objects)
    assert shop["annotations"] == {"note": "b c"}
    assert shop["labels"] == {
        "team": "a",
        **{f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")},
    }
    assert other["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"


def test_files_are_found_beside_the_configuration_by_path_and_pattern_each_once(configured, tmp_path) -> None:
    """A file that a path and a pattern mean is read once; every file is a manifest of its own."""
    (tmp_path / "apps").mkdir()
    for name in ("b", "a"):
        (tmp_path / "apps" / f"{name}.yaml").write_text(named(name) + "---\n" + named(f"{name}2"))
    (tmp_path / "Own_file.yml").write_text(named("own"))

    found = extra_objects(configured("manifests: [apps/b.yaml, 'apps/*.yaml', Own_file.yml]"), tmp_path)

    assert names(found) == {
        "manifest-apps-b": ["b", "b2"],
        "manifest-apps-a": ["a", "a2"],
        "manifest-own-file": ["own"],
    }
    assert list(names(found)) == ["manifest-apps-b", "manifest-apps-a", "manifest-own-file"]


@pytest.mark.parametrize(
    ("pattern", "says"), [("gone.yaml", "is not there"), ("'gone/*.yaml'", "matches no file"), ("apps", "is a folder")]
)
def test_a_file_that_is_meant_and_not_there_is_said(configured, tmp_path, pattern, says) -> None:
    """A typing error in a path must not read as "nothing to apply": what was applied before would be deleted."""
    (tmp_path / "apps").mkdir()

    with pytest.raises(FileError, match=says):
        extra_objects(configured(f"manifests: [{pattern}]"), tmp_path)


def test_lists_are_unpacked_and_items_of_a_typed_list_get_their_kind() -> None:
    """What kubectl get -o yaml prints as a list is so many objects."""
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}}\n"
        "- {apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: b}}]}\n"
        "---\n---\n"
    )

    found = read_objects(text, "x")

    assert [(one["apiVersion"], one["kind"], one["metadata"]["name"]) for one in found] == [
        ("v1", "Secret", "a"),
        ("v1", "ConfigMap", "b"),
    ]


def test_a_custom_resource_that_is_called_a_list_is_no_list() -> None:
    """Only what has items is unpacked."""
    text = "apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {items: [1]}\n"

    assert len(read_objects(text, "x")) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (named("a") + "---\nkind: Pod\nmetadata: {name: b}\n", "document 2 (Pod b) apiVersion: is required"),
        ("apiVersion: v1\nmetadata: {name: b}\n", "document 1 (b) kind: is required"),
        ("apiVersion: v1\nkind: Pod\n", "document 1 (Pod) metadata: is required"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}\n", "document 1 (Pod) metadata.name: is required"),
        (named("7"), "metadata.name = 7: is required, as text"),
        ("just words\n", "document 1: is no Kubernetes object but a str"),
        ("- a\n", "is no Kubernetes object but a list"),
        ("apiVersion: v1\nkind: List\nitems: [x]\n", "is no Kubernetes object but a str"),
        (CONFIG_MAP.replace("NAME", "a, uid: 0-1"), "metadata.uid: is the API server's to write"),
        (named("a").replace("ConfigMap", "Namespace").replace(": a", ": kube-system"), "belongs to Kubernetes"),
        (named("a") + "data: {a: 1\n", "is not YAML"),
        (named("a") + "kind: Secret\n", "the key kind stands there twice"),
        (named("a") + "data: {a: !!binary aGk=}\n", "holds what JSON cannot say"),
        ("&a\napiVersion: v1\nkind: X\nmetadata: {name: a}\nself: *a\n", "recursive"),
    ],
)
def test_what_is_no_object_is_refused_with_its_document(text, says) -> None:
    """Every document is judged before anything is sent; the number and the name say which."""
    assert any(says in line for line in refused(text)), refused(text)


def test_all_mistakes_of_a_file_are_said_at_once() -> None:
    """A person mends a file once, not once for each mistake."""
    assert len(refused("kind: Pod\n---\n" + named("ok") + "---\n[]\n")) == 3


def test_yaml_is_read_as_kubectl_reads_it() -> None:
    """A time stays text, a mode in octal is a number, a key that looks like a word of YAML is text, anchors merge."""
    text = named("a") + "data: {at: 12:30, day: 2024-01-01, mode: 0644, on: y, 8080: web, v: 1.50, no: ~}\n"

    (one,) = read_objects(text, "x")

    data = {"at": "12:30", "day": "2024-01-01", "mode": 420, "true": "y", "8080": "web", "v": 1.5, "false": None}
    assert one["data"] == data


def test_one_object_is_brought_once(configured, tmp_path) -> None:
    """Two that bring the same object would undo each other at every apply; another namespace is another object."""
    (tmp_path / "a.yaml").write_text(named("same"))
    (tmp_path / "b.yaml").write_text(named("same, namespace: other"))
    config = configured("manifests: [a.yaml, b.yaml]")
    assert len(extra_objects(config, tmp_path)) == 2

    (tmp_path / "b.yaml").write_text(named("same, namespace: default"))
    with pytest.raises(WrongUseError, match="ConfigMap same in default is brought by manifest-a and by manifest-b"):
        extra_objects(config, tmp_path)


def test_what_names_no_namespace_lies_where_kubectl_would_lay_it(configured, tmp_path) -> None:
    """A namespaced object goes to default; a cluster-wide one, built in or defined beside it, to none."""
    definition = (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.x.io}\n"
        "spec: {group: x.io, scope: Cluster, names: {kind: Thing}}\n---\n"
    )
    (tmp_path / "a.yaml").write_text(
        definition + named("a") + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n"
        "---\napiVersion: x.io/v1\nkind: Thing\nmetadata: {name: t}\n"
    )

    (manifest,) = extra_objects(configured("manifests: [a.yaml]"), tmp_path)

    assert {one["kind"]: one["metadata"].get("namespace") for one in manifest.objects} == {
        "CustomResourceDefinition": None,
        "ConfigMap": "default",
        "Namespace": None,
        "Thing": None,
    }
