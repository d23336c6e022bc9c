"""Functions, events, logs, messages: each type from creation over a change in place to nothing left."""

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


def function(s, i):
    found = s.client("lambda").get_function(FunctionName=i)
    settings = found["Configuration"]
    return {
        **{name: settings[name] for name in ("Handler", "MemorySize", "Timeout", "Description", "Architectures")},
        "variables": settings.get("Environment", {}).get("Variables", {}),
        "reserved": found.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        "tags": own(found["Tags"]),
    }


def code(s, i):
    return s.client("lambda").get_function(FunctionName=i)["Configuration"]["CodeSize"]


def permission(s, i):
    policy = json.loads(s.client("lambda").get_policy(FunctionName=s.function.physical_id)["Policy"])
    return [item["Principal"]["Service"] for item in policy["Statement"] if item["Sid"] == i]


def retries(s, i):
    found = s.client("lambda").get_function_event_invoke_config(FunctionName=i.partition("|")[0])
    return found["MaximumRetryAttempts"]


def mapping(s, i):
    found = s.client("lambda").get_event_source_mapping(UUID=i)
    return found["BatchSize"], found["State"], found["FunctionArn"]


def rule(s, i):
    events = s.client("events")
    found = events.describe_rule(Name=i)
    targets = events.list_targets_by_rule(Rule=i)["Targets"]
    return found["State"], [(t["Id"], t.get("RetryPolicy", {}).get("MaximumRetryAttempts")) for t in targets]


def schedule(s, i):
    found = s.client("scheduler").get_schedule(Name=i)
    return found["ScheduleExpression"], found["State"], found["Target"]["RetryPolicy"]["MaximumRetryAttempts"]


def schedule_group(s, i):
    arn = s.client("scheduler").get_schedule_group(Name=i)["Arn"]
    return own(s.client("scheduler").list_tags_for_resource(ResourceArn=arn)["Tags"])


def log_group(s, i):
    logs = s.client("logs")
    found = logs.describe_log_groups(logGroupNamePrefix=i)["logGroups"][0]
    tags = logs.list_tags_for_resource(resourceArn=found["arn"].removesuffix(":*"))["tags"]
    return found.get("retentionInDays"), own(tags)


def metric_filter(s, i):
    found = s.client("logs").describe_metric_filters(logGroupName=s.log_group, filterNamePrefix=i)["metricFilters"]
    return [(item["filterPattern"], item["metricTransformations"][0]["metricName"]) for item in found]


def topic(s, i):
    sns = s.client("sns")
    endpoints = [item["Endpoint"] for item in sns.list_subscriptions_by_topic(TopicArn=i)["Subscriptions"]]
    return sns.get_topic_attributes(TopicArn=i)["Attributes"]["DisplayName"], endpoints


def topic_policy(s, i):
    policy = s.client("sns").get_topic_attributes(TopicArn=s.topic)["Attributes"]["Policy"]
    return json.loads(policy)["Statement"][0]["Action"]


def subscription(s, i):
    found = s.client("sns").get_subscription_attributes(SubscriptionArn=i)["Attributes"]
    return found["RawMessageDelivery"], json.loads(found["FilterPolicy"])


def queue(s, i):
    found = s.client("sqs").get_queue_attributes(QueueUrl=i, AttributeNames=["All"])["Attributes"]
    return found["VisibilityTimeout"], found["MessageRetentionPeriod"], found.get("KmsMasterKeyId", "")


def queue_policy(s, i):
    found = s.client("sqs").get_queue_attributes(QueueUrl=s.queue.physical_id, AttributeNames=["Policy"])
    policy = found.get("Attributes", {}).get("Policy")
    return policy and json.loads(policy)["Statement"][0]["Action"]


def parameter(s, i):
    ssm = s.client("ssm")
    value = ssm.get_parameter(Name=i)["Parameter"]["Value"]
    return value, own(ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=i)["TagList"])


def alarm(s, i):
    found = s.client("cloudwatch").describe_alarms(AlarmNames=[i])["MetricAlarms"][0]
    tags = s.client("cloudwatch").list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]
    return found["Threshold"], found["TreatMissingData"], own(tags)


def document(action, resource="*"):
    statement = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def source(text):
    return {"ZipFile": text}


def code_settings(s, **more):
    settings = {"Runtime": "python3.13", "Handler": "index.handler", "Role": s.role.attributes["Arn"]}
    return {**settings, "Code": source("one"), **more}


TEAM = {"team": "platform"}
ARN = "arn:aws:lambda:eu-central-1:123456789012:function:f"
METRIC = {
    "MetricName": "m", "Namespace": "n", "Statistic": "Maximum", "Period": "60", "EvaluationPeriods": "1",
    "ComparisonOperator": "GreaterThanThreshold", "Dimensions": [{"Name": "a", "Value": "b"}],
}  # fmt: skip
FLEXIBLE = {"FlexibleTimeWindow": {"Mode": "OFF"}}


def target(s, attempts):
    return {"Arn": ARN, "RoleArn": s.role.attributes["Arn"], "RetryPolicy": {"MaximumRetryAttempts": attempts}}


CASES = {
    "Function's configuration": (
        "AWS::Lambda::Function",
        lambda s: code_settings(s, Environment={"Variables": {"A": 1}}, Timeout="10", Architectures=["arm64"]),
        {
            "Environment": None, "Timeout": 20, "MemorySize": "256", "Description": "d", "Handler": "index.main",
            "ReservedConcurrentExecutions": "1", "Tags": named("Name"),
        },
        function,
        {
            "Handler": "index.handler", "MemorySize": 128, "Timeout": 10, "Description": "", "variables": {"A": "1"},
            "Architectures": ["arm64"], "reserved": None, "tags": TEAM,
        },
        {
            "Handler": "index.main", "MemorySize": 256, "Timeout": 20, "Description": "d", "variables": {},
            "Architectures": ["arm64"], "reserved": 1, "tags": {**TEAM, "Name": "x"},
        },
    ),
    "Function's code": (
        "AWS::Lambda::Function", code_settings, {"Code": source("three")}, code, 117, 119,
    ),
    "Permission": (
        "AWS::Lambda::Permission",
        lambda s: {
            "FunctionName": s.function.physical_id, "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
        },
        {}, permission, ["events.amazonaws.com"], ["events.amazonaws.com"],
    ),
    "EventInvokeConfig": (
        "AWS::Lambda::EventInvokeConfig",
        lambda s: {"FunctionName": s.function.physical_id, "Qualifier": "$LATEST", "MaximumRetryAttempts": "1"},
        {"MaximumRetryAttempts": 0}, retries, 1, 0,
    ),
    "EventSourceMapping": (
        "AWS::Lambda::EventSourceMapping",
        lambda s: {"FunctionName": s.function.physical_id, "EventSourceArn": s.queue.attributes["Arn"]},
        lambda s: {"BatchSize": "5", "Enabled": "false", "FunctionName": s.other_function.physical_id},
        mapping, lambda s: (10, "Enabled", s.function.attributes["Arn"]),
        lambda s: (5, "Disabled", s.other_function.attributes["Arn"]),
    ),
    "Rule": (
        "AWS::Events::Rule",
        {
            "EventPattern": {"source": ["aws.autoscaling"]},
            "Targets": [{"Id": "a", "Arn": ARN, "RetryPolicy": {"MaximumRetryAttempts": "3"}}],
        },
        {"State": "DISABLED", "Targets": [{"Id": "b", "Arn": ARN}]},
        rule, ("ENABLED", [("a", 3)]), ("DISABLED", [("b", None)]),
    ),
    "Schedule": (
        "AWS::Scheduler::Schedule",
        lambda s: {"ScheduleExpression": "rate(5 minutes)", **FLEXIBLE, "Target": target(s, "3")},
        lambda s: {"ScheduleExpression": "rate(1 minute)", "State": "DISABLED", "Target": target(s, 1)},
        schedule, ("rate(5 minutes)", "ENABLED", 3), ("rate(1 minute)", "DISABLED", 1),
    ),
    "ScheduleGroup": (
        "AWS::Scheduler::ScheduleGroup", {"Name": "k8s"}, {"Tags": named("Name")},
        schedule_group, TEAM, {**TEAM, "Name": "x"},
    ),
    "LogGroup": (
        "AWS::Logs::LogGroup", {"LogGroupName": "/k8s/test", "RetentionInDays": "7", "Tags": named("Name")},
        {"RetentionInDays": None, "Tags": []}, log_group, (7, {**TEAM, "Name": "x"}), (None, TEAM),
    ),
    "MetricFilter": (
        "AWS::Logs::MetricFilter",
        lambda s: {
            "LogGroupName": s.log_group, "FilterPattern": "ERROR",
            "MetricTransformations": [{"MetricName": "m", "MetricNamespace": "n", "MetricValue": 1}],
        },
        {"FilterPattern": "FATAL"}, metric_filter, [("ERROR", "m")], [("FATAL", "m")],
    ),
    "Topic": (
        "AWS::SNS::Topic", {"DisplayName": "a", "Subscription": [{"Protocol": "email", "Endpoint": "a@k8s.test"}]},
        {"DisplayName": "b", "Subscription": [{"Protocol": "email", "Endpoint": "b@k8s.test"}]},
        topic, ("a", ["a@k8s.test"]), ("b", ["b@k8s.test"]),
    ),
    "TopicPolicy": (
        "AWS::SNS::TopicPolicy",
        lambda s: {"Topics": [s.topic], "PolicyDocument": document("sns:Publish", s.topic)},
        lambda s: {"PolicyDocument": document("sns:Subscribe", s.topic)},
        topic_policy, "sns:Publish", "sns:Subscribe", "sns:*",
    ),
    "Subscription": (
        "AWS::SNS::Subscription",
        lambda s: {
            "TopicArn": s.topic, "Protocol": "sqs", "Endpoint": s.queue.attributes["Arn"],
            "RawMessageDelivery": True, "FilterPolicy": {"kind": ["a"]},
        },
        {"RawMessageDelivery": "false", "FilterPolicy": {"kind": ["b"]}},
        subscription, ("true", {"kind": ["a"]}), ("false", {"kind": ["b"]}),
    ),
    "Queue": (
        "AWS::SQS::Queue", {"MessageRetentionPeriod": "1209600", "KmsMasterKeyId": "alias/aws/sqs"},
        {"MessageRetentionPeriod": None, "KmsMasterKeyId": None, "VisibilityTimeout": 60},
        queue, ("30", "1209600", "alias/aws/sqs"), ("60", "345600", ""),
    ),
    "QueuePolicy": (
        "AWS::SQS::QueuePolicy",
        lambda s: {"Queues": [s.queue.physical_id], "PolicyDocument": document("sqs:SendMessage")},
        {"PolicyDocument": document("sqs:ReceiveMessage")}, queue_policy, "sqs:SendMessage", "sqs:ReceiveMessage",
    ),
    "Parameter": (
        "AWS::SSM::Parameter", {"Type": "String", "Value": "a", "Tags": {"Name": "x"}}, {"Value": "b", "Tags": {}},
        parameter, ("a", {**TEAM, "Name": "x"}), ("b", TEAM),
    ),
    "Alarm": (
        "AWS::CloudWatch::Alarm", {**METRIC, "Threshold": "1", "TreatMissingData": "breaching", "Tags": named("Name")},
        {"Threshold": 2.5, "Tags": []},
        alarm, (1.0, "breaching", {**TEAM, "Name": "x"}), (2.5, "breaching", TEAM),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_resource_of_a_service_is_made_changed_in_place_and_gone(case, life):
    """What the template says is what the service answers, after creation as after a change; then there is none."""
    life(*case)
