"""A request is read as Go reads it, or not at all."""

from __future__ import annotations

import base64
import ipaddress

import pytest
from approver import csr
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.approver.conftest import pem

ME = "system:node:i-0123456789abcdef0"
KEY = ec.generate_private_key(ec.SECP256R1())
# Its signature is the same each time: examples are found again.
SAME_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
EMPTY = csr.Asked(ME, ("system:nodes",))


def der(text):
    """Return the bytes inside of a PEM block."""
    return base64.b64decode(b"".join(text.split(b"\n")[1:-2]))


def block(data):
    """Return bytes as a PEM block."""
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(data) + b"-----END CERTIFICATE REQUEST-----\n"


@pytest.mark.parametrize(
    "key",
    [KEY, ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 4096)],
    ids=["P-256", "P-521", "RSA"],
)
def test_the_key_is_of_any_kind(key):
    """It is the signer's business; large ones have lengths of several bytes."""
    assert csr.read(pem(ME, key=key)) == EMPTY


def test_everything_that_is_asked_for_is_told():
    """Names, addresses of both kinds, and whatever else there is by its kind."""
    others = [
        x509.RFC822Name("a@example.com"),
        x509.UniformResourceIdentifier("spiffe://x"),
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"),
    ]
    addresses = ("10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1")
    asked = csr.read(pem(ME, ("b", "a"), ("i-0a", "x.ec2.internal"), addresses, others, critical=True))
    assert asked.common_name == ME
    assert sorted(asked.organizations) == ["a", "b"]
    assert asked.names == {"i-0a", "x.ec2.internal"}
    # An IPv4 address in IPv6's clothes is another thing to whoever compares bytes.
    assert asked.addresses == {str(ipaddress.ip_address(one)) for one in addresses}
    assert len(asked.addresses) == 3
    assert asked.others == {"e-mail address", "URI", "directory name", "registered id", "other name"}


def test_organizations_in_one_set_are_all_told():
    """Go writes them so; who reads only the first would not see system:masters."""
    sets = [
        x509.RelativeDistinguishedName(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in ("system:nodes", "system:masters")]
        ),
        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, ME)]),
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(sets)).sign(KEY, hashes.SHA256())
    asked = csr.read(request.public_bytes(serialization.Encoding.PEM))
    assert set(asked.organizations) == {"system:nodes", "system:masters"}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (pem(ME, subject=[x509.NameAttribute(NameOID.COMMON_NAME, "admin")]), "2 common names"),
        (pem(ME, subject=[x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "x")]), "says more than"),
        (pem(ME, extensions=[x509.BasicConstraints(ca=True, path_length=None)]), "an extension beside"),
        (
            pem(ME, names=["i-0a"], extensions=[x509.BasicConstraints(ca=True, path_length=None)]),
            "2 elements where one belongs",
        ),
        (b"", "not one PEM block"),
        (b"garbage", "not one PEM block"),
        (pem(ME) * 2, "not one PEM block"),
        (b"x" + pem(ME), "not one PEM block"),
        (pem(ME).replace(b"REQUEST", b"THING"), "not one PEM block"),
        (pem(ME).replace(b"-----\n", b"-----\nA: b\n\n", 1), "not one PEM block"),
        (block(b"=" * 10), "one belongs|DER|ends too early"),
        (block(der(pem(ME)) + b"\0"), "DER|one belongs"),
        (block(der(pem(ME))[:-1]), "ends too early"),
        (block(b"\x30\x80\0\0"), "no DER"),
        (block(b"\x30\x81\x05abcde"), "no DER"),
        (block(b"\x1f\x81\x05abcde"), "no DER"),
        (block(b"\x30\x00"), "0 elements where three belong"),
        (block(b"\x30\x84\x7f\xff\xff\xff"), "no DER"),
        (block(b"\x30\x82"), "no DER"),
        (block(b"\x30\x82\x00\x81" + b"\x30" * 0x81), "no DER"),
    ],
)
def test_what_is_not_understood_is_refused(request_, words):
    """Nothing is skipped: what is certified is what was judged."""
    with pytest.raises(ValueError, match=words):
        csr.read(request_)


def test_an_attribute_that_no_kubelet_writes_is_refused():
    """Extensions are asked for in one attribute; there is no second place to ask."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ME)])
    )
    builder = builder.add_attribute(x509.ObjectIdentifier("1.2.840.113549.1.9.7"), b"password")
    request = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ValueError, match="attribute that no kubelet writes"):
        csr.read(request)


SAME = der(pem(ME, ("system:nodes",), ("i-0a",), ("10.0.0.1",), key=SAME_KEY))
NAMES = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,30}[a-z0-9]", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=16)
ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).filter(lambda one: not one.ipv4_mapped).map(str)


@given(TEXTS, st.lists(TEXTS, max_size=3), st.sets(NAMES, max_size=5), st.sets(ADDRESSES, max_size=5))
def test_what_was_written_is_what_is_read(common_name, organizations, names, addresses):
    """Whatever the names are, and however long."""
    asked = csr.read(pem(common_name, organizations, sorted(names), sorted(addresses), key=KEY))
    assert asked == csr.Asked(common_name, tuple(organizations), frozenset(names), frozenset(addresses))


@given(st.binary(max_size=400))
def test_garbage_is_refused_in_words(data):
    """Anybody who may join may send it; it never is more than a sentence."""
    for text in (data, block(data)):
        with pytest.raises(ValueError, match=r"."):
            csr.read(text)


@given(st.data())
def test_a_changed_byte_is_read_as_cryptography_reads_it_or_not_at_all(data):
    """Where both read it, they read the same."""
    at = data.draw(st.integers(0, len(SAME) - 1))
    changed = bytearray(SAME)
    changed[at] = data.draw(st.integers(0, 255))
    try:
        asked = csr.read(block(bytes(changed)))
        told = x509.load_der_x509_csr(bytes(changed))
        alternatives = [extension.value for extension in told.extensions]
    except ValueError:
        return  # a broken key or signature is for the API server to refuse
    assert asked.common_name == told.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert list(asked.organizations) == [
        one.value for one in told.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    ]
    names = {name for one in alternatives for name in one.get_values_for_type(x509.DNSName)}
    addresses = {str(address) for one in alternatives for address in one.get_values_for_type(x509.IPAddress)}
    assert (asked.names, asked.addresses) == (names, addresses)


def test_an_edwards_key_is_of_any_kind_too():
    """Its algorithm has no parameters."""
    assert csr.read(pem(ME, key=SAME_KEY)) == EMPTY
