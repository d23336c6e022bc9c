import json

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1})
HERE = {"LocationConstraint": "eu-central-1"}
STRANGER = "999999999999"


def refused(method, **arguments):
    with pytest.raises(ClientError) as caught:
        method(**arguments)
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]


def tls_only(bucket):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
    )


@pytest.fixture
def bucket(aws, request):
    name = f"b{abs(hash(request.node.name))}"
    aws.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=HERE)
    return name


def test_a_tls_only_policy_is_kept_and_shuts_nobody_out(aws, bucket):
    """A Deny-unless-TLS policy reads back as written, and the owner can go on using the bucket."""
    s3 = aws.client("s3")

    s3.put_bucket_policy(Bucket=bucket, Policy=tls_only(bucket))
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")

    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(tls_only(bucket))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_a_bucket_without_a_policy_says_so_also_after_it_was_deleted(aws, bucket):
    """NoSuchBucketPolicy is the answer before the first policy, after DeleteBucketPolicy and for a bucket made anew."""
    s3 = aws.session().client("s3", config=ONCE)
    look = {"Bucket": bucket}

    assert refused(s3.get_bucket_policy, **look) == ("NoSuchBucketPolicy", 404)
    s3.put_bucket_policy(Bucket=bucket, Policy=tls_only(bucket))
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)
    assert refused(s3.get_bucket_policy, **look) == ("NoSuchBucketPolicy", 404)

    s3.put_bucket_policy(Bucket=bucket, Policy=tls_only(bucket))
    s3.delete_bucket(Bucket=bucket)
    assert refused(s3.get_bucket_policy, **look) == ("NoSuchBucket", 404)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=HERE)
    assert refused(s3.get_bucket_policy, **look) == ("NoSuchBucketPolicy", 404)


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("{", id="no JSON"),
        pytest.param("[]", id="no statements"),
        pytest.param(tls_only("another-bucket"), id="another bucket's"),
    ],
)
def test_a_policy_s3_would_refuse_is_refused(aws, bucket, policy):
    """A policy must be JSON with statements about this very bucket."""
    s3 = aws.session().client("s3", config=ONCE)

    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=policy) == ("MalformedPolicy", 400)
    assert refused(s3.get_bucket_policy, Bucket=bucket) == ("NoSuchBucketPolicy", 404)


def test_a_bucket_owned_by_someone_else_is_forbidden_and_its_name_is_taken(aws, bucket):
    """Another account's bucket answers 403 to looking, reading and writing, and its name cannot be used."""
    theirs = f"stranger-{bucket}"
    aws.client("s3", account=STRANGER).create_bucket(Bucket=theirs, CreateBucketConfiguration=HERE)
    s3 = aws.session().client("s3", config=ONCE)

    assert refused(s3.head_bucket, Bucket=theirs) == ("403", 403)
    assert refused(s3.put_object, Bucket=theirs, Key="k", Body=b"1") == ("AccessDenied", 403)
    assert refused(s3.get_bucket_policy, Bucket=theirs) == ("AccessDenied", 403)
    assert refused(s3.delete_bucket, Bucket=theirs) == ("AccessDenied", 403)
    assert refused(s3.create_bucket, Bucket=theirs, CreateBucketConfiguration=HERE) == ("BucketAlreadyExists", 409)
    assert [one["Name"] for one in s3.list_buckets()["Buckets"] if one["Name"] == theirs] == []
    s3.head_bucket(Bucket=bucket)


def test_one_s_own_bucket_made_again_is_told_apart_from_a_stranger_s(aws, bucket):
    """CreateBucket says whether the name is one's own already: the remedy differs."""
    s3 = aws.session().client("s3", config=ONCE)

    assert refused(s3.create_bucket, Bucket=bucket, CreateBucketConfiguration=HERE) == ("BucketAlreadyOwnedByYou", 409)


def test_a_bucket_knows_its_region(aws, bucket):
    """GetBucketLocation answers the region the bucket was made in."""
    assert aws.client("s3").get_bucket_location(Bucket=bucket)["LocationConstraint"] == "eu-central-1"
