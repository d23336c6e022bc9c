"""The artifact bucket's own small stack, one for each account and region, whose bucket and key outlive every cluster."""

from __future__ import annotations

from awacs import aws as iam
from troposphere import GetAtt, Output, Ref, Sub, Template, kms, s3

from kubecfn.template.storage import KEPT, account_administers, private_bucket, tls_only
from kubecfn.template.tags import role

STACK_NAME = "kubecfn-artifacts"
# A cluster may be rolled back to bytes that a later upload replaced; after so long it would be rolled forward.
_NONCURRENT_DAYS = 90


def build_bucket() -> Template:
    """Return the template of the stack `kubecfn-artifacts`; it has no parameters, so there is one for each region."""
    template = Template(Description="kubecfn: bucket and key of the artifacts of this region's clusters")
    template.set_version()
    key = template.add_resource(
        kms.Key(
            "ArtifactKey",
            Description="Encrypts the artifacts of Kubernetes clusters: node bundles with keys, function zips",
            EnableKeyRotation=True,
            KeyPolicy=iam.PolicyDocument(Version="2012-10-17", Statement=[account_administers()]),
            Metadata=role("Encrypts bundles and function zips."),
            **KEPT,
        )
    )
    template.add_resource(
        kms.Alias(
            "ArtifactKeyAlias",
            AliasName=f"alias/{STACK_NAME}",
            TargetKeyId=Ref(key),
            Metadata=role("The key's readable name."),
        )
    )
    bucket = template.add_resource(
        s3.Bucket(
            "ArtifactBucket",
            BucketName=Sub("kubecfn-${AWS::AccountId}-${AWS::Region}"),
            LifecycleConfiguration=s3.LifecycleConfiguration(
                Rules=[
                    s3.LifecycleRule(
                        Id="Replaced",
                        Status="Enabled",
                        NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(NoncurrentDays=_NONCURRENT_DAYS),
                        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=1),
                    )
                ]
            ),
            Metadata=role("Artifacts by the SHA-256 of their bytes."),
            **private_bucket(GetAtt(key, "Arn")),
            **KEPT,
        )
    )
    template.add_resource(
        s3.BucketPolicy(
            "ArtifactBucketPolicy",
            Bucket=Ref(bucket),
            PolicyDocument=tls_only("ArtifactBucket"),
            Metadata=role("No way in without TLS."),
            **KEPT,
        )
    )
    template.add_output(Output("Bucket", Description="Bucket of the artifacts", Value=Ref(bucket)))
    template.add_output(Output("KeyArn", Description="KMS key of the artifacts", Value=GetAtt(key, "Arn")))
    return template
