"""What add-ons may do in AWS with a node's role, each only where it runs and only to what carries the cluster's tag.

Sources: Service Authorization Reference for which call takes which condition; the calls are those that the programs make
(kubernetes/cloud-provider-aws, pkg/providers/v1; aws-ebs-csi-driver, docs/example-iam-policy.json; kubernetes/autoscaler,
cluster-autoscaler/cloudprovider/aws/README.md; amazon-vpc-cni-k8s, docs/iam-policy.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from awacs import autoscaling as may_scale
from awacs import ec2 as may_ec2
from awacs import ecr as may_ecr
from awacs import elasticloadbalancing as may_balance
from awacs.aws import Action, Allow, Condition, Statement, StringEquals
from troposphere import Sub

from kubecfn.config import Config

_OWNED = "owned"
# aws-ebs-csi-driver, pkg/cloud/cloud.go, getVolumeLimits.
_DRY_RUN = "IopsLimitDryRun"


def addon_rights(config: Config) -> list[Statement]:
    """Return what the controllers' role needs for the add-ons that run there; nothing for those that are off."""
    addons, tag = config.addons, f"kubernetes.io/cluster/{config.name}"
    return [
        *(_cloud_controller(tag) if addons.cloud_controller else ()),
        *(_ebs_csi(tag) if addons.ebs_csi else ()),
        *(_autoscaler(config.name) if addons.cluster_autoscaler and config.pools else ()),
    ]


def pod_network_rights(config: Config) -> list[Statement]:
    """Return what every node's role needs for the pod network: nothing, but for AWS's own, whose pods have a VPC's addresses."""
    if config.addons.cni != "vpc-cni":
        return []
    tag = "cluster.k8s.amazonaws.com/name"
    its_own, cards = {_resource_tag(tag): config.name}, ["network-interface"]
    of_cluster = {_resource_tag(f"kubernetes.io/cluster/{config.name}"): _OWNED}
    attach = (may_ec2.AttachNetworkInterface, may_ec2.DetachNetworkInterface, may_ec2.ModifyNetworkInterfaceAttribute)
    return [
        _see(
            "PodNetworkSees",
            may_ec2.DescribeInstances,
            may_ec2.DescribeInstanceTypes,
            may_ec2.DescribeNetworkInterfaces,
            may_ec2.DescribeSecurityGroups,
            may_ec2.DescribeSubnets,
            may_ec2.DescribeTags,
            may_ecr.GetAuthorizationToken,
        ),
        _ec2("PodNetworkTags", [may_ec2.CreateTags], cards),
        _ec2("PodNetworkMakes", [may_ec2.CreateNetworkInterface], cards, {f"aws:RequestTag/{tag}": config.name}),
        _ec2("PodNetworkMakesIn", [may_ec2.CreateNetworkInterface], ["subnet", "security-group"]),
        _ec2("PodNetworkAttaches", attach, ["instance"], of_cluster),
        _ec2("PodNetworkGroups", [may_ec2.ModifyNetworkInterfaceAttribute], ["security-group"]),
        _ec2(
            "PodNetworkChanges",
            (
                *attach,
                may_ec2.AssignPrivateIpAddresses,
                may_ec2.UnassignPrivateIpAddresses,
                may_ec2.DeleteNetworkInterface,
            ),
            cards,
            its_own,
        ),
        Statement(
            Sid="PodNetworkPulls",
            Effect=Allow,
            Action=[may_ecr.BatchCheckLayerAvailability, may_ecr.BatchGetImage, may_ecr.GetDownloadUrlForLayer],
            # Its publisher's repositories, in accounts and regions of its own.
            Resource=[Sub("arn:${AWS::Partition}:ecr:*:*:repository/amazon-k8s-cni*")],
        ),
    ]


def _cloud_controller(tag: str) -> tuple[Statement, ...]:
    """Return what load balancers of services need. Whatever it makes is tagged in the call that makes it."""
    owned, asked = {_resource_tag(tag): _OWNED}, {f"aws:RequestTag/{tag}": _OWNED}
    groups = ["security-group"]
    return (
        _see(
            "CloudControllerSees",
            may_ec2.DescribeAvailabilityZones,
            may_ec2.DescribeInstances,
            may_ec2.DescribeInstanceTopology,
            may_ec2.DescribeNetworkInterfaces,
            may_ec2.DescribeRegions,
            may_ec2.DescribeRouteTables,
            may_ec2.DescribeSecurityGroups,
            may_ec2.DescribeSubnets,
            may_ec2.DescribeVpcs,
            may_balance.DescribeListeners,
            may_balance.DescribeLoadBalancerAttributes,
            may_balance.DescribeLoadBalancerPolicies,
            may_balance.DescribeLoadBalancers,
            may_balance.DescribeTargetGroupAttributes,
            may_balance.DescribeTargetGroups,
            may_balance.DescribeTargetHealth,
        ),
        _ec2("MakeOwnSecurityGroups", [may_ec2.CreateSecurityGroup], groups, asked),
        _ec2("MakeSecurityGroupsInVpc", [may_ec2.CreateSecurityGroup], ["vpc"]),
        _ec2("TagNewSecurityGroups", [may_ec2.CreateTags], groups, {"ec2:CreateAction": "CreateSecurityGroup"}),
        _ec2(
            "ChangeOwnSecurityGroups",
            [
                may_ec2.AuthorizeSecurityGroupIngress,
                may_ec2.RevokeSecurityGroupIngress,
                may_ec2.DeleteSecurityGroup,
            ],
            groups,
            owned,
        ),
        _balance("MakeOwnLoadBalancers", [may_balance.CreateLoadBalancer, may_balance.CreateTargetGroup], asked),
        _balance(
            "TagNewLoadBalancers",
            [may_balance.AddTags],
            {"elasticloadbalancing:CreateAction": ["CreateLoadBalancer", "CreateTargetGroup", "CreateListener"]},
        ),
        _balance("ChangeOwnLoadBalancers", [*_CLASSIC, *_NETWORK], owned),
    )


_CLASSIC = (
    may_balance.AddTags,
    may_balance.ApplySecurityGroupsToLoadBalancer,
    may_balance.AttachLoadBalancerToSubnets,
    may_balance.ConfigureHealthCheck,
    may_balance.CreateLoadBalancerListeners,
    may_balance.CreateLoadBalancerPolicy,
    may_balance.DeleteLoadBalancer,
    may_balance.DeleteLoadBalancerListeners,
    may_balance.DeregisterInstancesFromLoadBalancer,
    may_balance.DetachLoadBalancerFromSubnets,
    may_balance.ModifyLoadBalancerAttributes,
    may_balance.RegisterInstancesWithLoadBalancer,
    may_balance.SetLoadBalancerPoliciesForBackendServer,
    may_balance.SetLoadBalancerPoliciesOfListener,
)
_NETWORK = (
    may_balance.CreateListener,
    may_balance.DeleteListener,
    may_balance.DeleteTargetGroup,
    may_balance.DeregisterTargets,
    may_balance.ModifyListener,
    may_balance.ModifyTargetGroup,
    may_balance.ModifyTargetGroupAttributes,
    may_balance.RegisterTargets,
)


def _ebs_csi(tag: str) -> tuple[Statement, ...]:
    """Return what volumes for pods need; one that somebody made by hand needs the cluster's tag to be attached."""
    owned, volumes = {_resource_tag(tag): _OWNED}, ["volume"]
    return (
        _see(
            "VolumesSeen",
            may_ec2.DescribeAvailabilityZones,
            may_ec2.DescribeInstances,
            may_ec2.DescribeInstanceTypes,
            may_ec2.DescribeTags,
            may_ec2.DescribeVolumes,
            may_ec2.DescribeVolumesModifications,
            may_ec2.DescribeVolumeStatus,
        ),
        _ec2("MakeOwnVolumes", [may_ec2.CreateVolume], volumes, {f"aws:RequestTag/{tag}": _OWNED}),
        # Before its first volume of a kind the driver asks, by a dry run with this tag alone, what the kind may have.
        _ec2("AskForLimitsOfVolumes", [may_ec2.CreateVolume], volumes, {"aws:RequestTag/CSIVolumeName": _DRY_RUN}),
        _ec2("TagNewVolumes", [may_ec2.CreateTags], volumes, {"ec2:CreateAction": "CreateVolume"}),
        _ec2("ChangeOwnVolumes", [may_ec2.DeleteVolume, may_ec2.ModifyVolume], volumes, owned),
        _ec2("AttachOwnVolumes", [may_ec2.AttachVolume, may_ec2.DetachVolume], [*volumes, "instance"], owned),
    )


def _autoscaler(name: str) -> tuple[Statement, ...]:
    """Return what pools that grow and shrink need; the controllers' group has no such tag and cannot be touched."""
    groups = (
        "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}:autoScalingGroup:*:autoScalingGroupName/*"
    )
    return (
        _see(
            "AutoscalerSees",
            may_scale.DescribeAutoScalingGroups,
            may_scale.DescribeAutoScalingInstances,
            may_scale.DescribeScalingActivities,
            may_scale.DescribeTags,
            may_ec2.DescribeImages,
            may_ec2.DescribeInstanceTypes,
            may_ec2.DescribeLaunchTemplateVersions,
        ),
        Statement(
            Sid="ScaleOwnPools",
            Effect=Allow,
            Action=[may_scale.SetDesiredCapacity, may_scale.TerminateInstanceInAutoScalingGroup],
            Resource=[Sub(groups)],
            Condition=Condition(StringEquals({_resource_tag(f"k8s.io/cluster-autoscaler/{name}"): _OWNED})),
        ),
    )


def _resource_tag(key: str) -> str:
    return f"aws:ResourceTag/{key}"


def _see(sid: str, *actions: Action) -> Statement:
    """Return the right to calls that have no resource-level permissions."""
    return Statement(Sid=sid, Effect=Allow, Action=list(actions), Resource=["*"])


def _ec2(
    sid: str, actions: Sequence[Action], kinds: Sequence[str], where: Mapping[str, str] | None = None
) -> Statement:
    """Return the right to do something to EC2's resources of these kinds in this account and region."""
    arns = [Sub(f"arn:${{AWS::Partition}}:ec2:${{AWS::Region}}:${{AWS::AccountId}}:{kind}/*") for kind in kinds]
    only = {"Condition": Condition(StringEquals(dict(where)))} if where else {}
    return Statement(Sid=sid, Effect=Allow, Action=list(actions), Resource=arns, **only)


def _balance(sid: str, actions: Sequence[Action], where: Mapping[str, str | list[str]]) -> Statement:
    """Return the right to do something to load balancers, their listeners and target groups of this account and region."""
    arn = "arn:${AWS::Partition}:elasticloadbalancing:${AWS::Region}:${AWS::AccountId}:"
    kinds = [Sub(f"{arn}{kind}/*") for kind in ("loadbalancer", "targetgroup", "listener/net")]
    return Statement(
        Sid=sid, Effect=Allow, Action=list(actions), Resource=kinds, Condition=Condition(StringEquals(dict(where)))
    )
