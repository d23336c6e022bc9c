"""A worker from its bundle to a node that is ready, on a real API server; and what is told when it does not come so far."""

from __future__ import annotations

import json
import threading
import time

import pytest
from agent import boot
from agent.patience import StoppedError
from agent.steps import StepFailed
from agent.units import State
from botocore.exceptions import EndpointConnectionError
from kubeadm import run
from worker import service

from tests.controlplane.played import plays


def steps(one, *names):
    """Do the steps of these names, or all; return what each found."""
    return {name: step(one.node) for name, step in one.service.steps if not names or name in names}


def prepared(one):
    """Do what comes before joining."""
    steps(one, "instance", "containerd")


def test_a_worker_joins_and_is_done_when_its_node_is_ready(worker, node):
    """Its steps in their order: it learns who it is, its runtime runs, kubeadm joins, the API says that the node is ready."""
    one = worker()
    node("True")

    found = steps(one)

    assert list(found) == ["instance", "containerd", "kubeadm-join", "node-ready"]
    assert found["node-ready"] == "the node i-0a is ready"
    (document,) = (one.root / "etc/kubernetes/kubeadm.yaml").read_text().split("---\n")
    assert json.loads(document)["nodeRegistration"]["name"] == "i-0a"
    assert (one.root / "runs").read_text() == "join\n"
    assert not (one.root / service.BOOTSTRAP).exists()
    assert [unit for verb, unit in one.units.done if verb == "start"] == [service.CONTAINERD, service.KUBELET]
    assert [unit for verb, unit in one.units.done if verb == "enable"] == [service.CONTAINERD, service.KUBELET]


def test_a_later_boot_joins_no_second_time(worker, node):
    """What kubeadm has done lies on the disk; only that the node is ready is looked at again."""
    node("True")
    steps(worker())
    again = worker()

    assert steps(again)["kubeadm-join"] == "was done before"
    assert (again.root / "runs").read_text() == "join\n"


def test_kubeadm_is_not_run_before_the_runtime_says_that_it_is_ready(worker):
    """It asks the runtime first of all, and would give up."""
    one = worker(patience=0.05)
    one.units.ends[service.CONTAINERD] = State("activating", "success", 0)

    with pytest.raises(StepFailed, match=r"^containerd: containerd.service is activating \(success\)"):
        boot.boot(one.node, one.service.steps)
    assert not (one.root / "runs").exists()


def test_a_runtime_that_does_not_stay_up_is_named_with_its_last_words_and_started_again(worker):
    """What systemd gives up after a few tries the agent does not; kubeadm would only say that nobody answers."""
    one = worker(patience=0.1)
    one.units.ends[service.CONTAINERD] = State("failed", "exit-code", 1)

    with pytest.raises(
        StepFailed, match=r"^containerd: containerd\.service does not stay up: it ended with status 1: "
    ):
        boot.boot(one.node, one.service.steps)
    assert one.units.done.count(("start", service.CONTAINERD)) > 2


def test_a_join_that_fails_is_tried_again_until_it_succeeds(worker, node):
    """The control plane may only just be starting: a worker needs nobody who starts it again."""
    one = worker()
    node("True")
    prepared(one)
    works = (one.root / run.PROGRAM.lstrip("/")).read_text().splitlines()[-1]
    plays(one.root, f'[ $(grep -c . {one.root}/runs) -ge 3 ] || {{ echo "error: not yet" >&2; exit 1; }}\n{works}')

    assert steps(one, "kubeadm-join")["kubeadm-join"].startswith("took ")
    assert (one.root / "runs").read_text() == "join\n" * 3
    assert (one.root / run.DONE).exists()


def test_a_worker_that_cannot_join_within_its_patience_says_why(worker):
    """The step and kubeadm's last words are what its stack is told, and what `kubecfn why` shows."""
    one = worker(patience=0.1)
    plays(one.root, "echo 'error: error execution phase preflight: Unauthorized' >&2; exit 1")

    with pytest.raises(StepFailed) as failed:
        boot.boot(one.node, one.service.steps)

    assert (failed.value.step, failed.value.reason) == ("kubeadm-join", "in its phase preflight: Unauthorized")
    assert len((one.root / "runs").read_text().splitlines()) > 1
    assert ("start", service.KUBELET) not in one.units.done


@pytest.mark.parametrize(
    ("status", "message", "says"),
    [
        ("False", "cni plugin not initialized", "the node i-0a is not ready: cni plugin not initialized"),
        ("Unknown", "Kubelet stopped posting node status.", "is not ready: Kubelet stopped posting node status."),
        (None, "", r"the node i-0a cannot be read: nodes \"i-0a\" not found"),
    ],
)
def test_a_node_that_does_not_become_ready_within_patience_says_why(worker, node, status, message, says):
    """In the words of its kubelet, as the API server has them; or that there is no such node."""
    one = worker(patience=0.1)
    if status:
        node(status, message)

    with pytest.raises(StepFailed, match=f"^node-ready: .*{says}"):
        boot.boot(one.node, one.service.steps)


def test_a_unit_that_may_be_why_is_named_with_its_last_words(worker, node):
    """The API server knows only that a node is silent; what its kubelet said stands in a journal that goes with the instance."""
    one = worker(patience=0.1)
    node("Unknown", "Kubelet never posted node status.")
    one.units.ends[service.KUBELET] = State("activating", "exit-code", 1, again=True)

    with pytest.raises(StepFailed) as failed:
        boot.boot(one.node, one.service.steps)

    assert failed.value.reason.startswith(
        "the node i-0a is not ready: Kubelet never posted node status.; kubelet.service does not stay up: "
        "it ended with status 1: kubelet.service says why"
    )


def test_a_unit_that_systemd_gave_up_is_started_again_while_the_worker_stays(worker, node):
    """Nobody else would: a node that is ready by its last word has lost its kubelet."""
    one = worker()
    node("True")
    steps(one)
    thread = stays(one)
    begun = len(one.units.done)
    one.units.states[service.KUBELET] = State("failed", "exit-code", 1)
    end = time.monotonic() + 5
    while len(one.units.done) == begun and time.monotonic() < end:
        time.sleep(0.01)

    one.stop.set()
    thread.join(5)
    assert one.units.done[begun:] == [("start", service.KUBELET)]


def test_a_join_that_was_cut_off_after_its_node_was_ready_is_done(worker, node):
    """Of a name whose node is ready kubeadm will have no second; no other try would ever come to an end."""
    one = worker()
    node("True")
    prepared(one)
    (one.root / service.KUBECONFIG).write_bytes((one.root / "kubelet.conf").read_bytes())
    plays(one.root, 'echo \'error: a Node with name "i-0a" and status "Ready" already exists\' >&2; exit 1')

    assert steps(one, "kubeadm-join")["kubeadm-join"] == "had joined when it was cut off"
    assert not (one.root / "runs").exists()
    assert run.is_done(one.root)


def test_a_join_that_was_cut_off_before_that_is_tried_again(worker, node):
    """The twin: a kubeconfig alone says nothing, nor does a node that is not ready."""
    one = worker()
    node("False", "not yet")
    prepared(one)
    (one.root / service.KUBECONFIG).write_bytes((one.root / "kubelet.conf").read_bytes())

    assert steps(one, "kubeadm-join")["kubeadm-join"].startswith("took ")
    assert (one.root / "runs").read_text() == "join\n"


@pytest.mark.parametrize("step", ["containerd", "kubeadm-join", "node-ready"])
def test_a_stop_ends_every_wait(worker, step):
    """The agent is stopped when the instance goes: nothing is signalled, and nothing waited for."""
    one = worker(patience=600)
    steps(one, "instance")
    one.units.ends[service.CONTAINERD] = State("activating", "success", 0)
    plays(one.root, "echo 'error: not yet' >&2; exit 1")
    threading.Timer(0.05, one.stop.set).start()
    begun = time.monotonic()

    with pytest.raises(StoppedError):
        steps(one, step)
    assert time.monotonic() - begun < 5


def stays(one):
    """Let it stay, in a thread of its own; return that."""
    thread = threading.Thread(target=one.service.stay)
    thread.start()
    return thread


def until(one, *said):
    """Wait until the log has exactly these lines."""
    end = time.monotonic() + 10
    while one.log.said != list(said) and time.monotonic() < end:
        time.sleep(0.01)
    assert one.log.said == list(said)


def test_a_node_that_stops_being_ready_is_told_and_that_it_is_well_again(worker, node):
    """Not at once: the network's moments are nobody's business; then with the API server's words."""
    one = worker()
    node("True")
    steps(one)
    thread = stays(one)
    until(one, "well")

    node("Unknown", "Kubelet stopped posting node status.")
    until(one, "well", "node-ready: the node i-0a is not ready: Kubelet stopped posting node status.")
    node("True")
    until(one, "well", "node-ready: the node i-0a is not ready: Kubelet stopped posting node status.", "well")

    one.stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_short_absence_is_told_to_nobody(worker, node):
    """The twin: what is over before it is long enough is no line."""
    one = worker(pace=service.Pace(soon=0.01, ready=0.01, again=0.01, look=0.01, outcry=60.0))
    node("True")
    steps(one)
    thread = stays(one)
    until(one, "well")
    node("False", "a moment")
    time.sleep(0.1)
    node("True")

    one.stop.set()
    thread.join(5)
    assert one.log.said == ["well"]


def test_a_log_that_refuses_ends_nothing(worker, node):
    """A worker goes on without it, and writes when it can."""
    one = worker()
    node("True")
    steps(one)
    one.log.refuses = EndpointConnectionError(endpoint_url="https://logs")
    thread = stays(one)
    node("False", "no runtime")
    time.sleep(0.1)
    assert thread.is_alive()

    one.log.refuses = None
    until(one, "node-ready: the node i-0a is not ready: no runtime")
    one.stop.set()
    thread.join(5)
