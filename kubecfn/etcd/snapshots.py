"""The snapshots in the bucket: their keys say their order, their metadata what they must be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from kubecfn.etcd import keys, objects
from kubecfn.etcd.objects import StoreError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Snapshot:
    """One snapshot, as the listing has it; what it must be is in its metadata."""

    key: str
    epoch: int
    revision: int
    instance: str
    size: int
    at: datetime


def parsed(entry: dict[str, Any]) -> Snapshot | None:
    """Return what an entry of the listing is; None when it is no snapshot of ours."""
    found = keys.named(entry["Key"])
    return Snapshot(entry["Key"], *found, entry["Size"], entry["LastModified"]) if found else None


def newest_first(entries: list[dict[str, Any]]) -> tuple[Snapshot, ...]:
    """Return the snapshots among these entries; of one epoch the highest revision is the newest."""
    found = [one for one in map(parsed, entries) if one]
    return tuple(sorted(found, key=lambda one: (one.epoch, one.revision, one.key), reverse=True))


def metadata(s3: Any, bucket: str, wanted: str) -> dict[str, str]:
    """Return what was said of a snapshot when it was made, and its ``size`` in bytes.

    Raises:
        StoreError: there is none of this key.
        ClientError: S3 refused.
    """
    try:
        answer = s3.head_object(Bucket=bucket, Key=wanted)
    except ClientError as error:
        if objects.code(error) in objects.ABSENT:
            raise StoreError(f"s3://{bucket}/{wanted} is not there; list the snapshots and choose another") from None
        raise
    return {**answer["Metadata"], "size": str(answer["ContentLength"])}


def fetch(s3: Any, bucket: str, cluster: str, wanted: str, target: Path) -> dict[str, str]:
    """Bring a snapshot to a file, which is there whole and verified, or not at all; return its metadata.

    Raises:
        StoreError: it is another cluster's, or not what was uploaded: its size or its SHA-256 differs.
        ClientError: S3 refused.
        BotoCoreError: S3 did not answer, or only half.
    """
    about = metadata(s3, bucket, wanted)
    where = f"s3://{bucket}/{wanted}"
    if about.get("cluster") != cluster:
        raise StoreError(f"{where} is a snapshot of {about.get('cluster') or 'no known cluster'}, not of {cluster}")
    beside = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    size = 0
    body = s3.get_object(Bucket=bucket, Key=wanted)["Body"]
    with beside.open("wb") as file:
        for chunk in iter(lambda: body.read(_CHUNK), b""):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
    if (str(size), digest.hexdigest()) != (about["size"], about.get("sha256")):
        beside.unlink()
        raise StoreError(
            f"{where} is damaged: {size} bytes with SHA-256 {digest.hexdigest()} came, "
            f"{about['size']} with {about.get('sha256') or 'none'} were to come"
        )
    beside.replace(target)
    return about


def upload(s3: Any, bucket: str, wanted: str, path: Path, about: dict[str, str]) -> str:
    """Upload a snapshot unless it is there; return its SHA-256. One revision of one instance is one content.

    Raises:
        ClientError: S3 refused.
    """
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    told = {**about, "sha256": digest.hexdigest()}
    try:
        with path.open("rb") as file:
            s3.put_object(Bucket=bucket, Key=wanted, Body=file, Metadata=told, IfNoneMatch="*")
    except ClientError as error:
        if objects.code(error) not in ("412", "PreconditionFailed"):
            raise
    return told["sha256"]


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_CHUNK), b"")
