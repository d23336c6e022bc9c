"""The functions of a cluster: keep its names true, let controllers leave safely, watch its backups, let workers leave drained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from awacs import autoscaling as may_scale
from awacs import awslambda as may_lambda
from awacs import cloudformation as may_cfn
from awacs import kms as may_kms
from awacs import s3 as may_s3
from awacs.aws import Action, Allow, Statement
from troposphere import GetAtt, Ref, StackName, Sub, Template

from kubecfn.config import Config
from kubecfn.config.types import seconds
from kubecfn.etcd.keys import DAILY, SNAPSHOTS, STATE
from kubecfn.template.backup_rights import backup_rights, through_s3
from kubecfn.template.dns import Zone
from kubecfn.template.events import LAUNCHED, TERMINATED, TERMINATING, Trigger, add_trigger
from kubecfn.template.functions import Function, Inside, add_function
from kubecfn.template.logs import LogGroup
from kubecfn.template.names import CONTROLLERS_GROUP, CONTROLLERS_HOOK, WORKERS_HOOK
from kubecfn.template.network import Network
from kubecfn.template.node_role import publish_metrics, see_controllers, see_groups
from kubecfn.template.parameters import Inputs, add_sha256
from kubecfn.template.security_groups import API_PORT, SecurityGroups
from kubecfn.template.storage import Storage

_RECORD_TTL = 30
# A hook that is not safe to continue for so long is abandoned, and the instance retained: a peer that reboots, or comes
# back from a restored volume, is back by then.
_LEAVING_BUDGET = 900
_THIS_STACK = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/${AWS::StackName}/*"
_GROUPS = (
    "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}"
    ":autoScalingGroup:*:autoScalingGroupName/${AWS::StackName}"
)


_DISCOVERY = "EtcdDiscovery"
# Those that care for etcd.
FUNCTIONS = (_DISCOVERY, "ControllerLifecycle", "EtcdBackup")


@dataclass(frozen=True)
class ToEtcd:
    """How functions reach etcd.

    Attributes:
        inside: subnets and a security group from which members answer.
        rights: to read the certificate that members ask for.
        environment: where that, the group and the backups are.
    """

    inside: Inside
    rights: Sequence[Statement]
    environment: Mapping[str, object]


def add_way_to_etcd(
    template: Template, config: Config, inputs: Inputs, *, network: Network, security: SecurityGroups, storage: Storage
) -> ToEtcd:
    """Add the parameter that pins the functions' certificate, and return how they reach etcd."""
    add_sha256(template, "EtcdClientSha256", "the certificate by which functions reach etcd")
    key = f"{config.name}/functions/etcd-client-${{EtcdClientSha256}}.json"
    certificate = Sub(f"arn:${{AWS::Partition}}:s3:::${{ArtifactBucket}}/{key}")
    environment = {
        "GROUP": CONTROLLERS_GROUP,
        "CLUSTER": config.name,
        "BUCKET": storage.backup_bucket,
        "ARTIFACT_BUCKET": inputs.artifact_bucket,
        "ETCD_CLIENT_KEY": Sub(key),
        "BACKUP_EVERY": f"{seconds(config.backup.every)}",
    }
    return ToEtcd(
        Inside(network.private_subnets, security.functions, (*network.ready, *security.function_rules)),
        [Statement(Sid="ReadCertificate", Effect=Allow, Action=[may_s3.GetObject], Resource=[certificate])],
        environment,
    )


def add_discovery(template: Template, config: Config, inputs: Inputs, storage: Storage, zone: Zone) -> tuple[str, ...]:
    """Add the function that keeps the zone's etcd records equal to the controllers that exist."""
    function = Function(
        logical_id=_DISCOVERY,
        folder="etcd_discovery",
        purpose="Keeps the zone's etcd records equal to the controllers that exist.",
        rights=[see_controllers(), zone.edit_records],
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


def add_controller_lifecycle(
    template: Template, config: Config, inputs: Inputs, storage: Storage, to_etcd: ToEtcd
) -> tuple[str, ...]:
    """Add the function that answers the controllers' terminating hook once etcd can do without the one that leaves."""
    group = Sub(f"{_GROUPS}-controllers")
    more = [may_scale.RecordLifecycleActionHeartbeat, may_scale.TerminateInstanceInAutoScalingGroup]
    tell = Statement(
        Sid="TellDiscovery", Effect=Allow, Action=[may_lambda.InvokeFunction], Resource=[GetAtt(_DISCOVERY, "Arn")]
    )
    backups = backup_rights(
        storage,
        read=[STATE],
        write=[f"{STATE}{folder}/" for folder in ("leases", "leaving", "requests")],
        delete=[f"{STATE}{folder}/" for folder in ("words", "leaving")],
        also_decrypt=inputs.artifact_key_arn,
    )
    function = Function(
        logical_id="ControllerLifecycle",
        folder="controller_lifecycle",
        purpose="Lets a controller leave when etcd can do without it.",
        rights=[see_controllers(), *_answer_hooks(group, more), tell, *to_etcd.rights, *backups],
        environment={
            **to_etcd.environment,
            "HOOK": CONTROLLERS_HOOK,
            "STACK": StackName,
            "DISCOVERY": Ref(_DISCOVERY),
            "BUDGET": f"{_LEAVING_BUDGET}",
        },
        timeout=120,
        vpc=to_etcd.inside,
    )
    arn = add_function(template, config, inputs, storage, function)
    trigger = Trigger(
        (TERMINATING,),
        {"AutoScalingGroupName": [CONTROLLERS_GROUP], "LifecycleHookName": [CONTROLLERS_HOOK]},
        "rate(1 minute)",
    )
    return add_trigger(template, function.logical_id, arn, trigger)


def add_etcd_backup(
    template: Template, config: Config, inputs: Inputs, storage: Storage, to_etcd: ToEtcd
) -> tuple[str, ...]:
    """Add the function that reads backups back, keeps one a day, and tells how etcd is."""
    backups = backup_rights(
        storage, read=[STATE, SNAPSHOTS], write=[f"{STATE}leases/", DAILY], also_decrypt=inputs.artifact_key_arn
    )
    function = Function(
        logical_id="EtcdBackup",
        folder="etcd_backup",
        purpose="Reads etcd's backups back, keeps one a day, tells how etcd is.",
        rights=[see_controllers(), publish_metrics(), *to_etcd.rights, *backups],
        environment=to_etcd.environment,
        # Snapshots are read whole: a minute for some GB at the speed that so much memory brings.
        timeout=240,
        memory=512,
        vpc=to_etcd.inside,
    )
    arn = add_function(template, config, inputs, storage, function)
    return add_trigger(template, function.logical_id, arn, Trigger((), {}, "rate(5 minutes)"))


@dataclass(frozen=True)
class Draining:
    """The function that lets workers leave.

    Attributes:
        functions: their logical ids.
        triggers: logical ids after which its events arrive.
        role_arn: whom the cluster's API lets drain; None without pools.
    """

    functions: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    role_arn: GetAtt | None = None


def add_worker_lifecycle(
    template: Template,
    config: Config,
    inputs: Inputs,
    storage: Storage,
    *,
    network: Network,
    security: SecurityGroups,
    zone: Zone,
    log: LogGroup,
) -> Draining:
    """Add the function that drains workers and answers the pools' terminating hooks; nothing without pools."""
    if not config.pools or security.draining is None:
        return Draining()
    add_sha256(template, "KubernetesCaSha256", "the certificate by which a function knows the API server")
    key = f"{config.name}/functions/kubernetes-ca-${{KubernetesCaSha256}}.json"
    function = Function(
        logical_id="WorkerLifecycle",
        folder="worker_lifecycle",
        purpose="Lets a worker leave when its pods have moved.",
        # CloudFormation names a group after stack and logical id, and every pool's logical id begins with Pool.
        rights=[
            see_groups(),
            *_answer_hooks(Sub(f"{_GROUPS}-Pool*"), [may_scale.RecordLifecycleActionHeartbeat]),
            *_read_artifact("ReadAuthority", key, inputs),
            Statement(Sid="TellWhy", Effect=Allow, Action=log.write.Action, Resource=log.write.Resource),
        ],
        environment={
            "CLUSTER": config.name,
            "HOOK": WORKERS_HOOK,
            "STACK": StackName,
            "DOMAIN": zone.domain,
            "API": Sub(f"https://api.${{Domain}}:{API_PORT}"),
            "ARTIFACT_BUCKET": inputs.artifact_bucket,
            "KUBERNETES_CA_KEY": Sub(key),
            "NODE_LOG": log.name,
            "BUDGET": f"{_LEAVING_BUDGET}",
        },
        # A spot instance's two minutes, and a little for what is said about them.
        timeout=150,
        vpc=Inside(network.private_subnets, security.draining, (*network.ready, *security.draining_rules)),
    )
    arn = add_function(template, config, inputs, storage, function)
    spot = any(pool.spot for pool in config.pools)
    trigger = Trigger((TERMINATING,), {"LifecycleHookName": [WORKERS_HOOK]}, "rate(1 minute)", spot)
    arrives = add_trigger(template, function.logical_id, arn, trigger)
    return Draining((function.logical_id,), arrives, GetAtt("WorkerLifecycleRole", "Arn"))


def _read_artifact(sid: str, key: str, inputs: Inputs) -> list[Statement]:
    """Return the right to read one artifact, whose key is a Sub text."""
    where = Sub(f"arn:${{AWS::Partition}}:s3:::${{ArtifactBucket}}/{key}")
    return [
        Statement(Sid=sid, Effect=Allow, Action=[may_s3.GetObject], Resource=[where]),
        through_s3("DecryptThroughS3", may_kms.Decrypt, [inputs.artifact_key_arn]),
    ]


def _answer_hooks(groups: Ref | Sub, more: Sequence[Action] = ()) -> list[Statement]:
    answer = [may_scale.CompleteLifecycleAction, *more]
    return [
        Statement(Sid="AnswerHooks", Effect=Allow, Action=answer, Resource=[groups]),
        Statement(Sid="SeeStack", Effect=Allow, Action=[may_cfn.DescribeStacks], Resource=[Sub(_THIS_STACK)]),
    ]
