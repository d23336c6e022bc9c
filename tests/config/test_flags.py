"""Flags of the API server and the kubelet: known to the minor, and not kubecfn's own to set."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from kubecfn.config import load_text
from kubecfn.config.flags import known_flags, refusals
from kubecfn.errors import ConfigError
from kubecfn.node.control_plane import cluster_configuration, init_configuration
from kubecfn.node.facts import Cluster
from kubecfn.node.here import Here, completed
from kubecfn.versions import RELEASES
from tests.kubernetes.server import folder, minors

SMALLEST = "name: payments\nregion: eu-central-1\ndns: {private: true, domain: k.internal}\n"


def said(kubernetes: str, component, flag: str) -> list[str]:
    return [f"{reason}. {remedy}" for _, reason, remedy in refusals(kubernetes, component, [flag])]


@pytest.mark.parametrize("component", ["kube-apiserver", "kubelet"])
@pytest.mark.parametrize("minor", minors())
def test_the_table_of_flags_is_what_the_real_program_lists(minor, component) -> None:
    """The table knows neither more nor less than the program of that minor says in its --help."""
    program = folder(minor) / component
    if not program.is_file():
        missing = f"{component} {minor} is not built on this machine: make kubernetes-programs builds it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    told = subprocess.run([program, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)

    listed = set(re.findall(r"^ +(?:-\w, )?--([a-z0-9-]+)", told.stdout, re.MULTILINE)) - {"help", "version"}

    assert known_flags(minor, component) == listed


@pytest.mark.parametrize(
    ("kubernetes", "component", "flag", "says"),
    [
        ("1.36", "kubelet", "max-pod", "is no flag of kubelet in Kubernetes 1.36.*Did you mean max-pods?"),
        ("1.36.3", "kubelet", "quite-something-else", "See kubelet --help"),
        ("1.35", "kube-apiserver", "tls-curve-preferences", "is no flag of kube-apiserver in Kubernetes 1.35"),
        ("1.36", "kubelet", "pod-infra-container-image", "would end the program: .* no longer accepts"),
        ("1.36", "kube-apiserver", "cloud-provider", "would end the program: .* no longer accepts --cloud-provider"),
        ("1.36", "kube-apiserver", "etcd-servers", "is kubecfn's to set"),
        ("1.36", "kubelet", "anonymous-auth", "is kubecfn's to set"),
    ],
)
def test_a_flag_that_would_end_the_program_or_its_safety_is_refused_with_the_reason(
    kubernetes, component, flag, says
) -> None:
    """A flag unknown to the minor, removed in it, or kubecfn's own is refused before anything is emitted."""
    (found,) = said(kubernetes, component, flag)

    assert re.search(says, found)


@pytest.mark.parametrize(
    ("kubernetes", "component", "flag"),
    [
        ("1.36", "kubelet", "max-pods"),
        ("1.34", "kubelet", "pod-infra-container-image"),
        ("1.36", "kube-apiserver", "max-requests-inflight"),
        ("1.36", "kube-apiserver", "oidc-issuer-url"),
        ("1.36", "kube-apiserver", "tls-curve-preferences"),
    ],
)
def test_a_flag_that_the_minor_knows_is_taken(kubernetes, component, flag) -> None:
    """The look above can pass: what the minor knows and kubecfn does not set is the operator's."""
    assert said(kubernetes, component, flag) == []


@pytest.mark.parametrize("minor", RELEASES)
def test_no_flag_that_kubecfn_gives_can_be_given_twice(minor) -> None:
    """The later of two would win, and kubecfn's would be silently gone."""
    release = RELEASES[minor]
    cluster = Cluster(
        "a", "a.example.com", "eu-central-1", release.kubernetes, release, "10.244.0.0/16", "10.96.0.0/16"
    )
    here = Here("i-0a", "10.0.0.1", "eu-central-1", "eu-central-1a", "m7i.large", 2)
    init = completed(init_configuration(cluster), here)
    given = {
        "kube-apiserver": cluster_configuration(cluster)["apiServer"]["extraArgs"],
        "kubelet": init["nodeRegistration"]["kubeletExtraArgs"],
    }

    for component, flags in given.items():
        own = [flag["name"] for flag in flags]
        assert own
        assert [flag for flag in own if "is kubecfn's to set" not in " ".join(said(minor, component, flag))] == []


def test_flags_stand_in_the_configuration_as_yaml_has_them() -> None:
    """A number or a boolean is what a person writes; the flag's value is its text."""
    lines = "kubelet_flags: {max-pods: 60, seccomp-default: true}\ncontrollers: {api_server_flags: {v: '4'}}\n"

    config = load_text(SMALLEST + lines)

    assert config.kubelet_flags == {"max-pods": "60", "seccomp-default": "true"}
    assert config.controllers.api_server_flags == {"v": "4"}


def test_a_refused_flag_names_its_place_and_value() -> None:
    """The path, the value, the reason and the remedy, as for everything else in the file."""
    with pytest.raises(ConfigError) as caught:
        load_text(SMALLEST + "controllers: {api_server_flags: {secure-port: 1, --v: 2}}\nkubelet_flags: {max-pod: 6}\n")
    assert "controllers.api_server_flags.--v" in caught.value.message

    with pytest.raises(ConfigError) as caught:
        load_text(SMALLEST + "controllers: {api_server_flags: {secure-port: 1}}\nkubelet_flags: {max-pod: 6}\n")
    assert [str(one).split(":")[0] for one in caught.value.problems] == [
        "controllers.api_server_flags.secure-port = 1",
        "kubelet_flags.max-pod = 6",
    ]
