"""What AWS refuses is refused here, in the service's words, and a refused creation leaves nothing behind."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from kubecfn.local.providers import PROVIDERS, provider
from kubecfn.local.providers.seam import UnsupportedError

LONG = "AVeryLongLogicalIdOfAResourceThatDoesNotFitAnywhereAtAll"


def refused(call, code, message=""):
    """Expect a refusal by its code and, in part, its words."""
    with pytest.raises(ClientError) as caught:
        call()
    told = caught.value.response["Error"]
    assert (told["Code"], message in told["Message"]) == (code, True), told


def record(value="10.0.0.1", name="taken.k8s.test."):
    return {"Name": name, "Type": "A", "TTL": "60", "ResourceRecords": [value]}


def put_record(stage, action, value, name="taken.k8s.test."):
    change = {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": value}]}
    stage.client("route53").change_resource_record_sets(
        HostedZoneId=stage.zone, ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": change}]}
    )


def values(stage, name="taken.k8s.test."):
    found = stage.client("route53").list_resource_record_sets(HostedZoneId=stage.zone)["ResourceRecordSets"]
    return [entry["Value"] for item in found if item["Name"] == name for entry in item["ResourceRecords"]]


def code(stage, **where):
    settings = {"Runtime": "python3.13", "Handler": "index.handler", "Role": stage.role.attributes["Arn"]}
    return {**settings, "Code": where}


def test_an_unknown_type_is_refused_with_the_types_there_are():
    """A type that is not emulated is an error, never a skip, and the error helps to choose."""
    with pytest.raises(
        UnsupportedError, match=r"AWS::KMS::Grant is not emulated; there are AWS::KMS::Alias, AWS::KMS::Key"
    ):
        provider("AWS::KMS::Grant")


@pytest.mark.parametrize(
    ("kind", "properties", "path"),
    [
        ("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": {"ImageId": "a", "Speed": 9}}, "LaunchTemplateData: property Speed"),
        ("AWS::S3::Bucket", {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Moon": 1}]}}, r"Rules\[0\]: property Moon"),
        ("AWS::EC2::SecurityGroup", {"GroupDescription": "d", "SecurityGroupIngress": [{"IpProtocol": "-1", "Who": 1}]}, "Ingress: property Who"),
        ("AWS::Route53::HostedZone", {"Name": "x.test", "HostedZoneConfig": {"Loud": True}}, "HostedZoneConfig: property Loud"),
        ("AWS::AutoScaling::AutoScalingGroup", {"LaunchConfigurationName": "x"}, "property LaunchConfigurationName"),
    ],
)  # fmt: skip
def test_a_property_that_is_not_emulated_is_refused_at_any_depth(kind, properties, path, stage):
    """A property deep inside another one is no more ignored than one at the top; the path says where it stands."""
    with pytest.raises(UnsupportedError, match=path):
        provider(kind).create(stage.context(), properties)


def test_what_needs_a_replacement_is_not_changed_in_place(stage):
    """A create-only property changes by a new resource, which is the engine's business."""
    vpcs = provider("AWS::EC2::VPC")
    old = {"CidrBlock": "10.3.0.0/16"}
    made = vpcs.create(stage.context(), old)

    with pytest.raises(UnsupportedError, match="property CidrBlock cannot be changed in place"):
        vpcs.update(stage.context(), made.physical_id, old, {"CidrBlock": "10.4.0.0/16"})


def test_a_missing_required_property_is_the_services_refusal(stage):
    """What the API itself would not take ends as an error of the service, not of the program."""
    refused(lambda: stage.make("AWS::KMS::Alias", AliasName="alias/x"), "ValidationError", "TargetKeyId")


def test_a_resource_that_cannot_be_finished_is_not_left_half_made(stage):
    """When a later step of creation fails, what the first step made is removed again."""
    properties = {
        "RoleName": "half",
        "AssumeRolePolicyDocument": stage.trust("ec2.amazonaws.com"),
        "Policies": [
            {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]}}
        ],
    }

    refused(lambda: stage.make("AWS::IAM::Role", **properties), "MalformedPolicyDocument")
    refused(lambda: stage.client("iam").get_role(RoleName="half"), "NoSuchEntity")


def test_a_function_whose_code_is_not_there_is_refused(stage):
    """Lambda reads the object when it is called: a wrong key fails the stack at once, not the first invocation."""
    bucket = stage.make("AWS::S3::Bucket").physical_id
    message = "Error occurred while GetObject. S3 Error Code: NoSuchKey."

    where = {"S3Bucket": bucket, "S3Key": "code.zip"}
    refused(
        lambda: stage.make("AWS::Lambda::Function", **code(stage, **where)), "InvalidParameterValueException", message
    )

    stage.client("s3").put_object(Bucket=bucket, Key="code.zip", Body=b"PK\x05\x06" + bytes(18))
    made = stage.make("AWS::Lambda::Function", **code(stage, **where))
    old, new = code(stage, **where), code(stage, S3Bucket=bucket, S3Key="other.zip")
    functions = provider("AWS::Lambda::Function")
    update = lambda: functions.update(stage.context(), made.physical_id, old, new)  # noqa: E731  called by `refused`
    refused(update, "InvalidParameterValueException", message)


def test_a_bucket_with_anything_in_it_stays(stage):
    """DeleteBucket refuses objects, old versions and delete markers alike."""
    s3 = stage.client("s3")
    bucket = stage.make("AWS::S3::Bucket", VersioningConfiguration={"Status": "Enabled"}).physical_id
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    refused(lambda: stage.delete("AWS::S3::Bucket", bucket), "BucketNotEmpty")

    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    refused(lambda: stage.delete("AWS::S3::Bucket", bucket), "BucketNotEmpty")

    for each in (version, marker):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=each)
    stage.delete("AWS::S3::Bucket", bucket)
    refused(lambda: s3.head_bucket(Bucket=bucket), "404")


def test_a_zone_with_a_record_of_others_stays(stage):
    """DeleteHostedZone refuses a zone that has more than its own NS and SOA records."""
    zone = stage.make("AWS::Route53::HostedZone", Name="full.test").physical_id
    held = {"HostedZoneId": zone, **record(name="a.full.test")}
    stage.make("AWS::Route53::RecordSet", **held)
    refused(lambda: stage.delete("AWS::Route53::HostedZone", zone), "HostedZoneNotEmpty")

    stage.delete("AWS::Route53::RecordSet", "a.full.test", **held)
    stage.delete("AWS::Route53::HostedZone", zone)
    refused(lambda: stage.client("route53").get_hosted_zone(Id=zone), "NoSuchHostedZone")


@pytest.mark.parametrize("value", ["10.0.0.1", "10.0.0.2"])
def test_a_record_that_is_there_already_is_neither_taken_over_nor_removed(value, stage):
    """CREATE of an existing name is refused, and giving up does not delete the record of someone else."""
    put_record(stage, "CREATE", "10.0.0.1")
    try:
        create = lambda: stage.make("AWS::Route53::RecordSet", HostedZoneId=stage.zone, **record(value))  # noqa: E731  called by `refused`
        refused(create, "InvalidChangeBatch", "it already exists")

        assert values(stage) == ["10.0.0.1"]
    finally:
        put_record(stage, "DELETE", "10.0.0.1")


def test_a_record_that_someone_else_changed_is_not_deleted(stage):
    """DELETE must name the values that the record has now."""
    properties = {"HostedZoneId": stage.zone, **record()}
    stage.make("AWS::Route53::RecordSet", **properties)
    put_record(stage, "UPSERT", "10.9.9.9")

    delete = lambda: stage.delete("AWS::Route53::RecordSet", "taken.k8s.test.", **properties)  # noqa: E731  called by `refused`
    refused(delete, "InvalidChangeBatch", "do not match the current values")

    assert values(stage) == ["10.9.9.9"]
    put_record(stage, "DELETE", "10.9.9.9")


TAKEN = {
    "AWS::S3::Bucket": ({"BucketName": "kubecfn-taken"}, "BucketAlreadyOwnedByYou"),
    "AWS::Events::Rule": ({"Name": "taken", "EventPattern": {"source": ["a"]}}, "ResourceAlreadyExistsException"),
    "AWS::SQS::Queue": ({"QueueName": "taken"}, "QueueAlreadyExists"),
    "AWS::Logs::LogGroup": ({"LogGroupName": "taken"}, "ResourceAlreadyExistsException"),
    "AWS::IAM::InstanceProfile": ({"InstanceProfileName": "taken", "Roles": []}, "EntityAlreadyExists"),
    "AWS::SSM::Parameter": ({"Name": "taken", "Type": "String", "Value": "a"}, "ParameterAlreadyExists"),
    "AWS::CloudWatch::Alarm": (
        {"AlarmName": "taken", "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 1,
         "MetricName": "m", "Namespace": "n", "Statistic": "Maximum", "Period": 60},
        "AlreadyExists",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TAKEN)
def test_a_name_that_is_taken_is_not_taken_over(kind, stage):
    """A stack makes its resources; it never adopts one that is there, even where the API would overwrite it."""
    properties, error = TAKEN[kind]
    made = stage.make(kind, **properties)

    refused(lambda: stage.make(kind, **properties), error)

    provider(kind).update(stage.context(), made.physical_id, properties, properties)  # it is still there


def test_a_second_policy_of_a_bucket_is_refused(stage):
    """A bucket has one policy, and it belongs to the resource that made it."""
    bucket = stage.make("AWS::S3::Bucket").physical_id
    statement = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:*", "Resource": "*"}
    policy = {"Bucket": bucket, "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    stage.make("AWS::S3::BucketPolicy", **policy)

    refused(lambda: stage.make("AWS::S3::BucketPolicy", **policy), "AlreadyExists")


def test_a_network_load_balancer_made_without_security_groups_never_gets_any(stage):
    """ELB takes security groups of a network load balancer at creation or never."""
    kind = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    old = {"Type": "network", "Subnets": stage.subnets}
    made = stage.make(kind, **old)
    new = {**old, "SecurityGroups": stage.groups[:1]}

    update = lambda: provider(kind).update(stage.context(), made.physical_id, old, new)  # noqa: E731  called by `refused`
    refused(update, "InvalidConfigurationRequest")


def test_what_is_still_in_use_stays(stage):
    """A VPC with a subnet in it answers DependencyViolation, and so does the resource."""
    vpc = stage.make("AWS::EC2::VPC", CidrBlock="10.5.0.0/16").physical_id
    subnet = stage.make("AWS::EC2::Subnet", VpcId=vpc, CidrBlock="10.5.0.0/24").physical_id
    refused(lambda: stage.delete("AWS::EC2::VPC", vpc), "DependencyViolation")

    stage.delete("AWS::EC2::Subnet", subnet)
    stage.delete("AWS::EC2::VPC", vpc)


def test_a_stack_makes_no_secure_string(stage):
    """CloudFormation does not support SecureString parameters as resources."""
    refused(lambda: stage.make("AWS::SSM::Parameter", Type="SecureString", Value="a"), "ValidationException")


NAMED = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (32, lambda s: {"Type": "network", "Subnets": s.subnets}),
    "AWS::ElasticLoadBalancingV2::TargetGroup": (32, lambda s: {"Port": 80, "Protocol": "TCP", "VpcId": s.vpc}),
    "AWS::IAM::Role": (64, lambda s: {"AssumeRolePolicyDocument": s.trust("ec2.amazonaws.com")}),
    "AWS::IAM::User": (64, lambda s: {}),
    "AWS::IAM::InstanceProfile": (128, lambda s: {"Roles": []}),
    "AWS::IAM::ManagedPolicy": (128, lambda s: {"PolicyDocument": s.allow("s3:Get*")}),
    "AWS::S3::Bucket": (63, lambda s: {}),
    "AWS::Lambda::Function": (64, lambda s: code(s, ZipFile="x")),
    "AWS::Events::Rule": (64, lambda s: {"ScheduleExpression": "rate(1 hour)"}),
    "AWS::Scheduler::ScheduleGroup": (64, lambda s: {}),
    "AWS::SQS::Queue": (80, lambda s: {}),
    "AWS::SNS::Topic": (256, lambda s: {}),
    "AWS::AutoScaling::AutoScalingGroup": (255, lambda s: s.group_properties),
    "AWS::Logs::LogGroup": (512, lambda s: {}),
}
ATTRIBUTES = ("LoadBalancerName", "TargetGroupName", "QueueName", "TopicName")


@pytest.mark.parametrize("kind", NAMED)
def test_a_generated_name_fits_the_service_and_is_never_the_same_twice(kind, stage):
    """Stack name and logical ID give way to the service's limit; the random end does not."""
    limit, properties = NAMED[kind]
    context = stage.context(LONG, "a-stack-with-a-name-as-long-as-one-may-be-" + "x" * 80)

    made = [provider(kind).create(context, properties(stage)) for _ in range(2)]

    names = [next((m.attributes[a] for a in ATTRIBUTES if a in m.attributes), m.physical_id) for m in made]
    names = [name.rpartition("policy/")[2] for name in names]
    assert len(set(names)) == 2
    assert all(len(name) <= limit for name in names)
    assert all(name.lower() == name for name in names if kind == "AWS::S3::Bucket")
    assert all(name.lower().startswith("a-stack") for name in names)


def test_the_table_of_providers_cannot_be_changed():
    """What is emulated is decided by the code, not at run time."""
    with pytest.raises(TypeError):
        PROVIDERS["AWS::KMS::Grant"] = None
