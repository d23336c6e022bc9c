"""Kubeconfigs are read as kubeadm writes them, and nothing else is taken for one."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubecfn.kubernetes import kubeconfig, plain_yaml
from kubecfn.kubernetes.client import Client, KubernetesError
from kubecfn.pki import KeyType, profiles
from kubecfn.pki.certificates import certificate_file, new_authority, new_leaf
from kubecfn.pki.keys import key_file
from kubecfn.pki.kubeconfig import kubeconfig_file
from tests.kubernetes.server import folder, minors

NOW = datetime.now(UTC)
AUTHORITY = new_authority(profiles.KUBERNETES_AUTHORITY, "test", KeyType.P256, NOW)
CA = certificate_file(AUTHORITY.certificate).data
LEAF = new_leaf(profiles.ADMIN, AUTHORITY, KeyType.P256, NOW)
SERVER = "https://10.0.0.1:6443"


def base64ed(data):
    """Return bytes as a kubeconfig has them."""
    return base64.b64encode(data).decode()


def told(user, cluster=None):
    """Return a kubeconfig as YAML."""
    cluster = cluster or {"server": SERVER, "certificate-authority-data": base64ed(CA)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "me@here",
            "contexts": [{"name": "me@here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "me", "user": user}],
            "preferences": {},
        }
    )


INLINE = {
    "client-certificate-data": base64ed(LEAF.certificate.data),
    "client-key-data": base64ed(LEAF.key.data),
}


@pytest.fixture(scope="module")
def written_by_kubeadm(tmp_path_factory):
    """What the real kubeadm writes for the administrator and for a kubelet."""
    kubeadm = folder(minors()[0]) / "kubeadm"
    if not kubeadm.is_file():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("kubeadm is not built on this machine")
    room = tmp_path_factory.mktemp("kubeadm")
    (room / "ca.crt").write_bytes(CA)
    (room / "ca.key").write_bytes(key_file(AUTHORITY.key).data)
    for name in ("admin", "kubelet"):
        command = [kubeadm, "init", "phase", "kubeconfig", name, f"--cert-dir={room}", f"--kubeconfig-dir={room}"]
        command += [
            "--apiserver-advertise-address=10.0.0.1",
            f"--kubernetes-version=v{kubeadm.parent.name.removeprefix('kubernetes-')}",
        ]
        subprocess.run(
            [*command, *(["--node-name=i-0a"] if name == "kubelet" else [])], check=True, capture_output=True
        )
    return room


@pytest.mark.parametrize("name", ["admin.conf", "kubelet.conf"])
def test_what_kubeadm_writes_is_read(written_by_kubeadm, name):
    """Every byte of it, as a YAML library reads it."""
    path = written_by_kubeadm / name
    assert plain_yaml.loads(path.read_text()) == yaml.safe_load(path.read_text())
    found = kubeconfig.read(path)
    assert found.server == SERVER
    assert found.authority.encode() == CA
    assert isinstance(found.context(), ssl.SSLContext)


def test_ours_is_read(tmp_path):
    """The administrator's kubeconfig of the operator's machine, too."""
    ours = kubeconfig_file("payments", SERVER, certificate_file(AUTHORITY.certificate), LEAF.certificate, LEAF.key)
    path = tmp_path / "ours"
    ours.write_new(path)
    assert kubeconfig.read(path).key == LEAF.key.data


def test_files_beside_it_are_read(tmp_path):
    """A kubelet's certificate and key are one file that its renewal replaces."""
    (tmp_path / "current.pem").write_bytes(LEAF.certificate.data + LEAF.key.data)
    (tmp_path / "ca.crt").write_bytes(CA)
    named = {"client-certificate": "current.pem", "client-key": str(tmp_path / "current.pem")}
    (tmp_path / "kubelet.conf").write_text(told(named, {"server": SERVER, "certificate-authority": "ca.crt"}))
    found = kubeconfig.read(tmp_path / "kubelet.conf")
    assert found.certificate == found.key == LEAF.certificate.data + LEAF.key.data
    assert isinstance(found.context(), ssl.SSLContext)


def test_json_is_read_too(tmp_path):
    """JSON is YAML, and what programs write."""
    (tmp_path / "c").write_text(json.dumps(yaml.safe_load(told(INLINE))))
    assert kubeconfig.read(tmp_path / "c").server == SERVER


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            told({"exec": {"command": "aws-iam-authenticator"}}),
            "neither client-certificate-data nor client-certificate",
        ),
        (told({"token": "secret"}), "only client certificates are understood here"),
        (told({**INLINE, "client-key-data": "***"}), "client-key-data is no base64"),
        (told({"client-certificate": "gone.pem", "client-key": "gone.pem"}), "gone.pem: No such file or directory"),
        (told(INLINE, {"certificate-authority-data": base64ed(CA)}), "its cluster has no server"),
        (told(INLINE).replace("current-context: me@here", "current-context: other"), "its contexts have no 'other'"),
        ("", "it is empty"),
        ("- a\n", "it is no kubeconfig"),
        ("users: &anchor\n", "line 1 is not as kubeadm writes it"),
        ("a: |\n  text\n", "line 1 is not as kubeadm writes it"),
        ("a: b\n  c: d\n", "line 2 is not as kubeadm writes it"),
        ("a: 1\na: 2\n", "line 2 says a a second time"),
        ("a:\n\tb: 1\n", "line 2 is indented by a tab"),
        ("a: {b: c}\n", "line 1 is not as kubeadm writes it"),
        ("{not json", "Expecting property name"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(tmp_path, text, words):
    """It names the file and what is wrong with it, and shows none of it."""
    path = tmp_path / "a.conf"
    path.write_text(text)
    with pytest.raises(KubernetesError) as refused:
        kubeconfig.read(path)
    assert str(refused.value).startswith(f"{path} cannot be used as a kubeconfig: ")
    assert words in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("server", ["http://10.0.0.1:6443", "10.0.0.1", "https://10.0.0.1:6443/api"])
def test_a_server_that_is_none_is_refused(tmp_path, server):
    """What we show holds a key: only https is spoken, and the words name the file."""
    cluster = {"server": server, "certificate-authority-data": base64ed(CA)}
    (tmp_path / "a.conf").write_text(told(INLINE, cluster))
    with pytest.raises(KubernetesError, match=r"cannot be used as a kubeconfig: .* is no API server's address"):
        Client.from_kubeconfig(tmp_path / "a.conf")


def test_a_full_disk_is_told_in_a_sentence(tmp_path, monkeypatch):
    """The key has to pass a file; where none can be made, that is said."""
    (tmp_path / "a.conf").write_text(told(INLINE))
    found = kubeconfig.read(tmp_path / "a.conf")

    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kubeconfig.tempfile, "mkstemp", full)
    with pytest.raises(KubernetesError, match="No space left on device"):
        found.context()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client-key-data": base64ed(new_leaf(profiles.ADMIN, AUTHORITY, KeyType.P256, NOW).key.data)}, "mismatch"),
        ({"client-certificate-data": base64ed(b"nonsense")}, "cannot be used"),
    ],
)
def test_a_key_of_another_is_refused_before_anything_is_sent(tmp_path, change, words):
    """The words are OpenSSL's, the sentence and the path ours."""
    (tmp_path / "a.conf").write_text(told({**INLINE, **change}))
    with pytest.raises(KubernetesError, match="its client certificate and key cannot be used") as refused:
        kubeconfig.read(tmp_path / "a.conf").context()
    assert words in str(refused.value).lower()


def test_a_key_lies_nowhere_afterwards(tmp_path, monkeypatch):
    """It passes a file of 0600 that is gone at once, also when it is of no use."""
    seen = []
    real = ssl.SSLContext.load_cert_chain

    def load(context, path):
        seen.append((Path(path), Path(path).stat().st_mode & 0o777))
        return real(context, path)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    (tmp_path / "good").write_text(told(INLINE))
    (tmp_path / "bad").write_text(told({**INLINE, "client-key-data": base64ed(b"nonsense")}))
    kubeconfig.read(tmp_path / "good").context()
    with pytest.raises(KubernetesError):
        kubeconfig.read(tmp_path / "bad").context()
    assert [(path.exists(), mode) for path, mode in seen] == [(False, 0o600)] * 2


PLAIN = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._/@+=-]{0,20}[A-Za-z0-9=]", fullmatch=True)
KEYS = st.from_regex(r"[a-z][a-z0-9.-]{0,12}", fullmatch=True).filter(lambda key: key not in {"n", "y", "on", "off"})
VALUES = st.recursive(
    PLAIN | st.text(max_size=12) | st.none() | st.booleans(),
    lambda inner: st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
def test_whatever_is_read_is_what_yaml_says(value):
    """Of any document it either says what a YAML library says, or refuses; it never guesses."""
    text = yaml.safe_dump(value, default_style=None, width=10_000)
    try:
        found = plain_yaml.loads(text)
    except ValueError:
        return
    assert found == yaml.load(text, yaml.BaseLoader) or found == yaml.safe_load(text)
