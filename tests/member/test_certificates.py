"""Certificates issued by the real openssl, read by another library."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from agent.steps import StepFailed
from controller_root import DOMAIN, authority
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from member import certificates
from member.settings import PKI, Me

from kubecfn.pki import KeyType

ME = Me("i-0000000a", "10.20.0.7", DOMAIN, "3.6.16")
NAMES = ("server", "peer", "healthcheck-client", "apiserver-client")
DAY = timedelta(days=1)


@pytest.fixture(scope="module", params=list(KeyType))
def issued(request, tmp_path_factory):
    """A controller's certificates, from an authority of each kind of key."""
    root = tmp_path_factory.mktemp("root")
    authority(root, key_type=request.param)
    before = datetime.now(UTC)
    said = certificates.ensure(root, ME)
    return SimpleNamespace(root=root, before=before, said=said)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What a controller has, made once."""
    root = tmp_path_factory.mktemp("made")
    authority(root)
    certificates.ensure(root, ME)
    return root


@pytest.fixture
def root(made, tmp_path):
    """A controller that has its certificates."""
    return Path(shutil.copytree(made, tmp_path, dirs_exist_ok=True))


def read(root, name):
    return x509.load_pem_x509_certificate((root / PKI / f"{name}.crt").read_bytes())


def files(root):
    return {one.name: one.read_bytes() for one in (root / PKI).iterdir()}


def later(days):
    return (datetime.now(UTC) + days * DAY).timestamp()


def test_every_certificate_is_the_authoritys_and_fits_its_key(issued):
    """They were issued here, and what was needed for it is gone."""
    ca = read(issued.root, "ca")
    assert issued.said == "issued " + ", ".join(f"{name} (missing)" for name in NAMES)
    for name in NAMES:
        leaf = read(issued.root, name)
        leaf.verify_directly_issued_by(ca)
        key = load_pem_private_key((issued.root / PKI / f"{name}.key").read_bytes(), None)
        assert key.public_key() == leaf.public_key()
        assert (issued.root / PKI / f"{name}.key").stat().st_mode & 0o777 == 0o600
    assert {one.name for one in (issued.root / PKI).iterdir()} == {
        f"{name}.{end}" for name in ("ca", *NAMES) for end in ("crt", "key")
    }


def test_members_are_known_by_their_addresses(issued):
    """Peers and clients find the address itself, and need no DNS for that; a client has no name that could be compared."""
    for name, named in (("server", [f"etcd.{DOMAIN}"]), ("peer", [])):
        sans = read(issued.root, name).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert sans.get_values_for_type(x509.IPAddress) == [ip_address("10.20.0.7"), ip_address("127.0.0.1")]
        assert sans.get_values_for_type(x509.DNSName) == ["localhost", f"i-0000000a.{DOMAIN}", *named]
    with pytest.raises(x509.ExtensionNotFound):
        read(issued.root, "healthcheck-client").extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_a_certificate_is_good_for_no_more_than_it_has_to_be(issued):
    """A leaf signs no others, and the agent's serves nobody."""
    both = [Eku.SERVER_AUTH, Eku.CLIENT_AUTH]
    for name, purposes in (("server", both), ("peer", both), ("healthcheck-client", [Eku.CLIENT_AUTH])):
        found = read(issued.root, name).extensions
        assert list(found.get_extension_for_class(x509.ExtendedKeyUsage).value) == purposes
        assert not found.get_extension_for_class(x509.BasicConstraints).value.ca
        usage = found.get_extension_for_class(x509.KeyUsage).value
        assert (usage.digital_signature, usage.key_cert_sign) == (True, False)


def test_a_clock_that_is_behind_takes_a_new_certificate(issued):
    """It begins an hour ago and ends in a year."""
    leaf = read(issued.root, "peer")

    assert abs(leaf.not_valid_before_utc - (issued.before - timedelta(hours=1))) < timedelta(seconds=30)
    assert abs(leaf.not_valid_after_utc - (issued.before + 365 * DAY)) < timedelta(seconds=30)


def test_no_serial_number_is_given_twice(issued):
    """Each controller issues without knowing of the others, so numbers are drawn."""
    assert len({read(issued.root, name).serial_number for name in NAMES}) == len(NAMES)
    assert min(read(issued.root, name).serial_number for name in NAMES) > 1 << 64


def test_good_certificates_are_left_alone(root):
    """A reboot changes nothing that is right."""
    before = files(root)

    assert certificates.ensure(root, ME) == "all are good"

    assert files(root) == before


def break_file(name, data):
    return lambda root: (root / PKI / name).write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "why", "key_stays"),
    [
        (lambda root: (root / PKI / "peer.crt").unlink(), "peer (missing)", True),
        (lambda root: (root / PKI / "peer.key").unlink(), "peer (missing)", False),
        (break_file("peer.crt", b"rubbish"), "peer (not of its key)", True),
        (break_file("peer.key", b"rubbish"), "peer (not of its key)", False),
        (
            lambda root: (root / PKI / "peer.key").write_bytes((root / PKI / "server.key").read_bytes()),
            "peer (not of its key)",
            True,
        ),
    ],
    ids=["no certificate", "no key", "bad certificate", "bad key", "another key"],
)
def test_what_is_damaged_is_issued_again(root, harm, why, key_stays):
    """One pair only, and with its key when that is one: the pair fits at every moment."""
    harm(root)
    before = files(root)

    assert certificates.ensure(root, ME) == f"issued {why}"

    after = files(root)
    assert {name for name in after if after[name] != before.get(name)} == {
        "peer.crt",
        *([] if key_stays else ["peer.key"]),
    }
    assert certificates.ensure(root, ME) == "all are good"


@pytest.mark.parametrize(("days", "again"), [(270, False), (276, True), (400, True)])
def test_the_last_quarter_is_for_renewing(root, days, again):
    """A controller that runs for years never meets its certificates' end."""
    before = files(root)

    said = certificates.ensure(root, ME, later(days))

    assert said.startswith("issued server (in the last quarter of its life), peer") is again
    changed = {name for name, data in files(root).items() if data != before[name]}
    assert changed == ({f"{name}.crt" for name in NAMES} if again else set())


@pytest.mark.parametrize(("hours", "again"), [(0.9, False), (2, True)])
def test_one_that_a_fast_clock_issued_is_issued_again_when_the_clock_is_right(root, hours, again):
    """Peers would refuse it until its time has come, while the node that shows it would call it good."""
    for name in NAMES:
        (root / PKI / f"{name}.crt").unlink()
    certificates.ensure(root, ME, now=later(hours / 24))

    said = certificates.ensure(root, ME)

    assert said.startswith("issued server (of a time to come), peer (of a time to come)") is again
    assert read(root, "peer").not_valid_before_utc <= datetime.now(UTC)


def test_another_address_or_authority_is_noticed(root):
    """A changed address would be refused by every peer, another authority by everyone."""
    moved = Me(ME.name, "10.20.0.8", DOMAIN, ME.version)
    assert certificates.ensure(root, moved) == "issued server (of another address), peer (of another address)"

    authority(root)
    said = certificates.ensure(root, moved)

    assert said == "issued " + ", ".join(f"{name} (of another authority)" for name in NAMES)


def test_a_leaf_never_outlives_its_authority(tmp_path):
    """Behind the authority's end it would be worth nothing, and nobody would be told."""
    authority(tmp_path, now=datetime.now(UTC) - 3640 * DAY)

    certificates.ensure(tmp_path, ME)

    assert read(tmp_path, "peer").not_valid_after_utc == read(tmp_path, "ca").not_valid_after_utc


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda root: authority(root, now=datetime.now(UTC) - 3651 * DAY), r"ca\.crt ended at .* UTC: replace it with"),
        (
            lambda root: (root / PKI / "ca.key").write_bytes(authority(root / "other").joinpath("ca.key").read_bytes()),
            r"ca\.key is not the key of",
        ),
        (lambda root: (root / PKI / "ca.crt").unlink(), r"ca\.crt is not the one certificate of an authority"),
        (lambda root: (root / PKI / "ca.crt").write_text(""), r"ca\.crt is not the one certificate of an authority"),
        (lambda root: (root / PKI / "ca.key").write_text("rubbish"), r"ca\.key is not the key of"),
    ],
    ids=["expired", "another key", "no certificate", "empty", "no key"],
)
def test_an_authority_that_cannot_sign_is_a_sentence(root, harm, reason):
    """Nothing is issued and nothing is lost: the step fails, and says with which file and why."""
    harm(root)
    before = {name: data for name, data in files(root).items() if not name.startswith("ca.")}

    with pytest.raises(StepFailed, match=rf"^certificates: .*{reason}"):
        certificates.ensure(root, ME)

    assert {name: data for name, data in files(root).items() if not name.startswith("ca.")} == before


def test_an_authority_that_begins_in_the_future_only_says_so(root, capsys):
    """The clock may still be wrong at that moment of the boot; it will be right before anyone is asked."""
    authority(root, now=datetime.now(UTC) + DAY)

    certificates.ensure(root, ME)

    assert "is this node's clock right?" in capsys.readouterr().out


def test_no_key_is_ever_an_argument(root, monkeypatch):
    """Everyone on the machine can read command lines."""
    seen = []
    run = subprocess.run

    def spy(command, **about):
        seen.extend(command)
        return run(command, **about)

    monkeypatch.setattr(certificates.subprocess, "run", spy)
    for name in NAMES:
        (root / PKI / f"{name}.key").unlink()

    certificates.ensure(root, ME)

    assert len(seen) > 20
    assert [one for one in seen if "PRIVATE" in one or "\n" in one] == []


def test_a_machine_without_openssl_says_so(root, monkeypatch):
    """An image that lacks the program is a sentence, not a traceback."""
    monkeypatch.setenv("PATH", str(root))
    (root / PKI / "peer.crt").unlink()

    with pytest.raises(StepFailed, match=r"^certificates: openssl cannot be run: No such file"):
        certificates.ensure(root, ME)
