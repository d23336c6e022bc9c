"""Pod networks that are charts: which, and what they are told; their publishers' charts are not copied here."""

from __future__ import annotations

import pytest

from kubecfn.addons.charts import network_charts, with_network_chart
from kubecfn.config.contents import Chart
from kubecfn.versions import RELEASES
from tests.addons.samples import cluster_of, configured


def chart_of(region="eu-central-1", **asked):
    """Return the chart of a configuration's pod network, None without one."""
    found = network_charts(cluster_of(max(RELEASES), region), configured(region=region, **asked))
    return found[0] if found else None


@pytest.mark.parametrize("network", ["flannel", "none"])
def test_what_is_no_chart_brings_none(network):
    """The default is objects of our own, and none is the operator's."""
    assert chart_of(cni=network) is None


@pytest.mark.parametrize(("network", "name"), [("cilium", "cilium"), ("vpc-cni", "aws-vpc-cni")])
def test_a_chart_is_its_publishers_at_one_release(network, name):
    """Address, name and an exact version: the same chart for everybody who renders it."""
    chart = chart_of(cni=network)

    assert (chart.chart, chart.namespace) == (name, "kube-system")
    assert chart.repo.startswith("https://")
    assert chart.version == RELEASES[max(RELEASES)].charts[network].version


@pytest.mark.parametrize(("kube_proxy", "replaced"), [("none", True), ("nftables", False)])
def test_cilium_takes_kube_proxys_place_only_when_that_is_not_there(kube_proxy, replaced):
    """One of the two reaches services, and Cilium finds the API before either does."""
    values = chart_of(cni="cilium", kube_proxy=kube_proxy).values

    assert values["kubeProxyReplacement"] is replaced
    assert (values["k8sServiceHost"], values["k8sServicePort"]) == ("api.payments.example.com", 6443)
    assert chart_of(cni="cilium", controllers=1).values["operator"]["replicas"] == 1


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", ("602401143452", "us-west-2", "amazonaws.com")),
        ("us-gov-west-1", ("013241004608", "us-gov-west-1", "amazonaws.com")),
        ("cn-north-1", ("918309763551", "cn-north-1", "amazonaws.com.cn")),
    ],
)
def test_the_vpc_cnis_images_come_from_its_publisher_in_the_partition(region, host):
    """No partition reaches another's registry; every container's image is told, the policy agent is not there."""
    values = chart_of(region, cni="vpc-cni").values
    images = [values["image"], values["init"]["image"], values["nodeAgent"]["image"]]

    assert {(one["account"], one["region"], one["domain"]) for one in images} == {host}
    assert values["nodeAgent"]["enabled"] is False


def test_a_chart_that_is_a_pod_network_is_rendered_as_the_operators_own_are():
    """It stands before theirs among the charts of the configuration; another pod network adds none."""
    cluster = cluster_of(max(RELEASES))
    theirs = {"name": "web", "chart": "charts/web"}
    asked = configured(cni="cilium").model_copy(update={"charts": (Chart(**theirs),)})

    assert [one.name for one in with_network_chart(cluster, asked).charts] == ["cilium", "web"]
    assert with_network_chart(cluster, configured()) == configured()
