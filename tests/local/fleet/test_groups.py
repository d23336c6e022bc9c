from collections import Counter

import pytest
from botocore.exceptions import ClientError

ENDS = {"DeregisterTargets", "TerminateInstances"}


def test_a_group_brings_its_instances_into_service_spread_over_its_zones(cloud):
    """Instances are distributed evenly over the zones of VPCZoneIdentifier."""
    name = cloud.group(5)

    zones = Counter(each["AvailabilityZone"] for each in cloud.instances(name))

    assert sorted(zones.values()) == [1, 2, 2]


def test_an_instance_is_what_the_launch_template_says(cloud, profile):
    """Profile, metadata options, user data and tags of the template and the group arrive at the instance."""
    template = cloud.template(
        "#!/bin/sh\ntrue\n",
        IamInstanceProfile={"Name": profile},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "controller"}]}],
    )
    tags = [{"Key": "cluster", "Value": "demo", "PropagateAtLaunch": True}, {"Key": "own", "Value": "group"}]
    name = cloud.group(
        1, template=template, Tags=[{**tag, "PropagateAtLaunch": tag["Key"] == "cluster"} for tag in tags]
    )
    [instance] = cloud.instances(name)

    found = cloud.client("ec2").describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"][0][
        "Instances"
    ][0]
    shown = {tag["Key"]: tag["Value"] for tag in found["Tags"]}

    assert found["IamInstanceProfile"]["Arn"].endswith(f"instance-profile/{profile}")
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    assert shown.items() >= {"Name": "controller", "cluster": "demo", "aws:autoscaling:groupName": name}.items()
    assert "own" not in shown


def test_an_instance_keeps_the_template_version_it_was_launched_from(cloud):
    """``$Latest`` is resolved at launch; a newer version changes later launches only."""
    template = cloud.template()
    name = cloud.group(1, template=template)
    cloud.client("ec2").create_launch_template_version(
        LaunchTemplateName=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "m5.xlarge"}
    )
    cloud.asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=2)
    cloud.until(lambda: cloud.in_service(name) == 2)

    versions = [(each["LaunchTemplate"]["Version"], each["InstanceType"]) for each in cloud.instances(name)]

    assert versions == [("1", "m5.large"), ("2", "m5.xlarge")]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (9, "New SetDesiredCapacity value 9 is above max value 3"),
        (0, "New SetDesiredCapacity value 0 is below min value 1"),
    ],
)
def test_a_desired_capacity_outside_the_bounds_is_refused(cloud, size, words):
    """SetDesiredCapacity keeps MinSize and MaxSize."""
    name = cloud.group(1)

    with pytest.raises(ClientError, match=words):
        cloud.asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=size)

    assert cloud.describe(name)["DesiredCapacity"] == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MinSize": 3, "MaxSize": 2}, "must be greater than or equal to min bound"),
        ({"DesiredCapacity": 9}, "Desired capacity:9 must be between"),
        ({"VPCZoneIdentifier": "subnet-00000000"}, "subnet-00000000"),
        ({"LaunchTemplate": {"LaunchTemplateName": "nobody"}}, "valid fully-formed launch template"),
        ({"TerminationPolicies": ["Youngest"]}, "Termination policy is not valid: Youngest"),
        ({"LoadBalancerNames": ["classic"]}, "Not emulated for auto scaling groups: LoadBalancerNames"),
    ],
)
def test_a_group_that_cannot_be_is_refused_before_anything_starts(cloud, settings, words):
    """CreateAutoScalingGroup validates sizes, subnets, template and policies."""
    with pytest.raises(ClientError, match=words):
        cloud.group(1, template=cloud.template(), wait=False, **settings) if "LaunchTemplate" not in settings else (
            cloud.asg.create_auto_scaling_group(
                AutoScalingGroupName="never", MinSize=1, MaxSize=1, VPCZoneIdentifier=cloud.subnets[0], **settings
            )
        )

    assert cloud.asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_an_operation_that_is_not_emulated_says_so(cloud):
    """Nothing of auto scaling falls through to an emulation that answers and does nothing."""
    with pytest.raises(ClientError, match="Not emulated: autoscaling:StartInstanceRefresh"):
        cloud.asg.start_instance_refresh(AutoScalingGroupName="any")


def test_scale_in_takes_from_the_richest_zone_and_spares_the_protected(cloud):
    """The default policy keeps zones balanced and never picks a protected instance."""
    name = cloud.group(4)
    zones = Counter(each["AvailabilityZone"] for each in cloud.instances(name))
    richest = max(zones, key=zones.__getitem__)
    there = [each["InstanceId"] for each in cloud.instances(name) if each["AvailabilityZone"] == richest]
    cloud.asg.set_instance_protection(AutoScalingGroupName=name, InstanceIds=there[:1], ProtectedFromScaleIn=True)

    cloud.asg.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=0, DesiredCapacity=3)
    cloud.until(lambda: len(cloud.states(name)) == 3)

    assert set(there) & set(cloud.states(name)) == {there[0]}


def test_an_instance_terminated_in_ec2_is_noticed_and_replaced(cloud):
    """The health check finds what does not run and ReplaceUnhealthy replaces it."""
    name = cloud.group(2)
    victim = next(iter(cloud.states(name)))

    cloud.client("ec2").terminate_instances(InstanceIds=[victim])

    cloud.until(lambda: cloud.in_service(name) == 2 and victim not in cloud.states(name))
    assert any("health check" in each["Cause"] for each in cloud.activities(name))


@pytest.mark.parametrize("process", ["HealthCheck", "ReplaceUnhealthy", "Terminate"])
def test_nothing_is_replaced_while_the_process_is_suspended(cloud, process):
    """Suspending one of these keeps dead instances in the group, as a rolling update relies on."""
    name = cloud.group(1)
    victim = next(iter(cloud.states(name)))
    cloud.asg.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=[process])
    cloud.client("ec2").terminate_instances(InstanceIds=[victim])

    cloud.stays(lambda: cloud.states(name) == {victim: "InService"}, seconds=0.3)

    cloud.asg.resume_processes(AutoScalingGroupName=name, ScalingProcesses=[process])
    cloud.until(lambda: victim not in cloud.states(name) and cloud.in_service(name) == 1)


def test_nothing_is_launched_while_launch_is_suspended(cloud):
    """A suspended Launch leaves the group below its desired capacity until it is resumed."""
    name = cloud.group(1)
    cloud.asg.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["Launch"])
    cloud.asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=2)

    cloud.stays(lambda: len(cloud.states(name)) == 1)

    cloud.asg.resume_processes(AutoScalingGroupName=name)
    cloud.until(lambda: cloud.in_service(name) == 2)


def test_an_instance_declared_unhealthy_is_replaced(cloud):
    """SetInstanceHealth Unhealthy takes an instance out of service."""
    name = cloud.group(1)
    [victim] = cloud.states(name)

    cloud.asg.set_instance_health(InstanceId=victim, HealthStatus="Unhealthy")

    cloud.until(lambda: victim not in cloud.states(name) and cloud.in_service(name) == 1)


def test_an_instance_in_its_grace_period_is_not_judged(cloud):
    """Within HealthCheckGracePeriod an Unhealthy is ignored unless the caller insists."""
    name = cloud.group(1, HealthCheckGracePeriod=36000)
    [instance] = cloud.states(name)

    cloud.asg.set_instance_health(InstanceId=instance, HealthStatus="Unhealthy")
    cloud.stays(lambda: cloud.states(name) == {instance: "InService"}, seconds=0.2)

    cloud.asg.set_instance_health(InstanceId=instance, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
    cloud.until(lambda: instance not in cloud.states(name))


def test_terminating_with_decrement_leaves_the_group_smaller(cloud):
    """ShouldDecrementDesiredCapacity decides whether a replacement comes, and never goes below MinSize."""
    name = cloud.group(2, MinSize=1)
    [first, second] = cloud.states(name)

    cloud.terminate(first, decrement=True)
    cloud.until(lambda: cloud.states(name) == {second: "InService"})

    with pytest.raises(ClientError, match="min size constraint"):
        cloud.terminate(second, decrement=True)


def test_an_unbalanced_group_launches_before_it_terminates(cloud):
    """AZRebalance adds in the poorest zone first and only then takes from the richest."""
    name = cloud.group(3, VPCZoneIdentifier=cloud.subnets[0])
    before = set(cloud.states(name))

    cloud.asg.update_auto_scaling_group(AutoScalingGroupName=name, VPCZoneIdentifier=",".join(cloud.subnets))
    cloud.until(
        lambda: len({each["AvailabilityZone"] for each in cloud.instances(name)}) == 3 and len(cloud.states(name)) == 3
    )

    newest_first = [each["Description"].split()[0] for each in cloud.activities(name)][:-3]
    assert newest_first[-1] == "Launching"
    assert len(before & set(cloud.states(name))) == 1


def test_rebalancing_waits_until_the_new_instance_is_in_service(cloud):
    """While the instance for the poorer zone still waits for its hook, none of the others goes."""
    name = cloud.group(3, VPCZoneIdentifier=cloud.subnets[0])
    before = set(cloud.states(name))
    cloud.asg.put_lifecycle_hook(
        AutoScalingGroupName=name,
        LifecycleHookName="join",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        HeartbeatTimeout=7200,
    )
    cloud.asg.update_auto_scaling_group(AutoScalingGroupName=name, VPCZoneIdentifier=",".join(cloud.subnets[:2]))

    [new] = cloud.until(lambda: [each for each, state in cloud.states(name).items() if state == "Pending:Wait"])
    cloud.stays(lambda: cloud.in_service(name) == 3, seconds=0.2)
    cloud.complete(name, "join", new, "CONTINUE")

    cloud.until(lambda: len(cloud.states(name)) == 3)
    assert len(before & set(cloud.states(name))) == 2


def test_a_mixed_group_buys_its_base_on_demand_and_the_rest_as_spot(cloud):
    """OnDemandBaseCapacity and the percentage above it, rounded up, are on-demand; the override's type wins."""
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateName": cloud.template(), "Version": "$Latest"},
            "Overrides": [{"InstanceType": "m7a.large"}, {"InstanceType": "m7i.large"}],
        },
        "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 50},
    }
    name = cloud.group(4, MixedInstancesPolicy=policy)

    found = cloud.client("ec2").describe_instances(InstanceIds=list(cloud.states(name)))
    bought = Counter(
        each.get("InstanceLifecycle", "on-demand") for r in found["Reservations"] for each in r["Instances"]
    )

    assert bought == {"on-demand": 3, "spot": 1}
    assert {each["InstanceType"] for each in cloud.instances(name)} == {"m7a.large"}


def test_instances_in_service_are_the_targets_of_the_target_group(cloud):
    """An instance is registered when it comes into service and deregistered before it goes."""
    elb = cloud.client("elbv2")
    vpc = cloud.client("ec2").describe_subnets(SubnetIds=cloud.subnets[:1])["Subnets"][0]["VpcId"]
    arn = elb.create_target_group(Name=cloud.name("tg"), Protocol="TCP", Port=6443, VpcId=vpc)["TargetGroups"][0][
        "TargetGroupArn"
    ]

    def targets():
        return {
            each["Target"]["Id"] for each in elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        }

    name = cloud.group(2, TargetGroupARNs=[arn], MinSize=0)
    cloud.until(lambda: targets() == set(cloud.states(name)))
    cloud.asg.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    cloud.until(lambda: len(cloud.states(name)) == 1 and targets() == set(cloud.states(name)))
    ends = [each.call.operation for each in cloud.aws.recorder.internal if each.call.operation in ENDS]
    assert ends[-2:] == ["DeregisterTargets", "TerminateInstances"]
    cloud.asg.detach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=[arn])
    cloud.until(lambda: not targets())


def test_a_launch_that_fails_is_a_failed_activity_and_is_tried_again(cloud):
    """What EC2 refuses shows in DescribeScalingActivities with EC2's words; the group keeps trying."""
    template = cloud.template()
    cloud.aws.faults.add(service="ec2", operation="RunInstances", kind="error", times=1, internal=True)
    name = cloud.group(1, template=template)

    assert [each["StatusCode"] for each in cloud.activities(name)] == ["Successful", "Failed"]


def test_a_group_with_instances_is_not_deleted_without_force(cloud):
    """DeleteAutoScalingGroup without ForceDelete needs an empty group."""
    name = cloud.group(1)

    with pytest.raises(ClientError, match="ResourceInUse"):
        cloud.asg.delete_auto_scaling_group(AutoScalingGroupName=name)
    cloud.asg.update_auto_scaling_group(AutoScalingGroupName=name, MinSize=0, DesiredCapacity=0)
    cloud.until(lambda: not cloud.states(name))
    cloud.asg.delete_auto_scaling_group(AutoScalingGroupName=name)

    assert cloud.describe(name) is None


def test_an_idle_group_costs_next_to_nothing(cloud):
    """Between changes the fleet asks EC2 who is dead, and EventBridge what is scheduled: a handful of calls a second."""
    cloud.group(6)
    before = len(cloud.aws.recorder.internal)

    cloud.aws.clock.sleep(200)

    assert len(cloud.aws.recorder.internal) - before <= 12
