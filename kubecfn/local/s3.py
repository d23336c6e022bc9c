"""S3 where moto's would mislead: bucket policies are kept, not applied, and a stranger's bucket refuses us.

moto applies bucket policies without their conditions, so that "deny unless TLS" would deny everybody. Source of the answers:
Amazon S3 API Reference, PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy, HeadBucket.
"""

from __future__ import annotations

import json
from typing import Any
from weakref import WeakKeyDictionary

from moto.s3.models import s3_backends

from kubecfn.local.api import Answer, Call, Operations, ServiceError

_LARGEST_POLICY = 20 * 1024


class BucketPolicies:
    """The policies of all buckets; a bucket that is deleted takes its policy with it."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Any, str] = WeakKeyDictionary()

    def operations(self) -> Operations:
        """Return what is answered here instead of by moto."""
        return {
            ("s3", "PutBucketPolicy"): self.put,
            ("s3", "GetBucketPolicy"): self.get,
            ("s3", "DeleteBucketPolicy"): self.delete,
        }

    def put(self, call: Call) -> Answer:
        """Keep a policy that is JSON with statements about this bucket."""
        bucket, text = _bucket(call), str(call.params["Policy"])
        try:
            statements = json.loads(text)["Statement"]
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                "MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'"
            ) from error
        if len(text) > _LARGEST_POLICY:
            raise ServiceError("PolicyTooLarge", "Policy exceeds the maximum allowed document size.")
        for statement in statements if isinstance(statements, list) else [statements]:
            resources = statement.get("Resource", statement.get("NotResource"))
            named = resources if isinstance(resources, list) else [resources]
            if not all(str(one).split(":::")[-1].split("/")[0] in {bucket.name, "*"} for one in named):
                raise ServiceError("MalformedPolicy", "Policy has invalid resource")
        self._kept[bucket] = text
        return {}

    def get(self, call: Call) -> Answer:
        """Return a bucket's policy as it was put."""
        text = self._kept.get(_bucket(call))
        if text is None:
            raise ServiceError("NoSuchBucketPolicy", "The bucket policy does not exist", 404)
        return {"Policy": text}

    def delete(self, call: Call) -> Answer:
        """Drop a bucket's policy; there being none is success."""
        self._kept.pop(_bucket(call), None)
        return {}


def _bucket(call: Call) -> Any:
    name = call.params["Bucket"]
    owner = s3_backends.bucket_accounts.get(name)
    bucket = s3_backends[owner[1]][owner[0]].buckets.get(name) if owner else None
    if bucket is None:
        raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404)
    return bucket


def refuse_strangers(call: Call) -> None:
    """Refuse calls on a bucket of another account, as S3 does without a policy that says otherwise.

    Raises:
        ServiceError: AccessDenied 403; for CreateBucket moto itself answers BucketAlreadyExists.
    """
    if call.service != "s3" or call.operation == "CreateBucket" or call.caller in {"anonymous", "service"}:
        return
    owner = s3_backends.bucket_accounts.get(call.params.get("Bucket"))
    if owner and owner[1] != call.account:
        raise ServiceError("AccessDenied", "Access Denied", 403)
