"""Launch templates, groups, load balancers, zones: each from creation over a change in place to nothing left."""

from __future__ import annotations

import base64

import pytest

from kubecfn.local.providers import provider


def own(tags):
    return {tag["Key"]: tag["Value"] for tag in tags if not tag["Key"].startswith("aws:")}


def versions(s, i):
    ec2 = s.client("ec2")
    found = ec2.describe_launch_templates(LaunchTemplateIds=[i])["LaunchTemplates"][0]
    data = ec2.describe_launch_template_versions(LaunchTemplateId=i)["LaunchTemplateVersions"]
    types = {item["VersionNumber"]: item["LaunchTemplateData"]["InstanceType"] for item in data}
    return found["DefaultVersionNumber"], types, own(found["Tags"])


def instance(s, i):
    ec2 = s.client("ec2")
    found = ec2.describe_instances(InstanceIds=[i])["Reservations"][0]["Instances"][0]
    if found["State"]["Name"] == "terminated":
        return None
    data = ec2.describe_instance_attribute(InstanceId=i, Attribute="userData")["UserData"]["Value"]
    groups = [group["GroupId"] for group in found["SecurityGroups"]]
    return base64.b64decode(data), groups, found["SourceDestCheck"], own(found["Tags"])


def volume(s, i):
    found = s.client("ec2").describe_volumes(VolumeIds=[i])["Volumes"][0]
    return found["Size"], own(found["Tags"])


def group(s, i):
    asg = s.client("autoscaling")
    found = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[i])["AutoScalingGroups"][0]
    hooks = asg.describe_lifecycle_hooks(AutoScalingGroupName=i)["LifecycleHooks"]
    return {
        **{
            name: found[name]
            for name in ("MinSize", "MaxSize", "TerminationPolicies", "NewInstancesProtectedFromScaleIn")
        },
        "subnets": found["VPCZoneIdentifier"].split(","),
        "targets": found["TargetGroupARNs"],
        "hooks": {hook["LifecycleHookName"]: hook["HeartbeatTimeout"] for hook in hooks},
        "tags": {tag["Key"]: tag["PropagateAtLaunch"] for tag in found["Tags"]},
        "lifetime": found.get("MaxInstanceLifetime"),
        "metrics": bool(found["EnabledMetrics"]),
    }


def retention(s, i):
    asg = s.client("autoscaling")
    found = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[i])["AutoScalingGroups"][0]
    return found["InstanceLifecyclePolicy"]["RetentionTriggers"]["TerminateHookAbandon"]


def instance_types(s, i):
    asg = s.client("autoscaling")
    found = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[i])["AutoScalingGroups"][0]
    if "MixedInstancesPolicy" not in found:
        return found["LaunchTemplate"]["LaunchTemplateId"]
    return [item["InstanceType"] for item in found["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]]


def hook(s, i):
    hooks = s.client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=s.group)["LifecycleHooks"]
    return [(item["HeartbeatTimeout"], item["DefaultResult"]) for item in hooks if item["LifecycleHookName"] == i]


def scheduled(s, i):
    found = s.client("autoscaling").describe_scheduled_actions(AutoScalingGroupName=s.group)
    actions = found["ScheduledUpdateGroupActions"]
    return [(item["MinSize"], item["Recurrence"]) for item in actions if item["ScheduledActionName"] == i]


def attributes(s, kind, arn):
    found = getattr(s.client("elbv2"), f"describe_{kind}_attributes")
    parameter = "".join(part.capitalize() for part in kind.split("_")) + "Arn"
    return {item["Key"]: item["Value"] for item in found(**{parameter: arn})["Attributes"]}


def balancer(s, i):
    elb = s.client("elbv2")
    found = elb.describe_load_balancers(LoadBalancerArns=[i])["LoadBalancers"][0]
    return {
        **{name: found[name] for name in ("Type", "Scheme")},
        "subnets": sorted(zone["SubnetId"] for zone in found["AvailabilityZones"]),
        "cross": attributes(s, "load_balancer", i).get("load_balancing.cross_zone.enabled"),
        "tags": own(elb.describe_tags(ResourceArns=[i])["TagDescriptions"][0]["Tags"]),
    }


def targets(s, i):
    found = s.client("elbv2").describe_target_groups(TargetGroupArns=[i])["TargetGroups"][0]
    delay = attributes(s, "target_group", i)["deregistration_delay.timeout_seconds"]
    return found["HealthCheckProtocol"], found["HealthCheckPath"], found["HealthCheckIntervalSeconds"], delay


def listener(s, i):
    found = s.client("elbv2").describe_listeners(ListenerArns=[i])["Listeners"][0]
    return found["Protocol"], found["Port"], found["DefaultActions"][0]["TargetGroupArn"]


def zone(s, i):
    route53 = s.client("route53")
    found = route53.get_hosted_zone(Id=i)
    tags = route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=i)["ResourceTagSet"]["Tags"]
    config = found["HostedZone"]["Config"]
    return config.get("Comment"), config["PrivateZone"], [v["VPCId"] for v in found.get("VPCs", [])], own(tags)


def records(s, names):
    found = s.client("route53").list_resource_record_sets(HostedZoneId=s.zone)["ResourceRecordSets"]
    return {
        item["Name"].split(".")[0]: item.get("TTL") or item["AliasTarget"]["DNSName"]
        for item in found
        if item["Type"] not in {"NS", "SOA"}
    }


def address(name, ttl, value="10.0.0.1"):
    return {"Name": f"{name}.k8s.test", "Type": "A", "TTL": str(ttl), "ResourceRecords": [value]}


def data(kind):
    hop = {"HttpTokens": "required", "HttpPutResponseHopLimit": "1"}
    return {"ImageId": "ami-12345678", "InstanceType": kind, "MetadataOptions": hop}


def lifecycle(name, seconds):
    leaving = {"LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "DefaultResult": "CONTINUE"}
    return {"LifecycleHookName": name, "HeartbeatTimeout": str(seconds), **leaving}


def private(s):
    return {"VPCId": s.vpc, "VPCRegion": "eu-central-1"}


def other_vpc(s):
    if not hasattr(s, "second"):
        s.second = s.make("AWS::EC2::VPC", CidrBlock="10.7.0.0/16").physical_id
    return s.second


def mixed(s):
    spec = {"LaunchTemplateId": s.launch_template.physical_id, "Version": "1"}
    overrides = [{"InstanceType": name} for name in ("m5.large", "m6i.large")]
    return {"LaunchTemplate": {"LaunchTemplateSpecification": spec, "Overrides": overrides}}


ELB = "AWS::ElasticLoadBalancingV2::"
TEAM = {"team": "platform"}
NAMED = [{"Key": "Name", "Value": "x"}]
CROSS = "load_balancing.cross_zone.enabled"
DELAY = "deregistration_delay.timeout_seconds"
INSTANCE = {"ImageId": "ami-12345678", "InstanceType": "t3.micro"}
SCRIPT = base64.b64encode(b"#!/bin/sh\n").decode()
PROPAGATED = {"team": True, "aws:cloudformation:stack-name": True}

CASES = {
    "LaunchTemplate": (
        "AWS::EC2::LaunchTemplate",
        {
            "LaunchTemplateData": data("m5.large"),
            "TagSpecifications": [{"ResourceType": "launch-template", "Tags": NAMED}],
        },
        {"LaunchTemplateData": data("m5.xlarge")},
        versions, (1, {1: "m5.large"}, {**TEAM, "Name": "x"}),
        (1, {1: "m5.large", 2: "m5.xlarge"}, {**TEAM, "Name": "x"}),
    ),
    "Instance": (
        "AWS::EC2::Instance",
        lambda s: {**INSTANCE, "SubnetId": s.subnets[0], "SecurityGroupIds": s.groups[:1], "UserData": SCRIPT},
        lambda s: {"SecurityGroupIds": s.groups[1:], "SourceDestCheck": "false", "Tags": NAMED},
        instance, lambda s: (b"#!/bin/sh\n", s.groups[:1], True, TEAM),
        lambda s: (b"#!/bin/sh\n", s.groups[1:], False, {**TEAM, "Name": "x"}),
    ),
    "Volume": (
        "AWS::EC2::Volume", {"AvailabilityZone": "eu-central-1a", "Size": "8", "VolumeType": "gp3"}, {"Tags": NAMED},
        volume, (8, TEAM), (8, {**TEAM, "Name": "x"}),
    ),
    "AutoScalingGroup": (
        "AWS::AutoScaling::AutoScalingGroup",
        lambda s: {
            **s.group_properties, "TargetGroupARNs": s.targets[:1], "TerminationPolicies": ["OldestInstance"],
            "LifecycleHookSpecificationList": [lifecycle("leave", 60), lifecycle("other", 30)],
            "Tags": [{**NAMED[0], "PropagateAtLaunch": "false"}],
        },
        lambda s: {
            "MaxSize": 5, "VPCZoneIdentifier": s.subnets[:2], "TargetGroupARNs": s.targets[1:],
            "TerminationPolicies": None, "LifecycleHookSpecificationList": [lifecycle("leave", 90)], "Tags": None,
            "MaxInstanceLifetime": "86400", "MetricsCollection": [{"Granularity": "1Minute"}],
            "NewInstancesProtectedFromScaleIn": "true",
        },
        group,
        lambda s: {
            "MinSize": 0, "MaxSize": 3, "TerminationPolicies": ["OldestInstance"], "subnets": s.subnets,
            "NewInstancesProtectedFromScaleIn": False, "targets": s.targets[:1], "hooks": {"leave": 60, "other": 30},
            "tags": {**PROPAGATED, "Name": False}, "lifetime": None, "metrics": False,
        },
        lambda s: {
            "MinSize": 0, "MaxSize": 5, "TerminationPolicies": ["Default"], "subnets": s.subnets[:2],
            "NewInstancesProtectedFromScaleIn": True, "targets": s.targets[1:], "hooks": {"leave": 90},
            "tags": PROPAGATED, "lifetime": 86400, "metrics": True,
        },
    ),
    "AutoScalingGroup that retains": (
        "AWS::AutoScaling::AutoScalingGroup",
        lambda s: {
            **s.group_properties, "LifecycleHookSpecificationList": [lifecycle("leave", 60)],
            "InstanceLifecyclePolicy": {"RetentionTriggers": {"TerminateHookAbandon": "retain"}},
        },
        {"InstanceLifecyclePolicy": None}, retention, "retain", "terminate",
    ),
    "AutoScalingGroup of mixed instances": (
        "AWS::AutoScaling::AutoScalingGroup", lambda s: s.group_properties,
        lambda s: {"LaunchTemplate": None, "MixedInstancesPolicy": mixed(s)},
        instance_types, lambda s: s.launch_template.physical_id, ["m5.large", "m6i.large"],
    ),
    "LifecycleHook": (
        "AWS::AutoScaling::LifecycleHook",
        lambda s: {"AutoScalingGroupName": s.group, **lifecycle("own", 60)},
        {"HeartbeatTimeout": 90, "DefaultResult": "ABANDON"}, hook, [(60, "CONTINUE")], [(90, "ABANDON")],
    ),
    "ScheduledAction": (
        "AWS::AutoScaling::ScheduledAction",
        lambda s: {"AutoScalingGroupName": s.group, "MinSize": "1", "Recurrence": "0 1 * * *"}, {"MinSize": 2},
        scheduled, [(1, "0 1 * * *")], [(2, "0 1 * * *")],
    ),
    "LoadBalancer": (
        f"{ELB}LoadBalancer",
        lambda s: {
            "Type": "network", "Scheme": "internal", "Subnets": s.subnets[:2],
            "LoadBalancerAttributes": [{"Key": CROSS, "Value": "true"}],
        },
        lambda s: {
            "Subnets": s.subnets, "LoadBalancerAttributes": [{"Key": CROSS, "Value": False}], "Tags": NAMED,
        },
        balancer,
        lambda s: {
            "Type": "network", "Scheme": "internal", "subnets": sorted(s.subnets[:2]), "cross": "true", "tags": TEAM,
        },
        lambda s: {
            "Type": "network", "Scheme": "internal", "subnets": sorted(s.subnets), "cross": "false",
            "tags": {**TEAM, "Name": "x"},
        },
    ),
    "TargetGroup": (
        f"{ELB}TargetGroup",
        lambda s: {
            "Port": "6443", "Protocol": "TCP", "VpcId": s.vpc, "HealthCheckProtocol": "HTTPS",
            "HealthCheckPath": "/readyz", "HealthCheckIntervalSeconds": "10",
        },
        {
            "HealthCheckPath": "/livez", "HealthCheckIntervalSeconds": 30,
            "TargetGroupAttributes": [{"Key": DELAY, "Value": 60}],
        },
        targets, ("HTTPS", "/readyz", 10, "300"), ("HTTPS", "/livez", 30, "60"),
    ),
    "Listener": (
        f"{ELB}Listener",
        lambda s: {
            "LoadBalancerArn": s.balancer.physical_id, "Protocol": "TCP", "Port": "6443",
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": s.targets[0]}],
        },
        lambda s: {"Port": 443, "DefaultActions": [{"Type": "forward", "TargetGroupArn": s.targets[1]}]},
        listener, lambda s: ("TCP", 6443, s.targets[0]), lambda s: ("TCP", 443, s.targets[1]),
    ),
    "HostedZone": (
        "AWS::Route53::HostedZone",
        lambda s: {"Name": "private.test", "VPCs": [private(s)], "HostedZoneConfig": {"Comment": "a"}},
        lambda s: {
            "VPCs": [{**private(s), "VPCId": other_vpc(s)}], "HostedZoneConfig": {"Comment": "b"},
            "HostedZoneTags": NAMED,
        },
        zone, lambda s: ("a", True, [s.vpc], TEAM), lambda s: ("b", True, [other_vpc(s)], {**TEAM, "Name": "x"}),
    ),
    "RecordSet": (
        "AWS::Route53::RecordSet", lambda s: {"HostedZoneId": s.zone, **address("a", 30)}, {"TTL": 60},
        records, {"a": 30}, {"a": 60},
    ),
    "RecordSet under another name": (
        "AWS::Route53::RecordSet", lambda s: {"HostedZoneId": s.zone, **address("a", 30)}, address("b", 30),
        records, {"a": 30}, {"b": 30},
    ),
    "RecordSet of an alias": (
        "AWS::Route53::RecordSet",
        lambda s: {
            "HostedZoneName": "k8s.test", "Name": "api.k8s.test.", "Type": "A",
            "AliasTarget": {"DNSName": s.balancer.attributes["DNSName"], "HostedZoneId": "Z1"},
        },
        {}, records, lambda s: {"api": s.balancer.attributes["DNSName"]},
        lambda s: {"api": s.balancer.attributes["DNSName"]},
    ),
    "RecordSetGroup": (
        "AWS::Route53::RecordSetGroup",
        lambda s: {"HostedZoneId": s.zone, "Comment": "c", "RecordSets": [address("a", 30), address("b", 30)]},
        {"RecordSets": [address("b", 60), address("c", 30)]}, records, {"a": 30, "b": 30}, {"b": 60, "c": 30},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_resource_of_the_cluster_is_made_changed_in_place_and_gone(case, life):
    """What the template says is what the service answers, after creation as after a change; then there is none."""
    life(*case)


def test_a_group_is_deleted_after_its_last_instance_and_its_hooks_have_had_their_time(stage):
    """CloudFormation empties a group and waits: a terminating hook runs its full heartbeat before the group goes."""
    properties = {
        **stage.group_properties,
        "MinSize": 1,
        "LifecycleHookSpecificationList": [lifecycle("leave", 120)],
    }
    name = stage.make("AWS::AutoScaling::AutoScalingGroup", **properties).physical_id
    asg, clock = stage.client("autoscaling"), stage.aws.clock

    def instances():
        found = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]["Instances"]
        return [item["LifecycleState"] for item in found]

    while instances() != ["InService"]:
        clock.sleep(5)
    before = clock.monotonic()

    provider("AWS::AutoScaling::AutoScalingGroup").delete(stage.context(), name, properties)

    assert clock.monotonic() - before >= 120
    assert asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"] == []
