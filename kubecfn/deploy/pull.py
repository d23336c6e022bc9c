"""The cluster's keys back from the artifact bucket, for an operator on another machine.

The stack says which bundle its controllers run from and which certificate its functions show; only those bytes are taken. Nothing is written here: the keys
stay in memory until `kubecfn.pki.restore` has judged them.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath

from kubecfn.deploy.aws import NO_OBJECT, Aws, code_of, doing
from kubecfn.deploy.stacks import read_stack
from kubecfn.errors import AwsError, StackError
from kubecfn.pki import PemFile
from kubecfn.pki.layout import NODE_DIRECTORY

_COPY = "Copy the folder of keys from the machine that made them, or from a backup."
# A key or a certificate has a few thousand bytes: what is larger is not one.
_LONGEST_KEY = 1 << 20


def pull(aws: Aws, stack: str, cluster: str) -> dict[str, PemFile]:
    """Return the keys and certificates that the stack's controllers run from and its functions show.

    Args:
        aws: where the stack is.
        stack: its name.
        cluster: the cluster's name, under which its artifacts are.

    Returns:
        Files by absolute path on the node without the leading slash, as `kubecfn.pki.bundle_files` gives them; the
        functions' below the same folder.

    Raises:
        StackError: there is no such stack, or it was not made by kubecfn.
        AwsError: AWS refuses, or the bundle is gone or is not what the stack names.
    """
    named = _named_by(aws, stack)
    bucket = named["ArtifactBucket"]
    digest = named["ControllerBundleSha256"]
    key = f"{cluster}/controller/controller-{digest}.tar.gz"
    files = keys_in(_verified(aws, bucket, key, digest), f"s3://{bucket}/{key}")
    if digest := named.get("EtcdClientSha256", ""):  # a stack of before functions spoke to etcd has none
        key = f"{cluster}/functions/etcd-client-{digest}.json"
        files |= client_in(_verified(aws, bucket, key, digest), f"s3://{bucket}/{key}")
    return files


def _verified(aws: Aws, bucket: str, key: str, digest: str) -> bytes:
    data = _object(aws, bucket, key)
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise AwsError(
            f"s3://{bucket}/{key} was changed after it was uploaded: its SHA-256 is {found[:12]}…, not {digest[:12]}….",
            code="HashMismatch",
            remedy="Find out who wrote it (its versions and CloudTrail say). " + _COPY,
        )
    return data


def _named_by(aws: Aws, name: str) -> Mapping[str, str]:
    """Return the stack's parameters: the bucket, and what is taken from it by its SHA-256."""
    stack = read_stack(aws, name)
    if not stack.stands:
        raise StackError(
            f"There is no stack {name} in {aws.region} of account {aws.account} whose keys could be pulled "
            f"(its state is {stack.state.value}).",
            remedy="Check the name, the region and the profile; for a new cluster run `kubecfn keys make`.",
        )
    if not all(stack.parameters.get(name) for name in ("ArtifactBucket", "ControllerBundleSha256")):
        raise StackError(
            f"The stack {name} has no parameters ArtifactBucket and ControllerBundleSha256: it is not a cluster of kubecfn's.",
            remedy="Check the name in the configuration.",
        )
    return stack.parameters


def _object(aws: Aws, bucket: str, key: str) -> bytes:
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"fetching s3://{bucket}/{key}"):
        try:
            answer = aws.client("s3").get_object(Bucket=bucket, Key=key, ExpectedBucketOwner=aws.account)
            data: bytes = answer["Body"].read()
        except ClientError as error:
            if code_of(error) not in NO_OBJECT:
                raise
            raise AwsError(
                f"s3://{bucket}/{key}, which the stack names, is gone.",
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


def client_in(text: bytes, source: str) -> dict[str, PemFile]:
    """Return the functions' certificate and key for etcd, by the paths a set keeps them at.

    Args:
        text: JSON with PEM texts under ``cert`` and ``key``.
        source: names it in errors.

    Raises:
        AwsError: it is no such thing.
    """
    try:
        told = json.loads(text)
        return {
            f"{NODE_DIRECTORY}/etcd/lambda-client.crt": PemFile(told["cert"].encode()),
            f"{NODE_DIRECTORY}/etcd/lambda-client.key": PemFile(told["key"].encode(), 0o600),
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(source, f"it is no certificate with its key ({error!r})") from error


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
