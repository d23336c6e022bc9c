"""What the group of an access may do, at a real API server; and a real kubectl that comes by the kubeconfig."""

from __future__ import annotations

import base64
import json
import os
import subprocess

import pytest
import yaml

from kubecfn.access import access_objects
from kubecfn.access.kubeconfig import Way, iam_kubeconfig, write_kubeconfig
from kubecfn.charts import extra_objects
from kubecfn.kubernetes.applying import apply_all
from kubecfn.kubernetes.client import KubernetesError

# `edit` and `view` are put together by the controller manager, which does not run here; these are what they consist of.
LINES = """
namespaces: [{name: shop}]
access:
  - {name: shop, cluster_role: "system:aggregate-to-edit", namespaces: [shop]}
  - {name: auditor, cluster_role: "system:aggregate-to-view"}
"""


@pytest.fixture(scope="module")
def people(cluster, tmp_path_factory):
    """Return a function from user and access to a client, with the rights of LINES applied."""
    from kubecfn.config import load_text  # noqa: PLC0415

    config = load_text(f"name: payments\nregion: eu-central-1\ndns: {{private: true, domain: k.internal}}\n{LINES}")
    manifests = (*extra_objects(config, tmp_path_factory.mktemp("config")), *access_objects(config))
    objects = [one for manifest in manifests for one in manifest.objects]
    apply_all(cluster.admin, objects, inventory="kubecfn-access-test", report=lambda _text: None)
    return lambda user, access: cluster.client(user, f"kubecfn:access:{access}")


def settings(name: str):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def refusal(deed) -> int:
    with pytest.raises(KubernetesError) as caught:
        deed()
    return caught.value.status


def test_without_access_nothing_is_bound(configured) -> None:
    """No access, no object."""
    assert access_objects(configured("")) == ()


def test_an_access_to_namespaces_holds_there_and_nowhere_else(people) -> None:
    """Shop edits in shop, and elsewhere may not even look."""
    client = people("shop:alice", "shop")

    assert client.create("/api/v1/namespaces/shop/configmaps", settings("a"))["metadata"]["name"] == "a"
    assert refusal(lambda: client.create("/api/v1/namespaces/default/configmaps", settings("a"))) == 403
    assert refusal(lambda: client.get("/api/v1/namespaces/default/configmaps")) == 403


def test_an_access_to_the_cluster_holds_everywhere_and_says_no_more_than_its_role(people) -> None:
    """Auditor views everything but secrets, and changes nothing."""
    client = people("auditor:bob", "auditor")

    assert client.get("/api/v1/namespaces/default/configmaps")["kind"] == "ConfigMapList"
    assert refusal(lambda: client.get("/api/v1/namespaces/default/secrets")) == 403
    assert refusal(lambda: client.create("/api/v1/namespaces/shop/configmaps", settings("b"))) == 403


def test_a_name_alone_is_no_right(people, cluster) -> None:
    """Rights hang on the group, which the authenticator gives by role, never on what somebody is called."""
    impostor = cluster.client("auditor:bob")

    assert refusal(lambda: impostor.get("/api/v1/namespaces/default/configmaps")) == 403


def test_another_role_is_another_binding(configured) -> None:
    """What a binding points at cannot be changed, so the new one has a name of its own and the old one is removed."""
    names = {
        access_objects(configured(f"access: [{{name: a, cluster_role: {role}}}]"))[0].objects[0]["metadata"]["name"]
        for role in ("view", "edit")
    }

    assert len(names) == 2


def test_kubectl_comes_by_the_kubeconfig_and_its_plugin(people, cluster, tmp_path) -> None:
    """A real kubectl reads the file, runs the program with the role's arguments, and may do what the role's group may."""
    way = Way("payments", "k.internal", "eu-central-1", "auditor", "arn:role", cluster.ca.read_bytes(), "work")
    certificate, key = cluster.identity("auditor:bob", "kubecfn:access:auditor")
    status = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    (tmp_path / "answer").write_text(json.dumps(answer))
    plugin = tmp_path / "plugin"
    plugin.write_text(f'#!/bin/sh\necho "$AWS_PROFILE $AWS_REGION $*" > {tmp_path}/asked\ncat {tmp_path}/answer\n')
    plugin.chmod(0o755)
    made = iam_kubeconfig(way, "kubecfn", str(plugin))
    made["clusters"][0]["cluster"]["server"] = cluster.server
    write_kubeconfig(tmp_path / "kubeconfig", made)

    def kubectl(*arguments):
        command = [cluster.kubectl, f"--kubeconfig={tmp_path}/kubeconfig", *arguments]
        home = {**os.environ, "HOME": str(tmp_path)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=home)

    assert kubectl("auth", "can-i", "list", "configmaps").stdout == "yes\n"
    assert kubectl("auth", "can-i", "list", "secrets").stdout == "no\n"
    asked = "work eu-central-1 token --domain k.internal --role-arn arn:role --region eu-central-1\n"
    assert (tmp_path / "asked").read_text() == asked
    trusted = yaml.safe_load((tmp_path / "kubeconfig").read_text())["clusters"][0]["cluster"]
    assert base64.b64decode(trusted["certificate-authority-data"]) == cluster.ca.read_bytes()
