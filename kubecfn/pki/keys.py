"""Keys as values: what makes them, what hides them, and the only way they reach a disk."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

# NIST SP 800-57 part 1, table 2: 3072-bit RSA is as strong as P-256 (128 bits). Service-account tokens are RS256
# signatures verified on every request; 2048 is what kubeadm makes and every verifier out there accepts.
RSA_BITS = 3072
SERVICE_ACCOUNT_RSA_BITS = 2048

# secretbox takes exactly 32 bytes (Kubernetes, "Encrypting Confidential Data at Rest", providers).
ENCRYPTION_KEY_BYTES = 32


class KeyType(StrEnum):
    """What authorities and leaves are made of; the service-account key is RSA always."""

    P256 = "P-256"
    RSA = "RSA"


@dataclass(frozen=True)
class PemFile:
    """The bytes of one file, never shown by accident.

    Attributes:
        data: the whole file.
        mode: permission bits it gets on a node. On the operator's machine every file of a set is 0600.
    """

    data: bytes = field(repr=False)
    mode: int = 0o600

    def __repr__(self) -> str:
        return f"PemFile(<{len(self.data)} bytes>, mode={self.mode:#o})"

    @property
    def sha256(self) -> str:
        """The fingerprint of the bytes, as 64 hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    def write_new(self, path: Path) -> None:
        """Write a file that must not exist yet: 0600 from its first moment, on the disk when this returns.

        Raises:
            OSError: it exists (FileExistsError), or the disk refused; then no file of this name is left behind.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with memoryview(self.data) as rest:
                written = 0
                while written < len(rest):
                    written += os.write(descriptor, rest[written:])
            os.fsync(descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


def new_key(key_type: KeyType) -> PrivateKey:
    """Make a key for an authority or a leaf."""
    if key_type is KeyType.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def new_service_account_key() -> rsa.RSAPrivateKey:
    """Make the key that signs service-account tokens."""
    return rsa.generate_private_key(public_exponent=65537, key_size=SERVICE_ACCOUNT_RSA_BITS)


def new_encryption_key() -> PemFile:
    """Make the key for EncryptionConfiguration's secretbox: base64 and a newline, as `secret:` wants it."""
    return PemFile(base64.b64encode(os.urandom(ENCRYPTION_KEY_BYTES)) + b"\n")


def key_file(key: PrivateKey) -> PemFile:
    """Return a private key as unencrypted PKCS #8, which kubeadm, etcd, openssl and Python's ssl all read."""
    pem = serialization.Encoding.PEM
    return PemFile(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def public_key_file(key: PrivateKey) -> PemFile:
    """Return the public half of a key as SubjectPublicKeyInfo."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return PemFile(key.public_key().public_bytes(serialization.Encoding.PEM, spki), mode=0o644)


def key_type_of(key: PrivateKey) -> KeyType:
    """Return what a key is made of."""
    return KeyType.RSA if isinstance(key, rsa.RSAPrivateKey) else KeyType.P256
