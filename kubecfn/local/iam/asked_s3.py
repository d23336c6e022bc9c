"""What an S3 call asks for: S3 names its actions otherwise than its operations, and an encrypted object needs its key.

Source: Service Authorization Reference "Amazon S3"; S3 User Guide "Required permissions for Amazon S3 API operations" and
"Using server-side encryption with AWS KMS keys (SSE-KMS)", section "Encryption context".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubecfn.local.api import Call
from kubecfn.local.iam.conditions import Context, Value
from kubecfn.local.iam.lookups import Encryption, Look, arn

# operation -> action, where the names differ; on the bucket.
ON_BUCKET = {
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketLocation": "GetBucketLocation",
    "GetBucketVersioning": "GetBucketVersioning",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketTagging": "GetBucketTagging",
    "GetBucketPolicy": "GetBucketPolicy",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "DeleteBucket": "DeleteBucket",
    "CreateBucket": "CreateBucket",
}
READS = {"GetObject": "GetObject", "HeadObject": "GetObject", "GetObjectAttributes": "GetObject"}
WRITES = {
    "PutObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
}
ON_OBJECT = {
    "DeleteObject": "DeleteObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "PutObjectTagging": "PutObjectTagging",
    "GetObjectTagging": "GetObjectTagging",
    "ListParts": "ListMultipartUploadParts",
}
# condition key -> the member of the request it is taken from
_FROM_REQUEST = {
    "s3:prefix": "Prefix",
    "s3:delimiter": "Delimiter",
    "s3:max-keys": "MaxKeys",
    "s3:VersionId": "VersionId",
    "s3:if-none-match": "IfNoneMatch",
    "s3:if-match": "IfMatch",
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-storage-class": "StorageClass",
    "s3:x-amz-acl": "ACL",
}


@dataclass(frozen=True)
class Question:
    """An action on a resource with the condition keys of S3 or of KMS on S3's behalf."""

    action: str
    resource: str
    context: Context


def questions(call: Call, look: Look) -> tuple[list[Question], str]:
    """Return what the call asks for, all of which must be allowed, and what the model leaves out."""
    operation, bucket = call.operation, str(call.params.get("Bucket", ""))
    context = _context(call)
    if operation == "ListBuckets":
        return [Question("s3:ListAllMyBuckets", "*", context)], ""
    if operation in ON_BUCKET:
        return [Question(f"s3:{ON_BUCKET[operation]}", _bucket(call, bucket), context)], ""
    if operation in {*READS, *WRITES, *ON_OBJECT, "DeleteObjects"}:
        return _about_objects(call, look, bucket, context), ""
    gap = f"no resource is modelled for s3:{operation}: judged on *"
    return [Question(f"s3:{operation}", "*", context)], gap


def _about_objects(call: Call, look: Look, bucket: str, context: Context) -> list[Question]:
    operation, key, version = call.operation, str(call.params.get("Key", "")), call.params.get("VersionId")
    here = _object(call, bucket, key)
    of_version = "Version" if version else ""
    if operation in READS:
        reading = _reading(call, look, bucket, key, version)
        asked = [Question(f"s3:{READS[operation]}{of_version}", here, context), *reading]
        # "There is none" is said to those only who may list the bucket (S3 API Reference, GetObject, "Permissions").
        if not reading and not look.has_object(call, bucket, key):
            asked.append(Question("s3:ListBucket", _bucket(call, bucket), context))
        return asked
    if operation in WRITES:
        source = _copy_source(call, look, context) if operation == "CopyObject" else []
        # S3 User Guide, "How to prevent object overwrites with conditional writes": If-Match reads the object's ETag.
        compared = [Question("s3:GetObject", here, context)] if call.params.get("IfMatch") else []
        return [Question("s3:PutObject", here, context), *compared, *source, *_writing(call, look, here, bucket)]
    if operation == "DeleteObjects":
        keys = [one["Key"] for one in call.params.get("Delete", {}).get("Objects", [])]
        return [Question("s3:DeleteObject", _object(call, bucket, one), context) for one in keys]
    return [Question(f"s3:{ON_OBJECT[operation]}{of_version}", here, context)]


def _copy_source(call: Call, look: Look, context: Context) -> list[Question]:
    bucket, _, key = str(call.params.get("CopySource", "")).lstrip("/").partition("/")
    reading = _reading(call, look, bucket, key, None)
    return [Question("s3:GetObject", _object(call, bucket, key), context), *reading]


def _reading(call: Call, look: Look, bucket: str, key: str, version: str | None) -> list[Question]:
    """An object under a customer's key needs kms:Decrypt on it, with the object's encryption context."""
    encryption = look.object_encryption(call, bucket, key, version)
    if not encryption or call.operation == "HeadObject":
        return []
    return [_with_key(call, "kms:Decrypt", encryption, bucket, _object(call, bucket, key))]


def _writing(call: Call, look: Look, here: str, bucket: str) -> list[Question]:
    """Writing under a customer's key needs kms:GenerateDataKey, and parts of an upload kms:Decrypt as well."""
    encryption = look.bucket_encryption(call, bucket)
    asked, named = call.params.get("ServerSideEncryption"), call.params.get("SSEKMSKeyId")
    if asked == "aws:kms" and named:
        encryption = Encryption(look.key(call, named), bool(call.params.get("BucketKeyEnabled")))
    elif asked == "AES256":
        encryption = None
    if not encryption:
        return []
    actions = ["kms:GenerateDataKey"]
    if call.operation in {"UploadPart", "CompleteMultipartUpload"}:
        actions.append("kms:Decrypt")
    return [_with_key(call, action, encryption, bucket, here) for action in actions]


def _with_key(call: Call, action: str, encryption: Encryption, bucket: str, here: str) -> Question:
    values: dict[str, Value] = {
        "kms:ViaService": f"s3.{call.region}.{'amazonaws.com.cn' if call.region.startswith('cn-') else 'amazonaws.com'}",
        "kms:CallerAccount": call.account,
        "kms:EncryptionContext:aws:s3:arn": _bucket(call, bucket) if encryption.bucket_key else here,
        "kms:EncryptionContextKeys": ["aws:s3:arn"],
    }
    absent = frozenset({"kms:EncryptionContext:", "aws:ResourceTag/"})
    return Question(action, encryption.key_arn, Context(values, absent))


def _context(call: Call) -> Context:
    values: Mapping[str, Value] = {
        key: str(call.params[member]) for key, member in _FROM_REQUEST.items() if call.params.get(member) is not None
    }
    absent = frozenset({*_FROM_REQUEST, "s3:ExistingObjectTag/", "s3:RequestObjectTag/", "aws:ResourceTag/"})
    return Context({**values, "s3:ResourceAccount": call.account}, absent)


def _bucket(call: Call, bucket: str) -> str:
    return arn(call, "s3", bucket, region="", account="")


def _object(call: Call, bucket: str, key: str) -> str:
    return arn(call, "s3", f"{bucket}/{key}", region="", account="")
