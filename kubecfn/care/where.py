"""Where a cluster keeps what its etcd needs: the backup bucket, the function that can reach etcd, the controllers' group."""

from __future__ import annotations

from dataclasses import dataclass

from kubecfn.care.bucket import reading
from kubecfn.deploy.aws import Aws
from kubecfn.deploy.stacks import read_stack, resources
from kubecfn.errors import StackError
from kubecfn.etcd.places import Fleet, NoGroupError, Place

BUCKET, FUNCTION, GROUP = "BackupBucket", "EtcdBackup", "Controllers"
_ALARM = "AWS::CloudWatch::Alarm"


@dataclass(frozen=True)
class Where:
    """One cluster's places in AWS, by name.

    Attributes:
        cluster: its name, which is its stack's.
        bucket: of the cluster object and the snapshots.
        function: the one that can reach etcd; empty when the stack has none (yet).
        group: the controllers'; empty when the stack has none (yet).
        alarms: names of the stack's CloudWatch alarms.
    """

    cluster: str
    bucket: str
    function: str = ""
    group: str = ""
    alarms: tuple[str, ...] = ()


def where(aws: Aws, cluster: str) -> Where:
    """Return a cluster's places, read off its stack's resources.

    Raises:
        StackError: there is no such stack, or it has no backup bucket.
        AwsError: AWS could not be asked.
    """
    stack = read_stack(aws, cluster)
    if not stack.stands:
        raise StackError(
            f"There is no stack {cluster} in {aws.region} of account {aws.account} (its state is {stack.state.value}).",
            remedy="Check the name, the region and the profile.",
        )
    listed = resources(aws, stack.id)
    there = {one.logical_id: one.physical_id for one in listed}
    bucket = there.get(BUCKET, "")
    if not bucket:
        raise StackError(
            f"The stack {cluster} has no {BUCKET}: its backups cannot be found.",
            remedy="Look at what became of it with: kubecfn why, or bring it to its configuration with: kubecfn apply.",
        )
    alarms = tuple(one.physical_id for one in listed if one.type == _ALARM and one.physical_id)
    return Where(cluster, bucket, there.get(FUNCTION, ""), there.get(GROUP, ""), alarms)


def controllers(aws: Aws, where: Where) -> tuple[Place, ...]:
    """Return the group's instances, and those that EC2 still remembers.

    Raises:
        AwsError: EC2 or auto scaling could not be asked.
        StackError: the stack has no group of controllers.
    """
    if not where.group:
        raise nobody(where)
    with reading(f"looking at the controllers of {where.cluster}"):
        try:
            return Fleet(aws.client("autoscaling"), aws.client("ec2"), where.group).group().places
        except NoGroupError:
            raise nobody(where) from None


def nobody(where: Where) -> StackError:
    """Return the error that there is no controller."""
    return StackError(
        f"No controller of {where.cluster} is running: nobody could restore a snapshot.",
        remedy="The group launches what it lacks by itself: repeat when kubecfn status shows one in service.",
    )
