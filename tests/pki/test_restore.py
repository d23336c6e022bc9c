"""A set comes back from a controllers' bundle as it went in, or not at all."""

import errno
import os
import stat
from dataclasses import replace
from datetime import timedelta

import pytest

from kubecfn import pki
from kubecfn.errors import FileError
from kubecfn.pki import PemFile, store
from kubecfn.pki.layout import BY_NAME, RETIRED

NODE = "etc/kubernetes/pki/"
LAMBDAS = ("etcd/lambda-client.crt", "etcd/lambda-client.key")
IN_NO_BUNDLE = {"lambda-etcd-client", "admin", "kubeconfig"}


@pytest.fixture
def bundle(pristine, now):
    return pki.bundle_files(pristine, "controller", now=now)


def test_what_is_restored_makes_the_very_same_bundle(tmp_path, pristine, bundle, spec, now):
    """Restore is the inverse of handing out: a second operator's next apply changes no byte on a controller."""
    report = pki.restore(tmp_path / "pki", bundle, spec, now=now)

    assert set(BY_NAME) - IN_NO_BUNDLE == set(report.made)
    assert bundle == pki.bundle_files(tmp_path / "pki", "controller", now=now)
    assert pki.bundle_files(pristine, "worker", now=now) == pki.bundle_files(tmp_path / "pki", "worker", now=now)


def test_make_completes_a_restored_set(tmp_path, bundle, spec, now, snapshot):
    """What no bundle holds is issued anew below the restored authorities; what was restored stays as it is."""
    directory = tmp_path / "pki"
    pki.restore(directory, bundle, spec, now=now)
    restored = snapshot(directory)

    report = pki.make(directory, spec, now=now)

    assert set(report.made) == IN_NO_BUNDLE
    assert report.renewed == report.notes == ()
    assert {pki.State.OK} == {row.state for row in pki.show(directory, now=now)}
    assert all(found == snapshot(directory)[path] for path, found in restored.items() if path != "pki.json")


def test_every_restored_file_is_the_operators_alone(tmp_path, bundle, spec, now, snapshot):
    """On an operator's machine even certificates are 0600, in directories that nobody else can enter."""
    pki.restore(tmp_path / "pki", bundle, spec, now=now)

    assert {0o600} == {mode for mode, _ in snapshot(tmp_path / "pki").values()}
    assert {0o700} == {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki", tmp_path / "pki" / "etcd")}


@pytest.mark.parametrize("name", ["pki.json", "notes.txt", ".hidden"])
def test_a_directory_that_holds_anything_is_left_alone(tmp_path, bundle, spec, now, snapshot, name):
    """Keys that are there already, or anything else, are never mixed with pulled ones."""
    directory = tmp_path / "pki"
    directory.mkdir(mode=0o700)
    (directory / name).write_text("mine")
    before = snapshot(directory)

    with pytest.raises(FileError, match=r"is not empty.*move the directory away"):
        pki.restore(directory, bundle, spec, now=now)

    assert before == snapshot(directory)


def without(path):
    return lambda bundle, _: {name: file for name, file in bundle.items() if name != NODE + path}


def swapped(path, other):
    return lambda bundle, foreign: bundle | {NODE + path: foreign[NODE + other]}


DAMAGES = {
    "a key is missing": (without("etcd/ca.key"), r"lacks etcd/ca\.key"),
    "nothing is in it": (lambda *_: {}, r"lacks ca\.crt, ca\.key"),
    "a newer kubecfn's key": (lambda b, _: b | {NODE + "new.key": PemFile(b"?")}, r"does not know: new\.key"),
    "not a key": (lambda b, _: b | {NODE + "ca.key": PemFile(b"garbage")}, r"ca\.key .*not an unencrypted PEM"),
    "another set's key": (swapped("front-proxy-ca.key", "front-proxy-ca.key"), r"not the key of front-proxy-ca\.crt"),
    "another authority's leaf": (
        lambda b, f: b | {NODE + path: f[NODE + path] for path in LAMBDAS},
        r"etcd/lambda-client\.crt .*not signed by etcd/ca\.crt",
    ),
    "another public half": (swapped("sa.pub", "sa.pub"), r"sa\.pub .*not the public half"),
    "half an encryption key": (
        lambda b, _: b | {NODE + "encryption.key": PemFile(b"AAAA\n")},
        r"encryption\.key .*base64 of 32",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bundle_that_is_not_a_sound_set_writes_nothing(tmp_path, bundle, foreign, spec, now, damage):
    """Everything is judged before the first byte is written, and the file at fault is named."""
    harm, said = DAMAGES[damage]
    others = {NODE + path: PemFile((foreign / path).read_bytes()) for path in LAMBDAS}
    harmed = harm(bundle, pki.bundle_files(foreign, "controller", now=now) | others)

    with pytest.raises(FileError, match=said):
        pki.restore(tmp_path / "pki", harmed, spec, now=now)

    assert not (tmp_path / "pki").exists()


def test_another_clusters_keys_are_not_taken(tmp_path, bundle, spec, now):
    """A bundle fetched under the wrong name is told by the cluster that its authorities name."""
    with pytest.raises(FileError, match="of cluster 'payments', not of 'billing'"):
        pki.restore(tmp_path / "pki", bundle, replace(spec, cluster="billing"), now=now)


def test_keys_that_have_ended_are_restored_and_told_by_make(tmp_path, bundle, spec, now):
    """Time does not stand in the way of having the keys: replacing them begins with having them."""
    later = now + timedelta(days=4000)
    pki.restore(tmp_path / "pki", bundle, spec, now=later)

    with pytest.raises(FileError, match=r"ca\.crt ended on .*keys replace"):
        pki.make(tmp_path / "pki", spec, now=later)


def test_a_restored_set_says_what_it_is_made_of(tmp_path, bundle, spec, now):
    """The manifest names the authorities' real keys, so that a differing configuration is told."""
    asked = replace(spec, key_type=pki.KeyType.RSA)
    pki.restore(tmp_path / "pki", bundle, asked, now=now)

    assert any("begun with P-256 keys" in note for note in pki.make(tmp_path / "pki", asked, now=now).notes)


def test_a_restore_that_stopped_is_completed_by_the_next(tmp_path, bundle, spec, now, monkeypatch):
    """A full disk in the middle leaves either nothing or a write that the same command completes."""
    directory = tmp_path / "pki"
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(FileError, match="Free some space"):
            pki.restore(directory, bundle, spec, now=now)
    assert store.unfinished(directory)

    assert pki.restore(directory, bundle, spec, now=now).resumed
    assert bundle == pki.bundle_files(directory, "controller", now=now)
    with pytest.raises(FileError, match="is not empty"):
        pki.restore(directory, bundle, spec, now=now)


def test_another_write_that_stopped_is_not_taken_for_a_restore(tmp_path, bundle, spec, now, monkeypatch):
    """What a stopped `make` began is completed and kept; the pulled keys do not take its place."""
    directory = tmp_path / "pki"
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(FileError):
            pki.make(directory, spec, now=now)

    with pytest.raises(FileError, match="is not empty"):
        pki.restore(directory, bundle, spec, now=now)
    assert pki.make(directory, spec, now=now).kept == tuple(BY_NAME)


def test_a_bundle_of_an_earlier_version_is_restored_without_what_nothing_reads_any_more(tmp_path, bundle, spec, now):
    """It held the API server's certificate for etcd, which each controller issues itself since."""
    earlier = bundle | {NODE + path: PemFile(b"of a time before") for path in RETIRED}

    pki.restore(tmp_path / "pki", earlier, spec, now=now)

    assert bundle == pki.bundle_files(tmp_path / "pki", "controller", now=now)
    assert not any((tmp_path / "pki" / path).exists() for path in RETIRED)
