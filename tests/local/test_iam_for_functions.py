"""What the rights of functions and members rest on: S3's small print, and condition keys that tell callers apart."""

import pytest
from botocore.exceptions import ClientError


def allow(action, resource="*", **condition):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def refused(method, **arguments):
    with pytest.raises(ClientError) as caught:
        method(**arguments)
    return caught.value.response["Error"]


@pytest.fixture(scope="module")
def bucket(gate):
    s3 = gate.client("s3")
    s3.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return "backups"


def test_only_who_may_list_a_bucket_hears_that_an_object_is_not_there(aws, role, bucket):
    """Without s3:ListBucket a missing object is a 403; whoever takes that for "there is none" would be wrong."""
    read = allow("s3:GetObject", "arn:aws:s3:::backups/*")
    missing = {"Bucket": bucket, "Key": "payments/none"}

    assert refused(role(read, name="reader").client("s3").get_object, **missing)["Code"] == "AccessDenied"
    listing = allow("s3:ListBucket", "arn:aws:s3:::backups")
    assert refused(role(read, listing, name="lister").client("s3").get_object, **missing)["Code"] == "NoSuchKey"


def test_writing_over_what_was_read_needs_the_right_to_read(aws, role, bucket):
    """If-Match compares with the object's ETag, so s3:PutObject alone is not enough."""
    aws.client("s3").put_object(Bucket=bucket, Key="state", Body=b"1")
    tag = aws.client("s3").head_object(Bucket=bucket, Key="state")["ETag"]
    state = "arn:aws:s3:::backups/state"
    blind = role(allow("s3:PutObject", state), name="blind").client("s3")
    seeing = role(allow(["s3:PutObject", "s3:GetObject"], state), name="seeing").client("s3")
    write = {"Bucket": bucket, "Key": "state", "Body": b"2", "IfMatch": tag}

    assert "s3:GetObject" in refused(blind.put_object, **write)["Message"]
    seeing.put_object(**write)
    assert refused(seeing.put_object, **write)["Code"] == "PreconditionFailed"


@pytest.mark.parametrize(("namespace", "code"), [("kubecfn", ""), ("other", "AccessDeniedException")])
def test_metrics_can_be_bound_to_a_namespace(aws, role, namespace, code):
    """PutMetricData knows no resource; cloudwatch:namespace is what its condition can name."""
    metrics = role(
        allow("cloudwatch:PutMetricData", StringEquals={"cloudwatch:namespace": "kubecfn"}), session="backup"
    ).client("cloudwatch")
    data = {"Namespace": namespace, "MetricData": [{"MetricName": "Age", "Value": 1}]}

    if code:
        assert refused(metrics.put_metric_data, **data)["Code"] == code
    else:
        metrics.put_metric_data(**data)


@pytest.mark.parametrize(
    ("session", "code"), [("awslambda_1", ""), ("backup", "UnauthorizedOperation"), ("i-0123456789abcdef0", "")]
)
def test_a_functions_code_is_told_from_lambda_itself(aws, role, session, code):
    """Only calls of a function's own code carry lambda:SourceFunctionArn."""
    grant = allow("ec2:DescribeSubnets", Null={"lambda:SourceFunctionArn": "true"})
    ec2 = role(grant, session=session).client("ec2")

    if code:
        assert refused(ec2.describe_subnets)["Code"] == code
    else:
        ec2.describe_subnets()
