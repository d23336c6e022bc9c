"""Who signed a call: the operator, a service of ours, a session of a role, a user, or nobody we issued keys to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from kubecfn.local.api import Answer, Call
from kubecfn.local.signature import Signature, is_expired, is_genuine, is_skewed
from kubecfn.local.world import partition_of


class Kind(StrEnum):
    """Whose keys signed."""

    OPERATOR = "operator"
    SERVICE = "service"
    ROLE = "role"
    USER = "user"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True)
class Caller:
    """Who made a call.

    Attributes:
        kind: whose keys signed it.
        arn: as GetCallerIdentity answers it; ``service`` and ``anonymous`` for these.
        account: twelve digits.
        user_id: as GetCallerIdentity answers it.
        principal: ARN of the role or user whose policies count; empty for the others.
    """

    kind: Kind
    arn: str
    account: str
    user_id: str = ""
    principal: str = ""


class IdentityError(Exception):
    """The signer is not accepted; `kind` is one of `kubecfn.local.common_errors.KINDS`."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True)
class Keys:
    """Credentials as a client uses them."""

    access_key: str
    secret: str
    token: str = ""


_OURS = re.compile(r"AKIA(?P<account>\d{12})(?P<who>OPER|SRVC)")


def operator_keys(account: str) -> Keys:
    """Return the fixed keys of an account's operator: worthless anywhere but here, and the same in every run."""
    return _keys(f"AKIA{account}OPER")


def service_keys(account: str) -> Keys:
    """Return the keys the embedded services sign with among themselves."""
    return _keys(f"AKIA{account}SRVC")


def _keys(access_key: str) -> Keys:
    return Keys(access_key, f"kubecfn-local-not-a-secret-{access_key}")


def identify(signature: Signature | None, account: str) -> Caller:
    """Return who a request's keys belong to.

    Args:
        signature: what the request claims; None when it is unsigned.
        account: the account that unsigned requests are counted for.

    Raises:
        IdentityError: nobody issued these keys, the token does not belong to them, or the session has ended.
    """
    if signature is None:
        return Caller(Kind.ANONYMOUS, "anonymous", account)
    partition = partition_of(signature.region)
    if ours := _OURS.fullmatch(signature.key):
        if ours["who"] == "SRVC":
            return Caller(Kind.SERVICE, "service", ours["account"])
        arn = f"arn:{partition}:iam::{ours['account']}:user/operator"
        return Caller(Kind.OPERATOR, arn, ours["account"], "AIDAOPERATOR000000000")
    if session := _session(signature.key):
        if signature.token != session.session_token:
            raise IdentityError("unknown-key")
        if session.expiration < utcnow():
            raise IdentityError("expired")
        return Caller(Kind.ROLE, session.arn, session.account_id, session.user_id, session.role_arn)
    for owner, key in _user_keys(signature.key):
        arn = f"arn:{partition}:iam::{owner}:user/{key.user_name}"
        return Caller(Kind.USER, arn, owner, f"AIDA{key.user_name}"[:21], arn)
    raise IdentityError("unknown-key")


def _session(key: str) -> Any:
    """Return moto's record of the role session that owns a key, or None."""
    for partitions in list(sts_backends.values()):
        for backend in list(partitions.values()):
            if session := backend.get_assumed_role_from_access_key(key):
                return session
    return None


def _user_keys(key: str) -> Iterator[tuple[str, Any]]:
    for account, partitions in list(iam_backends.items()):
        for backend in list(partitions.values()):
            found = backend.access_keys.get(key)
            if found is not None and found.user_name:
                yield account, found


def _secret(key: str) -> str:
    if _OURS.fullmatch(key):
        return _keys(key).secret
    if session := _session(key):
        return str(session.secret_access_key)
    return next((str(found.secret_access_key) for _, found in _user_keys(key)), "")


def check_signature(signature: Signature, environ: Mapping[str, Any], body: bytes) -> None:
    """Verify that the owner of the key signed exactly this request, by a clock that is right, and not too long ago.

    Raises:
        IdentityError: it is too old, of another time, or was not signed so.
    """
    if signature.presigned and is_expired(environ, datetime.now(UTC)):
        raise IdentityError("expired")
    if not signature.presigned and is_skewed(environ, signature, datetime.now(UTC)):
        raise IdentityError("skewed")
    if not is_genuine(environ, signature, _secret(signature.key), body):
        raise IdentityError("signature")


def caller_identity(call: Call, caller: Caller) -> Answer:
    """Answer GetCallerIdentity ("AWS STS API Reference: GetCallerIdentity")."""
    return {"Account": call.account, "Arn": caller.arn, "UserId": caller.user_id}


def environment(endpoint: str, region: str, keys: Keys) -> dict[str, str]:
    """Return the environment variables that point any AWS program at a gate, as the owner of `keys`."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }
