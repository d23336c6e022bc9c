"""What CloudFormation could not make because the old one still stands: a replacement is made before the old one goes.

Source: CloudFormation User Guide, "Update behaviors of stack resources", Replacement; "Name type": a resource with a custom name
cannot be replaced unless its name changes; VPC User Guide, "Subnet CIDR blocks": subnets of a VPC may not overlap.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

from kubecfn.deploy.explain.changes import Change, Fate
from kubecfn.deploy.explain.values import Values

_NAMES: Mapping[str, str] = {
    "AWS::AutoScaling::AutoScalingGroup": "AutoScalingGroupName",
    "AWS::EC2::LaunchTemplate": "LaunchTemplateName",
    "AWS::EC2::SecurityGroup": "GroupName",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "Name",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
}
_SUBNET, _VPC = "AWS::EC2::Subnet", "AWS::EC2::VPC"
_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


def taken_names(changes: Iterable[Change], old: Values, new: Values) -> Iterator[str]:
    """Yield why resources with a name of their own cannot be replaced: the old one has the name until it goes."""
    for change in changes:
        name = _NAMES.get(change.type, "")
        before, after = (values.properties(change.logical_id).get(name) for values in (old, new))
        # Without a name CloudFormation makes a new one each time, and nothing collides.
        if change.fate is Fate.REPLACED and name and before is not None and before == after:
            yield (
                f"CloudFormation cannot replace {change.logical_id}: its name {before} is taken until the old one is gone, "
                "which is after the new one is made."
            )


def taken_networks(changes: Iterable[Change], old: Values, new: Values) -> Iterator[str]:
    """Yield why subnets cannot be made: an old subnet of the same VPC has some of the addresses until it goes."""
    found = list(changes)
    replaced = {change.logical_id for change in found if change.fate is Fate.REPLACED}
    standing = [
        (name, old.properties(name))
        for name in old.template.get("Resources") or {}
        if old.type_of(name) == _SUBNET and old.exists(name)
    ]
    for change in found:
        if change.type != _SUBNET or change.fate not in {Fate.REPLACED, Fate.ADDED}:
            continue
        wanted = new.properties(change.logical_id)
        if str(wanted.get("VpcId", "")).strip("${}") in replaced:
            continue
        for name, properties in standing:
            if properties.get("VpcId") == wanted.get("VpcId") and _overlap(properties, wanted):
                yield (
                    f"AWS would refuse the new {change.logical_id} ({wanted['CidrBlock']}): it overlaps the old {name} "
                    f"({properties['CidrBlock']}), which goes only afterwards."
                )
                break


def moved_balancers(changes: Iterable[Change]) -> Iterator[str]:
    """Yield why a network cannot be replaced under a load balancer: it cannot move to another one.

    Source: Elastic Load Balancing API reference, SetSubnets: the subnets must be of the load balancer's own VPC.
    """
    found = list(changes)
    networks = [change.logical_id for change in found if change.type == _VPC and change.fate is Fate.REPLACED]
    for change in found:
        if networks and change.type == _BALANCER and change.fate is Fate.CHANGED and "Subnets" in change.properties:
            yield (
                f"AWS would refuse to move {change.logical_id} into the new network {networks[0]}: a load balancer stays in "
                "the network it was made in. A new network means a new cluster."
            )


def _overlap(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    try:
        first, second = (ipaddress.IPv4Network(str(each["CidrBlock"])) for each in (one, other))
    except (KeyError, ValueError):
        return False  # a network that only AWS knows: not ours to predict
    return first.overlaps(second)
