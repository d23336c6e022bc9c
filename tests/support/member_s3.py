"""A bucket in memory: conditional writes as S3 makes them, and whatever should go wrong."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

BEGIN = datetime(2026, 11, 21, 10, tzinfo=UTC)


def refused(code: str, operation: str = "GetObject") -> ClientError:
    status = {"NoSuchKey": 404, "PreconditionFailed": 412, "AccessDenied": 403, "SlowDown": 503}.get(code, 500)
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


class Bucket:
    """The objects; each node has a client of its own, so that faults can strike one."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, dict[str, str], datetime, str]] = {}
        self.writes: list[tuple[str, bytes]] = []
        self._count = 0

    def put(self, key: str, body: bytes, metadata: dict[str, str], at: datetime) -> str:
        """Write."""
        self._count += 1
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}-{self._count}"'
        self.objects[key] = (body, metadata, at, etag)
        self.writes.append((key, body))
        return etag


# (operation, key) -> what to raise, seconds to take, or None; "lost" does it and then reports the failure.
Fault = Callable[[str, str], "Exception | float | str | None"]


class S3:
    """A client: the few operations that a store uses."""

    def __init__(self, world, bucket: Bucket) -> None:
        self._world = world
        self._bucket = bucket
        self.fault: Fault = lambda _operation, _key: None

    def _call(self, operation: str, key: str, act):
        self._world.step(f"s3 {operation} {key}")
        fault = self.fault(operation, key)
        if isinstance(fault, float):
            self._world.sim.wait(fault)
        elif isinstance(fault, Exception):
            raise fault
        done = act()
        self._world.step(f"s3 {operation} {key} answered")
        if fault == "lost" and operation == "put_object":
            done = act()
        return done

    def get_object(self, Bucket, Key):  # noqa: N803  boto3's names
        """Read."""

        def act():
            if Key not in self._bucket.objects:
                raise refused("NoSuchKey")
            body, metadata, _, etag = self._bucket.objects[Key]
            return {"Body": io.BytesIO(body), "ETag": etag, "Metadata": metadata, "ContentLength": len(body)}

        return self._call("get_object", Key, act)

    def head_object(self, Bucket, Key):  # noqa: N803
        """Look at."""

        def act():
            if Key not in self._bucket.objects:
                raise refused("404", "HeadObject")
            body, metadata, _, etag = self._bucket.objects[Key]
            return {"ETag": etag, "Metadata": metadata, "ContentLength": len(body)}

        return self._call("head_object", Key, act)

    def put_object(self, Bucket, Key, Body, Metadata=None, IfMatch="", IfNoneMatch="", ContentType=""):  # noqa: N803
        """Write, under S3's conditions."""
        body = Body if isinstance(Body, bytes) else Body.read()

        def act():
            there = self._bucket.objects.get(Key)
            if (IfNoneMatch and there) or (IfMatch and there and there[3] != IfMatch):
                raise refused("PreconditionFailed", "PutObject")
            if IfMatch and not there:
                raise refused("NoSuchKey", "PutObject")
            at = BEGIN + timedelta(seconds=self._world.sim.now)
            return {"ETag": self._bucket.put(Key, body, Metadata or {}, at)}

        return self._call("put_object", Key, act)

    def list_objects_v2(self, Bucket, Prefix):  # noqa: N803
        """List; all of it on one page."""

        def act():
            return {
                "Contents": [
                    {"Key": key, "ETag": etag, "Size": len(body), "LastModified": at}
                    for key, (body, _, at, etag) in sorted(self._bucket.objects.items())
                    if key.startswith(Prefix)
                ]
            }

        return self._call("list_objects_v2", Prefix, act)
