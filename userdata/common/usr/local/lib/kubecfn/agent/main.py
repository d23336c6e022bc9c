"""The agent's two commands: `start` is user data's last step, `run` is the service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import List

from botocore.exceptions import BotoCoreError, ClientError

from kubecfn.etcd.journal import say

from . import boot, node
from .patience import Patience, StoppedError
from .signals import Stack
from .steps import StepFailed
from .units import CONTAINERD

UNIT = "kubecfn-agent.service"


def main(arguments: List[str]) -> int:
    """Return the exit status: 0 after a stop, 1 after a failed step, 2 for wrong arguments."""
    told_root = os.environ.get("KUBECFN_ROOT", "")
    root = Path(told_root or "/")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    if arguments[:1] == ["start"] and len(arguments) == 3:  # noqa: PLR2004  the command and what user data tells
        node.write_instance(root, *arguments[1:])
        # Only the rehearsal gives another root, and there is no systemd below it: this process is the service.
        return run(root, stop) if told_root else start(root, stop)
    if arguments == ["run"]:
        return run(root, stop)
    sys.stderr.write("usage: kubecfn-agent run | start JSON POOL\n")
    return 2


def start(root: Path, stop: threading.Event) -> int:
    """Hand over to systemd, now and at every later boot."""
    if boot.has_kubernetes(root):
        # It needs nothing that the agent finds out, and begins while the agent does; whether it did is the agent's to see.
        command = ["systemctl", "start", "--no-block", CONTAINERD]
        subprocess.run(command, check=False, capture_output=True)
    command = ["systemctl", "enable", "--now", UNIT]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return 0
    reason = f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}"
    say("stop", reason, step="start-agent")
    _tell(_stack(root, node.read_instance(root), stop), StepFailed("start-agent", reason))
    return 1


def run(root: Path, stop: threading.Event) -> int:
    """Boot, signal, then go on as the role's service until told to stop."""
    try:
        instance = node.read_instance(root)
        stack = _stack(root, instance, stop)
    except StepFailed as failed:
        # Who we are is what could not be read: there is nobody to tell but the journal.
        say("stop", failed.reason, step=failed.step)
        return 1
    service = None
    try:
        here = node.read_node(root)
        service = boot.service(here, instance, stop, lambda failed: _tell(stack, failed), stack.log)
        boot.boot(here, service.steps)
        stack.signal("SUCCESS")
        _tell_well(stack)
        service.stay()
    except StepFailed as failed:
        say("stop", failed.reason, step=failed.step)
        _tell(stack, failed)
        return 1
    except (BotoCoreError, ClientError) as error:
        say("stop", f"the stack cannot be told: {error}", step="signal")
        return 1
    except StoppedError:
        say("stop", "told to stop before the boot was done")
        return 0
    finally:
        if service:
            service.close()
    say("stop", "told to stop")
    return 0


def _stack(root: Path, instance: node.Instance, stop: threading.Event) -> Stack:
    patience = Patience(float(os.environ.get("KUBECFN_PATIENCE", "120")), stop)
    return Stack(root, instance, patience)


def _tell_well(stack: Stack) -> None:
    """Write that the boot is done after all, where its failure was written before."""
    try:
        stack.log.well()
    except (BotoCoreError, ClientError, OSError) as error:
        say("no-log", f"the log group did not take that it is well again: {error}")


def _tell(stack: Stack, failed: StepFailed) -> None:
    """Tell the stack that a step failed; that it cannot be told is for the journal."""
    try:
        stack.fail(failed)
    except (BotoCoreError, ClientError) as error:
        say("no-signal", f"the stack cannot be told: {error}", step=failed.step)
    except StoppedError:
        say("no-signal", "told to stop before the stack was told", step=failed.step)
