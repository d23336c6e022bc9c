"""Where a cluster keeps what its etcd needs: the backup bucket, the function that can reach etcd, the controllers' group."""

from __future__ import annotations

from dataclasses import dataclass

from kubecfn.deploy.aws import Aws
from kubecfn.deploy.stacks import read_stack, resources
from kubecfn.errors import StackError

BUCKET, FUNCTION, GROUP = "BackupBucket", "EtcdBackup", "Controllers"


@dataclass(frozen=True)
class Where:
    """One cluster's places in AWS, by name.

    Attributes:
        cluster: its name, which is its stack's.
        bucket: of the cluster object and the snapshots.
        function: the one that can reach etcd; empty when the stack has none (yet).
        group: the controllers'; empty when the stack has none (yet).
    """

    cluster: str
    bucket: str
    function: str = ""
    group: str = ""


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
    there = {one.logical_id: one.physical_id for one in resources(aws, stack.id)}
    bucket = there.get(BUCKET, "")
    if not bucket:
        raise StackError(
            f"The stack {cluster} has no {BUCKET}: its backups cannot be found.",
            remedy="Look at what became of it with: kubecfn why, or bring it to its configuration with: kubecfn apply.",
        )
    return Where(cluster, bucket, there.get(FUNCTION, ""), there.get(GROUP, ""))
