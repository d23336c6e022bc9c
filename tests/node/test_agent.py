import json
import threading
from pathlib import Path

import pytest
from agent import main, signals
from agent.boot import STEPS, boot
from agent.node import Instance, Node, read_instance, read_node, write_instance
from agent.patience import Patience, StoppedError
from agent.signals import Stack
from agent.steps import StepFailed
from botocore.exceptions import ClientError

INSTANCE = Instance(
    region="eu-central-1",
    signal={"StackName": "payments", "LogicalResourceId": "Controllers", "UniqueId": "i-0000000a"},
    log={"logGroupName": "/kubecfn/payments/nodes", "logStreamName": "i-0000000a"},
)
KEY = "/etc/kubernetes/pki/ca.key"


@pytest.fixture
def node(tmp_path):
    """A controller whose one key is where it must be."""
    key = tmp_path / KEY.lstrip("/")
    key.parent.mkdir(parents=True)
    key.write_text("key")
    key.chmod(0o600)
    return Node(tmp_path, "payments", "controller", "k.example", "1.36.3", "3.6.5", 300, {KEY: "0600"})


def refused(code, message):
    return ClientError({"Error": {"Code": code, "Message": message}}, "SignalResource")


class Aws:
    """Every service at once: takes calls, or refuses the first of them."""

    def __init__(self, *refusals):
        self.refusals = list(refusals)
        self.calls = []
        self.exceptions = self
        self.ResourceAlreadyExistsException = FileExistsError

    def __getattr__(self, name):
        def call(**arguments):
            self.calls.append((name, arguments))
            if self.refusals:
                raise self.refusals.pop(0)

        return call


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """Return a stack behind which `aws` answers, with a tenth of a second of patience."""

    def make(aws, stop=None):
        monkeypatch.setattr(signals.boto3, "client", lambda *_, **__: aws)
        return Stack(tmp_path, INSTANCE, Patience(0.1, stop or threading.Event()))

    return make


def test_a_controller_with_all_its_files_boots(node, capsys):
    """Every step says what it found, as one JSON line with its reason."""
    boot(node)

    assert json.loads(capsys.readouterr().out) == {
        "decision": "check-files",
        "reason": "1 files are there with their modes",
        "role": "controller",
    }


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda key: key.unlink(), f"{KEY} is missing"),
        (lambda key: key.write_text(""), f"{KEY} is empty"),
        (lambda key: key.chmod(0o644), f"{KEY} has mode 0644, not 0600"),
        (lambda key: (key.unlink(), key.symlink_to("/etc/hostname")), f"{KEY} is no plain file"),
        (lambda key: (key.unlink(), key.mkdir()), f"{KEY} is no plain file"),
        (lambda key: (key.unlink(), key.parent.rmdir(), key.parent.write_text("")), "Not a directory"),
    ],
)
def test_a_file_that_is_not_as_the_bundle_said_stops_the_boot(node, harm, reason):
    """A controller never starts on a key that is missing, empty, loose, or not its own."""
    harm(node.root / KEY.lstrip("/"))

    with pytest.raises(StepFailed, match=r"^check-files: ") as failed:
        boot(node)

    assert (failed.value.step, reason in failed.value.reason) == ("check-files", True)


def test_a_controller_without_any_key_stops_and_a_worker_does_not(tmp_path):
    """Workers hold no key at all; a controller's bundle that names none was packed wrongly."""
    facts = ("k.example", "1.36.3", "3.6.5", 300, {})
    boot(Node(tmp_path, "payments", "worker", *facts))

    with pytest.raises(StepFailed, match=r"names no key"):
        boot(Node(tmp_path, "payments", "controller", *facts))


def test_an_unknown_role_is_named_with_the_known_ones(tmp_path):
    """A bundle of another time says so instead of doing nothing."""
    with pytest.raises(StepFailed, match=r"the role bastion is not one of controller, worker"):
        boot(Node(tmp_path, "payments", "bastion", "k.example", "1.36.3", "3.6.5", 300, {}))
    assert set(STEPS) == {"controller", "worker"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "holds no object"),
        ('{"cluster": "payments"}', "is not what this agent reads"),
        ('{"surprise": 1}', "is not what this agent reads"),
    ],
)
def test_facts_that_cannot_be_read_are_a_failed_step(tmp_path, text, reason):
    """What the agent does not understand it does not guess."""
    path = tmp_path / "etc/kubecfn/node.json"
    path.parent.mkdir(parents=True)
    if text is not None:
        path.write_text(text)

    with pytest.raises(StepFailed, match=reason) as failed:
        read_node(tmp_path)

    assert failed.value.step == "read-facts"


def test_what_user_data_told_is_kept_whole(tmp_path):
    """The file that later boots read is written beside and renamed."""
    (tmp_path / "etc/kubecfn").mkdir(parents=True)
    write_instance(
        tmp_path, json.dumps({"region": "eu-central-1", "signal": INSTANCE.signal, "log": INSTANCE.log}), "{}"
    )

    assert read_instance(tmp_path) == INSTANCE
    assert [path.name for path in (tmp_path / "etc/kubecfn").iterdir()] == ["instance.json"]


def test_a_signal_is_tried_until_it_is_taken_and_then_never_again(stack):
    """A new role is refused for a while; once the stack was told, no later boot tells it anything."""
    aws = Aws(refused("AccessDenied", "not yet"), refused("Throttling", "Rate exceeded"))
    told = stack(aws)

    told.signal("SUCCESS")
    told.signal("FAILURE")

    assert [arguments["Status"] for _, arguments in aws.calls] == ["SUCCESS"] * 3


def test_a_signal_that_stays_refused_is_raised_and_can_be_sent_later(stack):
    """What was not taken was not sent: the service ends, starts again, and tries again."""
    aws = Aws(*[refused("AccessDenied", "no")] * 1000)

    with pytest.raises(ClientError, match=r"AccessDenied"):
        stack(aws).signal("SUCCESS")

    aws.refusals.clear()
    stack(aws).signal("SUCCESS")
    assert len(aws.calls) > 2


def test_a_stack_that_takes_no_signals_is_asked_once(stack, capsys):
    """Outside of an update that is normal, so it is logged and the node goes on."""
    aws = Aws(refused("ValidationError", "Resource Controllers is in CREATE_COMPLETE state and cannot be signaled"))

    stack(aws).signal("SUCCESS")

    assert len(aws.calls) == 1
    assert "CREATE_COMPLETE" in json.loads(capsys.readouterr().out)["reason"]


def test_a_failed_step_is_in_the_log_before_the_signal(stack):
    """The signal may end this instance at once; what it leaves behind is the line that says why."""
    aws = Aws(FileExistsError())

    stack(aws).fail(StepFailed("check-files", "ca.key is missing"))

    (_, _), (_, event), (name, signal) = aws.calls
    line = json.loads(event["logEvents"][0]["message"])
    assert (line["step"], line["reason"], line["instance"]) == ("check-files", "ca.key is missing", "i-0000000a")
    assert (name, signal["Status"]) == ("signal_resource", "FAILURE")


def test_a_stop_ends_the_waiting_at_once(stack):
    """Systemd does not wait for a call that will be tried again in a while."""
    stop = threading.Event()
    stop.set()

    with pytest.raises(StoppedError):
        stack(Aws(refused("Throttling", "Rate exceeded")), stop).signal("SUCCESS")


def test_a_service_that_cannot_be_enabled_is_a_failed_start(stack, tmp_path, monkeypatch):
    """The last step of user data is systemd's: what it refuses is signalled with its own words."""
    aws = Aws()
    stack(aws)
    (tmp_path / "etc/kubecfn").mkdir(parents=True)
    write_instance(
        tmp_path, json.dumps({"region": "eu-central-1", "signal": INSTANCE.signal, "log": INSTANCE.log}), "{}"
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text("#!/bin/sh\necho $* refused >&2\nexit 4\n")
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{Path('/usr/bin')}:/bin")

    assert main.start(tmp_path, threading.Event()) == 1
    line = json.loads(aws.calls[1][1]["logEvents"][0]["message"])
    assert line["step"] == "start-agent"
    assert line["reason"].endswith("ended with 4: enable --now kubecfn-agent.service refused")

    (programs / "systemctl").write_text("#!/bin/sh\nexit 0\n")
    assert main.start(tmp_path, threading.Event()) == 0


@pytest.mark.parametrize(
    ("root", "only", "expected"),
    [
        ("/", "", ["start --no-block containerd.service", "enable --now kubecfn-agent.service"]),
        ("/", "etcd", ["enable --now kubecfn-agent.service"]),
        ("", "", ["enable --now kubecfn-agent.service"]),
    ],
)
def test_the_runtime_begins_while_the_agent_does(root, only, expected, tmp_path, monkeypatch):
    """Whoever runs Kubernetes needs it first of all; where there is none nothing of it is asked for."""
    said = tmp_path / "said"
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\necho $* >> {said}\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("KUBECFN_ONLY", only)

    assert main.start(Path(root or tmp_path), threading.Event()) == 0
    assert said.read_text().splitlines() == expected


def test_a_runtime_that_does_not_begin_keeps_no_agent_from_beginning(tmp_path, monkeypatch):
    """The agent finds out why, and tells it; nobody could tell before."""
    (tmp_path / "systemctl").write_text('#!/bin/sh\n[ "$1" = enable ]\n')
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("KUBECFN_ONLY", raising=False)

    assert main.start(Path("/"), threading.Event()) == 0
