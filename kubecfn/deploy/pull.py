"""The cluster's keys back from the artifact bucket, for an operator on another machine.

The stack says which bundle its controllers run from; only those bytes are taken. Nothing is written here: the keys
stay in memory until `kubecfn.pki.restore` has judged them.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import PurePosixPath

from kubecfn.deploy.aws import Aws, code_of, doing
from kubecfn.deploy.stacks import read_stack
from kubecfn.errors import AwsError, StackError
from kubecfn.pki import PemFile
from kubecfn.pki.layout import NODE_DIRECTORY

_COPY = "Copy the folder of keys from the machine that made them, or from a backup."
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
# A key or a certificate has a few thousand bytes: what is larger is not one.
_LONGEST_KEY = 1 << 20


def pull(aws: Aws, stack: str, cluster: str) -> dict[str, PemFile]:
    """Return the keys and certificates of the bundle that the stack's controllers run from.

    Args:
        aws: where the stack is.
        stack: its name.
        cluster: the cluster's name, under which its artifacts are.

    Returns:
        Files by absolute path on the node without the leading slash, as `kubecfn.pki.bundle_files` gives them.

    Raises:
        StackError: there is no such stack, or it was not made by kubecfn.
        AwsError: AWS refuses, or the bundle is gone or is not what the stack names.
    """
    bucket, digest = _named_by(aws, stack)
    key = f"{cluster}/controller/controller-{digest}.tar.gz"
    data = _object(aws, bucket, key)
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise AwsError(
            f"s3://{bucket}/{key} was changed after it was uploaded: its SHA-256 is {found[:12]}…, not {digest[:12]}….",
            code="HashMismatch",
            remedy="Find out who wrote it (its versions and CloudTrail say). " + _COPY,
        )
    return keys_in(data, f"s3://{bucket}/{key}")


def _named_by(aws: Aws, name: str) -> tuple[str, str]:
    """Return the bucket and the SHA-256 of the controllers' bundle."""
    stack = read_stack(aws, name)
    if not stack.stands:
        raise StackError(
            f"There is no stack {name} in {aws.region} of account {aws.account} whose keys could be pulled "
            f"(its state is {stack.state.value}).",
            remedy="Check the name, the region and the profile; for a new cluster run `kubecfn keys make`.",
        )
    bucket, digest = stack.parameters.get("ArtifactBucket"), stack.parameters.get("ControllerBundleSha256")
    if not bucket or not digest:
        raise StackError(
            f"The stack {name} has no parameters ArtifactBucket and ControllerBundleSha256: it is not a cluster of kubecfn's.",
            remedy="Check the name in the configuration.",
        )
    return bucket, digest


def _object(aws: Aws, bucket: str, key: str) -> bytes:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"fetching s3://{bucket}/{key}"):
        try:
            answer = aws.client("s3").get_object(Bucket=bucket, Key=key, ExpectedBucketOwner=aws.account)
            data: bytes = answer["Body"].read()
        except ClientError as error:
            if code_of(error) not in _ABSENT:
                raise
            raise AwsError(
                f"s3://{bucket}/{key}, from which the controllers run, is gone.",
                code=code_of(error),
                remedy="Bring back its last version in the bucket before a controller is replaced. " + _COPY,
            ) from error
    return data


def keys_in(archive: bytes, source: str) -> dict[str, PemFile]:
    """Return the files of a bundle below the nodes' directory of keys, without unpacking anything to a disk.

    Args:
        archive: a gzipped tar.
        source: names it in errors.

    Raises:
        AwsError: it is no archive, or an entry in that place is a link, a device, out of place or too long.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            return {
                member.name: PemFile(_content(tar, member, source), member.mode & 0o777)
                for member in tar
                if PurePosixPath(member.name).is_relative_to(NODE_DIRECTORY) and not member.isdir()
            }
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _unusable(source, f"it is not a whole archive ({error})") from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, source: str) -> bytes:
    """Return the bytes of one entry that can be a key."""
    if not member.isreg():
        raise _unusable(source, f"{member.name} in it is not a regular file")
    if ".." in PurePosixPath(member.name).parts:
        raise _unusable(source, f"{member.name} in it leads out of its place")
    if member.size > _LONGEST_KEY:
        raise _unusable(source, f"{member.name} in it has {member.size:,} bytes, which no key has")
    file = tar.extractfile(member)
    assert file is not None, "regular files have contents"
    return file.read()


def _unusable(source: str, reason: str) -> AwsError:
    return AwsError(f"{source} is no bundle of kubecfn's: {reason}.", code="NotABundle", remedy=_COPY)
