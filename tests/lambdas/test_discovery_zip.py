import json

import pytest

from kubecfn.local.api import Service
from kubecfn.local.embedded import EmbeddedAws

GROUP = "payments-controllers"
REGION = "eu-central-1"


class Group:
    """The controllers' group as auto scaling describes it: made of instances that really exist in EC2."""

    def __init__(self):
        self.members = {}

    def service(self, _world):
        """Answer the one operation that discovery asks of auto scaling."""
        return Service({("autoscaling", "DescribeAutoScalingGroups"): self.describe}, lambda: None)

    def describe(self, call):
        """Know one group."""
        instances = [{"InstanceId": one, "LifecycleState": state} for one, state in self.members.items()]
        known = GROUP in call.params["AutoScalingGroupNames"]
        return {"AutoScalingGroups": [{"AutoScalingGroupName": GROUP, "Instances": instances}] * known}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An account with four instances, and with the cluster's zone, which has a record that is not ours."""
    group = Group()
    with EmbeddedAws(workdir=tmp_path_factory.mktemp("aws"), region=REGION, services=[group.service]) as aws:
        ec2, route53 = aws.client("ec2"), aws.client("route53")
        image = ec2.describe_images()["Images"][0]["ImageId"]
        ec2.run_instances(ImageId=image, MinCount=4, MaxCount=4, InstanceType="t3.small")
        zone = route53.create_hosted_zone(Name="k.example", CallerReference="1")["HostedZone"]["Id"].split("/")[-1]
        api = {"Name": "api.k.example", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": "10.1.1.1"}]}
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": api}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
        yield aws, zone, group


def records(aws, zone):
    found = aws.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {(one["Name"], one["Type"]): sorted(v["Value"] for v in one.get("ResourceRecords", [])) for one in found}


def running(aws):
    reservations = aws.client("ec2").describe_instances()["Reservations"]
    return {one["InstanceId"]: one["PrivateIpAddress"] for each in reservations for one in each["Instances"]}


def test_the_zip_lists_the_group_in_dns_and_takes_it_out_again(world, invoke, function_role):
    """The packed function, with its own rights only, makes a real zone follow a real group, and leaves others' records."""
    aws, zone, group = world
    addresses = running(aws)
    states = ("InService", "Pending:Wait", "InService", "Terminating:Wait")
    group.members = dict(zip(addresses, states, strict=True)) | {"i-00000000": "InService"}
    rights = [
        (["autoscaling:DescribeAutoScalingGroups", "ec2:DescribeInstances"], "*"),
        (
            ["route53:ListResourceRecordSets", "route53:ChangeResourceRecordSets"],
            f"arn:aws:route53:::hostedzone/{zone}",
        ),
    ]
    session = function_role(aws, "etcd-discovery", rights)
    settings = {"GROUP": GROUP, "ZONE_ID": zone, "DOMAIN": "k.example", "TTL": "30"}
    before = records(aws, zone)

    said = invoke("etcd_discovery", settings, [{}, {"source": "aws.events"}], session)

    results = [json.loads(line.removeprefix("result ")) for line in said if line.startswith("result")]
    assert results == [{"controllers": 3, "changed": 6}, {"controllers": 3, "changed": 0}]
    found = records(aws, zone)
    assert found["etcd.k.example.", "A"] == sorted(list(addresses.values())[:3])
    assert len(found["_etcd-server-ssl._tcp.k.example.", "SRV"]) == 3
    assert len(found) == len(before) + 6

    group.members = {}
    said = invoke("etcd_discovery", settings, [{}], session)

    assert said[-1] == 'result {"controllers": 0, "changed": 6}'
    assert records(aws, zone) == before


def test_a_refused_look_up_raises_and_leaves_the_zone(world, invoke, function_role):
    """Silence never reads as success: a function that may not look fails, and what the zone said stays."""
    aws, zone, _ = world
    session = function_role(aws, "blind", [(["route53:*"], "*")])
    before = records(aws, zone)

    said = invoke(
        "etcd_discovery", {"GROUP": GROUP, "ZONE_ID": zone, "DOMAIN": "k.example", "TTL": "30"}, [{}], session
    )

    assert said[-1].startswith("raised ClientError")
    assert "AccessDenied" in said[-1]
    assert records(aws, zone) == before


def test_a_missing_variable_is_named(world, invoke):
    """A function that was set up wrongly says which variable is missing before it asks AWS anything."""
    aws, _, _ = world
    aws.recorder.clear()

    said = invoke(
        "etcd_discovery", {"GROUP": GROUP, "ZONE_ID": "Z1", "DOMAIN": "k.example", "TTL": "x"}, [{}], aws.session()
    )
    said += invoke("etcd_discovery", {"GROUP": GROUP, "DOMAIN": "k.example", "TTL": "1"}, [{}], aws.session())

    assert said == [
        "raised SettingsError the environment variable TTL is 'x', not a whole number",
        "raised SettingsError the environment variable ZONE_ID is missing",
    ]
    assert [one for one in aws.recorder.calls if one.call.service != "sts"] == []
