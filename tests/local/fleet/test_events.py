import json

import pytest

from kubecfn.local.fleet.events import Disturbance, allows, target_input

KEEP = "def handle(event, context):\n    print('EVENT', __import__('json').dumps(event))\n"
FINISH = """
import boto3
def handle(event, context):
    detail = event['detail']
    boto3.client('autoscaling').complete_lifecycle_action(
        AutoScalingGroupName=detail['AutoScalingGroupName'], LifecycleHookName=detail['LifecycleHookName'],
        LifecycleActionToken=detail['LifecycleActionToken'], LifecycleActionResult='CONTINUE')
"""
PATTERN = {"source": ["aws.autoscaling"], "detail-type": [{"prefix": "EC2 Instance"}]}


@pytest.fixture(autouse=True)
def calm(cloud):
    yield
    cloud.fleet.bus.disturb(Disturbance())


def rule(cloud, function, *, permit=True, **how):
    """Make a rule that invokes a function; return its name."""
    name, events = cloud.name("rule"), cloud.client("events")
    arn = events.put_rule(Name=name, **how)["RuleArn"]
    target = cloud.client("lambda").get_function_configuration(FunctionName=function)["FunctionArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "function", "Arn": target}])
    if permit:
        cloud.client("lambda").add_permission(
            FunctionName=function,
            StatementId="rule",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=arn,
        )
    return name


def keeper(cloud, pattern, **how):
    """Make a function that keeps the events of a pattern; return its name."""
    name = cloud.function(KEEP)
    rule(cloud, name, EventPattern=json.dumps(pattern), **how)
    return name


def kept(cloud, name):
    """Return the events a keeper saw."""
    logs = cloud.client("logs")
    try:
        lines = [event["message"] for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(line.split(" ", 1)[1]) for line in lines if line.startswith("EVENT")]


def outcomes(cloud, rule_name):
    """Return how deliveries of a rule ended."""
    return [each.outcome for each in cloud.fleet.bus.deliveries if each.rule == rule_name]


def send(cloud, detail_type):
    """Put one event of a program's own."""
    entry = {"Source": "kubecfn.test", "DetailType": detail_type, "Detail": "{}"}
    return cloud.client("events").put_events(Entries=[entry])


def test_a_function_behind_a_rule_completes_a_lifecycle_hook(cloud):
    """The whole loop: hook, event, rule, function as its own role, CompleteLifecycleAction, in service."""
    name = cloud.function(FINISH, policy=["logs:*", "autoscaling:CompleteLifecycleAction"])
    rule(cloud, name, EventPattern=json.dumps({"detail-type": ["EC2 Instance-launch Lifecycle Action"]}))
    hook = {
        "LifecycleHookName": "join",
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
        "HeartbeatTimeout": 7200,
    }

    group = cloud.group(1, LifecycleHookSpecificationList=[hook])

    [call] = cloud.aws.recorder.by("CompleteLifecycleAction", caller=name)
    assert call.call.params["AutoScalingGroupName"] == group


def test_a_life_of_an_instance_is_told_in_aws_own_words(cloud):
    """Launch and terminate events carry group, instance, activity and zone as documented."""
    name = keeper(cloud, {"source": ["aws.autoscaling", "aws.ec2"]})
    group = cloud.group(1)
    [instance] = cloud.states(group)
    cloud.asg.update_auto_scaling_group(AutoScalingGroupName=group, MinSize=0, DesiredCapacity=0)

    events = cloud.until(lambda: len(found := kept(cloud, name)) >= 6 and found)
    states = {each["detail"]["state"] for each in events if each["source"] == "aws.ec2"}
    told = {each["detail-type"]: each for each in events if each["source"] == "aws.autoscaling"}

    assert states == {"pending", "running", "shutting-down", "terminated"}
    assert set(told) == {"EC2 Instance Launch Successful", "EC2 Instance Terminate Successful"}
    for each in told.values():
        assert each["detail"]["EC2InstanceId"] == instance
        assert each["detail"]["AutoScalingGroupName"] == group
        assert [arn.split(":")[2] for arn in each["resources"]] == ["autoscaling", "ec2"]


@pytest.mark.parametrize(
    ("pattern", "matches"), [({"source": ["kubecfn.test"]}, True), ({"source": ["someone.else"]}, False)]
)
def test_an_event_goes_to_the_rules_it_matches(cloud, pattern, matches):
    """PutEvents of a program reaches the functions of matching rules, and no others."""
    name = keeper(cloud, pattern)
    witness = keeper(cloud, {"source": ["kubecfn.test"]})

    send(cloud, "hello")
    cloud.until(lambda: kept(cloud, witness))

    cloud.until(lambda: len(kept(cloud, name)) == int(matches))


def test_a_disabled_rule_delivers_nothing(cloud):
    """Only ENABLED rules match."""
    name = cloud.function(KEEP)
    off = rule(cloud, name, EventPattern=json.dumps({"source": ["kubecfn.test"]}), State="DISABLED")
    witness = keeper(cloud, {"source": ["kubecfn.test"]})

    send(cloud, "hello")
    cloud.until(lambda: kept(cloud, witness))

    assert outcomes(cloud, off) == []


def test_a_function_that_does_not_permit_the_rule_is_not_invoked(cloud):
    """Without a resource policy for events.amazonaws.com the event is lost in silence; the bus keeps why."""
    name = cloud.function(KEEP)
    refused = rule(cloud, name, permit=False, EventPattern=json.dumps({"source": ["kubecfn.test"]}))

    send(cloud, "hello")

    [why] = cloud.until(lambda: outcomes(cloud, refused))
    assert "does not let" in why
    assert kept(cloud, name) == []


@pytest.mark.parametrize(
    ("disturbance", "times"),
    [(Disturbance(lost=1.0), 0), (Disturbance(doubled=1.0), 2), (Disturbance(late=1.0, delay=100.0), 1)],
)
def test_events_are_lost_doubled_or_late_when_a_test_asks(cloud, disturbance, times):
    """Delivery is best effort and at least once: each of its ways can be asked for."""
    name = keeper(cloud, {"source": ["kubecfn.test"]})
    before = cloud.aws.clock.now()
    cloud.fleet.bus.disturb(disturbance)

    send(cloud, "hello")
    deliveries = cloud.until(lambda: [each for each in cloud.fleet.bus.deliveries if each.target.endswith(f":{name}")])
    cloud.until(lambda: len(kept(cloud, name)) == times)

    if disturbance.late:
        assert (deliveries[0].at - before).total_seconds() >= 100


def test_a_rate_rule_fires_again_and_again(cloud):
    """A rule with rate(1 minute) sends a Scheduled Event every minute of the clock, until it is disabled."""
    name = cloud.function(KEEP)
    scheduled = rule(cloud, name, ScheduleExpression="rate(1 minute)")

    events = cloud.until(lambda: len(found := kept(cloud, name)) >= 2 and found)

    assert {each["detail-type"] for each in events} == {"Scheduled Event"}
    cloud.client("events").disable_rule(Name=scheduled)


def test_a_schedule_of_eventbridge_scheduler_invokes_its_target(cloud):
    """EventBridge Scheduler acts as its own role: the function needs no resource policy for it."""
    name = cloud.function(KEEP)
    arn = cloud.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"]
    cloud.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": "arn:aws:iam::123456789012:role/scheduler", "Input": '{"why": "scheduled"}'},
    )

    events = cloud.until(lambda: kept(cloud, name))
    cloud.client("scheduler").delete_schedule(Name=name)

    assert events[0] == {"why": "scheduled"}


def test_a_queue_can_be_a_target(cloud):
    """A rule's SQS target gets the event as its message."""
    sqs, events = cloud.client("sqs"), cloud.client("events")
    queue = sqs.create_queue(QueueName=cloud.name("queue"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = cloud.name("rule")
    events.put_rule(Name=name, EventPattern=json.dumps({"detail-type": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

    send(cloud, "another")
    send(cloud, name)

    [message] = cloud.until(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"))
    assert json.loads(message["Body"])["detail-type"] == name


def test_events_outlive_a_bus_that_cannot_be_read(cloud):
    """'I could not ask for the rules' is not 'there are none': the event is matched when they can be read again."""
    name = keeper(cloud, {"source": ["kubecfn.test"]})
    cloud.aws.faults.add(kind="error", service="events", operation="ListRules", times=4, internal=True)

    send(cloud, "hello")

    cloud.until(lambda: kept(cloud, name))


def test_malformed_entries_are_refused_one_by_one(cloud):
    """PutEvents takes the good entries and names what is wrong with the others."""
    good = {"Source": "kubecfn.test", "DetailType": "t", "Detail": "{}"}

    answer = cloud.client("events").put_events(Entries=[good, {**good, "Detail": "{"}, {**good, "Source": ""}])

    assert answer["FailedEntryCount"] == 2
    assert [each.get("ErrorCode") for each in answer["Entries"]] == [None, "MalformedDetail", "InvalidArgument"]


EVENT = {"id": "1", "detail-type": "t", "detail": {"EC2InstanceId": "i-1", "n": 3}}


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({}, json.dumps(EVENT)),
        ({"Input": '{"x": 1}'}, '{"x": 1}'),
        ({"InputPath": "$.detail"}, '{"EC2InstanceId": "i-1", "n": 3}'),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"who": "$.detail.EC2InstanceId", "n": "$.detail.n"},
                    "InputTemplate": '{"i": "<who>", "n": <n>}',
                }
            },
            '{"i": "i-1", "n": 3}',
        ),
    ],
)
def test_a_target_gets_the_input_it_asks_for(target, text):
    """Input, InputPath and InputTransformer replace the event."""
    assert target_input(target, EVENT) == text


RULE = "arn:aws:events:eu-central-1:123456789012:rule/mine"


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({}, True),
        ({"Condition": {"ArnLike": {"AWS:SourceArn": RULE}}}, True),
        ({"Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:events:*:*:rule/m*"}}}, True),
        ({"Condition": {"ArnLike": {"AWS:SourceArn": RULE + "-other"}}}, False),
        ({"Condition": {"StringEquals": {"AWS:SourceAccount": "999999999999"}}}, False),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, False),
        ({"Effect": "Deny"}, False),
    ],
)
def test_a_resource_policy_names_who_may_invoke(change, allowed):
    """EventBridge needs an Allow for its service principal whose conditions fit the rule."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        **change,
    }

    assert allows(statement, RULE, "123456789012") is allowed
