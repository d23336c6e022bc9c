"""Small JSON objects in S3 that several may write: conditional writes whose outcome is always known.

Amazon S3 User Guide, "Add preconditions to S3 operations with conditional requests": ``If-None-Match: *`` writes what is
not there yet, ``If-Match`` what is still as it was read; 412 and 409 refuse, and so does 404 when it is gone meanwhile.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

ABSENT = ("404", "NoSuchKey", "NotFound")
_REFUSED = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict", *ABSENT)


class StoreError(Exception):
    """Something in the bucket is not what it must be: one sentence with the key, what is wrong, and the remedy."""


@dataclass(frozen=True)
class Found:
    """An object and the version of it that was read."""

    fields: dict[str, Any]
    etag: str


def read(s3: Any, bucket: str, key: str) -> Found | None:
    """Return an object; None when there is none.

    Raises:
        ClientError: S3 refused; that is never "there is none".
        BotoCoreError: S3 did not answer, or only half.
        StoreError: it is no JSON object.
    """
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code(error) in ABSENT:
            return None
        raise
    text = answer["Body"].read()
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise StoreError(f"s3://{bucket}/{key} is no JSON ({error}); {REPAIR}") from error
    if not isinstance(fields, dict):
        raise StoreError(f"s3://{bucket}/{key} holds no JSON object; {REPAIR}")
    return Found(fields, str(answer["ETag"]))


REPAIR = "put an earlier version of it back (the bucket keeps versions)"


def write(s3: Any, bucket: str, key: str, fields: dict[str, Any], over: str = "") -> Found | None:
    """Write an object if nobody else did meanwhile; None when somebody did.

    botocore repeats a write whose answer was lost, and is then refused because of its own first try: what is there is
    read back before anyone is believed to have won. So ``fields`` have to say who wrote them, and when.

    Args:
        s3: the client.
        bucket: its name.
        key: the object's key.
        fields: JSON.
        over: the ETag of the version to replace; empty when there must be none.

    Raises:
        ClientError: S3 refused for another reason; the write may have happened when it is a 5xx.
        BotoCoreError: S3 did not answer; the write may have happened.
    """
    condition = {"IfMatch": over} if over else {"IfNoneMatch": "*"}
    body = json.dumps(fields, sort_keys=True).encode()
    try:
        answer = s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json", **condition)
    except ClientError as error:
        if code(error) not in _REFUSED:
            raise
        found = read(s3, bucket, key)
        return found if found and found.fields == json.loads(body) else None
    return Found(json.loads(body), str(answer["ETag"]))


def put(s3: Any, bucket: str, key: str, fields: dict[str, Any]) -> None:
    """Write an object that only its own writer ever writes."""
    body = json.dumps(fields, sort_keys=True).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


def listed(s3: Any, bucket: str, prefix: str) -> list[dict[str, Any]]:
    """Return every entry under a prefix, as ListObjectsV2 gives it: Key, ETag, Size, LastModified."""
    found: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
        found += answer.get("Contents", [])
        if not answer.get("IsTruncated"):
            return found
        more = {"ContinuationToken": answer["NextContinuationToken"]}


def code(error: ClientError) -> str:
    """Return AWS's code of an error; for answers without a body that is the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))
