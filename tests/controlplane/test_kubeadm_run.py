"""kubeadm as an agent runs it: what it says when it fails, and that a try that was cut off does not hinder the next."""

from __future__ import annotations

import json
import os
import re
import stat
from contextlib import ExitStack

import pytest
from agent.steps import StepFailed
from kubeadm import documents, run

from tests.controlplane.kubeadm_roots import ADDRESS, LACKS, answering, apart, lay_node
from tests.kubernetes.server import minors

PORTS = {"init": (6443, 10250, 10257, 10259), "join": (10250,)}
ROLES = {"init": "controller", "join": "worker"}
# What a kubeadm that was cut off leaves; the test of `init` shows that it really does.
MANIFESTS = [f"etc/kubernetes/manifests/kube-{name}.yaml" for name in ("apiserver", "controller-manager", "scheduler")]
HALF_DONE = {"init": MANIFESTS, "join": ["etc/kubernetes/bootstrap-kubelet.conf", "etc/kubernetes/kubelet.conf"]}


@pytest.fixture(autouse=True)
def lacks(monkeypatch):
    """Ignore what a root without a runtime cannot pass, as a machine is told to that knows why."""
    monkeypatch.setenv(run.IGNORED, ",".join(LACKS))


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The cluster's keys."""
    return tmp_path_factory.mktemp("keys") / "pki"


@pytest.fixture(scope="module")
def half(tmp_path_factory, keys):
    """A controller whose kubeadm found no API server to come, and what it said."""
    root = lay_node(tmp_path_factory.mktemp("half"), keys, minors()[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(run.IGNORED, ",".join(LACKS))
        with pytest.raises(StepFailed) as failed:
            apart(lambda: run.ensure(root, "init"))
    return root, failed.value


def checks(said, level):
    """Return the names of the checks that failed, or were only warned of."""
    return set(re.findall(rf"\[{level} ([^\]]+)\]", said))


@pytest.mark.parametrize("line", minors())
@pytest.mark.parametrize("command", run.LEFT)
def test_what_is_ignored_are_checks_that_kubeadm_has_and_that_a_half_done_node_fails(tmp_path, keys, line, command):
    """A name that kubeadm does not know would be ignored itself; each is one that a half-done try makes fail."""
    root = lay_node(tmp_path / "root", keys, line, ROLES[command])
    for path in HALF_DONE[command]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()

    def preflight(*ignored):
        given = [f"--ignore-preflight-errors={','.join(ignored)}"] if ignored else []
        step = "kubeadm-preflight"
        return apart(lambda: run.kubeadm(root, [command, "phase", "preflight", *given], step), *PORTS[command]).stderr

    plain, told = preflight(), preflight(*run.ignored(command))

    assert set(run.LEFT[command]) <= checks(plain, "ERROR")
    # What else fails is what this root lacks: nothing of a half-done try is left that would hinder the next.
    assert checks(plain, "ERROR") <= {*run.LEFT[command], *LACKS}
    assert checks(told, "ERROR") == set()
    assert set(run.LEFT[command]) <= checks(told, "WARNING")


def test_an_init_that_failed_says_in_which_phase_and_why(half):
    """One sentence, kubeadm's own; the whole is in a log of the node, and nothing says that it is done."""
    root, failed = half

    assert failed.step == "kubeadm-init"
    assert failed.reason.startswith("in its phase wait-control-plane: ")
    assert f"{ADDRESS}:6443: connect: connection refused" in failed.reason
    assert "stack trace" not in failed.reason
    log = (root / run.LOGS / "kubeadm-init.log").read_text()
    assert "[control-plane] Creating static Pod manifest" in log
    assert all((root / path).exists() for path in MANIFESTS)
    assert not run.is_done(root)


def test_a_half_done_init_is_tried_again_and_gets_as_far(half):
    """What it left, and its own kubelet's and API server's ports, are no reason not to go on."""
    root, failed = half

    with pytest.raises(StepFailed) as again:
        apart(lambda: run.ensure(root, "init"), *PORTS["init"][1:])

    as_far, _, _ = failed.reason.partition("ClusterRoleBinding")
    assert again.value.reason.startswith(as_far)


def test_what_a_half_done_init_left_would_stop_the_next_if_it_were_not_ignored(half, monkeypatch):
    """The twin: kubeadm names each, in one line."""
    monkeypatch.setitem(run.LEFT, "init", ())

    with pytest.raises(StepFailed) as again:
        apart(lambda: run.ensure(half[0], "init"), *PORTS["init"])

    assert "Port-6443: Port 6443 is in use; " in again.value.reason
    assert "kube-scheduler.yaml already exists" in again.value.reason
    assert "\n" not in again.value.reason


@pytest.mark.parametrize(
    ("kubelet", "says"),
    [
        (False, "failed while waiting for the kubelet to start: .*10248/healthz"),
        (
            True,
            r"failed while waiting for the control plane to start: \[.*kube-scheduler check failed at https://127.0.0.1:10259",
        ),
    ],
)
def test_an_init_that_waits_in_vain_says_for_what(half, kubelet, says):
    """The kubelet, or the components by their names; the advice that kubeadm prints around it is in the log."""
    root = half[0]
    pki = root / "etc/kubernetes/pki"

    def act():
        with ExitStack() as stack:
            stack.enter_context(answering(ADDRESS, 6443, (pki / "apiserver.crt", pki / "apiserver.key")))
            if kubelet:
                stack.enter_context(answering("127.0.0.1", 10248))
            run.ensure(root, "init")

    with pytest.raises(StepFailed, match=f"^kubeadm-init: in its phase wait-control-plane: {says}") as failed:
        apart(act)

    assert "To see" not in failed.value.reason
    assert "crictl" not in failed.value.reason


def with_a_token(root):
    """Let a worker show a token, for there is nobody who would sign one."""
    discovery = json.loads((root / "etc/kubernetes/discovery.conf").read_text())
    discovery["users"][0]["user"] = {"token": "some"}
    (root / "etc/kubernetes/discovery.conf").write_text(json.dumps(discovery))


def test_a_worker_that_reaches_no_api_says_so(tmp_path, keys):
    """The address, and what it was asked for: a load balancer that is gone looks like this."""
    root = lay_node(tmp_path / "root", keys, minors()[0], "worker")
    with_a_token(root)

    with pytest.raises(StepFailed) as failed:
        apart(lambda: run.ensure(root, "join"))

    assert failed.value.step == "kubeadm-join"
    assert "couldn't validate the identity of the API Server" in failed.value.reason
    assert "https://api.payments.example.com:6443" in failed.value.reason
    assert not run.is_done(root)


def test_a_worker_with_another_clusters_authority_says_that_it_does_not_trust_the_api(tmp_path, half):
    """A bundle packed from the wrong keys: it goes no further than the first word of the server."""
    pki = half[0] / "etc/kubernetes/pki"
    root = lay_node(tmp_path / "root", tmp_path / "others", minors()[0], "worker")
    with_a_token(root)

    def act():
        with answering(ADDRESS, 6443, (pki / "apiserver.crt", pki / "apiserver.key")):
            run.ensure(root, "join")

    with pytest.raises(StepFailed, match="x509: certificate signed by unknown authority"):
        apart(act)
    assert not run.is_done(root)


def test_a_worker_whose_credential_program_is_missing_says_which(tmp_path, keys):
    """Without aws-iam-authenticator no worker can say who it is."""
    root = lay_node(tmp_path / "root", keys, minors()[0], "worker")

    with pytest.raises(StepFailed, match=r"aws-iam-authenticator"):
        apart(lambda: run.ensure(root, "join"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"apiVersion": "kubeadm.k8s.io/v1beta9", "kind": "ClusterConfiguration"}', "no kind .*v1beta9"),
        ('{"apiVersion":', "error converting YAML to JSON"),
        (None, "unable to read config from .*no such file"),
    ],
)
def test_a_document_that_kubeadm_cannot_read_is_told_in_its_words(tmp_path, keys, text, says):
    """It ends before its first phase."""
    root = lay_node(tmp_path / "root", keys, minors()[0])
    path = root / documents.CONFIGURATION
    if text is None:
        path.unlink()
    else:
        path.write_text(text)

    with pytest.raises(StepFailed, match=says):
        apart(lambda: run.ensure(root, "init"))


@pytest.fixture
def played(tmp_path):
    """Return what lays a program that ends as it is told below a root, and takes down how often it was run."""

    def lay_program(words, status=0):
        program = tmp_path / run.PROGRAM.lstrip("/")
        program.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "words").write_bytes(words)
        program.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\ncat {tmp_path}/words >&2\n{status}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return tmp_path

    return lay_program


def test_what_has_succeeded_is_never_run_again(played):
    """Neither in this boot nor in a later one; each role's command is remembered."""
    root = played(b"", "exit 0")

    assert run.ensure(root, "join").startswith("took ")
    assert run.ensure(root, "join") == "was done before"
    assert (root / "runs").read_text() == "run\n"
    assert (root / run.DONE).read_text() == "join\n"


@pytest.mark.parametrize(
    ("words", "ends", "says"),
    [
        (b"", "exit 3", "it ended with 3"),
        (b"", "kill -9 $$", "it ended with -9"),
        (b"one\ntwo\nthree\n", "exit 1", "two; three"),
        (b"error: caf\xe9 is no name\n", "exit 1", "caf\N{REPLACEMENT CHARACTER} is no name"),
        (
            b"W1122 some warning\nerror: first\n\tand second\nTo see the stack trace of it\n",
            "exit 1",
            "first and second",
        ),
        (b"error: " + b"x" * 5000, "exit 1", "x" * 1000),
    ],
)
def test_whatever_way_it_ends_there_is_a_reason(played, words, ends, says):
    """Killed, silent, in another language or endless: one line, and it is not done."""
    root = played(words, ends)

    with pytest.raises(StepFailed) as failed:
        run.ensure(root, "init")

    assert failed.value.reason == says
    assert not run.is_done(root)


def test_a_program_that_is_not_there_is_named(tmp_path):
    """An image without kubeadm says so at once."""
    with pytest.raises(StepFailed, match=r"usr/local/bin/kubeadm cannot be run: No such file"):
        run.ensure(tmp_path, "init")


def test_checks_that_fail_of_one_cause_are_told_once():
    """Words of kubeadm 1.36: the runtime that is not there fails two checks with the same long sentence."""
    said = (
        "[preflight] Some fatal errors occurred:\n"
        "\t[ERROR CRI]: could not connect to the container runtime\n"
        "\t[ERROR ContainerRuntimeVersion]: could not connect to the container runtime\n"
        "\t[ERROR Port-6443]: Port 6443 is in use\n"
        "[preflight] If you know what you are doing, you can make a check non-fatal\n"
        "error: error execution phase preflight: preflight checks failed\n"
    )

    assert run.why(said) == (
        "CRI, ContainerRuntimeVersion: could not connect to the container runtime; Port-6443: Port 6443 is in use"
    )


def test_what_a_machine_is_told_to_ignore_is_added(monkeypatch):
    """And nothing is where it is told nothing."""
    assert run.ignored("join")[-2:] == list(LACKS[-2:])
    monkeypatch.delenv(run.IGNORED)
    assert run.ignored("join") == list(run.LEFT["join"])
    assert run.IGNORED not in os.environ
