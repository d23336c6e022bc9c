"""What a node may do in AWS: read its own role's bundle, write its log, tell CloudFormation how it went."""

from __future__ import annotations

from awacs import cloudformation as may_cfn
from awacs import kms as may_kms
from awacs import s3 as may_s3
from awacs.aws import Allow, Condition, PolicyDocument, Principal, Statement, StringEquals
from awacs.sts import AssumeRole
from troposphere import GetAtt, Ref, Sub, Template, iam

from kubecfn.config import Config
from kubecfn.template.logs import LogGroup
from kubecfn.template.parameters import Inputs
from kubecfn.template.tags import role

# China's EC2 has its own suffix; functions' and events' services have the same name in every partition (functions.py).
EC2_SERVICE = Sub("ec2.${AWS::URLSuffix}")


def add_node_role(template: Template, config: Config, inputs: Inputs, log: LogGroup, role_name: str) -> GetAtt:
    """Add role and profile of a kind of node, and return the profile's ARN.

    Args:
        template: the stack.
        config: the cluster.
        inputs: where the bundles are.
        log: the nodes' log group.
        role_name: ``controller`` or ``worker``, which is also the bundle it may read.
    """
    prefix = role_name.capitalize()
    rights = [_read_bundle(config, role_name), _decrypt_bundle(inputs), _signal(), log.write]
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
    return GetAtt(profile, "Arn")


def assumed_by(service: str | Sub) -> PolicyDocument:
    """Return the trust policy for a service principal."""
    trust = Statement(Effect=Allow, Action=[AssumeRole], Principal=Principal("Service", service))
    return PolicyDocument(Version="2012-10-17", Statement=[trust])


def _read_bundle(config: Config, role_name: str) -> Statement:
    own = Sub(f"arn:${{AWS::Partition}}:s3:::${{ArtifactBucket}}/{config.name}/{role_name}/*")
    return Statement(Sid="ReadOwnBundle", Effect=Allow, Action=[may_s3.GetObject], Resource=[own])


def _decrypt_bundle(inputs: Inputs) -> Statement:
    through_s3 = StringEquals({"kms:ViaService": Sub("s3.${AWS::Region}.${AWS::URLSuffix}")})
    return Statement(
        Sid="DecryptThroughS3",
        Effect=Allow,
        Action=[may_kms.Decrypt],
        Resource=[inputs.artifact_key_arn],
        Condition=Condition(through_s3),
    )


def _signal() -> Statement:
    this_stack = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/${AWS::StackName}/*"
    return Statement(Sid="Signal", Effect=Allow, Action=[may_cfn.SignalResource], Resource=[Sub(this_stack)])
