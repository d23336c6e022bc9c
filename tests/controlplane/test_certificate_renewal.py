"""A controller's certificates, issued and renewed by the real kubeadm below a root of its own."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest
from agent.steps import StepFailed
from controlplane import renewal
from kubeadm import documents

from kubecfn import pki
from kubecfn.kubernetes.client import Client
from kubecfn.node import control_plane
from kubecfn.node.facts import Cluster
from kubecfn.node.here import Here
from kubecfn.versions import RELEASES
from tests.kubernetes.server import folder, minors

DAY = 86400.0
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="kubeadm changes its root directory, which root alone may")


class Units:
    """Takes down what is done to units."""

    def __init__(self):
        self.done = []

    def stop(self, unit, *, hard=False):
        """Stop it."""
        assert not hard
        self.done.append(("stop", unit))

    def start(self, unit):
        """Start it."""
        self.done.append(("start", unit))


class Processes(renewal.Components):
    """Components that come back after they were ended, but for those that are told to stay away."""

    def __init__(self, away=()):
        self._there = dict(enumerate(renewal.PROGRAMS, start=100))
        self._away = away

    def running(self):
        """Return what runs."""
        return dict(self._there)

    def end(self, process):
        """End it; another comes."""
        name = self._there.pop(process)
        if name not in self._away:
            self._there[process + 1000] = name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A controller's disk after kubeadm has issued what it issues."""
    line = minors()[0]
    program = folder(line) / "kubeadm"
    if not program.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"kubeadm {line} is not built: make kubernetes-programs")
    root = tmp_path_factory.mktemp("controller")
    keys = tmp_path_factory.mktemp("keys") / "pki"
    pki.make(keys, pki.PkiSpec("payments", "https://api.payments.example.com:6443"), now=datetime.now(UTC))
    for path, file in pki.bundle_files(keys, "controller").items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(file.data)
    release = RELEASES[line]
    cluster = Cluster(
        "payments", "payments.example.com", "eu-central-1", release.kubernetes, release, "10.244.0.0/16", "10.96.0.0/16"
    )
    share = root / "usr/local/share/kubecfn/kubeadm"
    share.mkdir(parents=True)
    for name, told in (
        ("init", control_plane.init_configuration(cluster)),
        ("cluster", control_plane.cluster_configuration(cluster)),
    ):
        (share / f"{name}.json").write_text(json.dumps(told))
    here = Here("i-0a", "10.20.0.7", "eu-central-1", "eu-central-1a", "m7i.large", cpus=2)
    documents.lay(root, here, ("init", "cluster"))
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin/kubeadm").symlink_to(program)
    for phase in ("certs", "kubeconfig"):
        command = [program, "init", "phase", phase, "all", "--config=/etc/kubernetes/kubeadm.yaml", f"--rootfs={root}"]
        subprocess.run(command, check=True, capture_output=True)
    return root


@pytest.fixture
def renewing(made, cluster, clock):
    """Return what makes a controller's renewal, with the units it restarts."""

    def make(me="i-0a", away=()):
        units = Units()
        return renewal.Renewal(made, cluster.admin, me, units, Processes(away), clock), units

    return make


def ends(made):
    """Return when each certificate ends."""
    return {one.name: one.ends for one in renewal.lives(made)}


def test_every_certificate_of_a_controller_is_watched(made):
    """What nobody watches ends one day; kubeadm renews its own, the rest has others who do."""
    found = renewal.lives(made)
    assert {one.name for one in found if one.ours} == {
        "apiserver.crt",
        "apiserver-kubelet-client.crt",
        "front-proxy-client.crt",
        "admin.conf",
        "controller-manager.conf",
        "scheduler.conf",
    }
    assert {"ca.crt", "front-proxy-ca.crt"} <= {one.name for one in found}
    assert [one.ends for one in found] == sorted(one.ends for one in found)


def test_nothing_is_done_before_the_last_quarter(made, renewing, clock):
    """A year's certificate is left alone for nine months."""
    before = ends(made)
    clock.now += 270 * DAY
    renew, units = renewing()

    assert renew.look()[1] == ""
    assert (ends(made), units.done) == (before, [])


def test_in_the_last_quarter_all_are_renewed_and_everything_reads_them(made, renewing, clock):
    """Kubeadm issues, the components are started anew, the authenticator shows the new certificate."""
    before = {name: (made / "etc/kubernetes" / name).read_bytes() for name in ("pki/apiserver.crt", "admin.conf")}
    authority = (made / "etc/kubernetes/pki/ca.crt").read_bytes()
    clock.now += 280 * DAY
    renew, units = renewing()

    found, told = renew.look()

    assert told.startswith("renewed, because of ")
    assert all((made / "etc/kubernetes" / name).read_bytes() != data for name, data in before.items())
    assert (made / "etc/kubernetes/pki/ca.crt").read_bytes() == authority
    assert units.done == [("stop", "aws-iam-authenticator.service"), ("start", "aws-iam-authenticator.service")]
    assert {one.name for one in found} == set(ends(made))


def test_one_controller_at_a_time_renews(renewing, cluster, clock):
    """While its API server restarts, the others' have to answer."""
    clock.now += 280 * DAY
    first, _ = renewing("i-0b")
    assert first._lease.acquire()
    second, units = renewing("i-0c")

    assert second.look()[1] == "another controller renews its certificates"
    assert units.done == []
    first._lease.release()
    assert second.look()[1].startswith("renewed")


def test_what_does_not_come_back_is_named(renewing, clock):
    """Whoever reads why finds the component, and the next controller is not begun meanwhile."""
    clock.now += 280 * DAY
    renew, _ = renewing(away=("kube-scheduler",))

    with pytest.raises(StepFailed, match="did not come back in 180 s: kube-scheduler"):
        renew.look()


def test_what_ends_first_is_published_and_troubles_are_told(made, renewing, clock):
    """The metric is about the certificate that ends first, and a failure is for a person to read."""
    (datum,) = renewal.metrics("payments", renewal.lives(made), clock.time())
    assert datum["Value"] == pytest.approx(365, abs=1)
    assert datum["Dimensions"] == [{"Name": "Cluster", "Value": "payments"}]
    assert renewal.metrics("payments", (), clock.time()) == []

    clock.now += 280 * DAY
    renew, _ = renewing(away=("kube-scheduler",))
    stop, told, published = threading.Event(), [], []
    stop.set()
    renewal.look_after(renew, published.append, told.append, stop)
    assert [one.step for one in told] == ["renew-certificates"]
    assert published == [renewal.lives(made)], "what could not be renewed is what the alarm is for"


def test_who_shows_a_certificate_that_has_ended_waits_for_nobody(made, renewing, cluster, clock):
    """A node that was off for a year: its API server could grant no lease, and it is of no use to anyone meanwhile."""
    theirs = renewal.Renewal(made, cluster.admin, "i-0other", Units(), Processes(), clock)
    clock.now = renewal.lives(made)[0].ends - DAY
    assert theirs._lease.acquire()
    renew, units = renewing()
    assert renew.look()[1] == "another controller renews its certificates"

    theirs._lease.release()

    before = (made / "etc/kubernetes/pki/apiserver.crt").read_bytes()
    clock.now += 2 * DAY
    unreached = renewal.Renewal(
        made, Client("https://127.0.0.1:1", ssl.create_default_context()), "i-0a", units, Processes(), clock
    )
    with pytest.raises(StepFailed, match="did not come back in 180 s: the API server's /readyz"):
        unreached.look()

    assert (made / "etc/kubernetes/pki/apiserver.crt").read_bytes() != before
    assert ("start", "aws-iam-authenticator.service") in units.done


def test_components_are_known_by_their_programs(tmp_path):
    """A name that only begins like one of theirs, or stands in an argument, is another's."""
    for number, line in {
        "7": b"/usr/local/bin/kube-apiserver\0--port=6443\0",
        "8": b"/usr/local/bin/kube-apiserver-proxy\0",
        "9": b"vi\0kube-scheduler\0",
        "10": b"kube-scheduler\0",
        "11": b"",
    }.items():
        (tmp_path / number).mkdir()
        (tmp_path / number / "cmdline").write_bytes(line)
    (tmp_path / "12").mkdir()

    assert renewal.Components(tmp_path).running() == {7: "kube-apiserver", 10: "kube-scheduler"}


def test_a_certificates_life_is_read_as_it_is(made):
    """A quarter of it is three months, and begins with the last of them."""
    server = next(one for one in renewal.lives(made) if one.name == "apiserver.crt")
    assert timedelta(seconds=server.ends - server.begins) == pytest.approx(timedelta(days=365), abs=timedelta(days=1))
    assert not server.due(server.ends - 92 * DAY)
    assert server.due(server.ends - 90 * DAY)
