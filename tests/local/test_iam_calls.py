import json

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1})
ACCOUNT = "123456789012"
NODE = f"arn:aws:sts::{ACCOUNT}:assumed-role/node/i-0123456789abcdef0"


def allow(action, resource="*", **condition):
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    }


def refused(method, **arguments):
    with pytest.raises(ClientError) as caught:
        method(**arguments)
    return caught.value.response["Error"]


@pytest.fixture(scope="module")
def key(gate):
    return gate.client("kms").create_key()["KeyMetadata"]["Arn"]


@pytest.fixture(scope="module")
def bucket(gate, key):
    """An artifact bucket as the product makes it: encrypted under a customer's key."""
    s3 = gate.client("s3")
    s3.create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_encryption(
        Bucket="artifacts",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}]
        },
    )
    s3.put_object(Bucket="artifacts", Key="payments/controller/c.tar.gz", Body=b"bundle")
    s3.put_object(Bucket="artifacts", Key="payments/worker/w.tar.gz", Body=b"bundle")
    return "artifacts"


OBJECT = "arn:aws:s3:::artifacts/payments/controller/c.tar.gz"

# protocol, service, method, arguments, action, resource in the refusal, code, status
REFUSALS = [
    ("ec2", "describe_instances", {}, "ec2:DescribeInstances", "*", "UnauthorizedOperation"),
    (
        "s3",
        "get_object",
        {"Bucket": "artifacts", "Key": "payments/controller/c.tar.gz"},
        "s3:GetObject",
        f'"{OBJECT}"',
        "AccessDenied",
    ),
    (
        "route53",
        "list_resource_record_sets",
        {"HostedZoneId": "Z1"},
        "route53:ListResourceRecordSets",
        "arn:aws:route53:::hostedzone/Z1",
        "AccessDenied",
    ),
    (
        "logs",
        "create_log_stream",
        {"logGroupName": "/kubecfn/payments/nodes", "logStreamName": "i-1"},
        "logs:CreateLogStream",
        f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/kubecfn/payments/nodes:log-stream:i-1",
        "AccessDeniedException",
    ),
    (
        "lambda",
        "invoke",
        {"FunctionName": "discovery"},
        "lambda:InvokeFunction",
        f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:discovery",
        "AccessDeniedException",
    ),
    (
        "autoscaling",
        "complete_lifecycle_action",
        {"LifecycleHookName": "h", "AutoScalingGroupName": "g", "LifecycleActionResult": "CONTINUE"},
        "autoscaling:CompleteLifecycleAction",
        f"arn:aws:autoscaling:eu-central-1:{ACCOUNT}:autoScalingGroup:*:autoScalingGroupName/g",
        "AccessDenied",
    ),
    (
        "cloudformation",
        "signal_resource",
        {"StackName": "payments", "LogicalResourceId": "Controllers", "UniqueId": "i-1", "Status": "SUCCESS"},
        "cloudformation:SignalResource",
        f"arn:aws:cloudformation:eu-central-1:{ACCOUNT}:stack/payments/*",
        "AccessDenied",
    ),
    (
        "ssm",
        "get_parameter",
        {"Name": "/a/b"},
        "ssm:GetParameter",
        f"arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/a/b",
        "AccessDeniedException",
    ),
    (
        "cloudwatch",
        "put_metric_data",
        {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1}]},
        "cloudwatch:PutMetricData",
        "*",
        "AccessDenied",
    ),
]


@pytest.mark.parametrize(("service", "method", "arguments", "action", "resource", "code"), REFUSALS)
def test_a_role_that_is_granted_something_else_is_refused_in_aws_s_words(
    aws, role, bucket, service, method, arguments, action, resource, code
):
    """A call that no policy allows fails with the service's code and AWS's sentence, and nothing is done."""
    session = role(allow("sqs:SendMessage"))

    error = refused(getattr(session.client(service, config=ONCE), method), **arguments)

    where = "" if resource == "*" else f" on resource: {resource}"
    sentence = f"User: {NODE} is not authorized to perform: {action}{where} because no identity-based policy allows the {action} action"
    assert error["Code"].startswith(code)
    assert error["Message"].endswith(sentence)
    (recorded,) = aws.recorder.by(action.split(":")[1].replace("InvokeFunction", "Invoke"))
    assert recorded.outcome == error["Code"]
    assert recorded.statements == ()


@pytest.mark.parametrize(("service", "method", "arguments", "action", "resource", "code"), REFUSALS)
def test_the_same_call_gets_past_the_policies_when_exactly_that_is_granted(
    aws, role, bucket, key, service, method, arguments, action, resource, code
):
    """The refusal's own words are the grant that is missing: with it the call reaches its service."""
    session = role(allow(action, resource.strip('"')), allow("kms:Decrypt", key))

    try:
        getattr(session.client(service, config=ONCE), method)(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] != code
    (recorded,) = aws.recorder.by(action.split(":")[1].replace("InvokeFunction", "Invoke"))
    assert "node/inline[0]" in recorded.statements


def test_reading_an_encrypted_object_needs_its_key_too(aws, role, bucket, key):
    """An object under SSE-KMS is readable only with kms:Decrypt on the bucket's key, as the refusal says."""
    reads = allow("s3:GetObject", f"{OBJECT.rsplit('/', 1)[0]}/*")
    blind = role(reads, name="blind").client("s3", config=ONCE)
    seeing = role(reads, allow("kms:Decrypt", key), name="seeing").client("s3", config=ONCE)
    which = {"Bucket": bucket, "Key": "payments/controller/c.tar.gz"}

    error = refused(blind.get_object, **which)

    assert error["Code"] == "AccessDenied"
    assert f'kms:Decrypt on resource: "{key}"' in error["Message"]
    assert seeing.get_object(**which)["Body"].read() == b"bundle"


@pytest.mark.parametrize(("part", "allowed"), [("controller", True), ("worker", False)])
def test_a_key_can_be_bound_to_a_role_s_own_objects(aws, role, bucket, key, part, allowed):
    """kms:EncryptionContext:aws:s3:arn is the object's own ARN, so one key serves several roles and opens to each its part."""
    session = role(
        allow("s3:GetObject", "arn:aws:s3:::artifacts/*"),
        allow(
            "kms:Decrypt", key, StringLike={"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::artifacts/*/controller/*"}
        ),
    )
    s3 = session.client("s3", config=ONCE)
    which = {"Bucket": bucket, "Key": f"payments/{part}/{part[0]}.tar.gz"}

    if allowed:
        assert s3.get_object(**which)["Body"].read() == b"bundle"
    else:
        assert refused(s3.get_object, **which)["Code"] == "AccessDenied"


def test_writing_under_the_bucket_s_key_needs_a_data_key(aws, role, bucket, key):
    """PutObject into a bucket encrypted by default needs kms:GenerateDataKey."""
    writes = allow("s3:PutObject", "arn:aws:s3:::artifacts/backup/*")
    without = role(writes, name="without").client("s3", config=ONCE)
    having = role(writes, allow("kms:GenerateDataKey", key), name="having").client("s3", config=ONCE)

    assert "kms:GenerateDataKey" in refused(without.put_object, Bucket=bucket, Key="backup/1", Body=b"1")["Message"]
    having.put_object(Bucket=bucket, Key="backup/1", Body=b"1")
    assert "s3:PutObject" in refused(having.put_object, Bucket=bucket, Key="other/1", Body=b"1")["Message"]


@pytest.mark.parametrize(("prefix", "allowed"), [("payments/", True), ("ledger/", False), (None, False)])
def test_listing_can_be_bound_to_a_prefix(aws, role, bucket, prefix, allowed):
    """s3:prefix is what the request asks for; no prefix is not a prefix."""
    session = role(allow("s3:ListBucket", "arn:aws:s3:::artifacts", StringLike={"s3:prefix": "payments/*"}))
    asked = {"Bucket": bucket, **({"Prefix": prefix} if prefix else {})}
    s3 = session.client("s3", config=ONCE)

    if allowed:
        assert s3.list_objects_v2(**asked)["KeyCount"] == 2
    else:
        assert refused(s3.list_objects_v2, **asked)["Code"] == "AccessDenied"


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        pytest.param([("UPSERT", "_etcd-server-ssl._tcp.k.example.", "SRV")], True, id="a record of ours"),
        pytest.param([("UPSERT", "I-0ABC.etcd.K.example", "A")], True, id="names are normalised"),
        pytest.param([("UPSERT", "api.k.example", "A")], False, id="another name"),
        pytest.param([("UPSERT", "i-0abc.etcd.k.example", "NS")], False, id="another type"),
        pytest.param(
            [("DELETE", "i-0abc.etcd.k.example", "A"), ("UPSERT", "api.k.example", "A")], False, id="one of two"
        ),
    ],
)
def test_record_changes_can_be_bound_to_names_and_types(aws, role, changes, allowed):
    """Route 53's own keys judge every change of a batch, by normalised name, type and action."""
    session = role(
        allow(
            "route53:ChangeResourceRecordSets",
            "arn:aws:route53:::hostedzone/*",
            **{
                "ForAllValues:StringLike": {
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames": ["*.etcd.k.example", "_etcd-*"]
                },
                "ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["A", "SRV"]},
            },
        )
    )
    batch = [
        {
            "Action": action,
            "ResourceRecordSet": {"Name": name, "Type": kind, "TTL": 30, "ResourceRecords": [{"Value": "10.0.0.1"}]},
        }
        for action, name, kind in changes
    ]

    client = session.client("route53", config=ONCE)
    error = refused(client.change_resource_record_sets, HostedZoneId="Z1", ChangeBatch={"Changes": batch})

    assert error["Code"] == ("NoSuchHostedZone" if allowed else "AccessDenied")


@pytest.mark.parametrize(("cluster", "allowed"), [("payments", True), ("ledger", False)])
def test_a_grant_can_be_bound_to_tags_of_the_resource(aws, role, cluster, allowed):
    """aws:ResourceTag is the tag the resource carries at that moment."""
    ec2 = aws.client("ec2")
    instance = ec2.run_instances(
        ImageId=ec2.describe_images()["Images"][0]["ImageId"],
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "cluster", "Value": cluster}]}],
    )["Instances"][0]["InstanceId"]
    session = role(allow("ec2:TerminateInstances", StringEquals={"aws:ResourceTag/cluster": "payments"}))
    terminate = session.client("ec2", config=ONCE).terminate_instances

    if allowed:
        terminate(InstanceIds=[instance])
    else:
        assert refused(terminate, InstanceIds=[instance])["Code"] == "UnauthorizedOperation"


def test_attached_policies_and_principal_tags_count(aws, role):
    """A customer-managed policy allows as an inline one does, in its current version, and ${aws:PrincipalTag} is the role's tag."""
    session = role(tags=[("cluster", "payments")])
    iam = aws.client("iam")
    document = {"Version": "2012-10-17", "Statement": allow("ssm:GetParameter", "*")}
    document["Statement"]["Resource"] = "arn:aws:ssm:*:*:parameter/${aws:PrincipalTag/cluster}/*"
    policy = iam.create_policy(PolicyName="reads", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    ssm = session.client("ssm", config=ONCE)

    assert refused(ssm.get_parameter, Name="/payments/x")["Code"] == "AccessDeniedException"
    iam.attach_role_policy(RoleName="node", PolicyArn=policy)
    assert refused(ssm.get_parameter, Name="/payments/x")["Code"] == "ParameterNotFound"
    assert refused(ssm.get_parameter, Name="/ledger/x")["Code"] == "AccessDeniedException"
    document["Statement"]["Action"] = "ssm:PutParameter"
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=json.dumps(document), SetAsDefault=True)
    assert refused(ssm.get_parameter, Name="/payments/x")["Code"] == "AccessDeniedException"


def test_what_the_model_cannot_judge_is_refused_and_recorded(aws, role):
    """A condition the embedded AWS does not know refuses, and the record says which, so that nobody hunts a policy's bug."""
    session = role(allow("ec2:DescribeVpcs", IpAddress={"aws:SourceIp": "10.0.0.0/8"}))

    refused(session.client("ec2", config=ONCE).describe_vpcs)

    (recorded,) = aws.recorder.by("DescribeVpcs")
    assert "node/inline[0]: the condition key aws:SourceIp is not modelled" in recorded.reason


def test_an_operation_whose_resource_is_not_modelled_says_so(aws, role):
    """Judged on * alone, an operation without a line in the table leaves a note in the record."""
    session = role(allow("sqs:ListQueues"))

    session.client("sqs").list_queues()

    (recorded,) = aws.recorder.by("ListQueues")
    assert recorded.reason == "no resource is modelled for sqs:ListQueues: judged on *"


def test_grants_that_no_call_used_can_be_listed(aws, role):
    """Comparing a role's statements with those that decided shows what was never needed."""
    session = role(allow("ec2:DescribeVpcs"), allow("ec2:DescribeSubnets"))

    session.client("ec2").describe_vpcs()

    assert aws.recorder.used_statements() == {"node/inline[0]"}


def test_the_operator_is_not_judged(aws):
    """The operator owns the account: no policy is needed, and none is consulted."""
    aws.client("ec2").describe_vpcs()

    (recorded,) = aws.recorder.by("DescribeVpcs")
    assert (recorded.outcome, recorded.statements) == ("ok", ())


def test_a_role_s_rights_are_those_it_holds_now(aws, role):
    """Credentials outlive a policy and even their role; the rights do not."""
    session = role(allow("ec2:DescribeVpcs"), name="gone")
    ec2, iam = session.client("ec2", config=ONCE), aws.client("iam")
    ec2.describe_vpcs()

    iam.delete_role_policy(RoleName="gone", PolicyName="inline")
    assert refused(ec2.describe_vpcs)["Code"] == "UnauthorizedOperation"
    iam.delete_role(RoleName="gone")
    assert refused(ec2.describe_vpcs)["Code"] == "UnauthorizedOperation"
    assert session.client("sts").get_caller_identity()["Arn"].endswith("assumed-role/gone/i-0123456789abcdef0")
    iam.create_role(RoleName="gone", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))


def test_a_permissions_boundary_is_refused_loudly(aws, role):
    """Boundaries are not modelled: a role that has one may do nothing, and the record says why."""
    session = role(allow("ec2:DescribeVpcs"))
    iam = aws.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": allow("*")})
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=document)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="node", PermissionsBoundary=boundary)

    assert refused(session.client("ec2", config=ONCE).describe_vpcs)["Code"] == "UnauthorizedOperation"
    assert f"the permissions boundary {boundary} is not modelled" in aws.recorder.by("DescribeVpcs")[0].reason


def test_with_a_bucket_key_the_encryption_context_is_the_bucket(aws, role, key):
    """With an S3 Bucket Key, kms:EncryptionContext:aws:s3:arn is the bucket's ARN and no longer the object's."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket-key", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": rule, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(Bucket="bucket-key", ServerSideEncryptionConfiguration=rules)
    reads, arn = allow("s3:*"), "kms:EncryptionContext:aws:s3:arn"
    by_bucket = role(reads, allow("kms:*", key, StringEquals={arn: "arn:aws:s3:::bucket-key"}), name="by-bucket")
    by_object = role(reads, allow("kms:*", key, StringEquals={arn: "arn:aws:s3:::bucket-key/k"}), name="by-object")

    for session, allowed in ((by_bucket, True), (by_object, False)):
        client = session.client("s3", config=ONCE)
        if allowed:
            client.put_object(Bucket="bucket-key", Key="k", Body=b"1")
            assert client.get_object(Bucket="bucket-key", Key="k")["Body"].read() == b"1"
        else:
            assert refused(client.put_object, Bucket="bucket-key", Key="k", Body=b"1")["Code"] == "AccessDenied"
            assert refused(client.get_object, Bucket="bucket-key", Key="k")["Code"] == "AccessDenied"
