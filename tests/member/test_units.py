"""Units: what is asked of systemd, and what stands in for it below a folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agent import processes, units
from agent.steps import StepFailed
from agent.units import State
from controller_root import UNIT, gone
from real_etcd import until

from kubecfn.artifacts import data_root

NOTIFY = """
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
time.sleep(0.1)
s.sendto(b"STATUS=here\\nREADY=1\\n", "\\0" + os.environ["NOTIFY_SOCKET"][1:])
time.sleep(60)
"""


@pytest.fixture
def host(tmp_path):
    """Return units below a folder in which one unit can be written; what runs ends with the test."""
    made = processes.Processes(tmp_path)

    def write(program, service="", unit=""):
        (tmp_path / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
        (tmp_path / "bin").mkdir(exist_ok=True)
        script = tmp_path / "bin/program"
        script.write_text(program if program.startswith("#!") else f"#!/bin/sh\n{program}\n")
        script.chmod(0o755)
        text = f"[Unit]\n{unit}\n[Service]\nExecStart=/bin/program --config=/etc/one.yaml plain\nRestartSec=10ms\n{service}\n"
        (tmp_path / "etc/systemd/system/one.service").write_text(text)
        return made

    yield write
    made.close()


def ended(made):
    until("its end", lambda: not made.state("one.service").running)
    return made.state("one.service")


def test_a_root_of_its_own_means_processes_and_none_means_systemd(tmp_path):
    """Only the rehearsal has another root; a node has systemd."""
    assert isinstance(units.units(tmp_path), processes.Processes)
    assert isinstance(units.units(Path("/")), units.Systemd)


def test_paths_are_found_below_the_root(host, tmp_path):
    """The program and every absolute path it is given lie below the root, what is no path stays as it is."""
    made = host('echo "$0 $*"')

    made.start("one.service")

    assert ended(made) == State("inactive", "success", 0)
    assert made.log("one.service", 5) == (f"{tmp_path}/bin/program --config={tmp_path}/etc/one.yaml plain",)


@pytest.mark.parametrize(
    ("program", "service", "state", "runs"),
    [
        ("exit 0", "Restart=on-failure", State("inactive", "success", 0), 1),
        ("kill -TERM $$", "Restart=on-failure", State("inactive", "success", 15), 1),
        ("exit 3", "", State("failed", "exit-code", 3), 1),
        ("exit 3", "Restart=on-failure", State("failed", "exit-code", 3), 3),
        ("kill -KILL $$", "Restart=on-failure", State("failed", "signal", 9), 3),
    ],
    ids=["clean", "terminated", "never again", "again and again", "killed"],
)
def test_only_failures_are_started_again_and_not_for_ever(host, tmp_path, program, service, state, runs):
    """Restart=on-failure leaves a clean end alone, and the start limit ends what would go on for ever."""
    made = host(f"echo run >> {tmp_path}/runs\n{program}", service, "StartLimitBurst=3\nStartLimitIntervalSec=60")

    made.start("one.service")

    assert ended(made) == state
    assert (tmp_path / "runs").read_text().count("run") == runs


def test_a_service_that_notifies_is_active_when_it_says_so(host):
    """Type=notify: to be started is not to be ready."""
    made = host(f"#!{sys.executable} -IS\n{NOTIFY}", "Type=notify")

    made.start("one.service")

    assert made.state("one.service").active == "activating"
    until("its word", lambda: made.state("one.service").active == "active")
    made.stop("one.service")
    assert made.state("one.service").active == "inactive"


def test_to_start_what_runs_changes_nothing(host, tmp_path):
    """The agent may start etcd again and again; there is one."""
    made = host(f"echo $$ >> {tmp_path}/runs; exec sleep 60")
    made.start("one.service")
    until("its start", (tmp_path / "runs").exists)

    made.start("one.service")

    assert made.state("one.service") == State("active", "success", 0)
    made.stop("one.service")
    assert len((tmp_path / "runs").read_text().split()) == 1


def test_a_stop_is_asked_for_and_then_taken(host, tmp_path):
    """Whoever does not end within TimeoutStopSec is ended, and is not started again."""
    made = host(
        f"trap '' TERM\necho $$ > {tmp_path}/pid\nwhile :; do sleep 0.05; done",
        "Restart=on-failure\nTimeoutStopSec=200ms",
    )
    made.start("one.service")
    until("its start", lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())

    begun = time.monotonic()
    made.stop("one.service")

    assert time.monotonic() - begun >= 0.2
    assert gone(int((tmp_path / "pid").read_text()))
    assert made.state("one.service").active == "inactive"


def test_to_stop_what_does_not_run_is_fine(host):
    """Stopping is a state, not an event."""
    made = host("exit 0")

    made.stop("one.service")
    made.stop("another.service")

    assert made.state("another.service") == State("inactive", "success", 0)


def test_the_log_is_that_of_the_last_run(host, tmp_path):
    """Why etcd ended before is not why it ended now."""
    made = host(
        f"[ -e {tmp_path}/again ] && echo second && exit 0\ntouch {tmp_path}/again\necho first\nexit 1",
        "Restart=on-failure",
    )

    made.start("one.service")

    ended(made)
    assert made.log("one.service", 10) == ("second",)


def test_a_child_dies_with_the_agent(host, tmp_path):
    """A rehearsal's machine is switched off without a word: nothing of it may stay."""
    host(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    library = [str(data_root("userdata") / part / "usr/local/lib/kubecfn") for part in ("common", "controller")]
    code = (
        f"import sys, time; sys.path[:0] = {library + sys.path!r}\n"
        f"from pathlib import Path; from agent.processes import Processes\n"
        f"Processes(Path({str(tmp_path)!r})).start('one.service'); time.sleep(60)"
    )
    agent = subprocess.Popen([sys.executable, "-c", code])
    try:
        until("its start", lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    finally:
        agent.send_signal(signal.SIGKILL)
        agent.wait()

    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("ExecStartPre=/bin/true", "ExecStartPre"),
        ("Environment=A=1", "Environment"),
        ("EnvironmentFile=/etc/one", "EnvironmentFile"),
        ("Restart=always", "Restart"),
    ],
)
def test_what_is_not_honoured_is_refused(host, service, reason):
    """A unit that would live another life under systemd is not played here."""
    made = host("exit 0", service)

    with pytest.raises(StepFailed, match=rf"one\.service says {reason} in a way that is not honoured here"):
        made.start("one.service")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda root: (root / "etc/systemd/system/one.service").unlink(), "one.service cannot be read"),
        (lambda root: (root / "etc/systemd/system/one.service").write_text("[Unit]\n"), "one.service cannot be read"),
        (lambda root: (root / "bin/program").unlink(), "bin/program is no program"),
    ],
    ids=["no unit", "no service", "no program"],
)
def test_what_is_missing_is_a_failed_step(host, tmp_path, harm, reason):
    """A bundle or an image that lacks something is a sentence."""
    made = host("exit 0")
    harm(tmp_path)

    with pytest.raises(StepFailed, match=rf"^units: .*{reason}"):
        made.start("one.service")


def test_etcds_own_unit_says_how_it_lives(tmp_path):
    """A removed member exits with 0 and stays down; one that crashes comes again, but not for ever."""
    made = processes.read(UNIT, tmp_path)

    assert made.command == (f"{tmp_path}/usr/local/bin/etcd", f"--config-file={tmp_path}/etc/etcd/etcd.yaml")
    assert (made.notifies, made.restarts, made.restart_after, made.stop_within) == (True, True, 2.0, 30.0)
    assert (made.limit, made.interval) == (5, 60.0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10", 10.0), ("100ms", 0.1), ("2min", 120.0), ("1min 30s", 90.0), ("1h", 3600.0)]
)
def test_time_spans_are_systemds(text, seconds):
    """Units without a number are seconds (systemd.time(7))."""
    assert processes._seconds(text) == pytest.approx(seconds)
    assert processes._seconds("infinity") > 1e6


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """Return a function that plays systemctl and journalctl: each prints what it is told, and its calls are kept."""

    def play(shows, status=0, journal=""):
        for name, answer in (("systemctl", shows), ("journalctl", journal)):
            script = tmp_path / name
            lines = f"#!{sys.executable} -IS\nimport sys, json\n"
            lines += f"print(json.dumps(sys.argv), file=open({str(tmp_path / 'calls')!r}, 'a'))\n"
            lines += f"sys.stdout.write({answer!r} if sys.argv[1] in ('show', '--no-pager') else '')\n"
            lines += f"sys.stderr.write('no such unit' * {status}); sys.exit({status})\n"
            script.write_text(lines)
            script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return lambda: [json.loads(line)[1:] for line in (tmp_path / "calls").read_text().splitlines()]

    return play


SHOWN = "ActiveState=activating\nSubState=auto-restart\nResult=exit-code\nExecMainStatus=1\nInvocationID=abc\nLoadState=loaded\n"


def test_systemd_is_asked_without_being_waited_for(systemctl):
    """A joiner may take minutes; the agent has other things to look at meanwhile."""
    calls = systemctl(SHOWN, journal="one\ntwo\n")
    made = units.Systemd()

    made.start("etcd.service")
    made.stop("etcd.service")
    state, log = made.state("etcd.service"), made.log("etcd.service", 7)
    made.close()

    assert state == State("activating", "exit-code", 1, again=True)
    assert log == ("one", "two")
    told = calls()
    assert told[:3] == [
        ["reset-failed", "etcd.service"],
        ["start", "--no-block", "etcd.service"],
        ["stop", "etcd.service"],
    ]
    assert told[-1] == ["--no-pager", "--output=cat", "--lines=7", "_SYSTEMD_INVOCATION_ID=abc"]


def test_what_systemd_refuses_is_a_failed_step(systemctl):
    """Its own words are the reason."""
    systemctl("", status=4)

    for ask in (units.Systemd().start, units.Systemd().stop, units.Systemd().state):
        with pytest.raises(StepFailed, match=r"^units: systemctl .* ended with 4: no such unit"):
            ask("etcd.service")


def test_a_unit_that_is_not_there_is_no_inactive_one(systemctl):
    """`systemctl show` answers for any name; a bundle without the unit must not look like an etcd that was stopped."""
    systemctl(
        "ActiveState=inactive\nSubState=dead\nResult=success\nExecMainStatus=0\nInvocationID=\nLoadState=not-found\n"
    )

    with pytest.raises(StepFailed, match=r"systemd has not loaded etcd.service: it is not-found"):
        units.Systemd().state("etcd.service")
    assert units.Systemd().log("etcd.service", 5) == ()


def test_a_machine_without_systemd_says_so(tmp_path, monkeypatch):
    """No traceback where a program is missing."""
    monkeypatch.setenv("PATH", os.fspath(tmp_path))

    with pytest.raises(StepFailed, match=r"^units: systemctl cannot be run: No such file"):
        units.Systemd().state("etcd.service")
