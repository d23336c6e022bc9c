"""Emptying what a deleted stack keeps: only when a person asked for it in so many words.

Source: S3 User Guide, "Deleting all object versions"; KMS API reference, ScheduleKeyDeletion.
"""

from __future__ import annotations

from kubecfn.deploy.aws import Aws, code_of, doing

# The longest AWS offers: until then the deletion can be cancelled and the backups of others who kept copies be read.
KEY_WAITING_DAYS = 30


def empty_and_delete_bucket(aws: Aws, bucket: str) -> int:
    """Delete every version of every object, then the bucket; return how many versions went. "There is none" is success."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    client = aws.client("s3")
    count = 0
    with doing(f"emptying the bucket {bucket}"):
        try:
            for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
                listed = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in listed]
                if objects:
                    client.delete_objects(
                        Bucket=bucket, Delete={"Objects": objects, "Quiet": True}, ExpectedBucketOwner=aws.account
                    )
                    count += len(objects)
            client.delete_bucket(Bucket=bucket, ExpectedBucketOwner=aws.account)
        except ClientError as error:
            if code_of(error) not in {"NoSuchBucket", "404"}:
                raise
    return count


def schedule_key_deletion(aws: Aws, key: str) -> None:
    """Schedule a key's deletion; one that waits for it already is success."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    with doing(f"scheduling the deletion of the key {key}"):
        try:
            aws.client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=KEY_WAITING_DAYS)
        except ClientError as error:
            if code_of(error) not in {"KMSInvalidStateException", "NotFoundException"}:
                raise
