import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubecfn.deploy.workspace import Workspace, write_file
from kubecfn.errors import FileError


@pytest.fixture
def space(tmp_path):
    return Workspace(tmp_path / "build" / "payments")


def test_a_file_is_written_whole_with_its_folders_and_mode(space):
    """Folders on the way are made; the mode is what was asked for from the first byte on."""
    path = space.write("artifacts/key.pem", b"secret", mode=0o600)

    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert space.read("artifacts/key.pem") == b"secret"


def test_what_is_not_there_reads_as_none(space):
    """A first run has nothing to read."""
    assert space.read("parameters.json") is None


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(space, monkeypatch):
    """ENOSPC in the middle of a write: the old bytes stay, no temporary file stays, one sentence is told."""
    space.write("cluster.yaml", "old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("kubecfn.deploy.workspace.os.fsync", full)
    with pytest.raises(FileError, match=r"cluster\.yaml cannot be written: No space left on device") as raised:
        space.write("cluster.yaml", "new")

    assert space.read("cluster.yaml") == b"old"
    assert names(space.root) == ["cluster.yaml"]
    assert "unchanged" in raised.value.remedy


def test_a_really_full_disk_is_told_in_one_sentence():
    """/dev/full is the real thing: every write to it fails with ENOSPC."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(FileError, match="cannot be"):
        write_file(Path("/dev/full/cluster.yaml"), "x")


def test_a_read_only_build_folder_is_told_in_one_sentence(space, monkeypatch):
    """EROFS or EACCES: the folder is named, nothing is left."""

    def read_only(*_arguments, **_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    space.write("found.json", "{}")
    monkeypatch.setattr("kubecfn.deploy.workspace.os.open", read_only)

    with pytest.raises(FileError, match="Read-only file system") as raised:
        space.write("cluster.yaml", "new")
    with pytest.raises(FileError, match="Read-only file system"), space.lock():
        pytest.fail("a folder that cannot be written cannot be locked")

    assert raised.value.exit_code == 1
    assert names(space.root) == ["found.json"]


def test_a_file_in_the_place_of_the_folder_is_told_in_one_sentence(tmp_path):
    """Build is a file: nothing is overwritten."""
    (tmp_path / "build").write_text("mine")

    with pytest.raises(FileError, match="cannot be written"):
        Workspace(tmp_path / "build" / "payments").write("cluster.yaml", "x")

    assert (tmp_path / "build").read_text() == "mine"


def test_an_interrupted_write_leaves_nothing_half_written(space, monkeypatch):
    """Ctrl-C in the middle: the old bytes stay."""
    space.write("cluster.yaml", "old")

    def interrupt(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("kubecfn.deploy.workspace.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        space.write("cluster.yaml", "new")

    assert names(space.root) == ["cluster.yaml"]
    assert space.read("cluster.yaml") == b"old"


def test_two_runs_at_once_are_told_apart_by_the_lock(space):
    """The second run on one machine is refused with the first one's process number, and may work once it is gone."""
    program = (
        "import sys, pathlib; from kubecfn.deploy.workspace import Workspace\n"
        f"with Workspace(pathlib.Path({str(space.root)!r})).lock():\n"
        " print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n"

    with pytest.raises(FileError, match=rf"process {other.pid}"), space.lock():
        pytest.fail("held by two")

    other.communicate()
    with space.lock():
        assert space.read("parameters.json") is None
