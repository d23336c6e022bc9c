"""What nodes are told about Kubernetes is what the real kubeadm of each minor takes, and holds what it must."""

from __future__ import annotations

import base64
import ipaddress
import json
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kubecfn.local.programs import cache
from kubecfn.node import access, control_plane, documents, here, joining, kubelet
from kubecfn.node.facts import Cluster
from kubecfn.versions import RELEASES, refuse_flags
from tests.rehearsal import programs

HERE = here.Here(
    "i-0123456789abcdef0",
    "10.20.0.7",
    "eu-central-1",
    "eu-central-1a",
    "m7i.large",
    cpus=2,
    labels={"example.com/pool": "general"},
    taints=({"key": "example.com/only", "value": "batch", "effect": "NoSchedule"},),
)


@pytest.fixture(params=RELEASES)
def cluster(request):
    """A cluster of each minor."""
    release = RELEASES[request.param]
    return Cluster(
        "payments", "payments.example.com", "eu-central-1", release.kubernetes, release, "10.244.0.0/16", "10.96.0.0/16"
    )


def of_controller(cluster):
    """Return a controller's documents as they are at boot."""
    made = (
        control_plane.init_configuration(cluster),
        control_plane.cluster_configuration(cluster),
        kubelet.kubelet_configuration(cluster),
    )
    return [here.completed(document, HERE) for document in made]


def flags(arguments):
    """Return kubeadm's list of flags as a dictionary; a flag that comes twice is not expected here."""
    found = {one["name"]: one["value"] for one in arguments}
    assert len(found) == len(arguments)
    return found


@pytest.fixture
def kubeadm(cluster):
    """The real kubeadm of the cluster's minor."""
    version = cluster.kubernetes
    for built in (f"kubernetes-{version}", f"kubernetes-kubeadm-{version}"):
        if (cache() / built / "kubeadm").exists():
            return cache() / built / "kubeadm"
    return pytest.skip(f"kubeadm {version} is not built on this machine: make kubernetes-programs builds it")


def validated(kubeadm, folder, documents):
    """Return what kubeadm says of documents."""
    file = folder / "kubeadm.yaml"
    file.write_text("\n---\n".join(json.dumps(one) for one in documents))
    return subprocess.run(
        [kubeadm, "config", "validate", "--config", file], capture_output=True, text=True, check=False
    )


def test_every_minor_of_the_version_table_has_its_programs_pinned():
    """What the table promises is what can be rehearsed, patch by patch."""
    assert {line: str(release.kubernetes) for line, release in RELEASES.items()} == {
        line: programs.kubernetes(line).version for line in programs.lines()
    }
    for line, release in RELEASES.items():
        around = {
            "containerd": release.containerd,
            "cni-plugins": release.cni_plugins,
            "cloud-provider-aws": release.cloud_provider,
        }
        built = {recipe.name: recipe.version for recipe in programs.around(line)}
        assert {name: built[name] for name in around} == {name: str(version) for name, version in around.items()}


def test_kubeadm_takes_a_controllers_documents(cluster, kubeadm, tmp_path):
    """Strictly: it refuses fields that it does not know."""
    documents = of_controller(cluster)
    taken = validated(kubeadm, tmp_path, documents)
    assert (taken.returncode, taken.stdout, taken.stderr) == (0, "ok\n", "")

    documents[0]["nodeRegistration"]["cri"] = "x"
    assert "cri" in validated(kubeadm, tmp_path, documents).stderr


def test_kubeadm_takes_a_workers_document(cluster, kubeadm, tmp_path):
    """It looks for the file that discovery reads."""
    join = here.completed(joining.join_configuration(cluster), HERE)
    join["discovery"]["file"]["kubeConfigPath"] = str(tmp_path / "discovery.conf")
    (tmp_path / "discovery.conf").write_text(json.dumps(joining.discovery(cluster, b"authority")))

    assert validated(kubeadm, tmp_path, [join]).stdout == "ok\n"


def test_no_component_is_given_a_flag_that_its_minor_dropped(cluster):
    """Such a flag ends the program at its start."""
    told = control_plane.cluster_configuration(cluster)
    init = here.completed(control_plane.init_configuration(cluster), HERE)
    given = {
        "kube-apiserver": told["apiServer"]["extraArgs"],
        "kube-controller-manager": told["controllerManager"]["extraArgs"],
        "kube-scheduler": told["scheduler"]["extraArgs"],
        "kubelet": init["nodeRegistration"]["kubeletExtraArgs"],
    }
    for component, arguments in given.items():
        assert refuse_flags(cluster.kubernetes.line, component, [f"--{name}" for name in flags(arguments)]) == []


def test_the_api_server_is_reached_by_name_and_reaches_its_own_etcd(cluster):
    """No controller depends on another's etcd, and no certificate on an address that a load balancer may change."""
    told = control_plane.cluster_configuration(cluster)
    assert told["controlPlaneEndpoint"] == "api.payments.example.com:6443"
    assert told["etcd"]["external"]["endpoints"] == ["https://127.0.0.1:2379"]
    assert {"api.payments.example.com", "127.0.0.1"} <= set(told["apiServer"]["certSANs"])


def test_every_file_an_api_server_is_told_of_is_in_its_container(cluster):
    """A static pod sees only what is mounted into it."""
    server = control_plane.cluster_configuration(cluster)["apiServer"]
    mounted = {one["mountPath"]: one["readOnly"] for one in server["extraVolumes"]}
    mounted["/etc/kubernetes/pki"] = True  # kubeadm's own
    paths = {name: value for name, value in flags(server["extraArgs"]).items() if value.startswith("/")}

    assert paths
    for path in paths.values():
        assert any(path.startswith(f"{folder}/") for folder in mounted), path
    assert not mounted["/var/log/kubernetes/audit"]
    assert [path for path, read_only in mounted.items() if not read_only] == ["/var/log/kubernetes/audit"]


def test_no_join_token_is_ever_made(cluster):
    """A token is a secret that every worker would share."""
    assert {"bootstrap-token", "show-join-command"} <= set(control_plane.init_configuration(cluster)["skipPhases"])


def test_a_node_is_named_after_its_instance_and_found_by_the_cloud(cluster):
    """Its name, its provider's id and its address are EC2's."""
    init, *_ = of_controller(cluster)
    registered = flags(init["nodeRegistration"]["kubeletExtraArgs"])

    assert init["nodeRegistration"]["name"] == HERE.instance
    assert init["localAPIEndpoint"]["advertiseAddress"] == registered["node-ip"] == HERE.address
    assert here.kubelet_patch(HERE)["providerID"] == "aws:///eu-central-1a/i-0123456789abcdef0"
    assert registered["cloud-provider"] == "external"
    labels = dict(one.split("=") for one in registered["node-labels"].split(","))
    assert labels["topology.kubernetes.io/zone"] == "eu-central-1a"
    assert labels["example.com/pool"] == "general"


def test_a_pools_taints_are_beside_the_controllers_own(cluster):
    """A controller keeps ordinary pods away whatever else is asked of it."""
    taints = here.completed(control_plane.init_configuration(cluster), HERE)["nodeRegistration"]["taints"]
    assert [one["key"] for one in taints] == ["node-role.kubernetes.io/control-plane", "example.com/only"]


def test_completing_a_document_leaves_the_document_alone(cluster):
    """One set of documents serves a whole pool."""
    plain = kubelet.kubelet_configuration(cluster)
    before = json.dumps(plain)
    here.completed(plain, HERE)
    assert json.dumps(plain) == before


def test_a_kubelet_answers_nobody_it_does_not_know(cluster):
    """CIS Kubernetes Benchmark 4.2.1 to 4.2.4 and 4.2.11: no anonymous, webhook, no read-only port, rotation."""
    told = kubelet.kubelet_configuration(cluster)
    assert told["authentication"]["anonymous"]["enabled"] is False
    assert told["authentication"]["webhook"]["enabled"] is True
    assert (told["authorization"]["mode"], told["readOnlyPort"]) == ("Webhook", 0)
    assert told["rotateCertificates"]
    assert told["serverTLSBootstrap"]


def test_what_every_node_reads_is_nobodys_own(cluster):
    """Kubeadm publishes the first controllers' KubeletConfiguration: a name of one instance in it would be everyone's."""
    _, _, published = of_controller(cluster)
    assert not set(here.kubelet_patch(HERE)) & set(published)
    assert control_plane.init_configuration(cluster)["patches"] == joining.join_configuration(cluster)["patches"]


def test_without_a_cloud_controller_manager_no_node_waits_for_one(cluster):
    """A kubelet with an external cloud taints its node until that cloud has looked at it."""
    alone = replace(cluster, cloud=False)
    for told in (control_plane.init_configuration(alone), joining.join_configuration(alone)):
        assert "cloud-provider" not in flags(here.completed(told, HERE)["nodeRegistration"]["kubeletExtraArgs"])


def test_the_clusters_dns_is_at_an_address_of_its_services(cluster):
    """Pods ask there before any name resolves."""
    (address,) = kubelet.kubelet_configuration(cluster)["clusterDNS"]
    assert ipaddress.ip_address(address) in ipaddress.ip_network(cluster.service_cidr)


@pytest.mark.parametrize(("cpus", "wanted"), [(1, "60m"), (2, "70m"), (4, "80m"), (8, "90m"), (96, "310m")])
def test_the_more_cores_the_less_of_each_is_kept(cpus, wanted):
    """The table is GKE's and EKS's: 6 %, 1 %, 0.5 % of two, 0.25 % of each further core."""
    assert here.reserved(cpus)["cpu"] == wanted


def test_secrets_are_written_encrypted_and_older_ones_stay_readable():
    """The first provider writes; identity last reads what was there before."""
    (rule,) = access.encryption_configuration(bytes(range(32)))["resources"]
    assert rule["resources"] == ["secrets"]
    assert [next(iter(one)) for one in rule["providers"]] == ["secretbox", "identity"]


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(length):
    """The API server would not start with it."""
    with pytest.raises(ValueError, match=f"has {length} bytes, not 32"):
        access.encryption_configuration(b"x" * length)


def test_who_shows_nothing_may_ask_for_health_only():
    """The load balancer's check is anonymous; whatever else is anonymous is nobody's business."""
    anonymous = access.authentication_configuration()["anonymous"]
    assert {one["path"] for one in anonymous["conditions"]} == {"/livez", "/readyz", "/healthz"}


def test_no_audit_rule_writes_a_secrets_content_down():
    """The first rule that matches counts, so Secrets come before what logs requests."""
    rules = access.audit_policy()["rules"]
    secrets = next(
        number
        for number, rule in enumerate(rules)
        if any("secrets" in one.get("resources", ()) for one in rule.get("resources", ()))
    )
    assert rules[secrets]["level"] == "Metadata"
    assert all(rule["level"] in {"None", "Metadata"} for rule in rules[: secrets + 1])


def test_a_worker_is_the_user_of_its_own_instance_id(cluster):
    """The session's name of an instance's role is the instance's id; the approver of certificates compares it."""
    tags = {"kubecfn:worker-role": "arn:aws:iam::123456789012:role/w", "Name": "x"}
    told = here.authenticator(access.authenticator_configuration(cluster, ["ops"]), tags)
    (mapped,) = told["server"]["mapRoles"]
    assert mapped["roleARN"] == "arn:aws:iam::123456789012:role/w"
    assert mapped["username"].endswith(":instance:{{SessionName}}")
    assert mapped["groups"] == [joining.BOOTSTRAPPERS]
    assert told["clusterID"] in joining.discovery(cluster, b"x")["users"][0]["user"]["exec"]["args"]


def test_whoever_comes_by_a_role_is_known_by_its_tag_alone(cluster):
    """No bundle could name a role that the stack makes later; a role without a tag is nobody's."""
    told = access.authenticator_configuration(cluster, ["ops", "dev"])
    tags = {"kubecfn:access-ops": "arn:aws:iam::123456789012:role/o", "kubecfn:drain-role": "arn:aws:iam::1:role/d"}
    mapped = here.authenticator(told, tags)["server"]["mapRoles"]
    assert {one["roleARN"]: one["groups"] for one in mapped} == {
        "arn:aws:iam::1:role/d": ["kubecfn:drainers"],
        "arn:aws:iam::123456789012:role/o": ["kubecfn:access:ops"],
    }
    assert {one["username"] for one in mapped} == {"kubecfn:drain", "ops:{{SessionName}}"}
    assert here.authenticator(told, {})["server"]["mapRoles"] == []


def test_a_workers_documents_hold_nothing_secret_and_a_controllers_encryption_key_is_its_own(cluster):
    """Whoever reads a worker's bundle has learnt nothing that opens anything."""
    key = base64.b64encode(bytes(32)) + b"\n"
    workers = documents.worker_documents(cluster, b"authority")
    controllers = documents.controller_documents(cluster, b"authority", key, (), ())
    assert {file.mode for file in workers.values()} == {0o644}
    assert [path for path, file in controllers.items() if file.mode != 0o644] == [
        "/etc/kubernetes/encryption/config.json"
    ]
    told = json.loads(controllers["/etc/kubernetes/encryption/config.json"].data)
    assert told == access.encryption_configuration(bytes(32))


def test_what_an_api_server_is_told_to_read_is_in_the_bundle(cluster):
    """An API server that misses a file does not start; what a node makes itself is not the bundle's."""
    made = documents.controller_documents(cluster, b"authority", base64.b64encode(bytes(32)), (), ())
    server = control_plane.cluster_configuration(cluster)["apiServer"]
    paths = {value for name, value in flags(server["extraArgs"]).items() if value.endswith(".json")}
    assert len(paths) == 4
    assert paths <= set(made)


def test_manifests_are_applied_in_the_order_in_which_they_are_given(cluster):
    """Names sort as their numbers do, beyond ten too."""
    given = [SimpleNamespace(name=f"m{number}", objects=({"kind": "X"},)) for number in range(12, 0, -1)]
    made = documents.controller_documents(cluster, b"a", base64.b64encode(bytes(32)), given, ())
    laid = sorted(path.rsplit("/", 1)[1] for path in made if "/manifests/" in path)
    assert [name.split("-", 1)[1] for name in laid] == [f"m{number}.json" for number in range(12, 0, -1)]
