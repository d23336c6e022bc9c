"""IAM, storage, functions, events, messages: each type from creation over a change in place to nothing left."""

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
    if "shared" not in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        return None
    return iam.get_role_policy(RoleName=name, PolicyName="shared")["PolicyDocument"]["Statement"][0]["Action"]


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
    return found["BatchSize"], found["State"]


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
        lambda s: {"PolicyDocument": s.allow("s3:Put*")}, inline_actions, "s3:Get*", "s3:Put*",
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
        "AWS::IAM::ServiceLinkedRole", {"AWSServiceName": "autoscaling.amazonaws.com", "CustomSuffix": "k"}, {},
        lambda s, i: s.client("iam").get_role(RoleName=i)["Role"]["Path"],
        "/aws-service-role/autoscaling.amazonaws.com/", "/aws-service-role/autoscaling.amazonaws.com/",
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
        {"BatchSize": "5", "Enabled": "false"}, mapping, (10, "Enabled"), (5, "Disabled"),
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
