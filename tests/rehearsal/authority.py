"""The authority that signs certificates for AWS's names in a rehearsal; the instances' image trusts it, nobody else does."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubecfn's rehearsal: AWS")])
_LIVES = dt.timedelta(days=3650)
_CERTIFICATE, _KEY = "ca.crt", "ca.key"


@dataclass(frozen=True)
class Authority:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def server(self, *names: str) -> ssl.SSLContext:
        """Return what a server of these names shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        sans = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = _builder(subject, key).issuer_name(self.certificate.subject).add_extension(sans, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:  # ssl takes files only
            file.write(certificate.public_bytes(serialization.Encoding.PEM) + _pem(key))
            file.flush()
            context.load_cert_chain(file.name)
        return context


def new() -> Authority:
    """Make one."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_NAME, key).issuer_name(_NAME)
    return Authority(
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256()),
        key,
    )


def keep(authority: Authority, folder: Path) -> None:
    """Write it into a folder."""
    (folder / _CERTIFICATE).write_bytes(authority.pem)
    (folder / _KEY).write_bytes(_pem(authority.key))
    (folder / _KEY).chmod(0o600)


def kept(folder: Path) -> Authority:
    """Read what `keep` wrote."""
    certificate = x509.load_pem_x509_certificate((folder / _CERTIFICATE).read_bytes())
    key = serialization.load_pem_private_key((folder / _KEY).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Authority(certificate, key)


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + _LIVES)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
