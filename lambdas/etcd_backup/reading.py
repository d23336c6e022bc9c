"""Reading a snapshot back, in bounded memory: that an object is there says nothing about what is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from kubecfn.etcd.snapshots import metadata
from kubecfn.etcd.store import Snapshot, StoreError

# What is read of a larger one: a function has seconds for it, not minutes.
MOST = 512 * 1024 * 1024
_CHUNK = 1 << 20


def read_back(
    s3: Any, bucket: str, cluster: str, snapshot: Snapshot, *, may_go_on: Callable[[], bool], most: int = MOST
) -> int:
    """Read a snapshot as it lies in the bucket; return how many bytes were read.

    All of it is compared with the SHA-256 of its metadata. Of one larger than `most`, or when the time is used, the
    beginning is only read: fewer bytes than its size were checked then.

    Raises:
        StoreError: it is another cluster's, damaged, or shorter than it should be.
        ClientError: S3 refused.
        BotoCoreError: S3 broke off.
    """
    where = f"s3://{bucket}/{snapshot.key}"
    about = metadata(s3, bucket, snapshot.key)
    if about.get("cluster") != cluster:
        raise StoreError(f"{where} is a snapshot of {about.get('cluster') or 'no known cluster'}, not of {cluster}")
    whole = int(about["size"])
    part = {"Range": f"bytes=0-{most - 1}"} if whole > most else {}
    digest, size = hashlib.sha256(), 0
    for chunk in s3.get_object(Bucket=bucket, Key=snapshot.key, **part)["Body"].iter_chunks(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
        if not may_go_on():
            return size
    if size != min(whole, most):
        raise StoreError(f"{where} is damaged: {size} bytes came, {min(whole, most)} were to come")
    if not part and digest.hexdigest() != about.get("sha256"):
        raise StoreError(
            f"{where} is damaged: its SHA-256 is {digest.hexdigest()}, not {about.get('sha256') or 'known'}; "
            "make a new backup and keep an older one until then"
        )
    return size
