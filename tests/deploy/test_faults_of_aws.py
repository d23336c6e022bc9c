"""Whatever AWS does to any call that a whole life of a stack makes: survived when it passes, one clear error when it stays."""

import itertools

import pytest

from kubecfn.deploy.aws import connect
from kubecfn.errors import AwsError, KubecfnError

APPLY = {
    "autoscaling:DescribeAutoScalingGroups",
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetStackPolicy",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
    "cloudformation:SetStackPolicy",
    "cloudformation:UpdateTerminationProtection",
    "s3:HeadObject",
    "s3:PutObject",
}
PLAN = {"cloudformation:DeleteChangeSet", "cloudformation:ListChangeSets"}
DELETE = {
    "autoscaling:UpdateAutoScalingGroup",
    "cloudformation:DeleteStack",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeTags",
    "ec2:DescribeVolumes",
    "elb:DescribeLoadBalancers",
    "elbv2:DescribeLoadBalancers",
    "elbv2:DescribeTargetGroups",
    "resourcegroupstaggingapi:GetResources",
    "route53:ChangeResourceRecordSets",
    "route53:GetHostedZone",
    "route53:ListResourceRecordSets",
}
# The tagging index is asked about each EC2 resource it still names: none in a clean deletion.
RARE = {"ec2:DescribeTags"}
RETENTIONS = itertools.cycle((1, 3, 5, 7, 14, 60, 90, 120, 150, 180, 365, 400, 545, 731))


def life(operator):
    """Plan, create, change, change nothing, delete."""
    operator.plan(bucket=False)
    operator.apply()
    write_a_record(operator)
    operator.apply(retention=7)
    operator.apply(retention=7)
    return operator.delete()


def write_a_record(operator):
    """What the discovery function does: a record that deletion has to remove."""
    (zone,) = operator.aws.client("route53").list_hosted_zones()["HostedZones"]
    record = {"Name": "x.payments.example.com", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    operator.aws.client("route53").change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch=batch)


def calls(operator):
    """Which calls the operator made."""
    made = {
        f"{one.call.service}:{one.call.operation}"
        for one in operator.embedded.recorder.where(lambda one: not one.internal)
    }
    return (
        made
        - {"route53:ListHostedZones", "s3:ListBuckets", "s3:CreateBucket", "kms:CreateKey"}
        - {
            "s3:PutBucketTagging",
            "s3:GetBucketTagging",
        }
    )


def test_the_tables_name_every_call_a_life_makes(operator):
    """A call that is added to the product is added to the faults: this test holds the tables to a recorded run."""
    life(operator)

    assert calls(operator) == (APPLY | PLAN | DELETE) - RARE


@pytest.mark.parametrize(("kind", "times"), [("throttle", 3), ("error", 3), ("drop", 1), ("lost-answer", 1)])
def test_what_passes_is_survived_on_every_call(operator, impatient, kind, times):
    """Throttled, failed, cut or answered into the void: repeating is safe for every call, and the life is the same."""
    operator.bucket()
    faults = [
        operator.embedded.faults.add(kind=kind, service=service, operation=operation, times=times)
        for service, operation in (call.split(":") for call in sorted((APPLY | PLAN | DELETE) - RARE))
    ]

    deleted = life(operator)

    assert deleted.clean
    assert operator.stacks() == {}
    assert [fault for fault in faults if not fault.struck] == []


def failing(operator, call, kind="error"):
    service, operation = call.split(":")
    return operator.embedded.faults.add(kind=kind, service=service, operation=operation, times=10**6)


def assert_is_one_clear_error(error):
    assert error.exit_code == 1
    assert error.message.startswith("While ")
    assert "on its side" in error.message or "too many requests" in error.message
    assert "Nothing was lost" in error.remedy


def test_what_stays_is_one_clear_error_on_every_call_of_apply_and_apply_goes_on_afterwards(operator, impatient):
    """A 5xx that never ends names what was being done; the same command later picks up where the stack is."""
    operator.apply()
    for call in sorted(APPLY):
        (operator.aws.client("s3").delete_object(**stored(operator)) if call == "s3:PutObject" else None)
        lift_protection(operator) if call in {
            "cloudformation:SetStackPolicy",
            "cloudformation:UpdateTerminationProtection",
        } else None
        fault = failing(operator, call)
        with pytest.raises(AwsError) as raised:
            operator.apply(retention=next(RETENTIONS))
        assert fault.struck, call
        assert_is_one_clear_error(raised.value)
        operator.embedded.faults.clear()

    outcome = operator.apply(retention=1827)
    assert outcome.state.value == "UPDATE_COMPLETE"
    assert operator.change_sets() == []


def stored(operator):
    bucket = operator.bucket()
    return {"Bucket": bucket.name, "Key": operator.deployment().artifacts[0].key}


def lift_protection(operator):
    """Someone took the protection away: the next apply sets it again."""
    client = operator.aws.client("cloudformation")
    client.update_termination_protection(StackName="payments", EnableTerminationProtection=False)
    allow = '{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}'
    client.set_stack_policy(StackName="payments", StackPolicyBody=allow)


@pytest.mark.parametrize("call", sorted(PLAN))
def test_what_stays_is_one_clear_error_while_a_plan_tidies_up(operator, impatient, call):
    """A plan that cannot take back what it made says so instead of pretending."""
    failing(operator, call)

    with pytest.raises(AwsError) as raised:
        operator.plan(bucket=False)

    assert_is_one_clear_error(raised.value)


def test_what_stays_is_one_clear_error_on_every_call_of_delete_and_delete_goes_on_afterwards(operator, impatient):
    """Deletion is repeated until it is done; whatever failed in between, nothing is left at the end."""
    for call in sorted(DELETE - RARE):
        if "payments" not in operator.stacks():
            operator.apply()
        write_a_record(operator) if zones(operator) else None
        fault = failing(operator, call)
        with pytest.raises(AwsError) as raised:
            operator.delete()
        assert fault.struck, call
        assert_is_one_clear_error(raised.value)
        operator.embedded.faults.clear()

    operator.delete()
    assert operator.stacks() == {}


def zones(operator):
    return operator.aws.client("route53").list_hosted_zones()["HostedZones"]


@pytest.mark.parametrize(
    "call", ["cloudformation:DescribeStackEvents", "cloudformation:CreateChangeSet", "s3:PutObject"]
)
def test_throttling_that_stays_says_so(operator, impatient, call):
    """Too many requests is not a failure of ours or theirs: the remedy is to wait."""
    failing(operator, call, "throttle")

    with pytest.raises(AwsError, match="too many requests") as raised:
        operator.apply()

    assert_is_one_clear_error(raised.value)


@pytest.mark.parametrize(
    ("kind", "reason", "remedy"),
    [("expired", "have expired", "Sign in again"), ("denied", "not allowed", "permission")],
)
def test_refused_credentials_end_an_apply_before_anything_is_sent(operator, impatient, kind, reason, remedy):
    """Expired and denied are not repeated: nothing was changed."""
    wanted = operator.deployment()
    operator.embedded.faults.add(kind=kind, times=10**6)

    with pytest.raises(AwsError, match=reason) as raised:
        operator.apply(deployment=wanted)

    assert remedy in raised.value.remedy
    operator.embedded.faults.clear()
    assert operator.stacks() == {}


def test_credentials_that_expire_while_watching_tell_how_to_come_back(operator, impatient):
    """The stack goes on; the error says so, and a second apply picks it up."""

    def expire(progress):
        if progress.text.startswith("CloudFormation works on"):
            operator.embedded.faults.add(kind="expired", operation="DescribeStackEvents", times=10**6)

    operator.on_progress = expire

    with pytest.raises(AwsError, match="The stack goes on without us") as raised:
        operator.apply()

    assert raised.value.remedy.endswith("Come back with: kubecfn apply x")
    operator.embedded.faults.clear()
    assert operator.apply().changed is False


def test_a_wrong_region_is_told_before_anything_is_done(operator, monkeypatch):
    """A region without an endpoint cannot be reached; the remedy names the region."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("kubecfn.deploy.aws._ATTEMPTS", 1)

    with pytest.raises(AwsError, match="cannot be reached") as raised:
        connect("eu-nowhere-1")

    assert "Check that the region exists" in raised.value.remedy


@pytest.mark.parametrize("kind", ["throttle", "error"])
def test_who_am_i_can_fail_like_everything_else(operator, impatient, kind):
    """The first call of all is no exception."""
    failing(operator, "sts:GetCallerIdentity", kind)

    with pytest.raises(KubecfnError) as raised:
        connect("eu-central-1")

    assert_is_one_clear_error(raised.value)
