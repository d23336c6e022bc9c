"""Rules that hold for every object of the add-ons, whatever is asked for; each has been seen to fail on a broken one."""

from __future__ import annotations

import copy
import json
import re

import pytest

from kubecfn.addons.images import image
from kubecfn.versions import RELEASES
from tests.addons.samples import ASKED, cluster_of, named, objects_of

PINNED = re.compile(r"[a-z0-9.-]+\.[a-z]+/[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?")
# Who has all rights over a node, and why nobody else: kernel settings and modules; disks formatted and mounted.
PRIVILEGED = {("kube-proxy", "set-up"), ("ebs-csi-node", "ebs-plugin")}
# Whose image keeps a link to the iptables that it found.
WRITE_TO_THEIR_ROOT = {("kube-proxy", "kube-proxy"), ("kube-flannel-ds", "kube-flannel")}
# Capabilities beyond none.
MAY = {
    ("coredns", "coredns"): ["NET_BIND_SERVICE"],
    ("kube-proxy", "kube-proxy"): ["NET_ADMIN"],
    ("kube-flannel-ds", "kube-flannel"): ["NET_ADMIN", "NET_RAW"],
}
RUN_AS_ROOT = {"kube-proxy", "kube-flannel-ds", "ebs-csi-node"}
HOST_PATHS = {
    "kube-proxy": {"/lib/modules", "/run/xtables.lock"},
    "kube-flannel-ds": {"/run/flannel", "/etc/cni/net.d", "/run/xtables.lock"},
    "ebs-csi-node": {
        "/dev",
        "/var/lib/kubelet",
        "/var/lib/kubelet/plugins/ebs.csi.aws.com",
        "/var/lib/kubelet/plugins_registry",
    },
}


@pytest.fixture(params=ASKED)
def objects(request):
    """All objects of a cluster of the newest minor."""
    return objects_of(max(RELEASES), **ASKED[request.param])


def of_kind(objects, *kinds):
    """Return the objects of these kinds."""
    return [one for one in objects if one["kind"] in kinds]


def pods(objects):
    """Return the pod of each workload by the workload's name."""
    found = of_kind(objects, "Deployment", "DaemonSet")
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in found}


def containers(objects):
    """Return each container by its workload's name and its own."""
    made = pods(objects)
    return {
        (name, one["name"]): one
        for name, pod in made.items()
        for one in [*pod.get("initContainers", []), *pod["containers"]]
    }


def test_every_image_is_pinned(objects):
    """An image is named with its registry and a version, never by a tag that moves."""
    assert [one["image"] for one in containers(objects).values() if not PINNED.fullmatch(one["image"])] == []
    assert not PINNED.fullmatch("registry.k8s.io/coredns/coredns:latest")


@pytest.mark.parametrize("minor", RELEASES)
def test_a_mirror_is_asked_for_all_images_of_kubernetes_own_registry(minor):
    """Where a cluster's images come from another repository, none of registry.k8s.io's is left behind."""
    mirrored = cluster_of(minor, repository="mirror.example.com/k8s")
    names = [*RELEASES[minor].images, "kube-proxy", "cloud-controller-manager"]

    assert {image(mirrored, name).partition("/")[0] for name in names} == {
        "mirror.example.com",
        "ghcr.io",
        "public.ecr.aws",
    }
    assert image(mirrored, "coredns").startswith("mirror.example.com/k8s/coredns/coredns:v")


def test_every_container_says_what_it_needs(objects):
    """The scheduler knows of every container how much CPU and memory it takes."""
    for one in containers(objects).values():
        assert sorted(one["resources"]["requests"]) == ["cpu", "memory"]


def test_no_container_has_rights_that_are_not_listed_here(objects):
    """Only the named are privileged, write to their root or keep a capability; nobody gains rights."""
    made = {name: one["securityContext"] for name, one in containers(objects).items()}
    there = set(made)

    assert {name for name, one in made.items() if one.get("privileged")} == PRIVILEGED & there
    usual = {name: one for name, one in made.items() if name not in PRIVILEGED}
    assert {name for name, one in usual.items() if not one["readOnlyRootFilesystem"]} == WRITE_TO_THEIR_ROOT & there
    assert {name for name, one in usual.items() if one["allowPrivilegeEscalation"]} == set()
    assert {name: one["capabilities"] for name, one in usual.items()} == {
        name: {"drop": ["ALL"], **({"add": MAY[name]} if name in MAY else {})} for name in usual
    }


def test_no_pod_runs_as_root_or_sees_its_node_unless_it_is_listed_here(objects):
    """A pod is nobody, under the runtime's own seccomp profile, without files of its node."""
    made = pods(objects)

    assert {one["securityContext"]["seccompProfile"]["type"] for one in made.values()} == {"RuntimeDefault"}
    roots = {name for name, one in made.items() if not one["securityContext"].get("runAsNonRoot")}
    assert roots == RUN_AS_ROOT & set(made)
    for name, pod in made.items():
        seen = {one["hostPath"]["path"] for one in pod.get("volumes", []) if "hostPath" in one}
        assert seen <= HOST_PATHS.get(name, set())
        assert {"hostPID", "hostIPC"}.isdisjoint(pod)


def test_every_pod_is_critical(objects):
    """No pod of anybody's pushes a system component from its node."""
    made = {one["metadata"]["name"]: one for one in of_kind(objects, "Deployment", "DaemonSet")}
    wanted = {"Deployment": "system-cluster-critical", "DaemonSet": "system-node-critical"}

    assert {name: one["spec"]["template"]["spec"]["priorityClassName"] for name, one in made.items()} == {
        name: wanted[one["kind"]] for name, one in made.items()
    }


def test_every_deployment_outlives_a_node(objects):
    """There are two of each, on different nodes and in different zones where there are some, and a drain takes one at a time."""
    alone = 1 if objects == objects_of(max(RELEASES), controllers=1) else 2
    budgets = {json.dumps(one["spec"]["selector"]): one["spec"] for one in of_kind(objects, "PodDisruptionBudget")}
    for one in of_kind(objects, "Deployment"):
        spec = one["spec"]
        in_host = spec["template"]["spec"].get("hostNetwork", False)
        assert spec["replicas"] == (alone if in_host else 2)
        assert budgets.pop(json.dumps(spec["selector"]))["maxUnavailable"] == 1
        spread = spec["template"]["spec"]["topologySpreadConstraints"]
        assert {rule["topologyKey"] for rule in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert all(rule["labelSelector"] == spec["selector"] for rule in spread)
    assert budgets == {}


def test_every_selector_finds_its_pods(objects):
    """A workload has the pods that it makes, a service the pods that it stands for, by name and by port."""
    made = of_kind(objects, "Deployment", "DaemonSet")
    for one in made:
        assert one["spec"]["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
    for service in of_kind(objects, "Service"):
        (behind,) = [
            one["spec"]["template"]["spec"]
            for one in made
            if service["spec"]["selector"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
        ]
        open_ports = {port["name"] for one in behind["containers"] for port in one["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= open_ports


def test_every_account_and_role_that_is_named_is_there(objects):
    """A pod's account exists beside it, and a binding's role is ours or one that every API server has."""
    accounts = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in of_kind(objects, "ServiceAccount")}
    used = {
        (one["metadata"]["namespace"], one["spec"]["template"]["spec"]["serviceAccountName"])
        for one in of_kind(objects, "Deployment", "DaemonSet")
    }
    assert used == accounts
    roles = {(one["kind"], one["metadata"]["name"]) for one in of_kind(objects, "ClusterRole", "Role")}
    builtin = {
        "extension-apiserver-authentication-reader",
        "system:auth-delegator",
        "system:kubelet-api-admin",
        "system:node-bootstrapper",
        "system:node-proxier",
    }
    for one in of_kind(objects, "ClusterRoleBinding", "RoleBinding"):
        referred = (one["roleRef"]["kind"], one["roleRef"]["name"])
        assert referred in roles or referred[1] in builtin
        for subject in one["subjects"]:
            assert subject["kind"] != "ServiceAccount" or (subject["namespace"], subject["name"]) in accounts


def test_no_role_is_everything_to_anybody(objects):
    """No rule has a star in it, reads Secrets or hands out tokens."""
    for one in of_kind(objects, "ClusterRole", "Role"):
        for rule in one["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert {"secrets", "serviceaccounts/token"}.isdisjoint(rule["resources"])


def test_what_is_in_its_nodes_network_reaches_the_api_without_services(objects):
    """Before kube-proxy runs there is no service: whoever starts as early finds the API by its own name."""
    for name, pod in pods(objects).items():
        if not pod.get("hostNetwork"):
            continue
        assert pod["dnsPolicy"] == "Default"
        for one in pod["containers"]:
            told = {entry["name"]: entry.get("value") for entry in one.get("env", [])}
            assert name == "kube-proxy" or told["KUBERNETES_SERVICE_HOST"] == "api.payments.example.com"
    proxy = named(objects, "ConfigMap", "kube-proxy") if "kube-proxy" in pods(objects) else None
    if proxy:
        kubeconfig = json.loads(proxy["data"]["kubeconfig.conf"])
        assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://api.payments.example.com:6443"


def test_nobody_in_one_network_wants_anothers_port(objects):
    """On a controller everything of the node's network runs side by side: each port is one container's."""
    taken = [
        probe["httpGet"]["port"]
        for (name, _), one in containers(objects).items()
        if pods(objects)[name].get("hostNetwork")
        for probe in [one.get("livenessProbe") or one.get("readinessProbe")]
        if probe
    ]
    assert len(taken) == len(set(taken))


def test_pods_are_replaced_when_what_they_read_at_their_start_changes():
    """kube-proxy and flannel read their configuration once; a change of it is a change of their pods."""
    by_tables, by_lists = (objects_of(max(RELEASES), kube_proxy=mode) for mode in ("nftables", "iptables"))
    for name in ("kube-proxy", "kube-flannel-ds"):
        notes = [
            named(one, "DaemonSet", name)["spec"]["template"]["metadata"]["annotations"]
            for one in (by_tables, by_lists)
        ]
        assert notes[0] != notes[1]
        again = named(objects_of(max(RELEASES)), "DaemonSet", name)
        assert again["spec"]["template"]["metadata"]["annotations"] == notes[0]


def test_the_same_configuration_gives_the_same_objects():
    """What has not changed is not applied anew: nothing depends on time or chance."""
    first = objects_of(max(RELEASES))
    assert copy.deepcopy(first) == objects_of(max(RELEASES))


def test_an_autoscaler_without_pools_is_not_there():
    """Without groups of its own it would find nothing to do, and end."""
    assert "cluster-autoscaler" not in pods(objects_of(max(RELEASES), pools=[]))
    assert "cluster-autoscaler" in pods(objects_of(max(RELEASES)))


@pytest.mark.parametrize(
    ("asked", "there"),
    [({}, True), ({"cni": "vpc-cni"}, False), ({"cni": "vpc-cni", "pools": []}, True)],
)
def test_what_pods_ask_runs_where_they_can_reach_it(asked, there):
    """A pod with an address of the VPC's cannot ask one on a controller, whose security group is closed to workers."""
    made = pods(objects_of(max(RELEASES), **asked))
    for name in ("coredns", "metrics-server"):
        tolerated = {one["key"] for one in made[name]["tolerations"]}
        assert ("node-role.kubernetes.io/control-plane" in tolerated) is there


def test_what_lets_workers_join_comes_first():
    """A worker that boots beside the first controller waits for nothing but these."""
    objects = objects_of(max(RELEASES))
    first = objects[: [one["kind"] for one in objects].index("ServiceAccount")]

    assert {one["kind"] for one in first} == {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    approves = "certificates.k8s.io:certificatesigningrequests"
    assert not [one for one in of_kind(objects, "ClusterRoleBinding") if approves in one["roleRef"]["name"]]
