import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kubecfn.local.api import ServiceError

ONCE = Config(retries={"total_max_attempts": 1}, proxies={})

# A read of every service a cluster stack uses, answered by moto through the gate.
READS = [
    ("ec2", "describe_vpcs", {}, "Vpcs"),
    ("elbv2", "describe_load_balancers", {}, "LoadBalancers"),
    ("route53", "list_hosted_zones", {}, "HostedZones"),
    ("s3", "list_buckets", {}, "Buckets"),
    ("iam", "list_roles", {}, "Roles"),
    ("kms", "list_keys", {}, "Keys"),
    ("ssm", "describe_parameters", {}, "Parameters"),
    ("logs", "describe_log_groups", {}, "logGroups"),
    ("lambda", "list_functions", {}, "Functions"),
    ("events", "list_rules", {}, "Rules"),
    ("cloudwatch", "describe_alarms", {}, "MetricAlarms"),
    ("sqs", "list_queues", {}, "ResponseMetadata"),
    ("sns", "list_topics", {}, "Topics"),
    ("sts", "get_caller_identity", {}, "Arn"),
    ("scheduler", "list_schedules", {}, "Schedules"),
]

WHEN = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
# One operation of ours per protocol: service, API name, boto3 method, arguments, parameters as parsed, our answer.
OWN = [
    pytest.param(
        "autoscaling",
        "CompleteLifecycleAction",
        "complete_lifecycle_action",
        {"LifecycleHookName": "h", "AutoScalingGroupName": "g", "LifecycleActionResult": "CONTINUE"},
        {},
        id="query, no output",
    ),
    pytest.param(
        "cloudformation",
        "DescribeStackEvents",
        "describe_stack_events",
        {"StackName": "payments"},
        {"StackEvents": [{"StackId": "s", "EventId": "e", "StackName": "payments", "Timestamp": WHEN}]},
        id="query, lists and times",
    ),
    pytest.param(
        "ec2",
        "DescribeSubnets",
        "describe_subnets",
        {"SubnetIds": ["subnet-1", "subnet-2"]},
        {"Subnets": [{"SubnetId": "subnet-1", "MapPublicIpOnLaunch": True, "AvailableIpAddressCount": 251}]},
        id="ec2",
    ),
    pytest.param(
        "logs",
        "DescribeLogStreams",
        "describe_log_streams",
        {"logGroupName": "/kubecfn/x", "limit": 5},
        {"logStreams": [{"logStreamName": "i-1", "creationTime": 1_700_000_000_000}]},
        id="json",
    ),
    pytest.param(
        "lambda",
        "Invoke",
        "invoke",
        {"FunctionName": "f", "Payload": b'{"a": 1}', "InvocationType": "RequestResponse"},
        {"StatusCode": 200, "Payload": b'{"done": true}', "FunctionError": "Unhandled"},
        id="rest-json, payload and headers",
    ),
    pytest.param(
        "route53",
        "GetHostedZone",
        "get_hosted_zone",
        {"Id": "Z1"},
        {
            "HostedZone": {"Id": "/hostedzone/Z1", "Name": "k.example.", "CallerReference": "c"},
            "VPCs": [{"VPCRegion": "eu-central-1", "VPCId": "vpc-1"}],
        },
        id="rest-xml",
    ),
    pytest.param(
        "cloudwatch", "DisableAlarmActions", "disable_alarm_actions", {"AlarmNames": ["a"]}, {}, id="cloudwatch"
    ),
]


@contextmanager
def answering(aws, service, operation, handler):
    """Answer one operation in the gate for a while."""
    before = aws._gate.operations
    aws._gate.operations = {**before, (service, operation): handler}
    try:
        yield
    finally:
        aws._gate.operations = before


def refusal(method, **arguments):
    with pytest.raises(ClientError) as caught:
        method(**arguments)
    return caught.value.response


@pytest.mark.parametrize(("service", "method", "arguments", "member"), READS)
def test_every_service_answers_and_is_recorded_as_the_operator_s_call(aws, service, method, arguments, member):
    """A call of any protocol reaches its service and is recorded with its caller and its outcome."""
    answer = getattr(aws.client(service), method)(**arguments)

    assert member in answer
    (recorded,) = aws.recorder.calls
    assert recorded.call.service == service
    assert recorded.call.operation.lower() == method.replace("_", "")
    assert recorded.call.caller == "arn:aws:iam::123456789012:user/operator"
    assert recorded.call.region == "eu-central-1"
    assert recorded.outcome == "ok"


@pytest.mark.parametrize(("service", "operation", "method", "arguments", "answer"), OWN)
def test_an_own_operation_gets_the_api_s_parameters_and_its_answer_arrives_whole(
    aws, service, operation, method, arguments, answer
):
    """Whatever the protocol, a handler sees the API's names and types, and boto3 gets what the handler answered."""
    calls = []

    def handler(call):
        calls.append(call)
        return answer

    with answering(aws, service, operation, handler):
        found = getattr(aws.client(service), method)(**arguments)

    assert dict(calls[0].params) == arguments
    found.pop("ResponseMetadata")
    if "Payload" in found:
        found["Payload"] = found["Payload"].read()
    expected = {**found, **answer}
    assert found == expected


@pytest.mark.parametrize(("service", "operation", "method", "arguments", "answer"), OWN)
def test_an_own_error_arrives_with_its_code_words_and_status(aws, service, operation, method, arguments, answer):
    """A ServiceError is the protocol's own error: code, words (escaped where XML needs it) and status."""

    def handler(call):
        raise ServiceError("ValidationError", f"<{call.operation}> & 'more' are not \"valid\"", 418)

    with answering(aws, service, operation, handler):
        response = refusal(getattr(aws.client(service), method), **arguments)

    assert response["Error"]["Code"] == "ValidationError"
    assert response["Error"]["Message"] == f"<{operation}> & 'more' are not \"valid\""
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 418
    assert [recorded.outcome for recorded in aws.recorder.calls] == ["ValidationError"]


def test_a_handler_s_mistake_is_an_internal_failure_with_its_traceback_in_the_log(aws):
    """An unexpected exception is the service's InternalFailure, never a web page, and the log keeps the traceback."""

    def handler(call):
        raise RuntimeError("the group has three heads")

    client = aws.session().client("autoscaling", config=ONCE)
    with answering(aws, "autoscaling", "SetDesiredCapacity", handler):
        response = refusal(client.set_desired_capacity, AutoScalingGroupName="g", DesiredCapacity=1)

    assert response["Error"]["Code"] == "InternalFailure"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "the group has three heads" not in response["Error"]["Message"]
    assert "RuntimeError: the group has three heads" in (aws._workdir / "aws.log").read_text()


def test_a_misspelt_member_of_an_answer_is_a_failure_and_not_silence(aws):
    """An answer with a member the API does not have fails, because botocore would drop it unseen."""
    client = aws.session().client("logs", config=ONCE)
    with answering(aws, "logs", "DescribeLogStreams", lambda _: {"logStreams": [{"streamName": "i-1"}]}):
        response = refusal(client.describe_log_streams, logGroupName="g")

    assert response["Error"]["Code"] == "InternalFailure"
    assert "has no member streamName" in (aws._workdir / "aws.log").read_text()


@pytest.mark.parametrize(
    ("service", "method", "arguments", "named"),
    [
        ("autoscaling", "start_instance_refresh", {"AutoScalingGroupName": "g"}, "autoscaling:StartInstanceRefresh"),
        ("cloudformation", "list_exports", {}, "cloudformation:ListExports"),
        ("ssm", "describe_instance_information", {}, "ssm:DescribeInstanceInformation"),
        ("dlm", "get_lifecycle_policies", {}, "dlm:GetLifecyclePolicies"),
        (
            "route53",
            "test_dns_answer",
            {"HostedZoneId": "Z1", "RecordName": "a.example", "RecordType": "A"},
            "route53:TestDNSAnswer",
        ),
    ],
)
def test_what_is_not_emulated_says_so_by_name(aws, service, method, arguments, named):
    """An operation nobody answers is refused as NotEmulated with its name, and boto3 does not repeat it."""
    response = refusal(getattr(aws.client(service), method), **arguments)

    assert response["Error"]["Code"] == "NotEmulated"
    assert named in response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["ResponseMetadata"]["RetryAttempts"] == 0


def test_a_parameter_that_was_not_sent_is_absent(aws):
    """Handlers can tell "none" from "not said", also for lists in a query string."""
    refusal(aws.client("dlm").get_lifecycle_policies, State="ENABLED")

    assert aws.recorder.calls[0].call.params == {"State": "ENABLED"}


def test_own_operations_run_side_by_side_and_may_call_back(aws):
    """A handler that calls another service, and waits for a second handler, deadlocks nobody."""
    meeting = threading.Barrier(2, timeout=5)

    def handler(call):
        aws.client("sts").get_caller_identity()
        aws.client("ec2").describe_vpcs()
        meeting.wait()
        return {}

    client = aws.client("autoscaling")
    with answering(aws, "autoscaling", "SetDesiredCapacity", handler), ThreadPoolExecutor(2) as pool:
        both = [pool.submit(client.set_desired_capacity, AutoScalingGroupName=name, DesiredCapacity=1) for name in "ab"]

        assert [one.result(timeout=5)["ResponseMetadata"]["HTTPStatusCode"] for one in both] == [200, 200]


def test_moto_is_asked_one_call_at_a_time(aws):
    """While one call is inside moto, a second one waits; moto's back ends hold no locks of their own."""
    finished = threading.Event()

    def look():
        aws.client("ec2").describe_vpcs()
        finished.set()

    with aws._gate.moto_lock:
        thread = threading.Thread(target=look)
        thread.start()
        assert not finished.wait(0.1)
        assert aws.client("sts").get_caller_identity()
    thread.join(5)

    assert finished.is_set()


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_s3_is_reached_by_path_and_by_host_name(aws, style):
    """`/bucket/key` and `bucket.s3.amazonaws.com/key` are the same object, for signed and for presigned requests."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=f"styles-{style}", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket=f"styles-{style}", Key="a/b c.txt", Body=b"hello")
    signer = s3
    if style == "virtual":
        signer = aws.session().client("s3", endpoint_url=None, use_ssl=False)
    url = urlsplit(
        signer.generate_presigned_url("get_object", Params={"Bucket": f"styles-{style}", "Key": "a/b c.txt"})
    )
    assert url.path == {"path": "/styles-path/a/b%20c.txt", "virtual": "/a/b%20c.txt"}[style]

    connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
    connection.request("GET", f"{url.path}?{url.query}", headers={"Host": url.netloc})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()

    assert (answer.status, body) == (200, b"hello")
    recorded = aws.recorder.calls[-1]
    assert (recorded.call.operation, recorded.outcome) == ("GetObject", "ok")
    assert {key: recorded.call.params[key] for key in ("Bucket", "Key")} == {
        "Bucket": f"styles-{style}",
        "Key": "a/b c.txt",
    }


@pytest.mark.parametrize("path", ["/moto-api/reset", "/latest/meta-data/", "/latest/api/token"])
def test_moto_s_own_pages_are_not_served(aws, path):
    """The back end's control panel and its made-up metadata service are no part of AWS's service APIs."""
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
    connection.request("POST", path)
    status = connection.getresponse().status
    connection.close()

    assert status == 404


def test_a_conditional_write_has_one_winner(aws):
    """Of many writers with If-None-Match exactly one succeeds and all others are told 412."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="lease", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    def write(number):
        try:
            s3.put_object(Bucket="lease", Key="lock", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]
        return 200

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(write, range(8)))

    assert outcomes == [200] + [412] * 7


def test_head_of_a_missing_object_is_a_bare_404(aws):
    """A HEAD has no body to carry a code: botocore reports the status, and so does the record."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="empty", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    response = refusal(s3.head_object, Bucket="empty", Key="none")

    assert response["Error"]["Code"] == "404"
    assert aws.recorder.by("HeadObject")[0].outcome == "404"


def test_a_refused_head_leaves_the_connection_usable(aws, role):
    """An error to HEAD has no body either: one byte of it would be read as the next answer's first."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="shut", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket="shut", Key="k", Body=b"1")
    refused = role({"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}).client("s3")

    for _ in range(2):
        assert refusal(refused.head_object, Bucket="shut", Key="k")["Error"]["Code"] == "403"
        assert "shut" in {bucket["Name"] for bucket in refused.list_buckets()["Buckets"]}
    assert [recorded.outcome for recorded in aws.recorder.by("HeadObject")] == ["AccessDenied"] * 2


def test_a_body_sent_in_chunks_arrives_whole(aws):
    """Programs that do not know a body's length beforehand send it in chunks."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="chunks", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": "chunks", "Key": "k"}))

    connection = http.client.HTTPConnection(url.netloc)
    connection.request("PUT", f"{url.path}?{url.query}", body=iter([b"hello ", b"world"]), encode_chunked=True)
    status = connection.getresponse().status
    connection.close()

    assert status == 200
    assert s3.get_object(Bucket="chunks", Key="k")["Body"].read() == b"hello world"
