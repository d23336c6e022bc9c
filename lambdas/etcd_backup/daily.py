"""One copy a day, which the bucket keeps for a month where the others are kept for days."""

from __future__ import annotations

from datetime import date
from typing import Any

from kubecfn.etcd import keys
from kubecfn.etcd.store import Snapshot, StoreError

# Amazon S3 API Reference, CopyObject: "up to 5 GB in size in a single atomic action".
_MOST = 5 * 1024**3


def copy_daily(s3: Any, bucket: str, newest: Snapshot, today: date) -> str:
    """Copy the newest snapshot unless this day has its copy; return the copy's key, empty when it was there.

    Raises:
        StoreError: it is too large for one copy.
        ClientError: S3 refused.
    """
    date = today.isoformat()
    if s3.list_objects_v2(Bucket=bucket, Prefix=keys.day(date), MaxKeys=1).get("Contents"):
        return ""
    if newest.size > _MOST:
        raise StoreError(f"s3://{bucket}/{newest.key} has {newest.size} bytes, too many for a daily copy; compact etcd")
    key = keys.copy(newest.key, date)
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": newest.key})
    return key
