"""The workers: any number of pools, each one group over its zones or one group for each zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from troposphere import Ref, Template, autoscaling

from kubecfn.config import Config, Pool
from kubecfn.node.here import POOL_LABEL
from kubecfn.template.controllers import Controllers
from kubecfn.template.groups import group_tags, health, roll, terminating_hook, wait_for
from kubecfn.template.launch_template import Machine, Node, add_launch_template, root_volume
from kubecfn.template.logs import LogGroup
from kubecfn.template.names import WORKERS_HOOK, PoolGroup, pool_groups, pool_id
from kubecfn.template.network import Network
from kubecfn.template.node_role import NodeRole
from kubecfn.template.parameters import INSTANCE_TYPE_PATTERN, POOLS, Inputs, add_parameter, add_sha256
from kubecfn.template.security_groups import SecurityGroups
from kubecfn.template.tags import role

_HOOK_HEARTBEAT = 600


@dataclass(frozen=True)
class PoolReferences:
    """One pool's groups, for the outputs."""

    logical_id: str
    groups: tuple[Ref, ...]


@dataclass(frozen=True)
class _Shape:
    """A pool's parameters and what its groups start, alike for each of its groups."""

    pool: Pool
    minimum: Ref
    maximum: Ref
    machine: Machine


def add_pools(
    template: Template,
    config: Config,
    *,
    inputs: Inputs,
    network: Network,
    security: SecurityGroups,
    controllers: Controllers,
    workers: NodeRole | None,
    log: LogGroup,
    volume_keys: Mapping[str, Ref],
    triggers: tuple[str, ...],
) -> tuple[PoolReferences, ...]:
    """Add every pool; nothing at all without pools."""
    if not config.pools or security.workers is None or workers is None:
        return ()
    add_sha256(template, "WorkerBundleSha256", "the workers' bundle")
    node = Node("worker", workers.profile, security.workers, log, inputs, volume_keys)
    before = (*controllers.ready, *security.worker_rules, *triggers)
    groups = pool_groups(config, network)
    return tuple(
        _add_pool(template, config, node, pool, groups=groups[pool.name], before=before) for pool in config.pools
    )


def _add_pool(
    template: Template,
    config: Config,
    node: Node,
    pool: Pool,
    *,
    groups: tuple[PoolGroup, ...],
    before: tuple[str, ...],
) -> PoolReferences:
    shape = _add_shape(template, node, pool)
    its = replace(node, pool=pool.name, labels=pool.labels, taints=[taint.model_dump() for taint in pool.taints])
    for group in groups:
        launch = add_launch_template(template, config, its, group.logical_id, shape.machine)
        template.add_resource(_group(config, shape, group, launch, before))
    return PoolReferences(pool_id(pool), tuple(Ref(group.logical_id) for group in groups))


def _add_shape(template: Template, node: Node, pool: Pool) -> _Shape:
    name, each = pool_id(pool), " in each zone" if pool.zones == "each" else ""
    minimum = add_parameter(
        template,
        f"{name}Min",
        group=POOLS,
        label=f"{pool.name}: fewest workers",
        description=f"Fewest workers of the pool {pool.name}{each}.",
        Type="Number",
        default=pool.min,
        MinValue=1 if pool.min else 0,
        ConstraintDescription="a pool that may be empty waits for no signals: write min: 0 in the configuration."
        if pool.min
        else "0 or more.",
    )
    maximum = add_parameter(
        template,
        f"{name}Max",
        group=POOLS,
        label=f"{pool.name}: most workers",
        description=f"Most workers of the pool {pool.name}{each}.",
        Type="Number",
        default=pool.max,
        MinValue=pool.max if pool.max == pool.min else 1,
    )
    machine = Machine(
        architecture=pool.architecture,
        instance_type=_instance_type(template, pool),
        volume=root_volume(pool.volume, node.volume_keys),
        tenancy=pool.tenancy,
    )
    return _Shape(pool, minimum, maximum, machine)


def _is_mixed(pool: Pool) -> bool:
    return pool.spot or len(pool.instance_types) > 1


def _instance_type(template: Template, pool: Pool) -> Ref | str:
    if _is_mixed(pool):
        return pool.instance_types[0]
    return add_parameter(
        template,
        f"{pool_id(pool)}InstanceType",
        group=POOLS,
        label=f"{pool.name}: instance type",
        description=f"EC2 instance type of the pool {pool.name}; of its image's architecture. Another one rolls it.",
        default=pool.instance_types[0],
        AllowedPattern=INSTANCE_TYPE_PATTERN,
        ConstraintDescription="an EC2 instance type such as m7i.large.",
    )


def _group(
    config: Config,
    shape: _Shape,
    group: PoolGroup,
    launch: autoscaling.LaunchTemplateSpecification,
    before: tuple[str, ...],
) -> autoscaling.AutoScalingGroup:
    pool = shape.pool
    waits = {"CreationPolicy": wait_for(shape.minimum, pool.signal_timeout)} if pool.min else {}
    # Never a desired capacity: that is the autoscaler's.
    return autoscaling.AutoScalingGroup(
        group.logical_id,
        MinSize=shape.minimum,
        MaxSize=shape.maximum,
        VPCZoneIdentifier=list(group.subnets),
        LifecycleHookSpecificationList=[terminating_hook(WORKERS_HOOK, result="CONTINUE", heartbeat=_HOOK_HEARTBEAT)],
        Tags=group_tags(config, "worker", group.logical_id, _autoscaler_tags(config, pool)),
        # A full group cannot add first: then it makes room for a batch.
        UpdatePolicy=roll(
            in_service=max(0, min(pool.min, pool.max - pool.batch)), batch=pool.batch, timeout=pool.signal_timeout
        ),
        DependsOn=list(before),
        Metadata=role(f"Workers of the pool {pool.name}."),
        **_instances(pool, launch),
        **waits,
        **health(),
    )


def _instances(pool: Pool, launch: autoscaling.LaunchTemplateSpecification) -> dict[str, object]:
    if not _is_mixed(pool):
        return {"LaunchTemplate": launch}
    overrides = [autoscaling.LaunchTemplateOverrides(InstanceType=kind) for kind in pool.instance_types]
    spot = {"SpotAllocationStrategy": "price-capacity-optimized"} if pool.spot else {}
    return {
        "MixedInstancesPolicy": autoscaling.MixedInstancesPolicy(
            LaunchTemplate=autoscaling.LaunchTemplate(LaunchTemplateSpecification=launch, Overrides=overrides),
            InstancesDistribution=autoscaling.InstancesDistribution(
                OnDemandAllocationStrategy="prioritized",
                OnDemandBaseCapacity=pool.on_demand_base,
                OnDemandPercentageAboveBaseCapacity=0 if pool.spot else 100,
                **spot,
            ),
        )
    }


def _autoscaler_tags(config: Config, pool: Pool) -> dict[str, str]:
    """Return what the cluster autoscaler reads off a group, so that it can start one from nothing.

    Source: kubernetes/autoscaler, cluster-autoscaler/cloudprovider/aws/README.md, "Auto-Discovery Setup".
    """
    template = "k8s.io/cluster-autoscaler/node-template"
    return (
        {"k8s.io/cluster-autoscaler/enabled": "true", f"k8s.io/cluster-autoscaler/{config.name}": "owned"}
        | {f"{template}/label/{key}": value for key, value in {POOL_LABEL: pool.name, **pool.labels}.items()}
        | {f"{template}/taint/{taint.key}": f"{taint.value}:{taint.effect}" for taint in pool.taints}
        | {f"{template}/resources/ephemeral-storage": f"{pool.volume.size}Gi"}
    )
