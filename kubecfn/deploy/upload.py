"""Artifacts into the bucket by the hash of their bytes: what is there is not sent again, and never trusted unseen.

Source: S3 User Guide, "Checking object integrity", "Conditional writes"; S3 API reference, PutObject, HeadObject.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubecfn.deploy.aws import NO_OBJECT, Aws, code_of, doing
from kubecfn.deploy.bucket import ArtifactBucket
from kubecfn.deploy.progress import Kind, Progress, Reporter, silent
from kubecfn.errors import AwsError, FileError

# 412: someone was first, or our own lost answer was; 409: someone writes right now (S3: "Conditional writes").
_CONTESTED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


@dataclass(frozen=True)
class Artifact:
    """A local file and its place.

    Attributes:
        path: the file.
        key: where it goes in the bucket; contains the hash.
        sha256: of its bytes, in hex.
    """

    path: Path
    key: str
    sha256: str


@dataclass(frozen=True)
class Uploaded:
    """An artifact that is in the bucket.

    Attributes:
        sent: False when it was there already.
    """

    artifact: Artifact
    sent: bool


def upload(
    aws: Aws, bucket: ArtifactBucket, artifacts: Iterable[Artifact], *, report: Reporter = silent
) -> tuple[Uploaded, ...]:
    """Put every artifact into the bucket and see that what is there is what its name says.

    Raises:
        FileError: a local file is missing, or its bytes are not what its name says.
        AwsError: S3 refuses; the bucket is someone else's; an object's bytes are not what its name says.
    """
    wanted = list(artifacts)
    done = []
    for position, artifact in enumerate(wanted, 1):
        data = _read(artifact)
        sent = put(aws, bucket, artifact.key, data)
        text = f"{artifact.path.name}: {'sent' if sent else 'already there'} ({len(data):,} bytes)"
        report(Progress(Kind.UPLOAD, text, position, len(wanted), detail={"key": artifact.key, "sent": sent}))
        done.append(Uploaded(artifact, sent))
    return tuple(done)


def put(aws: Aws, bucket: ArtifactBucket, key: str, data: bytes) -> bool:
    """Put bytes under a key that nothing else may ever hold; return whether they were sent.

    Raises:
        AwsError: S3 refuses, or the key holds other bytes.
    """
    digest = hashlib.sha256(data).hexdigest()
    if _is_there(aws, bucket, key, digest):
        return False
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"uploading s3://{bucket.name}/{key}"):
        try:
            aws.client("s3").put_object(
                Bucket=bucket.name,
                Key=key,
                Body=data,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_base64(digest),
                ServerSideEncryption="aws:kms",
                SSEKMSKeyId=bucket.key_arn,
                BucketKeyEnabled=True,
                ExpectedBucketOwner=aws.account,
                IfNoneMatch="*",
            )
        except ClientError as error:
            if code_of(error) == "NoSuchBucket":
                raise _no_bucket(bucket.name) from error
            if code_of(error) not in _CONTESTED:
                raise
    # Read back: whoever was first, only the right bytes count.
    if not _is_there(aws, bucket, key, digest):
        raise AwsError(
            f"s3://{bucket.name}/{key} is missing right after it was uploaded.",
            code="NoSuchKey",
            remedy="Someone deletes from the bucket: see its lifecycle rules and access logs, then repeat.",
        )
    return True


def _no_bucket(name: str) -> AwsError:
    return AwsError(
        f"There is no bucket {name} yet.", code="NoSuchBucket", remedy="Run kubecfn upload first: it makes the bucket."
    )


def _read(artifact: Artifact) -> bytes:
    try:
        data = artifact.path.read_bytes()
    except OSError as error:
        raise FileError(
            f"The artifact {artifact.path} cannot be read: {error.strerror or error}.",
            remedy="Run kubecfn template again, which makes it anew.",
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != artifact.sha256:
        raise FileError(
            f"The artifact {artifact.path} was changed after it was made: its SHA-256 is {found[:12]}…, not {artifact.sha256[:12]}….",
            remedy="Delete it and run kubecfn template again, which makes it anew.",
        )
    return data


def _is_there(aws: Aws, bucket: ArtifactBucket, key: str, digest: str) -> bool:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"looking for s3://{bucket.name}/{key}"):
        try:
            head = aws.client("s3").head_object(
                Bucket=bucket.name, Key=key, ChecksumMode="ENABLED", ExpectedBucketOwner=aws.account
            )
        except ClientError as error:
            if code_of(error) in NO_OBJECT:
                return False
            raise
        found = _digest(aws, bucket, key, head)
    if found != digest:
        raise AwsError(
            f"s3://{bucket.name}/{key} was changed after it was uploaded: its SHA-256 is {found[:12]}…, not {digest[:12]}….",
            code="HashMismatch",
            remedy="Find out who wrote it (its versions and CloudTrail say), delete that version, then repeat.",
        )
    return True


def _digest(aws: Aws, bucket: ArtifactBucket, key: str, head: Any) -> str:
    """Return an object's SHA-256 in hex: S3's own checksum, or for an object without one that of its bytes."""
    checksum = head.get("ChecksumSHA256")
    if checksum and head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        return base64.b64decode(checksum).hex()
    answer = aws.client("s3").get_object(Bucket=bucket.name, Key=key, ExpectedBucketOwner=aws.account)
    return hashlib.sha256(answer["Body"].read()).hexdigest()


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
