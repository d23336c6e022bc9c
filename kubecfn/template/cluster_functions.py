"""The three functions of a cluster: keep its names true, let controllers leave safely, let workers leave drained."""

from __future__ import annotations

from awacs import autoscaling as may_scale
from awacs import cloudformation as may_cfn
from awacs import ec2 as may_ec2
from awacs.aws import Allow, Statement
from troposphere import Ref, StackName, Sub, Template

from kubecfn.config import Config
from kubecfn.template.dns import Zone
from kubecfn.template.events import LAUNCHED, TERMINATED, TERMINATING, Trigger, add_trigger
from kubecfn.template.functions import Function, add_function
from kubecfn.template.names import CONTROLLERS_GROUP, CONTROLLERS_HOOK, WORKERS_HOOK
from kubecfn.template.parameters import Inputs
from kubecfn.template.storage import Storage

_RECORD_TTL = 30
_THIS_STACK = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/${AWS::StackName}/*"
_GROUPS = (
    "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}"
    ":autoScalingGroup:*:autoScalingGroupName/${AWS::StackName}"
)


def add_discovery(template: Template, config: Config, inputs: Inputs, storage: Storage, zone: Zone) -> tuple[str, ...]:
    """Add the function that keeps the zone's etcd records equal to the controllers that exist."""
    look = Statement(
        Sid="SeeControllers",
        Effect=Allow,
        Action=[may_scale.DescribeAutoScalingGroups, may_ec2.DescribeInstances],
        Resource=["*"],  # neither has resource-level permissions (Service Authorization Reference)
    )
    function = Function(
        logical_id="EtcdDiscovery",
        folder="etcd_discovery",
        purpose="Keeps the zone's etcd records equal to the controllers that exist.",
        rights=[look, zone.edit_records],
        environment={
            "GROUP": CONTROLLERS_GROUP,
            "ZONE_ID": zone.id,
            "DOMAIN": zone.domain,
            "TTL": f"{_RECORD_TTL}",
        },
    )
    arn = add_function(template, config, inputs, storage, function)
    trigger = Trigger(
        (LAUNCHED, TERMINATED, TERMINATING), {"AutoScalingGroupName": [CONTROLLERS_GROUP]}, "rate(5 minutes)"
    )
    return add_trigger(template, function.logical_id, arn, trigger)


def add_controller_lifecycle(template: Template, config: Config, inputs: Inputs, storage: Storage) -> tuple[str, ...]:
    """Add the function that answers the controllers' terminating hook."""
    function = Function(
        logical_id="ControllerLifecycle",
        folder="controller_lifecycle",
        purpose="Lets a controller leave when etcd can do without it.",
        rights=_answer_hooks(Sub(f"{_GROUPS}-controllers")),
        environment={"GROUP": CONTROLLERS_GROUP, "HOOK": CONTROLLERS_HOOK, "STACK": StackName},
    )
    arn = add_function(template, config, inputs, storage, function)
    trigger = Trigger(
        (TERMINATING,),
        {"AutoScalingGroupName": [CONTROLLERS_GROUP], "LifecycleHookName": [CONTROLLERS_HOOK]},
        "rate(1 minute)",
    )
    return add_trigger(template, function.logical_id, arn, trigger)


def add_worker_lifecycle(template: Template, config: Config, inputs: Inputs, storage: Storage) -> tuple[str, ...]:
    """Add the function that answers the pools' terminating hooks; nothing without pools."""
    if not config.pools:
        return ()
    function = Function(
        logical_id="WorkerLifecycle",
        folder="worker_lifecycle",
        purpose="Lets a worker leave when its pods have moved.",
        # CloudFormation names a group after stack and logical id, and every pool's logical id begins with Pool.
        rights=_answer_hooks(Sub(f"{_GROUPS}-Pool*")),
        environment={"CLUSTER": config.name, "HOOK": WORKERS_HOOK, "STACK": StackName},
    )
    arn = add_function(template, config, inputs, storage, function)
    trigger = Trigger((TERMINATING,), {"LifecycleHookName": [WORKERS_HOOK]}, "rate(1 minute)")
    return add_trigger(template, function.logical_id, arn, trigger)


def _answer_hooks(groups: Ref | Sub) -> list[Statement]:
    return [
        Statement(
            Sid="SeeGroups", Effect=Allow, Action=[may_scale.DescribeAutoScalingGroups], Resource=["*"]
        ),  # no resource-level permission
        Statement(Sid="AnswerHooks", Effect=Allow, Action=[may_scale.CompleteLifecycleAction], Resource=[groups]),
        Statement(Sid="SeeStack", Effect=Allow, Action=[may_cfn.DescribeStacks], Resource=[Sub(_THIS_STACK)]),
    ]
