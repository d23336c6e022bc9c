"""What people and programs ask a finished stack for."""

from __future__ import annotations

from collections.abc import Sequence

from troposphere import Join, Output, Template

from kubecfn.template.controllers import Controllers
from kubecfn.template.dns import Zone
from kubecfn.template.load_balancer import Api
from kubecfn.template.logs import LogGroup
from kubecfn.template.network import Network
from kubecfn.template.pools import PoolReferences
from kubecfn.template.storage import Storage


def add_outputs(
    template: Template,
    *,
    network: Network,
    zone: Zone,
    api: Api,
    storage: Storage,
    log: LogGroup,
    controllers: Controllers,
    pools: Sequence[PoolReferences],
) -> None:
    """Add one output for each thing; a pool's groups share one."""
    values: list[tuple[str, str, object]] = [
        ("ApiEndpoint", "The Kubernetes API", api.endpoint),
        ("VpcOfCluster", "The VPC", network.vpc_id),
        ("ZoneId", "The cluster's hosted zone", zone.id),
        ("ControllersGroup", "Auto scaling group of the controllers", controllers.group),
        ("BackupBucketName", "Bucket of etcd backups; it stays when the stack is deleted", storage.backup_bucket),
        ("ClusterKeyArn", "KMS key of backups and logs; it stays when the stack is deleted", storage.key_arn),
        ("NodeLogGroupName", "Log group of the nodes", log.name),
    ]
    if zone.name_servers is not None:
        values.append(("NameServers", "Who answers for the cluster's domain", Join(",", zone.name_servers)))
    values += [
        (f"{pool.logical_id}Groups", "Auto scaling groups of the pool", Join(",", list(pool.groups))) for pool in pools
    ]
    for name, description, value in values:
        template.add_output(Output(name, Description=description, Value=value))
