"""What the cluster's own programs made in AWS beside CloudFormation: load balancers, target groups, interfaces, groups, volumes.

They carry the tag ``kubernetes.io/cluster/NAME: owned`` (cloud-provider-aws, "Prerequisites") and none of CloudFormation's
own; they hold subnets and security groups, so they go before the stack can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubecfn.deploy.aws import Aws, code_of, doing

_OF_STACK = "aws:cloudformation:stack-name"
_BATCH = 20  # ELB: DescribeTags takes 20 at a time
# The order in which they can go: who points at others goes first.
_ORDER = ("load balancer", "classic load balancer", "target group", "interface", "security group", "volume")


@dataclass(frozen=True)
class Leftover:
    """One such thing.

    Attributes:
        kind: one of `_ORDER`.
        id: ARN, name or ID, whatever its deletion takes.
        note: what a person would know it by.
    """

    kind: str
    id: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}{f' ({self.note})' if self.note else ''}"


def find_leftovers(aws: Aws, cluster: str) -> list[Leftover]:
    """Return what the cluster's programs made and nobody removed, in the order in which it can go."""
    found = [*_balancers(aws, cluster), *_classic(aws, cluster), *_target_groups(aws, cluster), *_ec2(aws, cluster)]
    return sorted(found, key=lambda leftover: _ORDER.index(leftover.kind))


def remove_leftovers(aws: Aws, leftovers: Iterable[Leftover]) -> list[Leftover]:
    """Delete them and return those that cannot go yet (still in use); "there is none" is success."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    held = []
    for leftover in leftovers:
        with doing(f"deleting the {leftover}"):
            try:
                _delete(aws, leftover)
            except ClientError as error:
                code = code_of(error)
                if code in _IN_USE:
                    held.append(leftover)
                elif "NotFound" not in code:
                    raise
    return held


_IN_USE = frozenset(
    {"ResourceInUse", "DependencyViolation", "VolumeInUse", "InvalidParameterValue", "InvalidNetworkInterface.InUse"}
)


def _owned(tags: Iterable[Mapping[str, str]], cluster: str) -> bool:
    by_name = {tag["Key"]: tag.get("Value", "") for tag in tags}
    return by_name.get(f"kubernetes.io/cluster/{cluster}") == "owned" and _OF_STACK not in by_name


def _balancers(aws: Aws, cluster: str) -> Iterator[Leftover]:
    client = aws.client("elbv2")
    with doing("listing load balancers"):
        pages = client.get_paginator("describe_load_balancers").paginate()
        names = {one["LoadBalancerArn"]: one["LoadBalancerName"] for page in pages for one in page["LoadBalancers"]}
    for arn in _tagged_elbv2(aws, list(names), cluster):
        yield Leftover("load balancer", arn, names[arn])


def _target_groups(aws: Aws, cluster: str) -> Iterator[Leftover]:
    client = aws.client("elbv2")
    with doing("listing target groups"):
        pages = client.get_paginator("describe_target_groups").paginate()
        names = {one["TargetGroupArn"]: one["TargetGroupName"] for page in pages for one in page["TargetGroups"]}
    for arn in _tagged_elbv2(aws, list(names), cluster):
        yield Leftover("target group", arn, names[arn])


def _tagged_elbv2(aws: Aws, arns: list[str], cluster: str) -> Iterator[str]:
    for start in range(0, len(arns), _BATCH):
        with doing("reading load balancers' tags"):
            answer = aws.client("elbv2").describe_tags(ResourceArns=arns[start : start + _BATCH])
        for one in answer["TagDescriptions"]:
            if _owned(one["Tags"], cluster):
                yield one["ResourceArn"]


def _classic(aws: Aws, cluster: str) -> Iterator[Leftover]:
    client = aws.client("elb")
    with doing("listing classic load balancers"):
        pages = client.get_paginator("describe_load_balancers").paginate()
        names = [one["LoadBalancerName"] for page in pages for one in page["LoadBalancerDescriptions"]]
    for start in range(0, len(names), _BATCH):
        with doing("reading classic load balancers' tags"):
            answer = client.describe_tags(LoadBalancerNames=names[start : start + _BATCH])
        for one in answer["TagDescriptions"]:
            if _owned(one.get("Tags", ()), cluster):
                yield Leftover("classic load balancer", one["LoadBalancerName"])


def _ec2(aws: Aws, cluster: str) -> Iterator[Leftover]:
    client = aws.client("ec2")
    tagged = [{"Name": f"tag:kubernetes.io/cluster/{cluster}", "Values": ["owned"]}]

    def listed(operation: str, key: str) -> list[dict[str, Any]]:
        with doing(f"listing {key}"):
            pages = client.get_paginator(operation).paginate(Filters=tagged)
            return [one for page in pages for one in page[key]]

    for interface in listed("describe_network_interfaces", "NetworkInterfaces"):
        if _owned(interface.get("TagSet", ()), cluster) and interface["Status"] == "available":
            yield Leftover("interface", interface["NetworkInterfaceId"], interface.get("Description", ""))
    for group in listed("describe_security_groups", "SecurityGroups"):
        if _owned(group.get("Tags", ()), cluster):
            yield Leftover("security group", group["GroupId"], group["GroupName"])
    for volume in listed("describe_volumes", "Volumes"):
        if _owned(volume.get("Tags", ()), cluster) and volume["State"] == "available":
            yield Leftover("volume", volume["VolumeId"], f"{volume['Size']} GiB of a pod's data")


def _delete(aws: Aws, leftover: Leftover) -> None:
    ec2 = aws.client("ec2")
    match leftover.kind:
        case "load balancer":
            aws.client("elbv2").delete_load_balancer(LoadBalancerArn=leftover.id)
        case "classic load balancer":
            aws.client("elb").delete_load_balancer(LoadBalancerName=leftover.id)
        case "target group":
            aws.client("elbv2").delete_target_group(TargetGroupArn=leftover.id)
        case "interface":
            ec2.delete_network_interface(NetworkInterfaceId=leftover.id)
        case "security group":
            _forget_rules_naming(ec2, leftover.id)
            ec2.delete_security_group(GroupId=leftover.id)
        case "volume":
            ec2.delete_volume(VolumeId=leftover.id)


def _forget_rules_naming(ec2: Any, group: str) -> None:
    """Revoke other groups' rules that name this one: they would hold it (VPC: "Delete a security group")."""
    for direction, revoke in (
        ("ip-permission.group-id", ec2.revoke_security_group_ingress),
        ("egress.ip-permission.group-id", ec2.revoke_security_group_egress),
    ):
        key = "IpPermissions" if direction.startswith("ip-") else "IpPermissionsEgress"
        for other in ec2.describe_security_groups(Filters=[{"Name": direction, "Values": [group]}])["SecurityGroups"]:
            rules = [
                {**rule, "UserIdGroupPairs": pairs, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
                for rule in other[key]
                if (pairs := [pair for pair in rule.get("UserIdGroupPairs", ()) if pair.get("GroupId") == group])
            ]
            if rules and other["GroupId"] != group:
                revoke(GroupId=other["GroupId"], IpPermissions=rules)
