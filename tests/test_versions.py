"""Which versions go together, and which steps are possible."""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubecfn.errors import WrongUseError
from kubecfn.local.programs import cache
from kubecfn.versions import (
    DEFAULT_KUBERNETES,
    RELEASES,
    Version,
    choose,
    parse,
    refuse_flags,
    refuse_step,
    refuse_steps,
)

VERSIONS = st.builds(Version, st.integers(1, 3), st.integers(0, 40), st.integers(0, 40))


def test_the_default_is_in_the_table() -> None:
    """Without a wish a cluster runs the newest minor of the table."""
    assert max(RELEASES) == DEFAULT_KUBERNETES
    assert choose().kubernetes == RELEASES[DEFAULT_KUBERNETES].kubernetes


@pytest.mark.parametrize("line", RELEASES)
def test_each_minor_can_follow_the_one_before_it(line: str) -> None:
    """The table has no hole: every minor but the first is reached in one step."""
    assert RELEASES[line].kubernetes.line == line
    assert RELEASES[line].etcd.line in RELEASES[line].etcd_lines
    for before, after in pairwise(RELEASES):
        assert refuse_steps(choose(before), choose(after)) == []


@pytest.mark.parametrize(
    ("program", "old", "new", "says"),
    [
        ("Kubernetes", "1.34.4", "1.35.4", None),
        ("Kubernetes", "1.35.4", "1.35.6", None),
        ("Kubernetes", "1.35.4", "1.34.4", "cannot go back"),
        ("Kubernetes", "1.35.4", "1.35.3", "cannot go back"),
        ("Kubernetes", "1.34.4", "1.36.3", "Go to 1.35 first"),
        ("etcd", "3.5.25", "3.6.16", "go to 3.5.26"),
        ("etcd", "3.5.26", "3.6.16", None),
        ("etcd", "3.6.16", "3.5.35", "cannot go back"),
        ("etcd", "3.5.20", "3.5.35", None),
        ("etcd", "3.4.30", "3.6.0", "Go to 3.5 first"),
    ],
)
def test_an_impossible_step_is_refused_with_its_reason(program: str, old: str, new: str, says: str | None) -> None:
    """Never down, never over a minor, and 3.5 leaves for 3.6 from 3.5.26 only."""
    reason = refuse_step(program, parse(old), parse(new))

    assert (says in reason) if reason and says else reason is says


@given(VERSIONS, VERSIONS)
def test_a_step_and_its_way_back_are_never_both_possible(old: Version, new: Version) -> None:
    """An upgrade cannot be undone by another update, so at most one direction is open."""
    assert old == new or refuse_step("etcd", old, new) or refuse_step("etcd", new, old)


@pytest.mark.parametrize(
    ("kubernetes", "etcd", "containerd", "says"),
    [
        ("1.36", "3.5.35", None, "does not go with Kubernetes 1.36"),
        ("1.36", None, "1.7.30", "talks to containerd 2.x"),
        ("1.30", None, None, "known minors: 1.34, 1.35, 1.36"),
        ("latest", None, None, "known minors"),
    ],
)
def test_an_impossible_pair_is_refused(kubernetes: str, etcd: str | None, containerd: str | None, says: str) -> None:
    """A pair outside the table is refused with what would go instead."""
    with pytest.raises(WrongUseError, match=says):
        choose(kubernetes, etcd, containerd)
    assert choose("1.34", "3.5.35", "1.7.30").etcd == Version(3, 5, 35)


@pytest.mark.parametrize(
    ("kubernetes", "component", "flag", "refused"),
    [
        ("1.36", "kube-apiserver", "--cloud-provider=external", True),
        ("1.34", "kubelet", "--pod-infra-container-image=pause", False),
        ("1.35", "kubelet", "--pod-infra-container-image=pause", True),
        ("1.36", "kube-controller-manager", "--cloud-provider=external", False),
    ],
)
def test_a_flag_that_a_minor_no_longer_accepts_is_refused(
    kubernetes: str, component: str, flag: str, refused: bool
) -> None:
    """A flag that ends the program at start is refused before it is emitted."""
    assert bool(refuse_flags(kubernetes, component, [flag])) is refused


@pytest.mark.parametrize("text", ["1.36", "v1", "latest", "1.36.x", ""])
def test_half_a_version_is_no_version(text: str) -> None:
    """A version that pins a program is whole."""
    with pytest.raises(WrongUseError, match=r"MAJOR\.MINOR\.PATCH"):
        parse(text)


@pytest.mark.parametrize("line", RELEASES)
def test_pause_and_coredns_are_those_that_kubeadm_of_the_minor_lists(line: str) -> None:
    """What upstream tests a minor with is what its nodes pull; the table is held to the real kubeadm's own list."""
    release = RELEASES[line]
    kubeadm = cache() / f"kubernetes-{release.kubernetes}" / "kubeadm"
    if not kubeadm.is_file():
        missing = f"kubeadm {line} is not built on this machine: make kubernetes-programs builds it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    asked = [kubeadm, "config", "images", "list", "--kubernetes-version", f"v{release.kubernetes}"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()

    assert {release.images["pause"], release.images["coredns"]} <= set(listed)
    assert release.images["pause"].endswith(f":{release.pause}")


@pytest.mark.parametrize("line", RELEASES)
def test_what_is_released_by_minors_is_of_this_minor(line: str) -> None:
    """The cloud provider and the autoscaler follow Kubernetes' minors; another minor's knows other objects."""
    release = RELEASES[line]

    assert release.cloud_provider.line == line
    assert release.images["cluster-autoscaler"].rpartition(":v")[2].startswith(f"{line}.")
