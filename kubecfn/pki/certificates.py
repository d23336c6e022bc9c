"""Certificates made from a profile: authorities that sign themselves, and leaves below them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from kubecfn.pki import profiles
from kubecfn.pki.keys import KeyType, PemFile, PrivateKey, key_file, new_key
from kubecfn.pki.profiles import Profile


@dataclass(frozen=True)
class Authority:
    """A certificate that signs others, with its key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)


@dataclass(frozen=True)
class Leaf:
    """A certificate and its key, as files."""

    certificate: PemFile
    key: PemFile


def certificate_file(certificate: x509.Certificate) -> PemFile:
    """Return a certificate as PEM."""
    return PemFile(certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def new_authority(profile: Profile, cluster: str, key_type: KeyType, now: datetime) -> Authority:
    """Make an authority that signs itself.

    Args:
        profile: one of the authorities' profiles.
        cluster: becomes the subject's O.
        key_type: of its key.
        now: aware; the certificate is valid from a little before.
    """
    key = new_key(key_type)
    builder = _builder(profile, cluster, key, now, now + profile.lifetime)
    builder = builder.issuer_name(_subject(profile, cluster)).add_extension(_issuer_id(key), critical=False)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def new_leaf(
    profile: Profile, authority: Authority, key_type: KeyType, now: datetime, sans: tuple[str, ...] = ()
) -> Leaf:
    """Make a key and a certificate for it, signed by the authority.

    Args:
        profile: one of the leaves' profiles.
        authority: who signs; the leaf ends with it at the latest, since it is worth nothing afterwards.
        key_type: of the leaf's key; need not be the authority's.
        now: aware; the certificate is valid from a little before.
        sans: DNS names and IP addresses, exactly when the profile takes them.
    """
    if bool(sans) != profile.takes_sans:
        raise ValueError(f"{profile.common_name} takes {'at least one' if profile.takes_sans else 'no'} name")
    key = new_key(key_type)
    ends = min(now + profile.lifetime, authority.certificate.not_valid_after_utc)
    builder = _builder(profile, "", key, now, ends)
    builder = builder.issuer_name(authority.certificate.subject)
    builder = builder.add_extension(_issuer_id(authority.key), critical=False)
    if sans:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(san) for san in sans]), critical=False
        )
    return Leaf(certificate_file(builder.sign(authority.key, hashes.SHA256())), key_file(key))


def issue_server_leaf(authority: Authority, sans: tuple[str, ...], *, now: datetime) -> Leaf:
    """Make what an etcd member shows, as nodes do for themselves at boot.

    Args:
        authority: the etcd authority.
        sans: the member's DNS names and IP addresses.
        now: aware.
    """
    return new_leaf(profiles.ETCD_MEMBER, authority, KeyType.P256, now, sans)


def _builder(profile: Profile, cluster: str, key: PrivateKey, now: datetime, ends: datetime) -> x509.CertificateBuilder:
    """Return everything that does not depend on who signs."""
    path_length = 0 if profile.authority else None
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(profile, cluster))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - profiles.BACKDATED_BY)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=profile.authority, path_length=path_length), critical=True)
        .add_extension(profile.usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if profile.purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(profile.purposes), critical=False)
    return builder


def _subject(profile: Profile, cluster: str) -> x509.Name:
    organization = cluster if profile.organization == "" else profile.organization
    names = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, profile.common_name)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in names if value])


def _issuer_id(key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _general_name(san: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(san))
    except ValueError:
        return x509.DNSName(san)
