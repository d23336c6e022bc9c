"""A controller's certificate that has to be renewed, and what its API server shows."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

A_YEAR = 365
# Of a year that is nearly over.
_LEFT = 30


@dataclass(frozen=True)
class Shown:
    """A certificate, by its number, and the days that it lasts from now."""

    number: int
    days: int


def age(pki: Path) -> Shown:
    """Put a certificate in the API server's place that is the same but for its dates: it was issued eleven months ago.

    Args:
        pki: kubeadm's folder, with the authority and its key.
    """
    old = x509.load_pem_x509_certificate((pki / "apiserver.crt").read_bytes())
    authority = x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes())
    key = serialization.load_pem_private_key((pki / "ca.key").read_bytes(), None)
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(issuer_name=authority.subject, subject_name=old.subject, public_key=old.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=A_YEAR - _LEFT)).not_valid_after(now + timedelta(days=_LEFT))
    for one in old.extensions:
        made = made.add_extension(one.value, one.critical)
    signed = made.sign(key, hashes.SHA256())  # type: ignore[arg-type]  # RSA or ECDSA
    (pki / "apiserver.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return _told(signed)


def shown(address: str, name: str, authority: str) -> Shown | None:
    """Return what an API server shows; None when there is nobody.

    Raises:
        SSLCertVerificationError: it is not to be trusted.
    """
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(cadata=authority)
    try:
        with (
            socket.create_connection((address, 6443), 2.0) as plain,
            trust.wrap_socket(plain, server_hostname=name) as secure,
        ):
            return _told(x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b""))
    except ssl.SSLCertVerificationError:
        raise
    except OSError:
        return None


def _told(certificate: x509.Certificate) -> Shown:
    return Shown(certificate.serial_number, (certificate.not_valid_after_utc - datetime.now(UTC)).days)
