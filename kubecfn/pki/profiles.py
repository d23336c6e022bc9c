"""What each certificate is and may do: every usage bit, name and lifetime in one table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku

# kubeadm's own periods (ClusterConfiguration v1beta4: caCertificateValidityPeriod, certificateValidityPeriod).
AUTHORITY_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=365)

# A new node's clock may run behind the operator's until it has been set; without this it would refuse a
# certificate that was made a moment ago as "not yet valid". kubeadm backdates by the same five minutes.
BACKDATED_BY = timedelta(minutes=5)

SIGN_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)

# Signing is all that TLS 1.3, and ECDHE in 1.2, ask of a leaf's key. RSA key exchange would need key_encipherment;
# Go refuses it by default since 1.22 and it has no forward secrecy.
SIGN_HANDSHAKES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Profile:
    """What a certificate of one kind carries.

    Attributes:
        common_name: the subject's CN; Kubernetes reads it as the user name.
        organization: the subject's O; Kubernetes reads it as a group. "" = the cluster's name (authorities only, to
            tell the authorities of two clusters apart) and None = no O at all.
        authority: it may sign others, leaves only (path length 0).
        usage: the KeyUsage extension, critical.
        purposes: the ExtendedKeyUsage extension; empty = none.
        takes_sans: its subject alternative names come from the caller; otherwise it has none.
        lifetime: from now to its end; a leaf ends with its authority at the latest.
    """

    common_name: str
    organization: str | None
    authority: bool
    usage: x509.KeyUsage
    purposes: tuple[x509.ObjectIdentifier, ...]
    takes_sans: bool
    lifetime: timedelta


def _authority(common_name: str) -> Profile:
    return Profile(common_name, "", True, SIGN_CERTIFICATES, (), False, AUTHORITY_LIFETIME)


def _client(common_name: str, group: str | None = None) -> Profile:
    # No SAN: etcd compares the remote address with a client's SANs as soon as it has one
    # (etcd client/pkg/transport/listener_tls.go, checkCertSAN), and a function has no address of its own.
    return Profile(common_name, group, False, SIGN_HANDSHAKES, (Eku.CLIENT_AUTH,), False, LEAF_LIFETIME)


# kubeadm's own common names (kubeadm phases/certs/certlist.go).
KUBERNETES_AUTHORITY = _authority("kubernetes")
ETCD_AUTHORITY = _authority("etcd-ca")
FRONT_PROXY_AUTHORITY = _authority("front-proxy-ca")

LAMBDA_ETCD_CLIENT = _client("kubecfn-lambda-etcd-client")

# system:masters, not kubeadm:cluster-admins: this is the key for the day when RBAC is broken or not there yet, and
# only system:masters is authorized without any RBAC object (Kubernetes, "PKI certificates and requirements").
# The price: it cannot be revoked before it ends. So it lives for a year, stays offline, and daily access is IAM's.
ADMIN = _client("kubernetes-admin", "system:masters")

# What an etcd member shows: servers are also clients of their peers. Nodes issue their own at boot.
ETCD_MEMBER = Profile(
    "etcd-member", None, False, SIGN_HANDSHAKES, (Eku.SERVER_AUTH, Eku.CLIENT_AUTH), True, LEAF_LIFETIME
)
