"""What the stack promises about the cluster."""

from __future__ import annotations

import pytest

from kubecfn.errors import KubecfnError, WrongUseError
from kubecfn.template.rules.view import View

ONE_POOL = "pools: [{name: general, min: 2, max: 5, batch: 2}]\n"


@pytest.mark.parametrize("count", [1, 3, 5])
def test_controllers_roll_by_adding_one_before_removing_one(make, count):
    """A roll never leaves fewer controllers than wanted: one more is allowed, and all wanted stay in service."""
    made = make(f"controllers: {{count: {count}}}")
    group, policy = (
        made.properties("Controllers"),
        made.resource("Controllers")["UpdatePolicy"]["AutoScalingRollingUpdate"],
    )

    assert (str(count), str(count), str(count + 1)) == (group["MinSize"], group["DesiredCapacity"], group["MaxSize"])
    assert (count, 1, True) == (
        policy["MinInstancesInService"],
        policy["MaxBatchSize"],
        policy["WaitOnResourceSignals"],
    )


@pytest.mark.parametrize("count", [1, 3, 5])
def test_creation_waits_for_every_controller(make, count):
    """A stack is complete only when every controller has signalled."""
    made = make(f"controllers: {{count: {count}, signal_timeout: 20m}}")

    assert {"Count": count, "Timeout": "PT20M"} == made.resource("Controllers")["CreationPolicy"]["ResourceSignal"]


def test_a_controller_that_may_not_leave_stays(minimal):
    """Silence of the hook's function and its refusal both keep the instance."""
    group = minimal.properties("Controllers")

    assert [hook["DefaultResult"] for hook in group["LifecycleHookSpecificationList"]] == ["ABANDON"]
    assert group["InstanceLifecyclePolicy"]["RetentionTriggers"]["TerminateHookAbandon"] == "retain"


def test_a_worker_leaves_even_when_nobody_answers(minimal):
    """A pool never gets stuck on a silent function."""
    group = minimal.properties("PoolGeneral")

    assert [hook["DefaultResult"] for hook in group["LifecycleHookSpecificationList"]] == ["CONTINUE"]
    assert "InstanceLifecyclePolicy" not in group


def test_workers_come_after_the_control_plane_and_go_before_it(mixed):
    """Kubernetes updates its control plane first (Version Skew Policy), and workers join an API that answers."""
    view = View(mixed.data, mixed.config.region)
    pools = [name for name in view.resources if name.startswith("Pool") and "LaunchTemplate" not in name]

    assert pools
    assert all("Controllers" in view.needed_by(pool) for pool in pools)


def test_another_kubernetes_version_is_another_launch_template(minimal):
    """A change of version is seen in the change set and rolls the nodes."""
    for name, versions in (
        (
            "ControllersLaunchTemplate",
            {
                "kubecfn:kubernetes",
                "kubecfn:etcd",
                "kubecfn:backup-bucket",
                "kubecfn:worker-role",
                "kubecfn:drain-role",
            },
        ),
        ("PoolGeneralLaunchTemplate", {"kubecfn:kubernetes"}),
    ):
        tags = minimal.properties(name)["LaunchTemplateData"]["TagSpecifications"]
        on_instances = next(row["Tags"] for row in tags if row["ResourceType"] == "instance")

        assert versions == {tag["Key"] for tag in on_instances}
        assert all({"Ref", "Fn::GetAtt"} & set(tag["Value"]) for tag in on_instances)


def test_every_group_follows_its_launch_template(mixed):
    """A group uses the latest version as CloudFormation knows it, never $Latest, or nothing would roll."""
    for name, group in mixed.of_type("AutoScaling::AutoScalingGroup").items():
        launch = (
            group.get("LaunchTemplate")
            or group["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
        )

        assert {"Fn::GetAtt": [f"{name}LaunchTemplate", "LatestVersionNumber"]} == launch["Version"]


def test_user_data_names_the_group_that_waits_for_the_signal(mixed):
    """A node signals its own group, also where a pool has one group for each zone."""
    for name in ("Controllers", "PoolBurst", "PoolStateful1", "PoolStateful2", "PoolStateful3"):
        data = mixed.properties(f"{name}LaunchTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]

        assert f'LogicalResourceId="{name}"' in data
        assert "${Group}" not in data
        assert "${Cluster}" not in data


def test_no_pools_means_nothing_of_workers(make):
    """A control plane alone has no worker role, function, group, parameter or open port."""
    made = make()
    names = [*made.data["Resources"], *made.data["Parameters"], *made.data["Outputs"]]

    assert [name for name in names if "Worker" in name or "Pool" in name] == []


@pytest.mark.parametrize(
    ("pool", "in_service", "creation"),
    [
        ("{min: 2, max: 5, batch: 2}", 2, {"Ref": "PoolGeneralMin"}),
        ("{min: 3, max: 3}", 2, {"Ref": "PoolGeneralMin"}),
        ("{min: 3, max: 3, batch: 5}", 0, {"Ref": "PoolGeneralMin"}),
        ("{min: 0, max: 4}", 0, None),
    ],
)
def test_a_pool_always_has_room_to_roll(make, pool, in_service, creation):
    """A full pool makes room for a batch; an empty one waits for no signal at creation."""
    made = make(f"pools: [{{name: general, {pool[1:]}]")
    resource = made.resource("PoolGeneral")

    assert in_service == resource["UpdatePolicy"]["AutoScalingRollingUpdate"]["MinInstancesInService"]
    assert creation == resource.get("CreationPolicy", {}).get("ResourceSignal", {}).get("Count")


def test_a_pools_size_is_the_autoscalers(make):
    """No desired capacity is set, and an update does not reset it."""
    made = make(ONE_POOL)

    assert "DesiredCapacity" not in made.properties("PoolGeneral")
    scheduled = made.resource("PoolGeneral")["UpdatePolicy"]["AutoScalingScheduledAction"]
    assert scheduled == {"IgnoreUnmodifiedGroupSizeProperties": True}


def test_spot_and_several_types_make_a_mixed_group(mixed):
    """Spot and on-demand shares are what the configuration says."""
    burst = mixed.properties("PoolBurst")["MixedInstancesPolicy"]
    general = mixed.properties("PoolGeneral")["MixedInstancesPolicy"]

    assert [o["InstanceType"] for o in burst["LaunchTemplate"]["Overrides"]] == ["m7i.large", "m7a.large", "m6i.large"]
    assert (
        burst["InstancesDistribution"]["OnDemandBaseCapacity"],
        burst["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"],
    ) == (1, 0)
    assert general["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 100
    assert "SpotAllocationStrategy" not in general["InstancesDistribution"]


def test_each_architecture_has_its_own_image(mixed):
    """An arm64 node never starts from an x86_64 image."""
    images = {
        name: launch["LaunchTemplateData"]["ImageId"]["Ref"]
        for name, launch in mixed.of_type("EC2::LaunchTemplate").items()
    }

    assert "ImageArm64" == images["ControllersLaunchTemplate"] == images["PoolGeneralLaunchTemplate"]
    assert images["PoolBurstLaunchTemplate"] == "ImageX86"


def test_a_pool_for_each_zone_is_one_group_for_each_subnet(mixed):
    """Volumes are bound to zones, so the autoscaler must be able to grow one zone alone."""
    subnets = [mixed.properties(f"PoolStateful{n}")["VPCZoneIdentifier"] for n in (1, 2, 3)]

    assert [[{"Ref": f"PrivateSubnet{n}"}] for n in (1, 2, 3)] == subnets


def test_a_pool_in_named_zones_uses_their_subnets(make):
    """A zone's name leads to the subnet of that zone."""
    made = make(
        "network: {zones: [eu-central-1a, eu-central-1b, eu-central-1c]}\n"
        "pools: [{name: general, zones: [eu-central-1c]}]"
    )

    assert made.properties("PoolGeneral")["VPCZoneIdentifier"] == [{"Ref": "PrivateSubnet3"}]


def test_a_zone_that_is_not_known_is_refused(make):
    """With a number of zones nobody knows yet which they are."""
    with pytest.raises(WrongUseError, match="does not say which are used"):
        make("pools: [{name: general, zones: [eu-central-1c]}]")


def test_two_pools_that_would_share_a_logical_id_are_refused(make):
    """The first group of a per-zone pool and another pool's group could be called the same."""
    with pytest.raises(WrongUseError, match="Two pools of payments would both be PoolA1"):
        make("pools: [{name: a, zones: each}, {name: a1}]")


def test_labels_and_taints_can_be_read_off_the_group(mixed):
    """The cluster autoscaler starts a pool from nothing by its tags."""
    tags = {tag["Key"]: tag["Value"] for tag in mixed.properties("PoolBurst")["Tags"]}

    assert tags["k8s.io/cluster-autoscaler/node-template/label/tier"] == "burst"
    assert tags["k8s.io/cluster-autoscaler/node-template/taint/spot"] == "true:NoSchedule"


def test_every_group_says_whose_it_is(mixed):
    """Functions and people find groups and instances by cluster and role."""
    for name, group in mixed.of_type("AutoScaling::AutoScalingGroup").items():
        tags = {tag["Key"]: tag["Value"] for tag in group["Tags"] if tag["PropagateAtLaunch"]}

        assert tags["kubecfn:cluster"] == "atlas"
        assert ("controller" if name == "Controllers" else "worker") == tags["kubecfn:role"]
        assert tags["kubernetes.io/cluster/atlas"] == "owned"


def test_dedicated_tenancy_reaches_the_instances(examples):
    """Controllers and pools run on hardware of their own when the configuration says so."""
    made = examples["existing-vpc-private"]

    for name in ("ControllersLaunchTemplate", "PoolGeneralLaunchTemplate"):
        assert made.properties(name)["LaunchTemplateData"]["Placement"] == {"Tenancy": "dedicated"}


def test_a_volume_key_is_a_parameter_and_only_on_request(examples, minimal):
    """The account's own EBS key needs no grants; a customer-managed one is brought along."""
    gov = examples["govcloud"].properties("ControllersLaunchTemplate")["LaunchTemplateData"]
    plain = minimal.properties("ControllersLaunchTemplate")["LaunchTemplateData"]

    assert gov["BlockDeviceMappings"][0]["Ebs"]["KmsKeyId"] == {"Ref": "VolumeKeyArn"}
    assert "KmsKeyId" not in plain["BlockDeviceMappings"][0]["Ebs"]


def test_an_over_large_cluster_is_refused_in_words(make):
    """More resources than CloudFormation takes is one error that names what to change."""
    pools = "".join(f"  - {{name: p{number}, zones: each}}\n" for number in range(50))

    with pytest.raises(KubecfnError, match="more than AWS takes") as refused:
        make(f"network: {{zones: 6}}\npools:\n{pools}")

    assert "fewer pools" in refused.value.remedy
