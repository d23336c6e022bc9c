"""What a node may do in AWS, and for a controller what its etcd member may: see the group, keep state and snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from awacs import autoscaling as may_scale
from awacs import cloudformation as may_cfn
from awacs import cloudwatch as may_watch
from awacs import ec2 as may_ec2
from awacs import ecr as may_ecr
from awacs import kms as may_kms
from awacs import s3 as may_s3
from awacs.aws import Allow, Condition, PolicyDocument, Principal, Statement, StringEquals
from awacs.sts import AssumeRole
from troposphere import GetAtt, Ref, Sub, Template, iam

from kubecfn.config import Config
from kubecfn.etcd.keys import SNAPSHOTS, STATE
from kubecfn.template.addon_rights import addon_rights, pod_network_rights
from kubecfn.template.alarms import NAMESPACE
from kubecfn.template.backup_rights import backup_rights, through_s3
from kubecfn.template.logs import LogGroup
from kubecfn.template.parameters import Inputs
from kubecfn.template.storage import Storage
from kubecfn.template.tags import role

# China's EC2 has its own suffix; functions' and events' services have the same name in every partition (functions.py).
EC2_SERVICE = Sub("ec2.${AWS::URLSuffix}")


@dataclass(frozen=True)
class NodeRole:
    """What a kind of node is in IAM.

    Attributes:
        arn: of the role, which has no path.
        profile: ARN of the instance profile that hands it out.
    """

    arn: GetAtt
    profile: GetAtt


def add_worker_role(template: Template, config: Config, inputs: Inputs, log: LogGroup) -> NodeRole | None:
    """Add the workers' role and profile; nothing without pools."""
    if not config.pools:
        return None
    decrypt = through_s3("DecryptThroughS3", may_kms.Decrypt, [inputs.artifact_key_arn])
    rights = [decrypt, log.write, *pull_images(), *pod_network_rights(config)]
    return _add_role(template, config, "worker", rights)


def add_controller_role(
    template: Template, config: Config, inputs: Inputs, log: LogGroup, storage: Storage
) -> NodeRole:
    """Add the controllers' role and profile."""
    kept = (STATE, SNAPSHOTS)
    backups = backup_rights(storage, read=kept, write=kept, also_decrypt=inputs.artifact_key_arn)
    of_addons = (*pull_images(), *pod_network_rights(config), *addon_rights(config))
    own = [see_controllers(), publish_metrics(), *backups, log.write, *of_addons]
    return _add_role(template, config, "controller", own)


def see_groups() -> Statement:
    """Return the right to see who is in a group, which has no resource-level permissions.

    Source: Service Authorization Reference, "Amazon EC2 Auto Scaling".
    """
    return Statement(Sid="SeeGroups", Effect=Allow, Action=[may_scale.DescribeAutoScalingGroups], Resource=["*"])


def see_controllers() -> Statement:
    """Return the right to see who is in a group and where; neither call has resource-level permissions.

    Source: Service Authorization Reference, "Amazon EC2 Auto Scaling" and "Amazon EC2".
    """
    calls = [may_scale.DescribeAutoScalingGroups, may_ec2.DescribeInstances]
    return Statement(Sid="SeeControllers", Effect=Allow, Action=calls, Resource=["*"])


def pull_images() -> list[Statement]:
    """Return the right to pull from the account's own ECR repositories, which kubelets do with their instance's role.

    Source: Amazon ECR User Guide, "Using Amazon ECR Images with Amazon EKS": what a node's role needs.
    """
    own = Sub("arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/*")
    read = [may_ecr.BatchCheckLayerAvailability, may_ecr.BatchGetImage, may_ecr.GetDownloadUrlForLayer]
    return [
        Statement(Sid="EnterRegistry", Effect=Allow, Action=[may_ecr.GetAuthorizationToken], Resource=["*"]),
        Statement(Sid="PullImages", Effect=Allow, Action=read, Resource=[own]),
    ]


def publish_metrics() -> Statement:
    """Return the right to publish metrics of ours: PutMetricData knows no resource but its namespace.

    Source: Service Authorization Reference, "Amazon CloudWatch".
    """
    return Statement(
        Sid="PublishMetrics",
        Effect=Allow,
        Action=[may_watch.PutMetricData],
        Resource=["*"],
        Condition=Condition(StringEquals({"cloudwatch:namespace": NAMESPACE})),
    )


def _add_role(template: Template, config: Config, role_name: str, more: Sequence[Statement]) -> NodeRole:
    """Add role and profile of a kind of node; its name is also that of the bundle it may read."""
    prefix = role_name.capitalize()
    rights = [_read_bundle(config, role_name), _signal(), *more]
    policy = iam.Policy(PolicyName=role_name, PolicyDocument=PolicyDocument(Version="2012-10-17", Statement=rights))
    node = template.add_resource(
        iam.Role(
            f"{prefix}Role",
            Description=f"What a {role_name} of {config.name} may do",
            AssumeRolePolicyDocument=assumed_by(EC2_SERVICE),
            Policies=[policy],
        )
    )
    profile = template.add_resource(
        iam.InstanceProfile(f"{prefix}Profile", Roles=[Ref(node)], Metadata=role(f"Hands {prefix}Role to instances."))
    )
    return NodeRole(GetAtt(node, "Arn"), GetAtt(profile, "Arn"))


def assumed_by(service: str | Sub) -> PolicyDocument:
    """Return the trust policy for a service principal."""
    trust = Statement(Effect=Allow, Action=[AssumeRole], Principal=Principal("Service", service))
    return PolicyDocument(Version="2012-10-17", Statement=[trust])


def _read_bundle(config: Config, role_name: str) -> Statement:
    own = Sub(f"arn:${{AWS::Partition}}:s3:::${{ArtifactBucket}}/{config.name}/{role_name}/*")
    return Statement(Sid="ReadOwnBundle", Effect=Allow, Action=[may_s3.GetObject], Resource=[own])


def _signal() -> Statement:
    this_stack = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/${AWS::StackName}/*"
    return Statement(Sid="Signal", Effect=Allow, Action=[may_cfn.SignalResource], Resource=[Sub(this_stack)])
