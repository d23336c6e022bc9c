"""The real API server of each minor takes every object of the add-ons, field by field."""

from __future__ import annotations

import copy
import json

import pytest

from kubecfn.addons import coredns
from kubecfn.config.addons import ForwardedZone
from kubecfn.kubernetes.applying import MANAGER, apply_all
from kubecfn.kubernetes.client import KubernetesError
from kubecfn.kubernetes.objects import Kinds, name_of
from tests.addons import names
from tests.addons.samples import ASKED, named, objects_of
from tests.kubernetes.server import minors


def applied(server, objects):
    """Apply objects as the first controller does."""
    return apply_all(server.admin, objects, report=lambda _: None, patience=5.0)


def sent(server, one, **query):
    """Write a single object, or only ask what would become of it."""
    return server.admin.apply(Kinds(server.admin).path(name_of(one)), one, manager=MANAGER, **query)


def workloads(server):
    """Return how often each Deployment and DaemonSet that is there was changed."""
    found = [*server.admin.list("/apis/apps/v1/deployments"), *server.admin.list("/apis/apps/v1/daemonsets")]
    return {one["metadata"]["name"]: one["metadata"]["generation"] for one in found}


def test_all_that_runs_by_default_is_taken(server):
    """Each minor's API server takes every object, and the same a second time changes nothing."""
    objects = objects_of(server.minor)

    assert len(applied(server, objects).applied) == len(objects)
    before = workloads(server)
    applied(server, objects)
    assert workloads(server) == before
    assert len(before) == 8


def test_whatever_is_asked_for_is_taken(server):
    """No configuration of add-ons makes an object that an API server of its minor would refuse."""
    default = objects_of(server.minor)
    applied(server, default)
    asked = {json.dumps(one, sort_keys=True) for more in ASKED.values() for one in objects_of(server.minor, **more)}
    other = [json.loads(one) for one in asked - {json.dumps(one, sort_keys=True) for one in default}]

    assert len(other) > 8
    for one in other:
        assert sent(server, one, dryRun="All")["metadata"]["name"] == one["metadata"]["name"]


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("DaemonSet", "kube-proxy", ("spec", "template", "spec", "hostNetwrk")),
        ("Deployment", "coredns", ("spec", "template", "spec", "securityContext", "runAsNonroot")),
        ("PodDisruptionBudget", "metrics-server", ("spec", "maxUnavaliable")),
        ("CSIDriver", "ebs.csi.aws.com", ("spec", "attachRequird")),
    ],
)
def test_a_misspelt_field_is_refused(server, kind, name, path):
    """A field that this minor does not know is refused by its name: nothing is silently dropped."""
    one = copy.deepcopy(named(objects_of(server.minor), kind, name))
    place = one
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = True

    with pytest.raises(KubernetesError, match=path[-1]):
        sent(server, one, dryRun="All")


def test_what_is_turned_off_is_deleted(server):
    """An add-on that is no longer asked for leaves nothing behind; what is still asked for stays.

    Whatever comes after has to do without flannel: its namespace goes for good only where a controller manager runs.
    """
    applied(server, objects_of(server.minor))
    least = objects_of(server.minor, **ASKED["least"])
    applied(server, least)

    assert set(workloads(server)) == {"coredns", "kube-proxy"}
    assert not list(server.admin.list("/apis/storage.k8s.io/v1/storageclasses"))
    bindings = server.admin.list("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings")
    left = {
        one["metadata"]["name"]
        for one in bindings
        if "kubernetes.io/bootstrapping" not in one["metadata"].get("labels", {})
    }
    assert left == {one["metadata"]["name"] for one in least if one["kind"] == "ClusterRoleBinding"}


@pytest.mark.parametrize("server", minors()[:1], indirect=True)
def test_services_are_found_under_the_clusters_own_domain_as_under_cluster_local(server, tmp_path):
    """The real CoreDNS, with the rights that it is given, answers both alike, forwards other clusters' names, and no more."""
    here, there = (f"{server.address.rpartition('.')[0]}.{last}" for last in (210, 211))
    applied(server, objects_of(server.minor, **ASKED["least"]))
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}}
    made["spec"] = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}
    sent(server, made)
    zones = (ForwardedZone(zone="ledger.local", servers=(f"{there}:{names.PORT}",)),)
    server.kubeconfig(tmp_path / "coredns.conf", "system:serviceaccount:kube-system:coredns", "system:serviceaccounts")
    (tmp_path / "resolv.conf").write_text(f"nameserver {there}\n")
    # Where it listens, what it is told of the node, and how it finds the API are the test's; all else is as on a cluster.
    ours = (
        coredns.corefile("payments.local", zones)
        .replace(":53 {", f":{names.PORT} {{\n    bind {here}")
        .replace("    ready\n", f"    ready {here}:8181\n")
        .replace("    health {", f"    health {here}:8080 {{")
        .replace("prometheus :9153", f"prometheus {here}:9153")
        .replace("        pods insecure", f"        pods insecure\n        kubeconfig {tmp_path}/coredns.conf")
        .replace("/etc/resolv.conf", f"{there}:{names.PORT}")
    )
    theirs = f"""
        ledger.local:{names.PORT} {{
            bind {there}
            ready {there}:8181
            hosts {{
                10.96.9.9 api.default.svc.ledger.local
            }}
        }}
        .:{names.PORT} {{
            bind {there}
            template ANY ANY {{
                rcode NXDOMAIN
            }}
        }}
    """
    with names.served(theirs, tmp_path, there), names.served(ours, tmp_path, here):
        for domain in ("cluster.local", "payments.local"):
            assert names.asked(here, f"web.default.svc.{domain}") == ["10.96.7.7"]
            assert names.asked(here, f"nobody.default.svc.{domain}") == []
        assert names.asked(here, "web.default.svc.other.local") == []
        assert names.asked(here, "api.default.svc.ledger.local") == ["10.96.9.9"]
        assert names.who(here, "10.96.7.7") == ["web.default.svc.cluster.local"]
