"""A write that stops anywhere: nothing has happened, or the next command completes it; no key is ever lost."""

import errno
import os
import shutil
import threading
import time
from datetime import timedelta

import pytest

from kubecfn import pki
from kubecfn.errors import FileError
from kubecfn.pki import store
from kubecfn.pki.layout import BY_NAME

EVERYTHING = tuple(BY_NAME)
STEPS = ("mkdir", "open", "write", "fsync", "rename", "link", "unlink", "rmdir", "chmod")


class Killed(BaseException):
    """The process is gone: not even clean-up runs."""


class Disk:
    """Counts every change to the disk and stops at one of them."""

    def __init__(self, monkeypatch, *, stop_at=None, fault=None, forever=False):
        self.steps = 0
        self.stop_at = stop_at
        self.fault = fault
        self.forever = forever
        for name in STEPS:
            monkeypatch.setattr(os, name, self.watched(name, getattr(os, name)))

    def watched(self, name, real):
        """Return a call of the operating system that counts itself and may stop."""

        def act(*args, **kwargs):
            step, self.steps = self.steps, self.steps + 1
            reached = self.stop_at is not None and step >= self.stop_at
            if reached and (self.forever or step == self.stop_at):
                raise self.fault()
            return None if name == "fsync" else real(*args, **kwargs)

        return act


def full_disk():
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAULTS = {"full-disk": (full_disk, False), "ctrl-c": (KeyboardInterrupt, False), "killed": (Killed, True)}

ACTS = {
    "first": lambda directory, spec, now: pki.make(directory, spec, now=now),
    "renewal": lambda directory, spec, now: pki.make(directory, spec, now=now + timedelta(days=300)),
    "replacement": lambda directory, spec, now: pki.replace(directory, ("etcd-ca", "encryption"), spec, now=now),
}


def begin(act, directory, pristine):
    """Lay down what an act starts from."""
    shutil.rmtree(directory, ignore_errors=True)
    if act != "first":
        shutil.copytree(pristine, directory)


def stops(act):
    """Say whether an act was stopped; a step that was not needed (making a directory that exists) does not stop it."""
    try:
        act()
    except (FileError, KeyboardInterrupt, Killed):
        return True
    return False


def bytes_below(directory, snapshot):
    return {data for _, data in snapshot(directory).values()} if directory.exists() else set()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("act", ACTS)
def test_a_write_that_stops_anywhere_is_undone_or_completed(
    act, fault, tmp_path, pristine, spec, now, monkeypatch, quick_rsa, snapshot
):
    """Stopped at any change to the disk, a set is as before or is completed by the next make, and old keys are kept."""
    directory = tmp_path / "pki"
    begin(act, directory, pristine)
    with monkeypatch.context() as patch:
        counted = Disk(patch)
        ACTS[act](directory, spec, now)
    raised, forever = FAULTS[fault]
    outcomes = set()
    for step in range(0, counted.steps, 1 if fault == "killed" else 2):
        begin(act, directory, pristine)
        before = snapshot(directory)
        with monkeypatch.context() as patch:
            Disk(patch, stop_at=step, fault=raised, forever=forever)
            stopped = stops(lambda: ACTS[act](directory, spec, now))
        decided = store.unfinished(directory)
        visible = {path: found for path, found in snapshot(directory).items() if not path.startswith(".")}
        assert stopped or not decided
        assert decided or visible == before or not stopped

        report = pki.make(directory, spec, now=now)

        assert report.resumed is decided
        assert {data for _, data in before.values()} <= bytes_below(directory, snapshot)
        assert not [path for path in directory.iterdir() if path.name.startswith(".")]
        assert pki.make(directory, spec, now=now).kept == EVERYTHING
        outcomes.add((stopped, decided))
    assert outcomes >= {(True, True), (True, False)}  # both kinds were met, or this proves nothing


def test_an_unfinished_write_is_told_to_who_only_reads(tmp_path, spec, now, monkeypatch):
    """Nothing is handed out from a set in the middle of a write; the remedy completes it."""
    directory = tmp_path / "pki"
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(full_disk()))
        with pytest.raises(FileError, match=r"No space.*goes on where it stopped"):
            pki.make(directory, spec, now=now)

    with pytest.raises(FileError, match=r"not completed.*keys make"):
        pki.bundle_files(directory, "controller", now=now)
    assert "not completed" in pki.show(directory, now=now)[-1].detail
    assert pki.make(directory, spec, now=now).resumed
    assert pki.bundle_files(directory, "controller", now=now)


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, spec, now, monkeypatch):
    """Between decision and completion somebody may lay a file in the way: it stays, is named, and can be moved away."""
    directory = tmp_path / "pki"
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(full_disk()))
        with pytest.raises(FileError):
            pki.make(directory, spec, now=now)
    (directory / "sa.key").write_text("theirs")

    with pytest.raises(FileError, match=r"sa\.key appeared or changed.*Move it away"):
        pki.make(directory, spec, now=now)
    assert (directory / "sa.key").read_text() == "theirs"
    (directory / "sa.key").unlink()
    assert pki.make(directory, spec, now=now).kept == EVERYTHING


def test_the_second_of_two_writers_waits_and_finds_the_work_done(tmp_path, spec, now):
    """Two makes at once yield one set: the second waits for the first and keeps what it made."""
    directory = tmp_path / "pki"
    reports = []
    threads = [
        threading.Thread(target=lambda: reports.append(pki.make(directory, spec, now=now, wait=30))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(len(report.made) for report in reports) == [0, 0, len(EVERYTHING)]


def test_a_writer_that_stays_is_told(tmp_path, spec, now):
    """Who waited long enough for another writer is told so, and nothing was touched."""
    directory = tmp_path / "pki"
    with store.locked(directory, wait=0):
        begun = time.monotonic()
        with pytest.raises(FileError, match=r"Another kubecfn.*Wait"):
            pki.make(directory, spec, now=now, wait=0.1)

        assert 0.1 <= time.monotonic() - begun < 5
        assert list(directory.iterdir()) == []
    assert pki.make(directory, spec, now=now, wait=0).made == EVERYTHING


def test_a_journal_that_cannot_be_read_is_named(tmp_path, spec, now):
    """When even the record of an interrupted write is damaged, it is named and nothing is guessed."""
    directory = tmp_path / "pki"
    (directory / ".publish").mkdir(parents=True)
    directory.chmod(0o700)
    (directory / ".publish" / "journal.json").write_text("{")

    with pytest.raises(FileError, match=r"journal\.json cannot be read.*Restore"):
        pki.make(directory, spec, now=now)
    assert [path.name for path in directory.iterdir()] == [".publish"]
