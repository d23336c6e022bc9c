"""A disk is slow for the one process that it is to be slow for, and only as long as it is to be."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.soak.disks import Disks

SYNC = """
import os, sys, time
with open(sys.argv[1], "wb") as file:
    for call in (os.fsync, os.fdatasync):
        begun = time.monotonic()
        call(file.fileno())
        print(time.monotonic() - begun)
"""


@pytest.fixture
def disks(tmp_path):
    """Whoever listens for processes."""
    made = Disks(tmp_path)
    made.start()
    yield made
    made.stop()


def took(disks, tmp_path, name):
    """Return the seconds of an fsync and an fdatasync of a process with this name."""
    command = [*disks.before(name), sys.executable, "-c", SYNC, str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    return [float(line) for line in done.stdout.split()]


def test_every_sync_of_a_process_whose_disk_is_slow_takes_its_time(disks, tmp_path):
    """Both calls are held, counted, and done in the end."""
    disks.slow("me", 0.1)

    assert min(took(disks, tmp_path, "me")) >= 0.1
    assert (disks.held["me"], disks.syncs["me"]) == (2, 2)


def test_a_process_that_is_stopped_and_goes_on_in_the_middle_of_a_sync_syncs_all_the_same(disks, tmp_path):
    """A signal neither ends a held call, nor the listening: then the kernel would tell the process that it cannot sync."""
    disks.slow("me", 0.02)
    command = [*disks.before("me"), sys.executable, "-c", SYNC * 3, str(tmp_path / "file")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(200):
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.002)
        lines = process.communicate(timeout=20)[0].splitlines()

    assert process.returncode == 0
    assert [float(line) >= 0.02 for line in lines] == [True] * 6


def test_a_process_whose_disk_is_not_slow_is_not_held(disks, tmp_path):
    """Another's slowness, and one's own that is over, hold nothing."""
    disks.slow("other", 5.0)
    disks.slow("me", 5.0)
    disks.slow("me", 0.0)

    assert max(took(disks, tmp_path, "me")) < 5.0
    assert (disks.held["me"], disks.syncs["me"]) == (0, 2)
