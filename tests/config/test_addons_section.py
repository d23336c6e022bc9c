"""What may be asked for under addons: every mistake is refused at its place, with what to write instead."""

from __future__ import annotations

import json

import pytest

from kubecfn.config import load_text
from kubecfn.errors import ConfigError
from tests.addons.samples import configured


def refused(**addons):
    """Return what is said of these add-ons."""
    with pytest.raises(ConfigError) as found:
        configured(**addons)
    return [str(problem) for problem in found.value.problems]


def test_without_a_word_a_cluster_has_everything():
    """Every add-on is there by default, and DNS answers a domain of the cluster's own name."""
    addons = configured().addons

    assert (addons.cni, addons.kube_proxy) == ("flannel", "nftables")
    assert {addons.cloud_controller, addons.ebs_csi, addons.metrics_server, addons.cluster_autoscaler} == {True}
    assert addons.dns.domain_of("payments") == "payments.local"
    assert configured(dns={"domain": "Pay.Test."}).addons.dns.domain_of("payments") == "pay.test"


@pytest.mark.parametrize(
    ("addons", "says"),
    [
        ({"kube_proxy": "none"}, "addons.kube_proxy = none: leaves nobody to reach services: flannel does not."),
        ({"kube_proxy": "none", "cni": "vpc-cni"}, "leaves nobody to reach services: vpc-cni does not"),
        ({"cni": "calico"}, "addons.cni = calico"),
        ({"dns": {"domain": "cluster.local"}}, "addons.dns.domain = cluster.local: is every cluster's own"),
        ({"dns": {"domain": "payments.example.com"}}, "covers the hosted zone payments.example.com"),
        ({"dns": {"domain": "example.com"}}, "pods would no longer find the API's own name"),
        ({"dns": {"domain": "local"}}, "addons.dns.domain = local: is not a domain name"),
        (
            {"dns": {"zones": [{"zone": "payments.local", "servers": ["10.0.0.10"]}]}},
            "addons.dns.zones[0].zone = payments.local: is answered by this cluster itself",
        ),
        (
            {"dns": {"zones": [{"zone": "b.local", "servers": ["10.0.0.10"]}] * 2}},
            "addons.dns.zones[1].zone = b.local: is forwarded by addons.dns.zones[0] already",
        ),
        ({"dns": {"zones": [{"zone": "b.local", "servers": []}]}}, "addons.dns.zones[0].servers: names nobody to ask"),
        (
            {"dns": {"zones": [{"zone": "b.local", "servers": ["ns.b.local"]}]}},
            "is not the IPv4 address of a DNS server",
        ),
        ({"dns": {"zones": [{"zone": "b.local", "servers": ["10.0.0.1:0"]}]}}, "has no port of 1 to 65535"),
        ({"dns": {"zones": [{"zone": "b.local", "servers": ["10.0.0.1:"]}]}}, "has no port of 1 to 65535"),
        ({"autoscaler": True}, "Did you mean cluster_autoscaler?"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(addons, says):
    """One problem, one sentence, with the path, the value and the way out."""
    (problem,) = refused(**addons)

    assert says in problem


@pytest.mark.parametrize(
    "addons",
    [
        {"kube_proxy": "none", "cni": "cilium"},
        {"kube_proxy": "none", "cni": "none"},
        {"dns": {"zones": [{"zone": "b.local", "servers": ["10.0.0.10", "10.0.1.10:5353"]}]}},
        {"dns": {"domain": "pods.payments.example.com"}},
    ],
)
def test_what_can_be_is_taken(addons):
    """Next to each refusal lies what works."""
    assert configured(**addons).addons


def test_the_api_is_found_even_when_the_parent_zone_alone_is_named():
    """Where the cluster's domain comes from its parent zone, it must not be taken away from pods either."""
    asked = {
        "name": "payments",
        "region": "eu-central-1",
        "dns": {"parent_zone": "k8s.example.com"},
        "addons": {"dns": {"domain": "payments.k8s.example.com"}},
    }
    with pytest.raises(ConfigError, match="covers the hosted zone"):
        load_text(json.dumps(asked))
