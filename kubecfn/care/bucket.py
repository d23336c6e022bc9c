"""The cluster's bucket as an operator reads it: every failure one sentence, "could not be asked" never "is not there"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubecfn.care.choose import Choice, in_order
from kubecfn.deploy.aws import Aws, doing
from kubecfn.errors import AwsError
from kubecfn.etcd import keys, objects
from kubecfn.etcd.store import Store, StoreError


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn every failure inside the block into one that a person understands.

    Args:
        what: continues "While …".

    Raises:
        AwsError: S3 refused, or an object is not what it must be.
    """
    with doing(what):
        try:
            yield
        except StoreError as error:
            sentence, _, remedy = str(error).partition("; ")
            raise AwsError(f"While {what}: {sentence}.", code="Damaged", remedy=_sentence(remedy)) from error


def _sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:].rstrip('.')}." if clause else ""


def store(aws: Aws, bucket: str, cluster: str) -> Store:
    """Return the cluster's store, for calls inside `reading`."""
    return Store(aws.client("s3"), bucket, cluster)


def choices(aws: Aws, bucket: str) -> tuple[Choice, ...]:
    """Return every snapshot and daily copy, newest first.

    Raises:
        AwsError: S3 could not be asked.
    """
    s3 = aws.client("s3")
    with reading(f"listing the snapshots in s3://{bucket}"):
        entries = [entry for prefix in (keys.SNAPSHOTS, keys.DAILY) for entry in objects.listed(s3, bucket, prefix)]
    return in_order(choice for choice in map(_choice, entries) if choice)


def _choice(entry: dict[str, Any]) -> Choice | None:
    found = keys.named(entry["Key"])
    if found is None:
        return None
    epoch, revision, instance = found
    return Choice(entry["Key"], epoch, revision, int(entry["Size"]), entry["LastModified"], instance)
