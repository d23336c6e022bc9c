"""What must outlive the nodes: the key that encrypts the cluster's own data and the bucket of etcd backups."""

from __future__ import annotations

from dataclasses import dataclass

from awacs import aws as iam
from awacs import kms as may_kms
from awacs import s3 as may_s3
from troposphere import GetAtt, Ref, Sub, Template, kms, s3

from kubecfn.config import Config
from kubecfn.config.types import seconds
from kubecfn.etcd.keys import DAILY, SNAPSHOTS, STATE
from kubecfn.template.tags import role

_DAY = 86400
_NONCURRENT_DAYS = 7
# Deleted when their creation failed, kept in every other case (CloudFormation: "DeletionPolicy attribute").
KEPT = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}


@dataclass(frozen=True)
class Storage:
    """What later parts may say about storage.

    Attributes:
        key_arn: the cluster's KMS key: backups and logs.
        backup_bucket: bucket of etcd snapshots and of the object that says which etcd cluster is the living one.
    """

    key_arn: GetAtt
    backup_bucket: Ref


def add_storage(template: Template, config: Config) -> Storage:
    """Add key and bucket; both stay when the stack is deleted."""
    key = template.add_resource(
        kms.Key(
            "ClusterKey",
            Description=f"Backups and logs of Kubernetes cluster {config.name}",
            EnableKeyRotation=True,
            KeyPolicy=_key_policy(config),
            Metadata=role("Encrypts backups and logs."),
            **KEPT,
        )
    )
    template.add_resource(
        kms.Alias(
            "ClusterKeyAlias",
            AliasName=Sub("alias/${AWS::StackName}"),
            TargetKeyId=Ref(key),
            Metadata=role("The key's readable name."),
        )
    )
    bucket = template.add_resource(_backup_bucket(config, GetAtt(key, "Arn")))
    template.add_resource(
        s3.BucketPolicy(
            "BackupBucketPolicy",
            Bucket=Ref(bucket),
            PolicyDocument=tls_only("BackupBucket"),
            Metadata=role("No way in without TLS."),
            **KEPT,
        )
    )
    return Storage(key_arn=GetAtt(key, "Arn"), backup_bucket=Ref(bucket))


def account_administers() -> iam.Statement:
    """Return the statement that lets the account's own IAM policies decide over a key.

    Source: KMS developer guide, "Default key policy", section "Allows access to the AWS account".
    """
    return iam.Statement(
        Sid="AccountAdministers",
        Effect=iam.Allow,
        Principal=iam.Principal("AWS", Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")),
        Action=[may_kms.Action("*")],
        Resource=["*"],
    )


def _key_policy(config: Config) -> iam.PolicyDocument:
    """Let the log service use the key for this cluster's log groups alone.

    Source: CloudWatch Logs user guide, "Encrypt log data in CloudWatch Logs using KMS", section "Step 2".
    """
    groups = Sub(
        f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:/kubecfn/{config.name}/*"
    )
    logs = iam.Statement(
        Sid="LogsUse",
        Effect=iam.Allow,
        Principal=iam.Principal("Service", Sub("logs.${AWS::Region}.${AWS::URLSuffix}")),
        Action=[
            may_kms.Encrypt,
            may_kms.Decrypt,
            may_kms.Action("ReEncrypt*"),
            may_kms.Action("GenerateDataKey*"),
            may_kms.DescribeKey,
        ],
        Resource=["*"],
        Condition=iam.Condition(iam.ArnLike({"kms:EncryptionContext:aws:logs:arn": groups})),
    )
    return iam.PolicyDocument(Version="2012-10-17", Statement=[account_administers(), logs])


def tls_only(bucket: str) -> iam.PolicyDocument:
    """Return the bucket policy that denies every request without TLS.

    Source: S3 user guide, "Security best practices", section "Enforce encryption of data in transit".
    """
    deny = iam.Statement(
        Sid="TlsOnly",
        Effect=iam.Deny,
        Principal=iam.Principal("*"),
        Action=[may_s3.Action("*")],
        Resource=[Sub(f"${{{bucket}.Arn}}"), Sub(f"${{{bucket}.Arn}}/*")],
        Condition=iam.Condition(iam.Bool({"aws:SecureTransport": "false"})),
    )
    return iam.PolicyDocument(Version="2012-10-17", Statement=[deny])


def private_bucket(key_arn: GetAtt) -> dict[str, object]:
    """Return the properties of every bucket of ours: encrypted, versioned, nobody's but the account's."""
    by_default = s3.ServerSideEncryptionByDefault(SSEAlgorithm="aws:kms", KMSMasterKeyID=key_arn)
    rule = s3.ServerSideEncryptionRule(BucketKeyEnabled=True, ServerSideEncryptionByDefault=by_default)
    return {
        "BucketEncryption": s3.BucketEncryption(ServerSideEncryptionConfiguration=[rule]),
        "OwnershipControls": s3.OwnershipControls(
            Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
        ),
        "PublicAccessBlockConfiguration": s3.PublicAccessBlockConfiguration(
            BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
        ),
        "VersioningConfiguration": s3.VersioningConfiguration(Status="Enabled"),
    }


def _backup_bucket(config: Config, key_arn: GetAtt) -> s3.Bucket:
    return s3.Bucket(
        "BackupBucket",
        LifecycleConfiguration=s3.LifecycleConfiguration(
            # Every rule has a prefix: a rule without one would in time delete the object that says which etcd
            # cluster is the living one, and a node would seed an empty one over it (kops#16416).
            Rules=[
                _expire("Snapshots", SNAPSHOTS, seconds(config.backup.keep) // _DAY),
                _expire("Daily", DAILY, seconds(config.backup.daily) // _DAY),
                # Written over often; the newest version of each is never touched.
                _forget("State", STATE),
            ]
        ),
        Metadata=role("etcd snapshots, and which etcd cluster is the living one."),
        **private_bucket(key_arn),
        **KEPT,
    )


def _expire(name: str, prefix: str, days: int) -> s3.LifecycleRule:
    return _forget(
        name,
        prefix,
        ExpirationInDays=days,
        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=1),
    )


def _forget(name: str, prefix: str, **more: object) -> s3.LifecycleRule:
    """Return a rule that ends what was written over or deleted."""
    noncurrent = s3.NoncurrentVersionExpiration(NoncurrentDays=_NONCURRENT_DAYS)
    return s3.LifecycleRule(Id=name, Status="Enabled", Prefix=prefix, NoncurrentVersionExpiration=noncurrent, **more)
