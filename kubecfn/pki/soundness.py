"""Whether the bytes of an item are what they must be, and belong to the authority beside them; no disk, no clock."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Mapping
from typing import assert_never

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from kubecfn.pki.keys import ENCRYPTION_KEY_BYTES, SERVICE_ACCOUNT_RSA_BITS, PemFile, PrivateKey
from kubecfn.pki.layout import BY_NAME, Item, Kind

Sound = tuple[x509.Certificate | None, PrivateKey | None]


class UnsoundError(Exception):
    """One file of an item is not what it should be: its path, and why as a clause."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path
        self.reason = reason


def parse(item: Item, files: Mapping[str, PemFile], issuer: x509.Certificate | None) -> Sound:
    """Read an item's files as what they must be.

    Args:
        item: which one.
        files: all its files, by path.
        issuer: the certificate of what it is made from; None = not known to be sound, so not compared with.

    Returns:
        The certificate that says when the item ends, and its private key; None where it has none.

    Raises:
        UnsoundError: one of the files is something else, or they do not belong together.
    """
    match item.kind:
        case Kind.AUTHORITY:
            return _authority(item, files)
        case Kind.CLIENT:
            return _client(item, files, issuer)
        case Kind.SERVICE_ACCOUNT:
            return _service_account(item, files)
        case Kind.ENCRYPTION:
            return _encryption(item, files)
        case Kind.KUBECONFIG:
            return _kubeconfig(item, files, issuer)
        case unreachable:
            assert_never(unreachable)


def _authority(item: Item, files: Mapping[str, PemFile]) -> Sound:
    certificate, key = _pair(item, files)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        signs_others = constraints.ca
    except (x509.ExtensionNotFound, ValueError):
        signs_others = False
    if not (signs_others and _signed(certificate, certificate)):
        raise UnsoundError(item.files[0].path, "it is not an authority that signed itself")
    return certificate, key


def _client(item: Item, files: Mapping[str, PemFile], issuer: x509.Certificate | None) -> Sound:
    certificate, key = _pair(item, files)
    if issuer and not _signed(certificate, issuer):
        authority = BY_NAME[item.issuer or ""].files[0].path
        raise UnsoundError(item.files[0].path, f"it is not signed by {authority}")
    return certificate, key


def _service_account(item: Item, files: Mapping[str, PemFile]) -> Sound:
    private_path, public_path = (file.path for file in item.files)
    key = _key(files, private_path)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < SERVICE_ACCOUNT_RSA_BITS:
        raise UnsoundError(private_path, f"it is not an RSA key of at least {SERVICE_ACCOUNT_RSA_BITS} bits")
    try:
        public = serialization.load_pem_public_key(files[public_path].data)
    except (ValueError, UnsupportedAlgorithm):
        raise UnsoundError(public_path, "it is not a PEM public key") from None
    if public != key.public_key():
        raise UnsoundError(public_path, f"it is not the public half of {private_path}")
    return None, key


def _encryption(item: Item, files: Mapping[str, PemFile]) -> Sound:
    path = item.files[0].path
    try:
        length = len(base64.b64decode(files[path].data.strip(), validate=True))
    except binascii.Error:
        length = 0
    if length != ENCRYPTION_KEY_BYTES:
        raise UnsoundError(path, f"it is not the base64 of {ENCRYPTION_KEY_BYTES} bytes")
    return None, None


def _kubeconfig(item: Item, files: Mapping[str, PemFile], issuer: x509.Certificate | None) -> Sound:
    """Accept what kubectl makes of it (contexts, namespaces), as long as the certificate in it is the one beside it."""
    path = item.files[0].path
    if issuer and base64.b64encode(issuer.public_bytes(serialization.Encoding.PEM)) not in files[path].data:
        raise UnsoundError(path, "the certificate in it is not admin.crt")
    return issuer, None


def _pair(item: Item, files: Mapping[str, PemFile]) -> tuple[x509.Certificate, PrivateKey]:
    certificate_path, key_path = (file.path for file in item.files)
    try:
        certificate = x509.load_pem_x509_certificate(files[certificate_path].data)
    except ValueError:
        raise UnsoundError(certificate_path, "it is not a PEM certificate") from None
    key = _key(files, key_path)
    if key.public_key() != certificate.public_key():
        raise UnsoundError(key_path, f"it is not the key of {certificate_path}")
    return certificate, key


# A command looks at the same key several times, and to prove an RSA key's numbers takes 50 ms.
@functools.lru_cache(maxsize=32)
def _loaded(data: bytes) -> PrivateKeyTypes:
    return serialization.load_pem_private_key(data, password=None)


def _key(files: Mapping[str, PemFile], path: str) -> PrivateKey:
    try:
        key = _loaded(files[path].data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnsoundError(path, "it is not an unencrypted PEM private key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise UnsoundError(path, "it is neither an RSA nor an elliptic-curve key")
    return key


def _signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
