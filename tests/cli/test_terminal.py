"""What a person at a terminal sees: bars that stand aside for a question, and the answer that counts."""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time

import pytest

from kubecfn.local.clock import ScaledClock
from kubecfn.local.embedded import EmbeddedAws
from kubecfn.local.fleet.machines import NoMachines

CONFIG = """
name: small
region: eu-central-1
dns: {private: true, domain: small.internal}
network: {nat_gateways: one, zones: 1}
controllers: {count: 1}
image: {ami: {x86_64: IMAGE}}
"""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Serve an account; no machine is needed, since nothing gets so far."""
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), clock=ScaledClock(60), machines=NoMachines()) as aws:
        yield aws


@pytest.fixture
def source(cloud, tmp_path):
    """Write a configuration whose image exists."""
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}
    image = cloud.client("ec2").register_image(
        Name=f"node-{tmp_path.name}", Architecture="x86_64", RootDeviceName="/dev/xvda", BlockDeviceMappings=[root]
    )["ImageId"]
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG.replace("IMAGE", image))
    return path


def still(terminal: int) -> bool:
    """Whether the terminal shows nothing but the end of the question for longer than a bar takes to be drawn anew."""
    written = b""
    while select.select([terminal], [], [], 0.4)[0]:
        written += os.read(terminal, 65536)
        if len(written) > len(" [y/N]: "):
            return False
    return True


def on_a_terminal(cloud, source, *arguments: str, question: str, answer: bytes) -> tuple[int, str]:
    """Run the command on a terminal of its own, type `answer` when `question` shows; return exit code and screen."""
    command = [
        sys.executable,
        "-m",
        "kubecfn.cli",
        *arguments,
        "--config",
        str(source),
        "--build",
        str(source.parent / "build"),
    ]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(
            command[0], command, {**os.environ, **cloud.environment(), "TERM": "xterm-256color", "COLUMNS": "160"}
        )
    seen, asked, end = b"", False, time.monotonic() + 60
    while time.monotonic() < end:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # Linux says EIO when the other side has gone
                break
            if not chunk:
                break
            seen += chunk
        if not asked and question.encode() in seen:
            asked = True
            os.write(terminal, answer if still(terminal) else b"\x04")
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), ESCAPES.sub("", seen.decode(errors="replace"))


def assert_only_the_artifact_bucket_stands(cloud) -> None:
    """The empty stack that was begun for the change set goes; CloudFormation takes a moment to delete it."""
    end = time.monotonic() + 10
    while True:
        stacks = {
            one["StackName"]: one["StackStatus"] for one in cloud.client("cloudformation").describe_stacks()["Stacks"]
        }
        if set(stacks) == {"kubecfn-artifacts"}:
            return
        assert time.monotonic() < end, stacks
        time.sleep(0.1)


def test_a_no_at_the_terminal_ends_in_3_and_leaves_nothing(cloud, source) -> None:
    """The explanation is shown, the question stands on a line of its own, and a no takes everything back."""
    code, screen = on_a_terminal(cloud, source, "apply", question="Create the stack small?", answer=b"n\n")

    assert code == 3, screen
    assert "a new stack of" in screen
    assert screen.count("Create the stack small?") == 1
    assert "Traceback" not in screen
    assert_only_the_artifact_bucket_stands(cloud)
