"""A controller's control plane from its bundle to a ready API server, and every way in which that fails, told in words."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from agent.node import Instance, Node
from agent.patience import Patience
from agent.steps import StepFailed
from agent.units import State
from controlplane import configuration, service
from controlplane.service import Around, ControlPlane, Pace
from kubeadm import instance, run
from member.identity import Identity
from member.loop import Done
from member.outcry import Gate

from kubecfn.kubernetes.client import KubernetesError
from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import certificate_file, new_authority
from kubecfn.pki.keys import key_file
from tests.controlplane.kubeadm_roots import ADDRESS, HERE, lay
from tests.kubernetes.server import PORT, minors

PKI = "etc/kubernetes/pki"
RUNS = State("active", "success", 0)
DOWN = State("inactive", "success", 0)
QUICK = Pace(soon=0.01, failed=0.01, serving=0.01, away=60.0, again=0.01)
AUTHENTICATOR = "aws-iam-authenticator.service"


class Units:
    """Units as systemd shows them; what is started runs, unless a test says how it ends."""

    def __init__(self):
        self.done = []
        self.states = {}
        self.ends = {}
        self.known = set(service.UNITS)

    def enable(self, unit):
        """Take it down."""
        self._must(unit)
        self.done.append(("enable", unit))

    def start(self, unit):
        """Start it."""
        self._must(unit)
        self.done.append(("start", unit))
        self.states[unit] = self.ends.get(unit, RUNS)

    def state(self, unit):
        """Look at it."""
        self._must(unit)
        return self.states.get(unit, DOWN)

    def log(self, unit, lines):
        """Return its last words, with another time in them whenever they are read."""
        assert lines
        return (f"{time.monotonic()} listening", f"{unit} says why at {time.monotonic()}", "")

    def _must(self, unit):
        if unit not in self.known:
            raise StepFailed("units", f"systemd has not loaded {unit}: it is not-found")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A controller's disk as its bundle leaves it."""
    home = tmp_path_factory.mktemp("pristine")
    return lay(home / "root", home / "keys", minors()[0], program=home / "root/played")


@pytest.fixture
def root(pristine, tmp_path, cluster):
    """A disk of the test's own, whose kubeadm writes the kubeconfigs of the API server that is there."""
    for path in ("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kubecfn-configuration",):
        try:
            cluster.admin.delete(path)
        except KubernetesError as error:
            assert error.status == 404
    made = tmp_path / "root"
    shutil.copytree(pristine, made, symlinks=True, ignore=shutil.ignore_patterns("null"))
    (made / run.PROGRAM.lstrip("/")).unlink()
    cluster.kubeconfig(made / "admin.conf", "kubernetes-admin", "system:masters")
    plays(made, f"cp {made}/admin.conf {made}/etc/kubernetes/admin.conf; touch {made}/etc/kubernetes/super-admin.conf")
    placed = {"instance": HERE.instance, "address": ADDRESS, "zone": HERE.zone, "instance_type": HERE.instance_type}
    (made / instance.FILE).parent.mkdir(parents=True, exist_ok=True)
    (made / instance.FILE).write_text(json.dumps(placed))
    return made


def plays(root, script):
    """Lay a kubeadm that does this."""
    program = root / run.PROGRAM.lstrip("/")
    program.write_text(f"#!/bin/sh\necho $1 >> {root}/runs\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def living(root, cluster):
    """Return what starts a control plane below the root; `etcd_serves` is called for it."""
    stop, started = threading.Event(), []

    def start(*, pace=QUICK, guards=(), units=None, api=cluster.server, etcd=True, tags=None):
        news = threading.Event()
        node = Node(root, "payments", "controller", "payments.example.com", "1.36.3", "3.6.16", 300, {})
        found = Identity(HERE.instance, ADDRESS, "group", "bucket", "123456789012", tags or {})
        signal = {"StackName": "payments", "LogicalResourceId": "Controllers", "UniqueId": HERE.instance}
        around = Around(
            root=root,
            node=node,
            instance=Instance(HERE.region, signal, {}),
            found=found,
            units=units or Units(),
            stop=stop,
            patience=Patience(1.0, stop),
            news=news.set,
            guards=guards,
            api=api,
        )
        control = ControlPlane(around, pace)
        started.append(SimpleNamespace(control=control, units=around.units, news=news, stop=stop))
        control.start()
        if etcd:
            control.etcd_serves()
        return started[-1]

    yield start
    stop.set()
    for one in started:
        one.control._thread.join(10)
        assert not one.control._thread.is_alive()


def comes_to(one, decision, *words, seconds=20.0):
    """Wait until the control plane says so, and return what it said."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        last = one.control.last
        if last.decision == decision and all(word in last.reason for word in words):
            return last
        one.news.wait(0.02)
        one.news.clear()
    raise AssertionError(f"it came to {one.control.last}")


def told(done, minutes=2):
    """Return what the stack is told of it after some minutes, the way a booting node does; empty when nothing is."""
    seen, clock = [], itertools.count(0, 10)
    gate = Gate(seen.append, lambda: float(next(clock)), 25 * 60)
    for _ in range(minutes * 6):
        gate.passed("kubernetes", done)
    return seen[0].reason if seen else ""


def test_a_controller_comes_to_serve(living, root):
    """Its units run, kubeadm ran once, what is above every right is gone, and the configuration is the cluster's."""
    one = living()

    last = comes_to(one, "serve")

    assert last.settled
    assert last.missing == ""
    assert (root / "runs").read_text() == "init\n"
    assert not (root / service.SUPER_ADMIN).exists()
    assert (root / configuration.SEEN).exists()
    assert {unit for verb, unit in one.units.done if verb == "start"} == set(service.UNITS)
    assert one.units.done.index(("start", service.CONTAINERD)) < one.units.done.index(("start", service.KUBELET))
    comes_to(one, "serve", "was applied before")


def test_the_kubelet_is_never_started_by_the_system_itself(living):
    """At a later boot an API server without etcd would only be in the way: the agent starts it when etcd serves."""
    one = living()
    comes_to(one, "serve")

    assert ("enable", service.CONTAINERD) in one.units.done
    assert ("enable", AUTHENTICATOR) in one.units.done
    assert ("enable", service.KUBELET) not in one.units.done


def test_nothing_of_kubernetes_begins_before_etcd_serves(living, root):
    """Files and the runtime are prepared meanwhile; kubeadm and the kubelet are not run."""
    one = living(etcd=False)

    comes_to(one, "wait", "etcd does not serve yet")
    end = time.monotonic() + 5
    while one.control._prepared is False and time.monotonic() < end:
        time.sleep(0.01)

    assert not (root / "runs").exists()
    assert [unit for verb, unit in one.units.done if verb == "start"] == [service.CONTAINERD]
    one.control.etcd_serves()
    comes_to(one, "serve")


def test_when_all_is_well_nothing_is_written_and_nothing_is_started(living, root):
    """A controller looks for years; a disk that is written at every look would wear out, and a log be unread."""

    def everything():
        return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in sorted(root.rglob("*"))}

    one = living()
    comes_to(one, "serve", "was applied before")
    before, done = everything(), list(one.units.done)
    one.news.clear()

    assert not one.news.wait(0.1)
    assert (everything(), one.units.done) == (before, done)


def test_a_stop_ends_it_at_once_wherever_it_is(living):
    """Whether it waits for etcd or serves: within a moment, not after its pause."""
    slow = replace(QUICK, soon=0.05, serving=600.0, failed=600.0)
    waiting, serving = living(pace=slow, etcd=False), living(pace=slow)
    comes_to(waiting, "wait")
    comes_to(serving, "serve")
    begun = time.monotonic()

    waiting.stop.set()
    for one in (waiting, serving):
        one.control._thread.join(5)
        assert not one.control._thread.is_alive()

    assert time.monotonic() - begun < 2


def authority(root, name, profile, *, now, key=True):
    """Lay another authority, or only its certificate."""
    made = new_authority(profile, "payments", KeyType.P256, now)
    (root / PKI / f"{name}.crt").write_bytes(certificate_file(made.certificate).data)
    if key:
        (root / PKI / f"{name}.key").write_bytes(key_file(made.key).data)


@pytest.mark.parametrize(
    ("name", "profile", "what", "item"),
    [
        ("ca", profiles.KUBERNETES_AUTHORITY, "kubernetes", "kubernetes-ca"),
        ("front-proxy-ca", profiles.FRONT_PROXY_AUTHORITY, "front-proxy", "front-proxy-ca"),
    ],
)
def test_an_authority_that_has_ended_is_named_with_the_command_that_replaces_it(
    living, root, name, profile, what, item
):
    """No client takes what kubeadm would issue below it all the same."""
    authority(root, name, profile, now=datetime.now(UTC) - timedelta(days=3700))

    last = comes_to(living(), "failed")

    assert f"the {what} authority in {root}/{PKI}/{name}.crt ended at " in told(last)
    assert f"kubecfn keys replace {item}" in told(last)
    assert not (root / "runs").exists()


def test_the_twin_an_authority_in_its_last_days_still_serves(living, root):
    """The alarm on certificates is what tells of it."""
    authority(root, "front-proxy-ca", profiles.FRONT_PROXY_AUTHORITY, now=datetime.now(UTC) - timedelta(days=3649))

    comes_to(living(), "serve")


@pytest.mark.parametrize("name", ["ca", "front-proxy-ca"])
def test_an_authority_with_the_key_of_another_is_named(living, root, name):
    """A bundle packed from two sets of keys: nothing is made, and both files are in the sentence."""
    authority(root, name, profiles.KUBERNETES_AUTHORITY, now=datetime.now(UTC), key=False)

    last = comes_to(living(), "failed")

    assert f"{name}.key is not the key of {root}/{PKI}/{name}.crt" in told(last)
    assert "pack the bundle from one set of keys" in told(last)
    assert not (root / "runs").exists()


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda root: (root / PKI / "ca.crt").unlink(), "ca.crt is not the one certificate of an authority"),
        (
            lambda root: (root / PKI / "ca.crt").write_text("no PEM"),
            "ca.crt is not the one certificate of an authority",
        ),
        (
            lambda root: (root / "usr/local/share/kubecfn/kubeadm/init.json").unlink(),
            "init.json cannot be read: [Errno 2]",
        ),
        (lambda root: (root / "usr/local/share/kubecfn/authenticator.json").write_text("[]"), "holds no object"),
        (
            lambda root: (root / "usr/local/share/kubecfn/kubeadm/init.json").write_text("{}"),
            "something went wrong that nobody foresaw: KeyError('kind')",
        ),
    ],
)
def test_a_bundle_that_lacks_something_is_told_and_mended_without_a_new_start(living, root, act, says, tmp_path):
    """Whatever it is, even what nobody foresaw, the thread goes on: put back what is missing, and it serves."""
    whole = tmp_path / "whole"
    shutil.copytree(root, whole, symlinks=True)
    act(root)
    one = living()

    last = comes_to(one, "failed")

    assert says in told(last)
    for part in (PKI, "usr/local/share/kubecfn"):
        shutil.copytree(whole / part, root / part, dirs_exist_ok=True)
    comes_to(one, "serve")


def test_a_kubeadm_that_fails_is_told_in_its_words_and_tried_again(living, root):
    """The next try may find that the cause is gone; it is not tried again once it succeeded."""
    works = (root / run.PROGRAM.lstrip("/")).read_text().splitlines()[-1]
    plays(root, "echo 'error: error execution phase wait-control-plane: no API server came' >&2; exit 1")
    one = living()

    last = comes_to(one, "failed", "kubeadm-init: ")

    assert told(last) == "kubeadm-init: in its phase wait-control-plane: no API server came"
    plays(root, works)
    comes_to(one, "serve")
    runs = (root / "runs").read_text()
    comes_to(one, "serve", "was applied before")
    assert (root / "runs").read_text() == runs


def test_a_unit_that_systemd_starts_in_vain_is_named_with_its_last_words(living):
    """The API server answers all the same; who comes with a role is refused on this controller, and nobody would know."""
    units = Units()
    units.ends[AUTHENTICATOR] = State("activating", "exit-code", 1, again=True)
    one = living(units=units)

    last = comes_to(one, "failed", AUTHENTICATOR)

    assert f"{AUTHENTICATOR} does not stay up: it ended with status 1: {AUTHENTICATOR} says why" in told(last)
    one.news.clear()
    assert not one.news.wait(0.1), "the same words with another time in them are no news"
    units.states[AUTHENTICATOR] = RUNS
    comes_to(one, "serve")


def test_a_unit_that_systemd_gave_up_is_started_again_and_again(living):
    """`failed` is where systemd starts nothing any more by itself."""
    units = Units()
    units.ends[AUTHENTICATOR] = State("failed", "signal", 9)
    one = living(units=units)

    assert "it was ended by signal 9" in told(comes_to(one, "failed", AUTHENTICATOR))
    begun = len(units.done)
    end = time.monotonic() + 5
    while len(units.done) < begun + 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert set(units.done[begun:]) == {("start", AUTHENTICATOR)}
    del units.ends[AUTHENTICATOR]
    comes_to(one, "serve")


def test_a_unit_that_only_just_starts_is_no_trouble(living):
    """Between its start and its word that it is ready a unit is activating."""
    units = Units()
    units.ends[AUTHENTICATOR] = State("activating", "success", 0)

    comes_to(living(units=units), "serve")
    assert [one for one in units.done if one == ("start", AUTHENTICATOR)] == [("start", AUTHENTICATOR)]


def test_an_image_without_a_unit_is_told(living):
    """It is the image's fault, and nothing on the node mends it."""
    units = Units()
    units.known.remove(AUTHENTICATOR)

    last = comes_to(living(units=units), "failed")
    assert f"systemd has not loaded {AUTHENTICATOR}" in told(last)


def test_an_api_server_that_does_not_come_is_waited_for_and_told_with_its_address(living):
    """At once it is only waiting; after a while it is a failure that a person reads, with the unit that may be why."""
    units = Units()
    units.ends[service.KUBELET] = State("activating", "exit-code", 1, again=True)
    one = living(api="https://127.0.0.1:1", pace=replace(QUICK, away=0.3), units=units)

    first = comes_to(one, "wait", "the API server of this controller is not ready")
    assert told(first) == ""
    assert not first.settled
    last = comes_to(one, "failed")

    assert "the API server of this controller is not ready: 127.0.0.1:1 cannot be reached" in told(last)
    assert f"{service.KUBELET} does not stay up: it ended with status 1" in told(last)


class Cable:
    """What lies between a client and the API server, and can be cut."""

    def __init__(self, host, port):
        self._to, self._ends, self._whole = (host, port), [], True
        self._listener = socket.create_server((host, 0))
        self.url = f"https://{host}:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection(self._to)
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)

    def cut(self):
        """End every connection; others are ended as soon as they begin."""
        self._whole = False
        for one in self._ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._ends.clear()

    def mend(self):
        """Let connections through again."""
        self._whole = True

    def close(self):
        """Take it away."""
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def cable(cluster):
    """A cable to the API server."""
    made = Cable(cluster.address, PORT)
    yield made
    made.close()


def test_an_api_server_that_was_ready_and_goes_is_told_and_comes_back(living, cable):
    """A restart is only waited for; what takes longer is a failure, until it is ready again."""
    one = living(pace=replace(QUICK, away=0.3), api=cable.url)
    comes_to(one, "serve", "was applied before")

    cable.cut()

    assert told(comes_to(one, "wait", "the API server of this controller is not ready")) == ""
    assert "the API server of this controller is not ready: " in told(comes_to(one, "failed"))
    cable.mend()
    comes_to(one, "serve")


def test_a_short_absence_is_not_counted_together_with_the_next(living, cable):
    """An API server that restarts now and then is not one that is away."""
    one = living(pace=replace(QUICK, away=0.4), api=cable.url)
    for _ in range(3):
        comes_to(one, "serve")
        cable.cut()
        comes_to(one, "wait", "not ready")
        time.sleep(0.1)
        assert one.control.last.decision == "wait"
        cable.mend()
    comes_to(one, "serve")


def test_a_refused_manifest_stops_here_and_the_sentence_has_its_name(living, root):
    """The roll stops at this controller, whose signal waits for it."""
    bad = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bad", "namespace": "default"}}
    bad["spec"] = {"ports": [{"port": 99999}]}
    folder = root / "usr/local/share/kubecfn/manifests"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "00-bad.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [bad]}))
    one = living()

    last = comes_to(one, "failed")

    assert "configuration: " in told(last)
    assert "bad" in told(last)
    assert "99999" in told(last)
    assert not last.settled
    (folder / "00-bad.json").unlink()
    comes_to(one, "serve")


def test_what_guards_the_cluster_begins_once_and_goes_on_after_a_mistake(living):
    """A guard that ended by an error that nobody foresaw would guard nothing any more."""
    begun, enough = [], threading.Event()

    def clumsy(client):
        begun.append(client)
        if len(begun) < 3:
            raise ValueError("nobody foresaw this")
        enough.set()
        one.stop.wait(10)

    one = living(guards=(clumsy,))
    comes_to(one, "serve")

    assert enough.wait(5)
    assert len(begun) == 3
    assert len({id(client) for client in begun}) == 1


def test_an_api_server_that_never_comes_does_not_keep_the_guards_from_renewing(living):
    """A node that was off until its certificates had ended mends itself: renewal waits for nobody."""
    begun = threading.Event()

    def renew(_client):
        begun.set()
        one.stop.wait(10)

    one = living(guards=(renew,), api="https://127.0.0.1:1", pace=replace(QUICK, away=0.3))
    comes_to(one, "wait", "not ready")
    assert begun.wait(5)


def test_a_booting_node_is_told_of_nothing_that_only_waits():
    """The twin of `told`: what waits is told when patience ends, and by what it waits for."""
    assert told(Done("wait", "etcd does not serve yet", missing="etcd does not serve here yet")) == ""
    assert "etcd does not serve here yet" in told(Done("wait", "x", missing="etcd does not serve here yet"), minutes=26)
    assert os.environ.get("KUBECFN_ONLY", "") != "etcd"
