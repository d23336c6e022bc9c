"""What can be wrong with a set: each is one sentence that names the file and the remedy, and nothing is touched."""

import base64
import errno
import json
import os
import shutil
from datetime import timedelta

import pytest

from kubecfn import pki
from kubecfn.errors import FileError


def delete(path):
    return lambda made, _foreign: (made / path).unlink()


def loosen(path, mode):
    return lambda made, _foreign: (made / path).chmod(mode)


def swap(*paths):
    """Put files of someone else's set in the place of ours."""

    def act(made, foreign):
        for path in paths:
            (made / path).write_bytes((foreign / path).read_bytes())

    return act


def write(path, data):
    return lambda made, _foreign: (made / path).write_bytes(data)


def append(path):
    return lambda made, _foreign: (made / path).write_bytes((made / path).read_bytes() + b"\n")


def unlist(path):
    """Make the manifest forget a file, as if someone had put it there."""

    def act(made, _foreign):
        content = json.loads((made / "pki.json").read_text())
        del content["files"][path]
        (made / "pki.json").write_text(json.dumps(content))

    return act


def swap_and_relist(*paths):
    """Put someone else's files here with a manifest that believes in them, so that only the certificates can tell."""

    def act(made, foreign):
        swap(*paths)(made, foreign)
        ours, theirs = (json.loads((where / "pki.json").read_text()) for where in (made, foreign))
        ours["files"] |= {path: theirs["files"][path] for path in paths}
        (made / "pki.json").write_text(json.dumps(ours))

    return act


def link(path):
    def act(made, _foreign):
        (made / path).rename(made / "elsewhere")
        (made / path).symlink_to(made / "elsewhere")

    return act


RESTORE = "Restore it from a backup, or replace it on purpose: `kubecfn keys replace {}`."

FAULTS = {
    # half-written sets
    "ca-without-key": (delete("ca.key"), "ca.key", "missing although ca.crt is there", RESTORE.format("kubernetes-ca")),
    "key-without-ca": (delete("ca.crt"), "ca.crt", "missing although ca.key is there", RESTORE.format("kubernetes-ca")),
    "no-sa-pub": (delete("sa.pub"), "sa.pub", "missing although sa.key", RESTORE.format("service-account")),
    "no-encryption": (delete("encryption.key"), "encryption.key", "pki.json lists it", RESTORE.format("encryption")),
    "half-a-leaf": (delete("admin.key"), "admin.key", "missing although admin.crt", RESTORE.format("admin")),
    "no-manifest": (delete("pki.json"), "pki.json", "missing", "Restore it from a backup"),
    # permissions
    "key-group-readable": (loosen("ca.key", 0o640), "ca.key", "0640", "chmod 600"),
    "key-world-readable": (loosen("etcd/ca.key", 0o604), "etcd/ca.key", "0604", "chmod 600"),
    "key-writable": (loosen("sa.key", 0o620), "sa.key", "0620", "chmod 600"),
    "kubeconfig-readable": (loosen("kubeconfig", 0o644), "kubeconfig", "0644", "chmod 600"),
    "encryption-readable": (loosen("encryption.key", 0o644), "encryption.key", "0644", "chmod 600"),
    "manifest-readable": (loosen("pki.json", 0o644), "pki.json", "0644", "chmod 600"),
    "directory-open": (loosen(".", 0o755), "pki", "0755", "chmod 700"),
    "key-is-a-link": (link("ca.key"), "ca.key", "not a regular file", "Move it away"),
    # foreign files
    "unlisted": (unlist("sa.key"), "sa.key", "foreign", "Move it away"),
    "changed-byte": (append("ca.crt"), "ca.crt", "SHA-256", RESTORE.format("kubernetes-ca")),
    "other-encryption": (swap("encryption.key"), "encryption.key", "SHA-256", RESTORE.format("encryption")),
    "other-pair": (swap("front-proxy-ca.crt", "front-proxy-ca.key"), "front-proxy-ca.crt", "SHA-256", "front-proxy-ca"),
    # mismatched pairs
    "other-ca-key": (swap("ca.key"), "ca.key", "not the key of ca.crt", RESTORE.format("kubernetes-ca")),
    "other-admin-key": (swap("admin.key"), "admin.key", "not the key of admin.crt", RESTORE.format("admin")),
    "other-sa-pub": (swap("sa.pub"), "sa.pub", "not the public half of sa.key", RESTORE.format("service-account")),
    "other-kubeconfig": (swap("kubeconfig"), "kubeconfig", "not admin.crt", RESTORE.format("kubeconfig")),
    "other-signer": (
        swap_and_relist("etcd/lambda-client.crt", "etcd/lambda-client.key"),
        "etcd/lambda-client.crt",
        "not signed by etcd/ca.crt",
        RESTORE.format("lambda-etcd-client"),
    ),
    "leaf-as-authority": (
        lambda made, _foreign: [
            shutil.copy(made / f"admin.{end}", made / f"front-proxy-ca.{end}") for end in ("crt", "key")
        ],
        "front-proxy-ca.crt",
        "not an authority",
        RESTORE.format("front-proxy-ca"),
    ),
    # no keys at all
    "garbage-certificate": (write("ca.crt", b"hello"), "ca.crt", "not a PEM certificate", "kubernetes-ca"),
    "garbage-key": (write("etcd/ca.key", b"hello"), "etcd/ca.key", "not an unencrypted PEM private key", "etcd-ca"),
    "empty-key": (write("sa.key", b""), "sa.key", "not an unencrypted PEM private key", "service-account"),
    "garbage-public-key": (write("sa.pub", b"x"), "sa.pub", "not a PEM public key", "service-account"),
    "short-encryption": (
        write("encryption.key", base64.b64encode(b"short")),
        "encryption.key",
        "32 bytes",
        "encryption",
    ),
    "garbage-encryption": (write("encryption.key", b"%%%"), "encryption.key", "32 bytes", "encryption"),
    "elliptic-sa-key": (
        lambda made, _foreign: shutil.copy(made / "ca.key", made / "sa.key"),
        "sa.key",
        "not an RSA key of at least 2048 bits",
        "service-account",
    ),
    # the manifest itself
    "garbage-manifest": (write("pki.json", b"{"), "pki.json", "cannot be read", "Restore it from a backup"),
    "list-as-manifest": (write("pki.json", b"[]"), "pki.json", "cannot be read", "Restore it from a backup"),
    "newer-manifest": (
        lambda made, _foreign: (made / "pki.json").write_text(
            (made / "pki.json").read_text().replace('"format": 1', '"format": 2')
        ),
        "pki.json",
        "format 2",
        "newer",
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_in_one_sentence_and_nothing_is_touched(made, foreign, spec, now, fault, snapshot):
    """A set that is not wholly ours and sound is refused by name, with what to do, and stays as it is."""
    act, path, found, remedy = fault
    act(made, foreign)
    before = snapshot(made)

    with pytest.raises(FileError) as refused:
        pki.make(made, spec, now=now)

    where = str(made) if path == "pki" else str(made / path)
    assert where in refused.value.message
    assert found in refused.value.message
    assert remedy in refused.value.remedy
    assert "\n" not in str(refused.value)
    assert before == snapshot(made)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_faulty_set_can_still_be_shown(made, foreign, now, fault):
    """The table of a partly broken set says which file is broken or missing, and why, and which are not."""
    act, path, found, _ = fault
    act(made, foreign)

    rows = {row.file: row for row in pki.show(made, now=now)}

    row = rows["pki.json" if path == "pki" else path]
    assert row.state in (pki.State.BROKEN, pki.State.MISSING)
    assert found in row.detail
    assert len([each for each in rows.values() if each.detail]) <= 2
    assert pki.State.OK in {each.state for each in rows.values()}


@pytest.mark.parametrize("name", ["ca.crt", "sa.key", "encryption.key", "etcd/ca.key"])
def test_what_a_living_cluster_depends_on_is_never_made_twice(made, spec, now, name, snapshot):
    """When all files of an authority or a lasting key are gone, make refuses instead of making another one."""
    pairs = {"ca.crt": "ca.key", "sa.key": "sa.pub", "etcd/ca.key": "etcd/ca.crt"}
    for path in (name, pairs.get(name, name)):
        (made / path).unlink(missing_ok=True)
    before = snapshot(made)

    with pytest.raises(FileError, match=r"pki\.json lists it"):
        pki.make(made, spec, now=now)
    assert before == snapshot(made)


def test_an_authority_that_ended_is_refused(made, spec, now, snapshot):
    """Nothing is issued below an authority whose life is over."""
    before = snapshot(made)

    with pytest.raises(FileError, match=r"ca\.crt ended on 2036-05-29.*keys replace kubernetes-ca"):
        pki.make(made, spec, now=now + timedelta(days=3651))
    assert before == snapshot(made)


def test_a_clock_that_is_behind_is_named(made, spec, now, snapshot):
    """A machine whose clock lies before the set was made must be set right first."""
    before = snapshot(made)

    with pytest.raises(FileError, match=r"ca\.crt begins on 2026-06-01.*clock"):
        pki.make(made, spec, now=now - timedelta(days=400))
    assert before == snapshot(made)


@pytest.mark.parametrize("act", ["make", "replace"])
def test_another_clusters_set_is_refused(made, now, act, snapshot):
    """One directory holds the keys of one cluster, whatever is asked for."""
    other = pki.PkiSpec("billing", "https://api.billing.example.com:6443")
    everything = tuple(each.name for each in pki.replacement_plan(made, ("kubernetes-ca", "etcd-ca")))
    before = snapshot(made)

    with pytest.raises(FileError, match="'payments', not of 'billing'"):
        pki.make(made, other, now=now) if act == "make" else pki.replace(made, everything, other, now=now)
    assert before == snapshot(made)


@pytest.mark.parametrize("depth", [0, 1])
def test_a_file_in_the_place_of_the_directory_is_named(tmp_path, spec, now, depth):
    """A file where build/ or the set's directory should be is named, and stays."""
    blocking = tmp_path / "build"
    blocking.write_text("mine")

    with pytest.raises(FileError, match=r"build.*Move that file away"):
        pki.make(blocking / "pki" if depth else blocking, spec, now=now)
    assert blocking.read_text() == "mine"


@pytest.mark.parametrize(
    ("number", "words", "remedy"),
    [
        (errno.EROFS, "Read-only file system", "remount"),
        (errno.EACCES, "Permission denied", "owner"),
        (errno.ENOSPC, "No space left", "Free some space"),
    ],
)
def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path, spec, now, monkeypatch, number, words, remedy):
    """A read-only, forbidden or full build/ is named with what to do about it."""

    def refuse(path, *_, **__):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "mkdir", refuse)

    with pytest.raises(FileError) as refused:
        pki.make(tmp_path / "build" / "pki", spec, now=now)
    assert words in refused.value.message
    assert remedy in refused.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_was_never_made_cannot_be_shown_or_handed_out(tmp_path, now):
    """A directory that is not there is named."""
    for act in (
        lambda: pki.show(tmp_path / "nowhere", now=now),
        lambda: pki.bundle_files(tmp_path / "nowhere", "worker", now=now),
    ):
        with pytest.raises(FileError, match="nowhere"):
            act()
