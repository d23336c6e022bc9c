"""Proof that a deletion left nothing: every look-up that could still find something of the cluster, and what it found.

Source: Resource Groups Tagging API reference, GetResources; its index lags, so what it names is looked at before it counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubecfn.deploy.aws import Aws, doing
from kubecfn.deploy.leftovers import find_leftovers
from kubecfn.deploy.stacks import Resource

_DEAD_INSTANCES = frozenset({"terminated", "shutting-down"})


@dataclass(frozen=True)
class Left:
    """Something that is still there.

    Attributes:
        what: type and name.
        why: the reason it stays, and how long if not for ever.
        meant: whether it is meant to stay.
    """

    what: str
    why: str
    meant: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


def left_over(aws: Aws, stack_id: str, cluster: str, resources: Iterable[Resource]) -> tuple[Left, ...]:
    """Return everything of a deleted stack that is still there.

    Args:
        aws: account and region.
        stack_id: the deleted stack's ARN.
        cluster: the cluster's name.
        resources: what CloudFormation says of it by now.
    """
    listed = list(resources)
    kept = [one for one in listed if one.status == "DELETE_SKIPPED"]
    blocked = [one for one in listed if one.status not in {"DELETE_SKIPPED", "DELETE_COMPLETE"}]
    known = {one.physical_id for one in kept}
    return (
        *(Left(f"{one.logical_id} ({one.type}) {one.physical_id}", _why_kept(one), meant=True) for one in kept),
        *(
            Left(f"{one.logical_id} ({one.type}) {one.physical_id}", one.reason or one.status, meant=False)
            for one in blocked
        ),
        *(
            Left(str(one), "made by the cluster's own programs and still in use", meant=False)
            for one in find_leftovers(aws, cluster)
        ),
        *_instances(aws, stack_id),
        *_tagged(aws, stack_id, known | {one.physical_id for one in blocked}),
    )


def _why_kept(resource: Resource) -> str:
    if resource.type == "AWS::S3::Bucket":
        return "kept with what is in it; delete it yourself when nobody needs the backups any more"
    if resource.type == "AWS::KMS::Key":
        return "kept because it reads the backups; schedule its deletion when they are gone"
    return "kept by its DeletionPolicy"


def _instances(aws: Aws, stack_id: str) -> list[Left]:
    tagged = [{"Name": "tag:aws:cloudformation:stack-id", "Values": [stack_id]}]
    with doing("looking for instances"):
        pages = aws.client("ec2").get_paginator("describe_instances").paginate(Filters=tagged)
        found = [
            instance
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
            if instance["State"]["Name"] not in _DEAD_INSTANCES
        ]
    return [Left(f"instance {one['InstanceId']}", f"is {one['State']['Name']}", meant=False) for one in found]


def _tagged(aws: Aws, stack_id: str, known: set[str]) -> list[Left]:
    """Look through everything AWS indexes by tag; instances and what is known already are not counted twice."""
    wanted = [{"Key": "aws:cloudformation:stack-id", "Values": [stack_id]}]
    with doing("looking for resources with the stack's tag"):
        pages = aws.client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(TagFilters=wanted)
        arns = [one["ResourceARN"] for page in pages for one in page["ResourceTagMappingList"]]
    strangers = [arn for arn in arns if not any(name and arn.endswith(name) for name in known)]
    return [
        Left(arn, "carries the stack's tag", meant=False)
        for arn in strangers
        if ":instance/" not in arn and ":cloudformation:" not in arn and _really_there(aws, arn)
    ]


def _really_there(aws: Aws, arn: str) -> bool:
    """The index may name what has just gone; EC2 says whether it is there, for the rest the index is believed."""
    from botocore.exceptions import ClientError  # noqa: PLC0415  boto3 loads in functions only

    service, name = arn.split(":")[2], arn.rsplit("/", maxsplit=1)[-1]
    if service == "kms":
        return bool(aws.client("kms").describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] != "PendingDeletion")
    if service != "ec2":
        return True
    if ":natgateway/" in arn:
        return _nat_gateway_is_there(aws, name)
    with doing(f"looking for {arn}"):
        try:
            answer = aws.client("ec2").describe_tags(Filters=[{"Name": "resource-id", "Values": [name]}])
        except ClientError:
            return True
    return bool(answer["Tags"])


def _nat_gateway_is_there(aws: Aws, gateway: str) -> bool:
    """A deleted one is described, tags and all, for about an hour (VPC User Guide, "Delete a NAT gateway")."""
    with doing(f"looking for {gateway}"):
        found = aws.client("ec2").describe_nat_gateways(Filters=[{"Name": "nat-gateway-id", "Values": [gateway]}])
    return any(one["State"] not in {"deleted", "deleting"} for one in found["NatGateways"])
