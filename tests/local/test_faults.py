import random
import time

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from kubecfn.local.api import Call
from kubecfn.local.faults import Faults

ONCE = Config(retries={"total_max_attempts": 1})
THRICE = Config(retries={"mode": "standard", "total_max_attempts": 3})

# Each service's own code and status for the same trouble: what clients really have to recognise.
WORDS = [
    ("throttle", "ec2", "describe_vpcs", {}, "RequestLimitExceeded", 503),
    ("throttle", "s3", "list_buckets", {}, "SlowDown", 503),
    ("throttle", "lambda", "list_functions", {}, "TooManyRequestsException", 429),
    ("throttle", "route53", "list_hosted_zones", {}, "Throttling", 400),
    ("throttle", "elbv2", "describe_load_balancers", {}, "Throttling", 400),
    ("throttle", "logs", "describe_log_groups", {}, "ThrottlingException", 400),
    ("throttle", "ssm", "describe_parameters", {}, "ThrottlingException", 400),
    ("error", "ec2", "describe_vpcs", {}, "InternalError", 500),
    ("error", "s3", "list_buckets", {}, "InternalError", 500),
    ("error", "iam", "list_roles", {}, "InternalFailure", 500),
    ("error", "kms", "list_keys", {}, "KMSInternalException", 500),
    ("error", "logs", "describe_log_groups", {}, "ServiceUnavailableException", 503),
    ("expired", "sts", "get_caller_identity", {}, "ExpiredToken", 403),
    ("expired", "s3", "list_buckets", {}, "ExpiredToken", 400),
    ("expired", "ec2", "describe_vpcs", {}, "RequestExpired", 400),
    ("expired", "ssm", "describe_parameters", {}, "ExpiredTokenException", 400),
    ("denied", "ec2", "describe_vpcs", {}, "UnauthorizedOperation", 403),
    ("denied", "s3", "list_buckets", {}, "AccessDenied", 403),
    ("denied", "lambda", "list_functions", {}, "AccessDeniedException", 403),
    ("denied", "logs", "describe_log_groups", {}, "AccessDeniedException", 400),
]


@pytest.mark.parametrize(("kind", "service", "method", "arguments", "code", "status"), WORDS)
def test_each_service_complains_in_its_own_words_and_only_as_often_as_asked(
    aws, kind, service, method, arguments, code, status
):
    """A fault shows as the service's own code and status, once; the next call goes through."""
    call = getattr(aws.session().client(service, config=ONCE), method)
    fault = aws.faults.add(kind=kind, service=service)

    with pytest.raises(ClientError) as caught:
        call(**arguments)
    call(**arguments)

    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert [recorded.outcome for recorded in aws.recorder.calls] == [code, "ok"]
    assert fault.struck == 1


@pytest.mark.parametrize(("times", "reaches"), [(2, True), (3, False)])
def test_botocore_s_own_retries_ride_out_two_throttles_but_not_three(aws, impatient, times, reaches):
    """Retrying is the client's: three attempts survive two throttles, and the third throttle reaches the caller."""
    aws.faults.add(kind="throttle", service="ec2", times=times)
    client = aws.session().client("ec2", config=THRICE)

    if reaches:
        assert client.describe_vpcs()["ResponseMetadata"]["RetryAttempts"] == 2
    else:
        with pytest.raises(ClientError, match="RequestLimitExceeded"):
            client.describe_vpcs()
    assert len(aws.recorder.calls) == 3


def test_a_fault_may_have_a_code_words_and_a_status_of_its_own(aws):
    """Errors only one operation has can be asked for by code."""
    aws.faults.add(
        kind="error", operation="CreateBucket", code="OperationAborted", status=409, message="A conflicting operation"
    )

    with pytest.raises(ClientError) as caught:
        aws.session().client("s3", config=ONCE).create_bucket(
            Bucket="aborted", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )

    assert caught.value.response["Error"] == {"Code": "OperationAborted", "Message": "A conflicting operation"}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_a_cut_connection_leaves_nothing_done_and_a_lost_answer_leaves_it_done(aws):
    """A connection can end before the call is carried out or after; the client sees the same, the account does not."""
    ssm = aws.session().client("ssm", config=ONCE)
    aws.faults.add(kind="drop", operation="PutParameter")
    aws.faults.add(kind="lost-answer", operation="PutParameter")

    for name in ("cut", "lost"):
        with pytest.raises(ConnectionClosedError):
            ssm.put_parameter(Name=name, Value="1", Type="String")

    assert [parameter["Name"] for parameter in ssm.describe_parameters()["Parameters"]] == ["lost"]
    assert [recorded.outcome for recorded in aws.recorder.by("PutParameter")] == ["cut", "lost-answer"]


def test_a_repeated_conditional_write_meets_its_own_object(aws, impatient):
    """When the answer to a conditional write is lost, botocore's retry is told 412 although the caller itself wrote."""
    s3 = aws.session().client("s3", config=THRICE)
    s3.create_bucket(Bucket="leases", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    aws.faults.add(kind="lost-answer", operation="PutObject")

    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket="leases", Key="lock", Body=b"mine", IfNoneMatch="*")

    assert s3.get_object(Bucket="leases", Key="lock")["Body"].read() == b"mine"


def test_latency_is_real_enough_for_a_client_s_read_timeout(aws):
    """A slow answer runs into the client's own timeout; a patient client gets it."""
    impatient = aws.session().client("sts", config=Config(read_timeout=0.05, retries={"total_max_attempts": 1}))
    aws.faults.add(kind="latency", service="sts", seconds=0.1, times=2)

    with pytest.raises(ReadTimeoutError):
        impatient.get_caller_identity()
    start = time.perf_counter()
    aws.client("sts").get_caller_identity()

    assert time.perf_counter() - start >= 0.1


def test_a_fault_can_be_meant_for_one_caller(aws, role):
    """A fault for the node's role does not touch the operator, and the other way round it would."""
    session = role({"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"})
    aws.faults.add(kind="throttle", operation="DescribeVpcs", caller="assumed-role/node/", times=9)

    aws.client("ec2").describe_vpcs()
    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        session.client("ec2", config=ONCE).describe_vpcs()


def test_the_services_own_calls_are_spared_unless_asked(aws):
    """Services do not retry among themselves, so faults are for programs; a rehearsal may include the services."""
    aws.faults.add(kind="error", service="ec2", times=9)
    client = aws._clients("ec2", "eu-central-1")

    client.describe_vpcs()
    assert aws.recorder.calls == []
    assert [recorded.call.caller for recorded in aws.recorder.internal] == ["service"]

    aws.faults.add(kind="throttle", service="ec2", internal=True)
    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        client.describe_vpcs()


def struck(seed, calls):
    faults = Faults(seed)
    faults.add(kind="throttle", times=1000, probability=0.3)
    return [bool(faults.strike(call, internal=False)) for call in calls]


def test_a_seed_repeats_its_faults_and_another_seed_has_others():
    """The same seed and the same calls give the same faults, about as many as the probability says."""
    calls = [Call("ec2", "DescribeVpcs", {}, "1" * 12, "eu-central-1", "x")] * 200
    seed = random.Random(1).randrange(1000)

    assert struck(seed, calls) == struck(seed, calls)
    assert struck(seed, calls) != struck(seed + 1, calls)
    assert 30 < sum(struck(seed, calls)) < 90


def test_an_unknown_kind_of_fault_is_refused():
    """A misspelt fault would be a test that tests nothing."""
    with pytest.raises(ValueError, match="unknown kind of fault 'throtle'"):
        Faults().add(kind="throtle")
