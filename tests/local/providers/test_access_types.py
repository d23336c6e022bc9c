"""IAM, buckets and keys: each type from creation over a change in place to nothing left."""

from __future__ import annotations

import json

import pytest


def named(name, value="x"):
    return [{"Key": name, "Value": value}]


def own(tags):
    """Tags of a service that has them as a list or as a map, without those of CloudFormation itself."""
    if not isinstance(tags, dict):
        tags = {tag.get("Key") or tag.get("TagKey"): tag.get("Value") or tag.get("TagValue") for tag in tags}
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def role(s, i):
    iam = s.client("iam")
    found = iam.get_role(RoleName=i)["Role"]
    return {
        "inline": iam.list_role_policies(RoleName=i)["PolicyNames"],
        "managed": [p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=i)["AttachedPolicies"]],
        "trust": found["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"],
        "hour": found["MaxSessionDuration"],
        "boundary": found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        "tags": own(found["Tags"]),
    }


def user(s, i):
    iam = s.client("iam")
    return iam.list_user_policies(UserName=i)["PolicyNames"], own(iam.get_user(UserName=i)["User"]["Tags"])


def inline_actions(s, i):
    iam, name = s.client("iam"), s.role.physical_id
    policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
    found = [iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"] for each in policies]
    return [(each, document["Statement"][0]["Action"]) for each, document in zip(policies, found, strict=True)]


def managed(s, i):
    iam = s.client("iam")
    version = iam.get_policy(PolicyArn=i)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=i, VersionId=version)["PolicyVersion"]["Document"]
    roles = iam.list_entities_for_policy(PolicyArn=i)["PolicyRoles"]
    return document["Statement"][0]["Action"], len(iam.list_policy_versions(PolicyArn=i)["Versions"]), len(roles)


def profile(s, i):
    found = s.client("iam").get_instance_profile(InstanceProfileName=i)["InstanceProfile"]
    return [item["RoleName"] for item in found["Roles"]]


def bucket(s, i):
    s3 = s.client("s3")
    rules = s3.get_bucket_encryption(Bucket=i)["ServerSideEncryptionConfiguration"]["Rules"]
    return {
        "versions": s3.get_bucket_versioning(Bucket=i).get("Status"),
        "encryption": rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        "public": s3.get_public_access_block(Bucket=i)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"],
        "owner": s3.get_bucket_ownership_controls(Bucket=i)["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
        "days": [r["Expiration"]["Days"] for r in s3.get_bucket_lifecycle_configuration(Bucket=i)["Rules"]],
        "tags": own(s3.get_bucket_tagging(Bucket=i)["TagSet"]),
    }


def bucket_policy(s, i):
    return json.loads(s.client("s3").get_bucket_policy(Bucket=i)["Policy"])["Statement"][0]["Effect"]


def key(s, i):
    kms = s.client("kms")
    found = kms.describe_key(KeyId=i)["KeyMetadata"]
    if found["KeyState"] == "PendingDeletion":
        return "PendingDeletion"
    action = json.loads(kms.get_key_policy(KeyId=i, PolicyName="default")["Policy"])["Statement"][0]["Action"]
    tags = own(kms.list_resource_tags(KeyId=i)["Tags"])
    return (
        found["Description"],
        found["KeyState"],
        kms.get_key_rotation_status(KeyId=i)["KeyRotationEnabled"],
        action,
        tags,
    )


def alias(s, i):
    return [item["TargetKeyId"] for item in s.client("kms").list_aliases()["Aliases"] if item["AliasName"] == i]


def inline(name, action):
    return {"PolicyName": name, "PolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": action, "Resource": "*"}
    ]}}  # fmt: skip


def document(action, resource="*"):
    statement = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def encryption(algorithm):
    default = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}, "BucketKeyEnabled": "true"}
    return {"ServerSideEncryptionConfiguration": [default]}


def expiry(days):
    rule = {"Id": "old", "Status": "Enabled", "Prefix": "backups/", "ExpirationInDays": str(days)}
    return {"Rules": [{**rule, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]}


def public(blocked):
    names = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return dict.fromkeys(names, blocked)


TEAM = {"team": "platform"}

CASES = {
    "Role": (
        "AWS::IAM::Role",
        lambda s: {
            "AssumeRolePolicyDocument": s.trust("ec2.amazonaws.com"), "Policies": [inline("a", "s3:Get*")],
            "ManagedPolicyArns": [s.policy],
        },
        lambda s: {
            "AssumeRolePolicyDocument": s.trust("lambda.amazonaws.com"), "Policies": [inline("b", "s3:Get*")],
            "ManagedPolicyArns": [], "MaxSessionDuration": "7200", "PermissionsBoundary": s.policy,
            "Tags": named("Name"),
        },
        role,
        lambda s: {
            "inline": ["a"], "managed": [s.policy], "trust": "ec2.amazonaws.com", "hour": 3600, "boundary": None,
            "tags": TEAM,
        },
        lambda s: {
            "inline": ["b"], "managed": [], "trust": "lambda.amazonaws.com", "hour": 7200, "boundary": s.policy,
            "tags": {**TEAM, "Name": "x"},
        },
    ),
    "User": (
        "AWS::IAM::User", {"Policies": [inline("a", "s3:Get*")], "Tags": named("Name")},
        {"Policies": [inline("b", "s3:Get*")], "Tags": []}, user, (["a"], {**TEAM, "Name": "x"}), (["b"], TEAM),
    ),
    "Policy": (
        "AWS::IAM::Policy",
        lambda s: {"PolicyName": "shared", "PolicyDocument": s.allow("s3:Get*"), "Roles": [s.role.physical_id]},
        lambda s: {"PolicyDocument": s.allow("s3:Put*")},
        inline_actions, [("shared", "s3:Get*")], [("shared", "s3:Put*")],
    ),
    "Policy under another name": (
        "AWS::IAM::Policy",
        lambda s: {"PolicyName": "a", "PolicyDocument": s.allow("s3:Get*"), "Roles": [s.role.physical_id]},
        {"PolicyName": "b"}, inline_actions, [("a", "s3:Get*")], [("b", "s3:Get*")],
    ),
    "ManagedPolicy": (
        "AWS::IAM::ManagedPolicy", lambda s: {"PolicyDocument": s.allow("s3:Get*")},
        lambda s: {"PolicyDocument": s.allow("s3:Put*"), "Roles": [s.role.physical_id]},
        managed, ("s3:Get*", 1, 0), ("s3:Put*", 1, 1),
    ),
    "InstanceProfile": (
        "AWS::IAM::InstanceProfile", {"Roles": []}, lambda s: {"Roles": [s.role.physical_id]},
        profile, [], lambda s: [s.role.physical_id],
    ),
    "ServiceLinkedRole": (
        "AWS::IAM::ServiceLinkedRole", {"AWSServiceName": "autoscaling.amazonaws.com", "CustomSuffix": "k"}, {"Description": "d"},
        lambda s, i: s.client("iam").get_role(RoleName=i)["Role"].get("Description"), None, "d",
    ),
    "Bucket": (
        "AWS::S3::Bucket",
        {
            "VersioningConfiguration": {"Status": "Enabled"}, "BucketEncryption": encryption("aws:kms"),
            "PublicAccessBlockConfiguration": public(True), "LifecycleConfiguration": expiry(3),
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}, "Tags": named("Name"),
        },
        {
            "VersioningConfiguration": None, "BucketEncryption": encryption("AES256"), "Tags": None,
            "PublicAccessBlockConfiguration": public("false"), "LifecycleConfiguration": expiry(9),
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
        },
        bucket,
        {
            "versions": "Enabled", "encryption": "aws:kms", "public": True, "owner": "BucketOwnerEnforced",
            "days": [3], "tags": {**TEAM, "Name": "x"},
        },
        {
            "versions": "Suspended", "encryption": "AES256", "public": False, "owner": "BucketOwnerPreferred",
            "days": [9], "tags": TEAM,
        },
    ),
    "BucketPolicy": (
        "AWS::S3::BucketPolicy",
        lambda s: {"Bucket": s.make("AWS::S3::Bucket").physical_id, "PolicyDocument": document("s3:Get*")},
        {"PolicyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Deny", "Principal": {"AWS": "999999999999"}, "Action": "s3:PutObject", "Resource": "*"}
        ]}},
        bucket_policy, "Allow", "Deny",
    ),
    "Key": (
        "AWS::KMS::Key",
        {"KeyPolicy": document("kms:*"), "EnableKeyRotation": "true", "PendingWindowInDays": 7, "Tags": named("Name")},
        {
            "KeyPolicy": document("kms:Decrypt"), "EnableKeyRotation": False, "Description": "d", "Enabled": "false",
            "Tags": [],
        },
        key, ("", "Enabled", True, "kms:*", {**TEAM, "Name": "x"}), ("d", "Disabled", False, "kms:Decrypt", TEAM),
        "PendingDeletion",
    ),
    "Alias": (
        "AWS::KMS::Alias", lambda s: {"AliasName": "alias/k8s", "TargetKeyId": s.keys[0]},
        lambda s: {"TargetKeyId": s.keys[1]}, alias, lambda s: s.keys[:1], lambda s: s.keys[1:],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_resource_of_access_or_storage_is_made_changed_in_place_and_gone(case, life):
    """What the template says is what the service answers, after creation as after a change; then there is none."""
    life(*case)
