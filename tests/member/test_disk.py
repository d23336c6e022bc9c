"""Files that are there whole or not at all."""

import errno
import os

import pytest
from agent import disk


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path):
    """The new one takes the old one's name when it is complete; what was opened before stays what it was."""
    target = tmp_path / "folder/file"
    disk.write(target, "old", 0o644)

    with target.open() as before:
        disk.write(target, "new")
        assert before.read() == "old"

    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in target.parent.iterdir()] == ["file"]


def test_a_full_disk_changes_nothing(tmp_path, monkeypatch):
    """Neither the file nor anything beside it."""
    target = tmp_path / "file"
    disk.write(target, "old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left"):
        disk.write(target, "new")

    assert (target.read_text(), list(tmp_path.iterdir())) == ("old", [target])
