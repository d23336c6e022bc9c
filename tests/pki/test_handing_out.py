"""What is shown to a person, and what leaves the operator's machine for which role."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from kubecfn import pki
from kubecfn.errors import FileError

NODE = "etc/kubernetes/pki/"
CONTROLLER = {
    "ca.crt": 0o644,
    "ca.key": 0o600,
    "etcd/ca.crt": 0o644,
    "etcd/ca.key": 0o600,
    "front-proxy-ca.crt": 0o644,
    "front-proxy-ca.key": 0o600,
    "sa.key": 0o600,
    "sa.pub": 0o644,
    "encryption.key": 0o600,
}


def test_a_controller_gets_what_it_signs_and_serves_with(pristine, now):
    """A controller's bundle has kubeadm's files at kubeadm's paths, keys private, and nothing of the administrator's."""
    files = pki.bundle_files(pristine, "controller", now=now)

    assert {NODE + path: mode for path, mode in CONTROLLER.items()} == {path: file.mode for path, file in files.items()}
    assert all((pristine / path).read_bytes() == files[NODE + path].data for path in CONTROLLER)


def test_a_worker_gets_no_key_at_all(pristine, now):
    """A worker's bundle has one public certificate, in which no private key can be found."""
    files = pki.bundle_files(pristine, "worker", now=now)

    assert list(files) == [NODE + "ca.crt"]
    assert all(b"PRIVATE" not in file.data for file in files.values())
    with pytest.raises(ValueError, match="key"):
        serialization.load_pem_private_key(files[NODE + "ca.crt"].data, None)


def test_the_lambdas_get_a_client_and_no_authority_key(pristine, now):
    """The Lambdas can prove themselves to etcd and check its members, and can sign nothing."""
    client = pki.lambda_client(pristine, now=now)

    assert (pristine / "etcd/lambda-client.crt").read_bytes() == client.certificate.data
    assert (pristine / "etcd/lambda-client.key").read_bytes() == client.key.data
    assert (pristine / "etcd/ca.crt").read_bytes() == client.authority.data
    assert [client.certificate.mode, client.key.mode, client.authority.mode] == [0o644, 0o600, 0o644]


def test_the_table_agrees_with_what_is_handed_out(pristine, now):
    """Whom the table names as reader is exactly who gets the file."""
    rows = {row.file: row.readers for row in pki.show(pristine, now=now)}
    controllers = {path.removeprefix(NODE) for path in pki.bundle_files(pristine, "controller", now=now)}
    workers = {path.removeprefix(NODE) for path in pki.bundle_files(pristine, "worker", now=now)}

    assert controllers == {file for file, readers in rows.items() if "controllers" in readers}
    assert workers == {file for file, readers in rows.items() if "workers" in readers}
    assert {"etcd/ca.crt", "etcd/lambda-client.crt", "etcd/lambda-client.key"} == {
        file for file, readers in rows.items() if "Lambdas" in readers
    }
    assert {"admin.crt", "admin.key", "kubeconfig", "pki.json"} == {
        file for file, readers in rows.items() if readers == "nobody in AWS"
    }


def test_the_table_has_a_row_per_file_with_a_purpose_and_an_end(pristine, now, snapshot):
    """Every file of the set is explained; certificates and what they prove have an end, bare keys none."""
    rows = {row.file: row for row in pki.show(pristine, now=now)}

    assert set(snapshot(pristine)) == set(rows)
    assert all(row.purpose for row in rows.values())
    assert {"sa.key", "sa.pub", "encryption.key", "pki.json"} == {
        file for file, row in rows.items() if row.ends is None
    }
    assert {pki.State.OK} == {row.state for row in rows.values()}


@pytest.mark.parametrize(
    ("days", "leaf", "authority"),
    [
        (0, "ok", "ok"),
        (272, "ok", "ok"),
        (275, "due", "ok"),
        (366, "expired", "ok"),
        (2700, "expired", "ok"),
        (2750, "expired", "due"),
        (3651, "expired", "expired"),
    ],
)
def test_the_table_says_what_is_due_and_what_has_ended(pristine, now, days, leaf, authority):
    """A certificate is due in the last quarter of its life and expired after it; keys without an end stay ok."""
    rows = {row.file: row.state for row in pki.show(pristine, now=now + timedelta(days=days))}

    assert {leaf} == {rows[file] for file in ("admin.crt", "admin.key", "kubeconfig", "etcd/lambda-client.crt")}
    assert {authority} == {rows[file] for file in ("ca.crt", "ca.key", "etcd/ca.crt", "front-proxy-ca.key")}
    assert {"ok"} == {rows[file] for file in ("sa.key", "encryption.key", "pki.json")}


def test_an_empty_directory_is_shown_as_missing(tmp_path, now):
    """Before anything was made, everything is missing and nothing is broken."""
    tmp_path.chmod(0o700)

    assert {pki.State.MISSING} == {row.state for row in pki.show(tmp_path, now=now)}


@pytest.mark.parametrize("path", ["ca.key", "sa.pub", "encryption.key"])
def test_a_broken_file_stays_where_it_is(made, now, path):
    """What a role needs and is not sound is not handed out; who does not need it is served."""
    (made / path).write_text("garbage")

    with pytest.raises(FileError, match=path):
        pki.bundle_files(made, "controller", now=now)
    assert pki.lambda_client(made, now=now)


def test_what_a_role_does_not_read_does_not_hinder_it(made, now):
    """A loose administrator's key is make's complaint, not the bundle's."""
    (made / "admin.key").chmod(0o644)

    assert pki.bundle_files(made, "controller", now=now)


@pytest.mark.parametrize(
    ("days", "hands_out"),
    [
        (300, lambda made, at: pki.bundle_files(made, "controller", now=at)),
        (3000, lambda made, at: pki.bundle_files(made, "worker", now=at)),
    ],
)
def test_what_still_lives_is_handed_out(made, now, days, hands_out):
    """What is due, but not over, is still handed out."""
    assert hands_out(made, now + timedelta(days=days))


@pytest.mark.parametrize(
    ("days", "path", "hands_out"),
    [
        (3651, "ca.crt", lambda made, at: pki.bundle_files(made, "controller", now=at)),
        (366, "etcd/lambda-client.crt", lambda made, at: pki.lambda_client(made, now=at)),
        (3651, "ca.crt", lambda made, at: pki.bundle_files(made, "worker", now=at)),
    ],
)
def test_what_has_ended_is_not_handed_out(made, now, days, path, hands_out):
    """A node must not be started with a certificate that nobody accepts any more."""
    with pytest.raises(FileError, match=rf"{path} ended on .*keys replace"):
        hands_out(made, now + timedelta(days=days))


def test_a_missing_leaf_is_not_handed_out(made, now):
    """A leaf that was deleted is named, with the command that makes it again."""
    for end in ("crt", "key"):
        (made / f"etcd/lambda-client.{end}").unlink()

    with pytest.raises(FileError, match=r"etcd/lambda-client\.crt is missing.*keys make"):
        pki.lambda_client(made, now=now)
