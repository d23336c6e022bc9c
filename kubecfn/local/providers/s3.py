"""Buckets and their policies."""

# ruff: noqa: ARG002, D102  the four methods of a type have one signature and are explained on Resource
from __future__ import annotations

import json
from typing import Any

from kubecfn.local.providers.lifecycle import lifecycle_rules
from kubecfn.local.providers.resource import Aws, Resource, changed, refusal
from kubecfn.local.providers.seam import Properties
from kubecfn.local.providers.shapes import refuse_others


class Bucket(Resource):
    """A bucket. Only an empty one, without versions or delete markers, can be deleted ("DeleteBucket")."""

    type = "AWS::S3::Bucket"
    fixed = ("BucketName",)
    accepts = (
        *fixed, "BucketEncryption", "LifecycleConfiguration", "LoggingConfiguration", "OwnershipControls",
        "PublicAccessBlockConfiguration", "Tags", "VersioningConfiguration",
    )  # fmt: skip
    gives = ("Arn", "DomainName", "DualStackDomainName", "RegionalDomainName")
    deletes = ("s3", "DeleteBucket", "Bucket")

    def make(self, aws: Aws, properties: Properties) -> str:
        name = str(properties.get("BucketName") or aws.name(24, 24).lower())
        # S3 in us-east-1 takes a second creation by the owner for the first; CloudFormation refuses it everywhere.
        if aws.exists("s3", "HeadBucket", Bucket=name):
            raise refusal("CreateBucket", "BucketAlreadyOwnedByYou", f"{name} already exists")
        region = aws.context.region
        where = None if region == "us-east-1" else {"LocationConstraint": region}
        aws.call("s3", "CreateBucket", Bucket=name, CreateBucketConfiguration=where)
        return name

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        steps = {
            "VersioningConfiguration": self._versioning,
            "BucketEncryption": self._encryption,
            "PublicAccessBlockConfiguration": self._public_access,
            "OwnershipControls": self._ownership,
            "LifecycleConfiguration": self._lifecycle,
            "LoggingConfiguration": self._logging,
        }
        for name, step in steps.items():
            if changed(old, new, name):
                step(aws, physical_id, new.get(name))
        # S3 lets nobody but CloudFormation itself write the tags that begin with "aws:".
        if tags := [tag for tag in aws.tags(new.get("Tags")) if not tag["Key"].startswith("aws:")]:
            aws.call("s3", "PutBucketTagging", Bucket=physical_id, Tagging={"TagSet": tags})

    def attributes(self, aws: Aws, physical_id: str, properties: Properties) -> dict[str, Any]:
        region, partition = aws.context.region, aws.context.partition
        suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        return {
            "Arn": f"arn:{partition}:s3:::{physical_id}",
            "DomainName": f"{physical_id}.s3.{suffix}",
            "DualStackDomainName": f"{physical_id}.s3.dualstack.{region}.{suffix}",
            "RegionalDomainName": f"{physical_id}.s3.{region}.{suffix}",
        }

    def _versioning(self, aws: Aws, bucket: str, value: Any) -> None:
        status = value or {"Status": "Suspended"}
        aws.call("s3", "PutBucketVersioning", Bucket=bucket, VersioningConfiguration=status)

    def _encryption(self, aws: Aws, bucket: str, value: Any) -> None:
        if value is None:
            aws.call("s3", "DeleteBucketEncryption", Bucket=bucket)
            return
        rules = []
        for rule in value["ServerSideEncryptionConfiguration"]:
            renamed = dict(rule)
            renamed["ApplyServerSideEncryptionByDefault"] = renamed.pop("ServerSideEncryptionByDefault", None)
            rules.append({name: item for name, item in renamed.items() if item is not None})
        aws.call("s3", "PutBucketEncryption", Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})

    def _public_access(self, aws: Aws, bucket: str, value: Any) -> None:
        if value is None:
            aws.call("s3", "DeletePublicAccessBlock", Bucket=bucket)
        else:
            aws.call("s3", "PutPublicAccessBlock", Bucket=bucket, PublicAccessBlockConfiguration=value)

    def _ownership(self, aws: Aws, bucket: str, value: Any) -> None:
        if value is None:
            aws.call("s3", "DeleteBucketOwnershipControls", Bucket=bucket)
        else:
            aws.call("s3", "PutBucketOwnershipControls", Bucket=bucket, OwnershipControls=value)

    def _lifecycle(self, aws: Aws, bucket: str, value: Any) -> None:
        if value is None:
            aws.call("s3", "DeleteBucketLifecycle", Bucket=bucket)
            return
        rules = lifecycle_rules(value, f"{self.type}.LifecycleConfiguration")
        aws.call("s3", "PutBucketLifecycleConfiguration", Bucket=bucket, LifecycleConfiguration={"Rules": rules})

    def _logging(self, aws: Aws, bucket: str, value: Any) -> None:
        refuse_others(value or {}, ("DestinationBucketName", "LogFilePrefix"), f"{self.type}.LoggingConfiguration")
        status = {}
        if value is not None:
            target = {"TargetBucket": value.get("DestinationBucketName", bucket)}
            status = {"LoggingEnabled": {**target, "TargetPrefix": value.get("LogFilePrefix", "")}}
        aws.call("s3", "PutBucketLogging", Bucket=bucket, BucketLoggingStatus=status)


class BucketPolicy(Resource):
    """The one policy of a bucket; a second one is refused ("AWS::S3::BucketPolicy")."""

    type = "AWS::S3::BucketPolicy"
    accepts = ("Bucket", "PolicyDocument")
    fixed = ("Bucket",)
    deletes = ("s3", "DeleteBucketPolicy", "Bucket")

    def make(self, aws: Aws, properties: Properties) -> str:
        bucket = str(properties["Bucket"])
        if aws.exists("s3", "GetBucketPolicy", Bucket=bucket):
            raise refusal("PutBucketPolicy", "AlreadyExists", f"The bucket policy already exists on bucket {bucket}.")
        self._put(aws, bucket, properties)
        return bucket

    def settle(self, aws: Aws, physical_id: str, old: Properties, new: Properties) -> None:
        if old and changed(old, new, "PolicyDocument"):
            self._put(aws, physical_id, new)

    def _put(self, aws: Aws, bucket: str, properties: Properties) -> None:
        aws.call("s3", "PutBucketPolicy", Bucket=bucket, Policy=json.dumps(properties["PolicyDocument"]))
