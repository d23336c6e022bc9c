"""Functions in a VPC: Lambda makes and deletes their network interfaces in their role's name."""

import json

import pytest
from botocore.exceptions import ClientError

ECHO = "def handle(event, context):\n    return event\n"
SNOOP = """
import boto3
from botocore.exceptions import ClientError
def handle(event, context):
    try:
        boto3.client('ec2').describe_network_interfaces()
    except ClientError as error:
        return error.response['Error']['Code']
    return 'seen'
"""
NOT_THE_CODE = {"Null": {"lambda:SourceFunctionArn": "true"}}
RIGHTS = [
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
]


@pytest.fixture
def inside(cloud):
    """Return a function that makes a function in the VPC whose role has these rights."""

    def make(code=ECHO, rights=RIGHTS):
        group = cloud.client("ec2").describe_security_groups()["SecurityGroups"][0]["GroupId"]
        vpc = {"SubnetIds": cloud.subnets[:2], "SecurityGroupIds": [group]}
        return cloud.function(code, policy=rights, condition=NOT_THE_CODE, VpcConfig=vpc)

    return make


def interfaces(cloud, name):
    found = cloud.client("ec2").describe_network_interfaces(Filters=[{"Name": "description", "Values": [f"*{name}"]}])
    return found["NetworkInterfaces"]


def test_a_function_in_the_vpc_has_an_interface_in_each_subnet_until_it_is_deleted(cloud, inside):
    """What Lambda made for a function goes with it; the function answers as any other."""
    name = inside()

    assert {one["SubnetId"] for one in interfaces(cloud, name)} == set(cloud.subnets[:2])
    assert json.loads(cloud.client("lambda").invoke(FunctionName=name, Payload=b'"hello"')["Payload"].read()) == "hello"
    cloud.client("lambda").delete_function(FunctionName=name)
    assert interfaces(cloud, name) == []


@pytest.mark.parametrize("missing", RIGHTS[:1] + RIGHTS[2:])
def test_a_role_that_may_not_have_interfaces_makes_no_function_in_the_vpc(cloud, inside, missing):
    """Lambda refuses at once what it could not do later."""
    with pytest.raises(ClientError, match=rf"does not have permissions to call {missing[4:]} on EC2"):
        inside(rights=[one for one in RIGHTS if one != missing])


def test_the_code_of_a_function_cannot_use_what_is_lambdas(cloud, inside):
    """Calls of the code carry lambda:SourceFunctionArn, so that a condition tells them from Lambda's own."""
    name = inside(SNOOP)

    assert json.loads(cloud.client("lambda").invoke(FunctionName=name)["Payload"].read()) == "UnauthorizedOperation"


def test_a_function_moves_between_subnets(cloud, inside):
    """Another VpcConfig deletes the old interfaces and makes new ones; the same one touches none."""
    name = inside()
    before = {one["NetworkInterfaceId"] for one in interfaces(cloud, name)}
    function = cloud.client("lambda")
    vpc = function.get_function_configuration(FunctionName=name)["VpcConfig"]
    same = {key: vpc[key] for key in ("SubnetIds", "SecurityGroupIds")}

    function.update_function_configuration(FunctionName=name, Timeout=9, VpcConfig=same)
    assert {one["NetworkInterfaceId"] for one in interfaces(cloud, name)} == before
    function.update_function_configuration(FunctionName=name, VpcConfig={**same, "SubnetIds": cloud.subnets[2:]})
    assert [one["SubnetId"] for one in interfaces(cloud, name)] == cloud.subnets[2:]


def test_metrics_are_kept_and_read_back(cloud):
    """What a function publishes is what statistics are made of."""
    watch, now = cloud.client("cloudwatch"), cloud.aws.clock.now()
    dimensions = [{"Name": "Cluster", "Value": "payments"}]
    for value in (60, 240):
        data = {
            "MetricName": "BackupAgeSeconds",
            "Value": value,
            "Unit": "Seconds",
            "Dimensions": dimensions,
            "Timestamp": now,
        }
        watch.put_metric_data(Namespace="kubecfn", MetricData=[data])

    [point] = watch.get_metric_statistics(
        Namespace="kubecfn",
        MetricName="BackupAgeSeconds",
        Dimensions=dimensions,
        StartTime=now.replace(year=now.year - 1),
        EndTime=now.replace(year=now.year + 1),
        Period=86_400 * 366,
        Statistics=["Maximum"],
    )["Datapoints"]

    assert point["Maximum"] == 240
