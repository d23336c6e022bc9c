"""A controller's control plane from its bundle to a ready API server, and every way in which that fails, told in words."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from agent.units import State
from controlplane import configuration, service
from kubeadm import run, upkeep
from member.loop import Done

from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import certificate_file, new_authority
from kubecfn.pki.keys import key_file
from tests.controlplane.played import AUTHENTICATOR, PKI, QUICK, RUNS, Units, comes_to, plays, told


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


def test_a_runtime_that_does_not_stay_up_is_named_before_kubeadm_is_run(living, root):
    """It would only say that nobody answers; the runtime's own last words say why."""
    units = Units()
    units.ends[service.CONTAINERD] = State("failed", "exit-code", 1)
    one = living(units=units)

    assert f"{service.CONTAINERD} does not stay up: it ended with status 1" in told(comes_to(one, "failed"))
    assert not (root / "runs").exists()
    del units.ends[service.CONTAINERD]
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


def test_an_api_server_that_was_ready_and_goes_is_told_and_comes_back(living, cable):
    """A restart is only waited for; what takes longer is a failure, until it is ready again."""
    one = living(pace=replace(QUICK, away=0.3), api=cable.url)
    comes_to(one, "serve", "was applied before")

    cable.cut()

    assert told(comes_to(one, "wait", "the API server of this controller is not ready")) == ""
    assert "the API server of this controller is not ready: " in told(comes_to(one, "failed"))
    cable.mend()
    comes_to(one, "serve")


def test_a_short_absence_is_not_counted_together_with_the_next():
    """An API server that restarts now and then is not one that is away; one that never came back is, from then on."""
    now = [0.0]
    away = upkeep.Away(120.0, lambda: now[0])
    seen = []
    for second, well in ((0, False), (119, False), (120, True), (121, False), (240, False), (241, False), (500, True)):
        now[0] = float(second)
        seen.append(away.passed(well=well))

    assert seen == [False, False, False, False, False, True, False]


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
