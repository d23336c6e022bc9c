"""Key bytes as values: hidden, private from the first moment, never over something else."""

import os
import stat

import pytest

from kubecfn.pki import PemFile


def test_a_secret_is_not_shown_by_accident():
    """Neither printing, nor formatting, nor a failed comparison in a log shows a key's bytes."""
    file = PemFile(b"very secret")

    assert all("secret" not in text for text in (repr(file), str(file), f"{file}", f"{[file]}", f"{ {'a': file} }"))


def test_two_files_are_equal_when_their_bytes_are():
    """Hiding the bytes does not take them out of comparisons."""
    assert PemFile(b"a") == PemFile(b"a")
    assert PemFile(b"a") != PemFile(b"b")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_file_is_private_whatever_the_umask(tmp_path, umask):
    """A file is 0600 under every usual umask, also when it is public on a node."""
    before = os.umask(umask)
    try:
        PemFile(b"a", mode=0o644).write_new(tmp_path / "file")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_a_file_is_never_written_over_another(tmp_path, kind):
    """A file, or a link that someone laid in its place, is neither changed nor followed."""
    target = tmp_path / "file"
    elsewhere = tmp_path / "elsewhere"
    if kind != "dangling link":
        elsewhere.write_bytes(b"theirs")
    if kind == "file":
        elsewhere.rename(target)
    else:
        target.symlink_to(elsewhere)

    with pytest.raises(FileExistsError):
        PemFile(b"ours").write_new(target)
    assert all(path.read_bytes() == b"theirs" for path in (target, elsewhere) if path.exists())
    assert elsewhere.exists() is (kind == "link")


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    """The operating system may take a part of the bytes at a time; the file has all of them."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))

    PemFile(b"0123456789").write_new(tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_failed_write_leaves_no_file(tmp_path, monkeypatch):
    """What could not be written whole is not there at all."""

    def refuse(_descriptor, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)

    with pytest.raises(OSError, match="No space"):
        PemFile(b"0123456789").write_new(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
