"""The controllers: one group of identical instances that rolls one by one, adding before it removes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from troposphere import GetAtt, Ref, Template, autoscaling

from kubecfn.config import Config
from kubecfn.etcd.places import SIZE_TAG
from kubecfn.template.groups import group_tags, health, roll, terminating_hook, wait_for
from kubecfn.template.launch_template import Machine, Node, add_launch_template, root_volume
from kubecfn.template.load_balancer import Api
from kubecfn.template.logs import LogGroup
from kubecfn.template.names import CONTROLLERS_GROUP, CONTROLLERS_HOOK
from kubecfn.template.network import Network
from kubecfn.template.node_role import add_controller_role
from kubecfn.template.parameters import CONTROLLERS, INSTANCE_TYPE_PATTERN, Inputs, add_parameter, add_sha256
from kubecfn.template.security_groups import SecurityGroups
from kubecfn.template.storage import Storage
from kubecfn.template.tags import BACKUP_BUCKET_TAG, role

GROUP = "Controllers"
# Longer than a heartbeat of the function that answers (rate(1 minute)) by so much that ten lost answers do no harm.
_HOOK_HEARTBEAT = 600


@dataclass(frozen=True)
class Controllers:
    """The controllers' group.

    Attributes:
        group: its name.
        ready: logical ids after which workers can join.
    """

    group: Ref
    ready: tuple[str, ...]


def add_controllers(
    template: Template,
    config: Config,
    *,
    inputs: Inputs,
    network: Network,
    security: SecurityGroups,
    api: Api,
    log: LogGroup,
    storage: Storage,
    volume_keys: Mapping[str, Ref],
    roles: Mapping[str, GetAtt],
    triggers: tuple[str, ...],
) -> Controllers:
    """Add role, launch template and group.

    Args:
        template: the stack.
        config: the cluster.
        inputs: versions, images, artifacts.
        network: where they run.
        security: their security group and its rules.
        api: where they register.
        log: the nodes' log group.
        storage: where their etcd keeps state and snapshots.
        volume_keys: parameters of customer-managed keys by the key's ARN.
        roles: ARNs of the roles that the API knows, by the tag in which a controller looks for them.
        triggers: logical ids of what their hook and their records need to be answered.
    """
    add_sha256(template, "ControllerBundleSha256", "the controllers' bundle")
    own = add_controller_role(template, config, inputs, log, storage)
    tags = {BACKUP_BUCKET_TAG: storage.backup_bucket, **roles}
    node = Node("controller", own.profile, security.controllers, log, inputs, volume_keys, tags)
    machine = _machine(template, config, volume_keys)
    launch = add_launch_template(template, config, node, GROUP, machine)
    before = (*network.ready, *security.controller_rules, *api.ready, *triggers)
    template.add_resource(_group(config, network, api, launch, before))
    return Controllers(group=Ref(GROUP), ready=(GROUP,))


def _machine(template: Template, config: Config, volume_keys: Mapping[str, Ref]) -> Machine:
    instance_type = add_parameter(
        template,
        "ControllerInstanceType",
        group=CONTROLLERS,
        label="Controller instance type",
        description="EC2 instance type of the controllers; of the image's architecture. Another one rolls them.",
        default=config.controllers.instance_type,
        AllowedPattern=INSTANCE_TYPE_PATTERN,
        ConstraintDescription="an EC2 instance type such as m7i.large.",
    )
    size = add_parameter(
        template,
        "ControllerVolumeSize",
        group=CONTROLLERS,
        label="Controller volume (GiB)",
        description="Size of the controllers' root volume, etcd's data included. Another one rolls them.",
        Type="Number",
        default=config.controllers.volume.size,
        MinValue=20,
        MaxValue=16384,
    )
    return Machine(
        architecture=config.controllers.architecture,
        instance_type=instance_type,
        volume=root_volume(config.controllers.volume, volume_keys, size),
        tenancy=config.controllers.tenancy,
    )


def _group(
    config: Config,
    network: Network,
    api: Api,
    launch: autoscaling.LaunchTemplateSpecification,
    before: tuple[str, ...],
) -> autoscaling.AutoScalingGroup:
    count, timeout = config.controllers.count, config.controllers.signal_timeout
    return autoscaling.AutoScalingGroup(
        GROUP,
        AutoScalingGroupName=CONTROLLERS_GROUP,
        # One more than wanted, so that a roll adds a member before it removes one.
        MinSize=str(count),
        DesiredCapacity=str(count),
        MaxSize=str(count + 1),
        VPCZoneIdentifier=list(network.private_subnets),
        LaunchTemplate=launch,
        TargetGroupARNs=[api.target_group],
        # Silence and "no" both keep the instance: a member that was not removed must not vanish.
        LifecycleHookSpecificationList=[
            terminating_hook(CONTROLLERS_HOOK, result="ABANDON", heartbeat=_HOOK_HEARTBEAT)
        ],
        InstanceLifecyclePolicy=autoscaling.InstanceLifecyclePolicy(
            RetentionTriggers=autoscaling.RetentionTriggers(TerminateHookAbandon="retain")
        ),
        Tags=group_tags(config, "controller", "controllers", {SIZE_TAG: str(count)}),
        CreationPolicy=wait_for(count, timeout),
        UpdatePolicy=roll(in_service=count, batch=1, timeout=timeout),
        DependsOn=list(before),
        Metadata=role("The control plane: etcd and the Kubernetes API."),
        **health(),
    )
