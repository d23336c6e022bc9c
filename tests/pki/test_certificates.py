"""What the certificates are: every bit against the table of Kubernetes and etcd, by openssl and by real handshakes."""

import shutil
import socket
import ssl
import subprocess
import threading
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID

from kubecfn import pki
from kubecfn.pki import profiles
from kubecfn.pki.certificates import new_authority, new_leaf

AUTHORITIES = ["ca", "etcd/ca", "front-proxy-ca"]
CLIENTS = {"etcd/lambda-client": "etcd/ca", "admin": "ca"}
SANS = ("etcd.payments.example.com", "127.0.0.1")


def certificate(directory, name):
    return x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())


def private_key(directory, name):
    return serialization.load_pem_private_key((directory / f"{name}.key").read_bytes(), None)


def extension(found, kind):
    return found.extensions.get_extension_for_class(kind)


def usages(found):
    """Return the names of the key usage bits that are set."""
    usage = extension(found, x509.KeyUsage).value
    bits = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    return {bit for bit in [*bits, "key_cert_sign", "crl_sign"] if getattr(usage, bit)}


@pytest.mark.parametrize("name", AUTHORITIES)
def test_an_authority_may_sign_leaves_and_nothing_else(pristine, now, name):
    """An authority signs itself, may sign leaves but no other authority, does nothing else, and lives ten years."""
    found = certificate(pristine, name)
    constraints = extension(found, x509.BasicConstraints)

    found.verify_directly_issued_by(found)
    assert constraints.critical
    assert x509.BasicConstraints(ca=True, path_length=0) == constraints.value
    assert extension(found, x509.KeyUsage).critical
    assert {"key_cert_sign", "crl_sign"} == usages(found)
    assert now + timedelta(days=3650) == found.not_valid_after_utc
    assert [each for each in found.extensions if each.oid == x509.ExtendedKeyUsage.oid] == []


@pytest.mark.parametrize(("name", "issuer"), CLIENTS.items())
def test_a_client_certificate_can_only_be_a_client(pristine, now, name, issuer):
    """A client certificate is for client authentication alone, has no address, and lives one year."""
    found = certificate(pristine, name)

    found.verify_directly_issued_by(certificate(pristine, issuer))
    assert x509.BasicConstraints(ca=False, path_length=None) == extension(found, x509.BasicConstraints).value
    assert {"digital_signature"} == usages(found)
    assert list(extension(found, x509.ExtendedKeyUsage).value) == [Eku.CLIENT_AUTH]
    assert now + timedelta(days=365) == found.not_valid_after_utc
    with pytest.raises(x509.ExtensionNotFound):
        extension(found, x509.SubjectAlternativeName)


@pytest.mark.parametrize("name", [*AUTHORITIES, *CLIENTS])
def test_a_certificate_is_valid_a_little_before_it_was_made(pristine, now, name):
    """Between five and ten minutes of a node's clock running behind are forgiven, not more."""
    assert timedelta(minutes=5) <= now - certificate(pristine, name).not_valid_before_utc <= timedelta(minutes=10)


def test_the_administrator_needs_no_rbac_object(pristine):
    """The offline administrator is in system:masters, the one group that works when RBAC does not."""
    subject = certificate(pristine, "admin").subject

    assert [name.value for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:masters"]
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["kubernetes-admin"]


def test_an_etcd_client_is_in_no_kubernetes_group(pristine):
    """Only the administrator's certificate names a group."""
    assert certificate(pristine, "etcd/lambda-client").subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME) == []


def test_authorities_say_whose_they_are(pristine, spec):
    """The authorities of two clusters can be told apart by a person who reads their subject."""
    subjects = [certificate(pristine, name).subject.rfc4514_string() for name in AUTHORITIES]

    assert [f"CN={name},O={spec.cluster}" for name in ("kubernetes", "etcd-ca", "front-proxy-ca")] == subjects


def test_no_two_keys_and_no_two_serials_are_alike(pristine):
    """Every certificate has a key and a serial number of its own."""
    found = [certificate(pristine, name) for name in [*AUTHORITIES, *CLIENTS]]
    points = {each.public_key().public_numbers() for each in found}

    assert len(found) == len(points)
    assert len(found) == len({each.serial_number for each in found})


@pytest.mark.parametrize("name", [*AUTHORITIES, *CLIENTS])
def test_keys_are_p256_unless_asked_otherwise(pristine, name):
    """Authorities and leaves are P-256 by default."""
    assert isinstance(private_key(pristine, name).curve, ec.SECP256R1)


def test_the_service_account_key_is_rsa_always(pristine):
    """Service-account tokens are signed by RSA of at least 2048 bits, whatever the key type."""
    key = private_key(pristine, "sa")

    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size >= 2048
    assert serialization.load_pem_public_key((pristine / "sa.pub").read_bytes()) == key.public_key()


def test_rsa_can_be_chosen(now):
    """With key type RSA, authorities and leaves have RSA keys of 3072 bits."""
    authority = new_authority(profiles.ETCD_AUTHORITY, "payments", pki.KeyType.RSA, now)
    leaf = new_leaf(profiles.LAMBDA_ETCD_CLIENT, authority, pki.KeyType.RSA, now)
    found = x509.load_pem_x509_certificate(leaf.certificate.data)

    found.verify_directly_issued_by(authority.certificate)
    assert [authority.certificate.public_key().key_size, found.public_key().key_size] == [3072, 3072]


def test_a_leaf_never_outlives_its_authority(now):
    """What is signed near the end of an authority ends with it."""
    authority = new_authority(profiles.ETCD_AUTHORITY, "payments", pki.KeyType.P256, now)
    late = now + timedelta(days=3600)
    leaf = new_leaf(profiles.LAMBDA_ETCD_CLIENT, authority, pki.KeyType.P256, late)

    ends = x509.load_pem_x509_certificate(leaf.certificate.data).not_valid_after_utc
    assert authority.certificate.not_valid_after_utc == ends


@pytest.mark.parametrize(
    ("profile", "sans"), [(profiles.LAMBDA_ETCD_CLIENT, ("a.example",)), (profiles.ETCD_MEMBER, ())]
)
def test_names_are_given_exactly_where_the_profile_takes_them(now, profile, sans):
    """A client with an address, and a server without one, cannot be made."""
    authority = new_authority(profiles.ETCD_AUTHORITY, "payments", pki.KeyType.P256, now)

    with pytest.raises(ValueError, match=profile.common_name):
        new_leaf(profile, authority, pki.KeyType.P256, now, sans)


def openssl_accepts(directory, authority, leaf, purpose, at):
    """Ask the openssl program, at its strictest, whether a certificate is good for a purpose."""
    program = shutil.which("openssl")
    assert program, "the openssl program is needed to prove certificates to someone who did not make them"
    options = ["-x509_strict", "-purpose", purpose, "-attime", str(int(at.timestamp()))]
    command = [program, "verify", *options, "-CAfile", f"{directory / authority}.crt", f"{directory / leaf}.crt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("leaf", "authority", "purpose", "days", "accepted"),
    [
        ("etcd/lambda-client", "etcd/ca", "sslclient", 0, True),
        ("admin", "ca", "sslclient", 0, True),
        ("admin", "ca", "sslclient", 364, True),
        ("admin", "ca", "sslclient", 366, False),
        ("admin", "ca", "sslclient", -1, False),
        ("admin", "ca", "sslserver", 0, False),
        ("admin", "etcd/ca", "sslclient", 0, False),
        ("etcd/lambda-client", "ca", "sslclient", 0, False),
        ("etcd/lambda-client", "etcd/ca", "sslserver", 0, False),
    ],
)
def test_openssl_accepts_a_certificate_for_its_purpose_only(pristine, now, leaf, authority, purpose, days, accepted):
    """OpenSSL's strict rules accept each certificate below its authority, as a client, during its life, and only so."""
    assert openssl_accepts(pristine, authority, leaf, purpose, now + timedelta(days=days)) is accepted


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    """A set made now, since handshakes know no other time, with a member's own certificate beside it."""
    from datetime import UTC, datetime  # noqa: PLC0415  the only place that may look at the wall clock

    directory = tmp_path_factory.mktemp("etcd") / "pki"
    present = datetime.now(UTC)
    pki.make(directory, pki.PkiSpec("payments", "https://api.payments.example.com:6443"), now=present)
    authority = pki.Authority(certificate(directory, "etcd/ca"), private_key(directory, "etcd/ca"))
    member = pki.issue_server_leaf(authority, SANS, now=present)
    member.certificate.write_new(directory / "member.crt")
    member.key.write_new(directory / "member.key")
    return directory


def serve_once(listener, context, outcomes):
    """Answer one TLS client with the common name it proved."""
    connection, _ = listener.accept()
    connection.settimeout(5)
    try:
        with context.wrap_socket(connection, server_side=True) as secured:
            subject = dict(pair[0] for pair in secured.getpeercert()["subject"])
            secured.sendall(subject["commonName"].encode())
    except OSError as error:
        outcomes.append(error)
        connection.close()


def handshake(directory, *, client, trusted="etcd/ca", name="127.0.0.1", server="member"):
    """Return the common name that an etcd-like server on loopback saw, or raise what the handshake raised."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=directory / "etcd/ca.crt")
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.verify_flags |= ssl.VERIFY_X509_STRICT
    serving.load_cert_chain(directory / f"{server}.crt", directory / f"{server}.key")
    calling = ssl.create_default_context(cafile=directory / f"{trusted}.crt")
    calling.verify_flags |= ssl.VERIFY_X509_STRICT
    if client:
        calling.load_cert_chain(directory / f"{client}.crt", directory / f"{client}.key")
    outcomes = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server_thread = threading.Thread(target=serve_once, args=(listener, serving, outcomes))
        server_thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=5) as plain,
                calling.wrap_socket(plain, server_hostname=name) as secured,
            ):
                return secured.recv(100).decode()
        finally:
            server_thread.join()


@pytest.mark.parametrize("name", SANS)
def test_etcd_clients_and_members_trust_each_other(etcd, name):
    """A member and an etcd client prove themselves to each other by address as by name."""
    assert handshake(etcd, client="etcd/lambda-client", name=name) == "kubecfn-lambda-etcd-client"


@pytest.mark.parametrize(
    "fault",
    [
        {"client": "etcd/lambda-client", "trusted": "ca"},
        {"client": "etcd/lambda-client", "trusted": "front-proxy-ca"},
        {"client": "etcd/lambda-client", "name": "127.0.0.2"},
        {"client": "etcd/lambda-client", "name": "other.payments.example.com"},
        {"client": "etcd/lambda-client", "server": "etcd/lambda-client"},  # a client must not pass for a server
        {"client": "admin"},  # signed by the kubernetes authority
        {"client": None},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_nobody_else_gets_into_etcd(etcd, fault):
    """A wrong authority, a wrong name, a wrong purpose or no certificate at all ends the handshake."""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(etcd, **fault)
