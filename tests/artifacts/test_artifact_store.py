import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubecfn import artifacts
from kubecfn.artifacts import store
from kubecfn.artifacts.build import _artifact
from kubecfn.errors import FileError

SECRET = _artifact("controller", "controller", b"keys", secret=True)
PUBLIC = _artifact("lambda", "etcd_discovery", b"code", secret=False)


def mode(path):
    return path.stat().st_mode & 0o777


def test_artifacts_are_written_once_and_keys_only_for_their_owner(tmp_path):
    """A second write touches nothing; a file with keys is private from its first moment on."""
    secret, public = artifacts.write(tmp_path / "new", [SECRET, PUBLIC])
    os.utime(public, (1, 1))

    again = artifacts.write(tmp_path / "new", [SECRET, PUBLIC])

    assert again == (secret, public)
    assert (secret.read_bytes(), mode(secret), mode(public)) == (b"keys", 0o600, 0o644)
    assert public.stat().st_mtime == 1
    assert sorted(tmp_path.joinpath("new").iterdir()) == sorted([secret, public])


def test_a_changed_artifact_is_refused_and_left_alone(tmp_path):
    """Bytes that do not fit their name are never uploaded under it, and never overwritten unseen."""
    (path,) = artifacts.write(tmp_path, [PUBLIC])
    path.write_bytes(b"other")

    with pytest.raises(FileError, match=r"was changed: .* Delete the file"):
        artifacts.write(tmp_path, [PUBLIC])

    assert path.read_bytes() == b"other"


def test_a_secret_others_can_read_is_refused_with_its_remedy(tmp_path):
    """Loose permissions are said, not repaired in silence: someone may have read the keys."""
    (path,) = artifacts.write(tmp_path, [SECRET])
    path.chmod(0o640)

    with pytest.raises(FileError, match=r"mode 0640, so others can read it. Run: chmod 600"):
        artifacts.write(tmp_path, [SECRET])


def test_a_public_artifact_may_be_read_by_all(tmp_path):
    """The twin of the rule above: only keys are guarded."""
    (path,) = artifacts.write(tmp_path, [PUBLIC])
    path.chmod(0o666)

    assert artifacts.write(tmp_path, [PUBLIC]) == (path,)


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    """An archive is there whole or not at all, and the error names the file and the remedy."""

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)

    with pytest.raises(FileError, match=r"cannot be written: No space left on device. Free space"):
        artifacts.write(tmp_path, [PUBLIC])

    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    """A path that cannot be a folder is an error of one sentence."""
    (tmp_path / "build").write_text("")

    with pytest.raises(FileError, match=r"build/etcd_discovery-.* cannot be written: File exists"):
        artifacts.write(tmp_path / "build", [PUBLIC])


def test_making_artifacts_loads_nothing_heavy():
    """`kubecfn template` hashes artifacts on every call, so this module never loads boto3, rich, troposphere or pydantic."""
    program = "import sys, kubecfn.artifacts, kubecfn.node.bootstrap; print(*sys.modules)"
    root = Path(artifacts.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)

    assert not {"boto3", "botocore", "rich", "troposphere", "pydantic"} & set(done.stdout.split())
