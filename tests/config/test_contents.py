"""What an operator may lay into a cluster and give access to, and what is said about what they may not."""

from __future__ import annotations

import pytest
import yaml

from kubecfn.config import load_text, show
from kubecfn.errors import ConfigError

SMALLEST = "name: payments\nregion: eu-central-1\ndns: {private: true, domain: k.internal}\n"
WHOLE = """
addons: {cni: cilium, kube_proxy: none}
namespaces: [{name: shop, labels: {team: a}, pod_security: restricted}]
manifests: [apps/*.yaml]
charts:
  - {name: shop, chart: ./charts/shop, namespace: shop, values: {image: null, hosts: [a, null]}, values_files: [shop.yaml]}
  - {name: metrics, chart: oci://registry.example.com/metrics, version: 1.2.3-rc.1, namespace: kube-system}
  - {name: web, chart: web, repo: https://charts.example.com, version: v2.0.0}
access:
  - {name: on-call, cluster_role: cluster-admin, principals: [arn:aws:iam::123456789012:role/ops/on-call]}
  - {name: shop, cluster_role: edit, namespaces: [shop, default]}
"""


def refused(lines: str, region: str = "eu-central-1") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_text(SMALLEST.replace("eu-central-1", region) + lines + "\n")
    return [str(problem) for problem in caught.value.problems]


def test_everything_can_be_asked_for_and_is_shown_with_its_defaults() -> None:
    """What show prints is the same cluster; a null among a chart's values stays, since Helm means something by it."""
    config = load_text(SMALLEST + WHOLE)

    shown = show(config)

    assert load_text(shown) == load_text(show(load_text(shown)))
    data = yaml.safe_load(shown)
    assert data["charts"][0]["values"] == {"image": None, "hosts": ["a", None]}
    assert data["access"][1] == {
        "name": "shop",
        "principals": [],
        "cluster_role": "edit",
        "namespaces": ["shop", "default"],
    }
    assert data["addons"]["dns"]["domain"] == "payments.local"


def test_access_that_says_nothing_may_look_and_not_touch() -> None:
    """The least is the default: view, for whom the account lets in."""
    (access,) = load_text(SMALLEST + "access: [{name: on-call}]\n").access

    assert (access.cluster_role, access.principals, access.namespaces) == ("view", (), ())
    assert access.title == "OnCall"


@pytest.mark.parametrize(
    ("lines", "path", "says"),
    [
        ("addons: {cni: calico}", "addons.cni = calico", "'flannel'"),
        ("addons: {kube_proxy: none}", "addons.kube_proxy = none", "leaves nobody to reach services"),
        ("addons: {metrics: true}", "addons.metrics", "Did you mean"),
        ("namespaces: [{name: kube-more}]", "namespaces[0].name = kube-more", "belongs to Kubernetes"),
        ("namespaces: [{name: default}]", "namespaces[0].name = default", "belongs to Kubernetes"),
        ("namespaces: [{name: a}, {name: a}]", "namespaces[].name = a", "stands there 2 times"),
        ("namespaces: [{name: A}]", "namespaces[0].name = A", "must be 1 to 63 of a-z"),
        ("namespaces: [{name: a, pod_security: strict}]", "namespaces[0].pod_security = strict", "'restricted'"),
        (
            "namespaces: [{name: a, labels: {pod-security.kubernetes.io/enforce: privileged}}]",
            "namespaces[0].labels",
            "Write namespaces[0].pod_security",
        ),
        ("manifests: [a.yaml, a.yaml]", "manifests = a.yaml", "stands there 2 times"),
        ("charts: [{name: a, chart: x}, {name: a, chart: y}]", "charts[].name = a", "stands there 2 times"),
        ("charts: [{name: a, chart: x, repo: https://r}]", "charts[0].version", "is required"),
        ("charts: [{name: a, chart: 'oci://r/x'}]", "charts[0].version", "is required"),
        (
            "charts: [{name: a, chart: x, repo: https://r, version: ^1.2}]",
            "charts[0].version = ^1.2",
            "one exact version",
        ),
        ("charts: [{name: a, chart: ./x, version: 1.2.3}]", "charts[0].version = 1.2.3", "Chart.yaml has the version"),
        ("charts: [{name: a, chart: x, repo: http://r, version: 1.2.3}]", "charts[0].repo = http://r", "https://"),
        ("charts: [{name: a, chart: r/x, repo: https://r, version: 1.2.3}]", "charts[0].chart = r/x", "name in repo"),
        ("charts: [{name: a, chart: 'oci://r/x', repo: https://r, version: 1.2.3}]", "charts[0].repo", "no meaning"),
        ("charts: [{name: a, chart: 'https://r/x.tgz'}]", "charts[0].chart", "is no path and no registry"),
        ("charts: [{name: a, chart: x, values_files: ['-']}]", "charts[0].values_files = -", "standard input"),
        ("charts: [{name: a, chart: x, namespace: shop}]", "charts[0].namespace = shop", "Add it: namespaces"),
        ("charts: [{name: a, chart: x, value: {}}]", "charts[0].value", "Did you mean values?"),
        ("access: [{name: a}, {name: a}]", "access[].name = a", "stands there 2 times"),
        ("access: [{name: a-b}, {name: ab}, {name: a-B}]", "access[2].name = a-B", "must be 1 to 20"),
        ("access: [{name: on-call}, {name: on-c-all}]\naccess2: 1", "access2", "Did you mean access?"),
        ("access: [{name: a, cluster_role: a/b}]", "access[0].cluster_role = a/b", "is not the name of a ClusterRole"),
        ("access: [{name: a, namespaces: [shop]}]", "access[0].namespaces = shop", "Add it: namespaces"),
        ("access: [{name: a, principals: ['*']}]", "access[0].principals[0] = *", "is not the ARN of one role"),
        (
            "access: [{name: a, principals: ['arn:aws:iam::123456789012:role/*']}]",
            "access[0].principals[0]",
            "is not the ARN of one role",
        ),
        (
            "access: [{name: a, principals: [arn:aws-cn:iam::123456789012:root]}]",
            "access[0].principals = arn:aws-cn",
            "Write arn:aws:…",
        ),
    ],
)
def test_a_mistake_in_what_is_brought_names_its_place_and_remedy(lines, path, says) -> None:
    """The path, what stands there, what is allowed."""
    found = refused(lines)

    assert any(line.startswith(path) and says in line for line in found), found


@pytest.mark.parametrize("name", ["system", "kubecfn", "aws"])
def test_nobody_can_call_themselves_what_kubernetes_calls_its_own(name) -> None:
    """A user is NAME:SESSION and sessions are named at will: system would make system:kube-scheduler of one."""
    assert any("is reserved" in line for line in refused(f"access: [{{name: {name}}}]"))


def test_two_names_that_a_template_cannot_tell_apart_are_refused() -> None:
    """CloudFormation's names have no '-'."""
    assert any("by '-' alone" in line for line in refused("access: [{name: a-1}, {name: a1}]"))


def test_what_would_not_fit_among_an_instances_tags_is_refused() -> None:
    """Each access is a tag of the controllers, which have fifty."""
    tags = ", ".join(f"t{number}: x" for number in range(20))
    access = ", ".join(f"{{name: a{number}x}}" for number in range(19))

    assert any("each is a tag of the controllers" in line for line in refused(f"tags: {{{tags}}}\naccess: [{access}]"))
